package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/oklog/ulid/v2"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/store"
)

// world is what a store should hold: the model that stores are compared with. It makes up what happens next by
// asking choose, a number from 0 to below n.
type world struct {
	choose   func(n int) int
	at       record.Time
	position uint64
	made     int
	futures  map[string]*record.Future
	events   map[string]*record.Event
	keys     map[string]*record.Key
	bodies   map[string]string // of futures, by id
}

func newWorld(choose func(n int) int) *world {
	return &world{
		choose: choose, at: 1_790_000_000_000,
		futures: map[string]*record.Future{}, events: map[string]*record.Event{}, keys: map[string]*record.Key{},
		bodies: map[string]string{},
	}
}

// copy is the world as it is now, to be compared with later.
func (w *world) copy() *world {
	c := *w
	c.futures, c.events, c.keys = maps.Clone(w.futures), maps.Clone(w.events), maps.Clone(w.keys)
	c.bodies = maps.Clone(w.bodies)
	return &c
}

// turn lets something happen, and returns it as a batch. The error is that of keep, which stores a body.
func (w *world) turn(changes int, keep func(text string) (record.Body, error)) (*record.Batch, error) {
	w.at += record.Time(w.choose(50))
	w.position++
	b := &record.Batch{Position: w.position, At: w.at}
	w.expire()
	touched := map[string]bool{}
	for range changes {
		switch w.choose(8) {
		case 0, 1, 2:
			f := w.create()
			touched[f.ID] = true
			b.Futures = append(b.Futures, record.FutureChange{Is: f})
		case 3, 4, 5:
			if err := w.goOn(b, touched, keep); err != nil {
				return nil, err
			}
		case 6:
			w.event(b)
		case 7:
			w.dropOrUse(b, touched)
		}
	}
	return b, nil
}

func (w *world) expire() {
	for id, f := range w.futures {
		if f.ExpiresAt != 0 && f.ExpiresAt <= w.at {
			delete(w.futures, id)
			delete(w.bodies, id)
		}
	}
	for name, k := range w.keys {
		if k.ExpiresAt <= w.at {
			delete(w.keys, name)
		}
	}
}

func (w *world) create() *record.Future {
	w.made++
	f := &record.Future{
		Kind: record.KindPromise, State: record.StatePending, Version: 1, CreatedAt: w.at, TTL: 100,
		Terms: &record.Terms{Labels: []record.Label{{Key: "color", Value: []string{"red", "blue"}[w.choose(2)]}}},
	}
	f.ID = fmt.Sprintf("job/%d", w.made)
	if w.choose(2) == 0 {
		var u ulid.ULID
		_ = u.SetTime(uint64(w.at)) // it fits
		u[14], u[15] = byte(w.made>>8), byte(w.made)
		f.ID, f.Kind = "fut_"+u.String(), record.KindFetch
		f.Request = (&record.Request{Method: "GET", URL: "http://a.example/" + f.ID}).Pack()
	}
	w.futures[f.ID] = f
	return f
}

// some is one of the futures that has not been touched in this turn and that want wants; nil when there is none.
func (w *world) some(touched map[string]bool, want func(*record.Future) bool) *record.Future {
	var all []string
	for id, f := range w.futures {
		if !touched[id] && want(f) {
			all = append(all, id)
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	id := all[w.choose(len(all))]
	touched[id] = true
	return w.futures[id]
}

func open(f *record.Future) bool    { return !f.State.Settled() }
func settled(f *record.Future) bool { return f.State.Settled() }

// goOn starts a future, has it wait for another start, or ends it.
func (w *world) goOn(b *record.Batch, touched map[string]bool, keep func(string) (record.Body, error)) error {
	was := w.some(touched, open)
	if was == nil {
		return nil
	}
	is := *was
	is.Version++
	switch w.choose(4) {
	case 0:
		is.State, is.StartedAt = record.StateRunning, w.at
		if was.State == record.StateRunning {
			is.State = record.StatePending
		}
	case 1:
		is.State, is.SettledAt, is.ExpiresAt = record.StateFailed, w.at, w.at+100+record.Time(w.choose(400))
		is.Failure = &record.Failure{Type: record.FailDNS, Message: "no such host"}
	default:
		is.State, is.SettledAt, is.ExpiresAt = record.StateSucceeded, w.at, w.at+100+record.Time(w.choose(400))
		text := strings.Repeat(is.ID+" ", 1+w.choose(40))
		switch w.choose(12) {
		case 0: // too long to be inline
			text = strings.Repeat(text, (70_000+w.choose(100_000))/len(text))
		case 1:
			text = strings.Repeat(text, (20_000+w.choose(40_000))/len(text))
		}
		body, err := keep(text)
		if err != nil {
			return err
		}
		is.Result = &record.Result{Status: 200, Body: body}
		w.bodies[is.ID] = text
	}
	w.futures[is.ID] = &is
	b.Futures = append(b.Futures, record.FutureChange{Was: was, Is: &is})
	return nil
}

func (w *world) event(b *record.Batch) {
	name := fmt.Sprintf("event/%d", w.choose(5))
	for _, e := range b.Events {
		if e.Name == name {
			return // a fact appears once in a batch
		}
	}
	if w.choose(4) == 0 {
		delete(w.events, name)
		b.Events = append(b.Events, record.EventFact{Name: name})
		return
	}
	e := &record.Event{Name: name, Set: true, Generation: w.position, Payload: &record.Payload{Data: []byte(name)}}
	w.events[name] = e
	b.Events = append(b.Events, record.EventFact{Name: name, Is: e})
}

func (w *world) dropOrUse(b *record.Batch, touched map[string]bool) {
	if w.choose(2) == 0 {
		if f := w.some(touched, settled); f != nil {
			delete(w.futures, f.ID)
			delete(w.bodies, f.ID)
			b.Dropped = append(b.Dropped, f.ID)
		}
		return
	}
	w.made++
	k := &record.Key{
		Name: fmt.Sprintf("key/%d", w.made), Fingerprint: []byte{1}, ExpiresAt: w.at + 1 + record.Time(w.choose(200)),
	}
	w.keys[k.Name] = k
	b.Keys = append(b.Keys, k)
}

// differ is cmp.Diff for what hardly ever differs.
func differ(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}

// differs says in what a store differs from the world; empty when in nothing. An error is of reading.
func (w *world) differs(s *store.Store) (string, error) {
	for _, look := range []func(*store.Store) (string, error){w.inPosition, w.inFutures, w.inLists, w.inRest, w.inBodies} {
		if diff, err := look(s); diff != "" || err != nil {
			return diff, err
		}
	}
	return "", nil
}

func (w *world) inPosition(s *store.Store) (string, error) {
	position, err := s.Position()
	if err != nil || position != w.position {
		return fmt.Sprintf("position = %d, want %d", position, w.position), err
	}
	var counts [5][6]int64
	for _, f := range w.futures {
		counts[f.Kind][f.State]++
	}
	for kind := record.KindFetch; kind <= record.KindWait; kind++ {
		for state := record.StatePending; state <= record.StateCancelled; state++ {
			if got, want := s.Count(kind, state), counts[kind][state]; got != want {
				return fmt.Sprintf("%d of kind %d in state %d, want %d", got, kind, state, want), nil
			}
		}
	}
	return "", nil
}

func (w *world) inFutures(s *store.Store) (string, error) {
	for id, want := range w.futures {
		got, err := s.Future(id)
		if err != nil {
			return "", err
		}
		if diff := differ(want, got); diff != "" {
			return id + ":\n" + diff, nil
		}
	}
	return "", nil
}

// inLists looks at lists: they hold what the world holds and nothing else.
func (w *world) inLists(s *store.Store) (string, error) {
	for _, q := range []record.FutureQuery{
		{},
		{State: record.StatePending},
		{State: record.StateRunning},
		{State: record.StateFailed},
		{State: record.StateSucceeded},
		{Label: &record.Label{Key: "color", Value: "red"}},
	} {
		want := map[string]*record.Future{}
		for id, f := range w.futures {
			if (q.State == 0 || f.State == q.State) && (q.Label == nil || f.Labels()[0] == *q.Label) {
				want[id] = f
			}
		}
		got := map[string]*record.Future{}
		for q.Limit = 7; ; {
			page, next, err := s.Futures(q)
			if err != nil {
				return "", err
			}
			for _, f := range page {
				if got[f.ID] != nil {
					return fmt.Sprintf("list of %+v: %s is there twice", q, f.ID), nil
				}
				got[f.ID] = f
			}
			if q.After = next; next == "" {
				break
			}
		}
		if diff := differ(want, got); diff != "" {
			return fmt.Sprintf("list of %+v:\n%s", q, diff), nil
		}
	}
	return "", nil
}

// inRest looks at what a restart reads, and at keys.
func (w *world) inRest(s *store.Store) (string, error) {
	gotOpen, gotEvents := map[string]*record.Future{}, map[string]*record.Event{}
	loaded := 0
	err := s.Load(
		func(f *record.Future) error { gotOpen[f.ID] = f; loaded++; return nil },
		func(e *record.Event) error { gotEvents[e.Name] = e; return nil }, nil,
	)
	if err != nil {
		return "", err
	}
	wantOpen := maps.Clone(w.futures)
	maps.DeleteFunc(wantOpen, func(_ string, f *record.Future) bool { return f.State.Settled() })
	if diff := differ(wantOpen, gotOpen); diff != "" || loaded != len(gotOpen) {
		return fmt.Sprintf("loaded %d:\n%s", loaded, diff), nil
	}
	if diff := differ(w.events, gotEvents); diff != "" {
		return "events:\n" + diff, nil
	}
	for name, want := range w.keys {
		got, err := s.Key(name)
		if err != nil {
			return "", err
		}
		if diff := differ(want, got); diff != "" {
			return "keys:\n" + diff, nil
		}
	}
	return "", nil
}

func (w *world) inBodies(s *store.Store) (string, error) {
	for id, want := range w.bodies {
		r, err := s.OpenBody(w.futures[id].Result.Body)
		if err != nil {
			return "", err
		}
		got, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return "", err
		}
		if !bytes.Equal(got, []byte(want)) {
			return fmt.Sprintf("body of %s: %d bytes, want %d", id, len(got), len(want)), nil
		}
	}
	return "", nil
}

// keepIn stores bodies in s.
func keepIn(s *store.Store) func(text string) (record.Body, error) {
	return func(text string) (record.Body, error) {
		w, err := s.NewBody()
		if err != nil {
			return record.Body{}, err
		}
		if _, err := io.WriteString(w, text); err != nil {
			w.Discard()
			return record.Body{}, err
		}
		return w.Commit()
	}
}

// commit commits b and waits.
func commit(s *store.Store, b *record.Batch) error {
	done := make(chan error, 1)
	s.Commit(b, func(err error) { done <- err })
	return <-done
}
