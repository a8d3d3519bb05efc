package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/store"
)

// change commits that was becomes is.
func change(t *testing.T, s *store.Store, was, is *record.Future) {
	t.Helper()
	commit(t, s, &record.Batch{At: start, Futures: []record.FutureChange{{Was: was, Is: is}}})
}

// However many futures wait, the few that run are found at once.
func listedForItself(t *testing.T, s *store.Store) {
	all := []*record.Future{future(0, record.StateRunning)}
	for n := range store.ScanMax + 1 {
		all = append(all, future(1+n, record.StatePending))
	}
	commit(t, s, create(all...))
	if got := list(t, s, record.FutureQuery{State: record.StateRunning}); got != "0000" {
		t.Errorf("list = %q", got)
	}
}

func mergedByTime(t *testing.T, s *store.Store) {
	states := []record.State{
		record.StatePending, record.StateSucceeded, record.StateFailed, record.StateRunning, record.StateCancelled,
	}
	var all []*record.Future
	var want []string
	for n := range 40 {
		all = append(all, future(n, states[n*7%5]))
		want = append([]string{fmt.Sprintf("%04d", n)}, want...)
	}
	rand.New(rand.NewSource(1)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	commit(t, s, create(all...))
	if got := list(t, s, record.FutureQuery{}); got != strings.Join(want, " ") {
		t.Errorf("list = %q", got)
	}
}

// open demands which futures are listed as pending, which as running, and which a restart reads.
func open(t *testing.T, s *store.Store, pending, running, loaded string) {
	t.Helper()
	if got := list(t, s, record.FutureQuery{State: record.StatePending}); got != pending {
		t.Errorf("pending: %q, want %q", got, pending)
	}
	if got := list(t, s, record.FutureQuery{State: record.StateRunning}); got != running {
		t.Errorf("running: %q, want %q", got, running)
	}
	var all []*record.Future
	visit := func(f *record.Future) error { all = append(all, f); return nil }
	if err := s.Load(visit, func(*record.Event) error { return nil }, nil); err != nil || ids(all) != loaded {
		t.Errorf("loaded: %q, %v, want %q", ids(all), err, loaded)
	}
}

func retryMovesThereAndBack(t *testing.T, s *store.Store) {
	pending, running := future(2, record.StatePending), future(2, record.StateRunning)
	commit(t, s, create(future(1, record.StateRunning), pending, future(3, record.StatePending)))
	open(t, s, "0003 0002", "0001", "0001 0002 0003")
	change(t, s, pending, running)
	open(t, s, "0003", "0002 0001", "0001 0002 0003")
	change(t, s, running, pending)
	open(t, s, "0003 0002", "0001", "0001 0002 0003")
	change(t, s, pending, running)
	again := future(2, record.StateRunning)
	again.Version = 7
	change(t, s, running, again)
	open(t, s, "0003", "0002 0001", "0001 0002 0003")
	got, err := s.Future(again.ID)
	if diff := cmp.Diff(again, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	settled := future(2, record.StateFailed)
	change(t, s, again, settled)
	open(t, s, "0003", "0001", "0001 0003")
	if got := list(t, s, record.FutureQuery{}); got != "0003 0002 0001" {
		t.Errorf("all: %q", got)
	}
}

func runningForgotten(t *testing.T, s *store.Store) {
	one, two := future(1, record.StateRunning), future(2, record.StateRunning)
	commit(t, s, create(one, two, future(3, record.StatePending)))
	change(t, s, one, nil)
	open(t, s, "0003", "0002", "0002 0003")
	commit(t, s, &record.Batch{At: start, Dropped: []string{two.ID}})
	open(t, s, "0003", "", "0003")
	for _, f := range []*record.Future{one, two} {
		if got, err := s.Future(f.ID); got != nil || err != nil {
			t.Errorf("still there: %v, %v", got, err)
		}
	}
	if n := s.Count(record.KindFetch, record.StateRunning); n != 0 {
		t.Errorf("count = %d", n)
	}
}

func forgottenByChange(t *testing.T, s *store.Store) {
	for n := range 2 {
		f := future(n, record.StatePending)
		commit(t, s, create(f))
		change(t, s, f, nil)
		if got, err := s.Future(f.ID); got != nil || err != nil {
			t.Errorf("still there: %v, %v", got, err)
		}
		for _, q := range []record.FutureQuery{{}, {State: record.StatePending}, {Label: &f.Labels()[0]}} {
			if got := list(t, s, q); got != "" {
				t.Errorf("%+v still lists %q", q, got)
			}
		}
	}
	if n := s.Count(record.KindFetch, record.StatePending); n != 0 {
		t.Errorf("count = %d", n)
	}
}

// An id that a caller chose is free again once its future is forgotten, in the same commit already. The second future
// is not taken for the first, although it has the same id and was created in the same millisecond.
func idComesBack(t *testing.T, s *store.Store) {
	first := future(2, record.StateSucceeded)
	second := future(2, record.StatePending)
	second.Version = 7
	commit(t, s, create(first))
	b := create(second)
	b.Dropped = []string{first.ID}
	commit(t, s, b)
	expect := func(when string, want *record.Future) {
		t.Helper()
		got, err := s.Future(second.ID)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", when, err, diff)
		}
		if got := list(t, s, record.FutureQuery{Label: &second.Labels()[0]}); got != "0002" {
			t.Errorf("%s: listed %q", when, got)
		}
	}
	expect("come back", second)
	settled := future(2, record.StateSucceeded)
	settled.ExpiresAt = first.ExpiresAt + 1000
	change(t, s, second, settled)
	commit(t, s, &record.Batch{At: first.ExpiresAt})
	expect("when the first would have expired", settled)
	commit(t, s, &record.Batch{At: settled.ExpiresAt})
	if got, err := s.Future(second.ID); got != nil || err != nil {
		t.Errorf("when it has expired: %v, %v", got, err)
	}
}

// What would have expired does not take with it what has its id, and the millisecond of its creation: a future whose
// callback is pending, which has no time to be forgotten.
func idComesBackOwing(t *testing.T, s *store.Store) {
	first, owing := future(2, record.StateSucceeded), future(2, record.StateSucceeded)
	owing.ExpiresAt = 0
	owing.Callback = &record.Callback{URL: "http://a.example/", State: record.CallbackPending}
	commit(t, s, create(first))
	b := create(owing)
	b.Dropped = []string{first.ID}
	commit(t, s, b)
	commit(t, s, &record.Batch{At: first.ExpiresAt})
	got, err := s.Future(owing.ID)
	if diff := cmp.Diff(owing, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func key(name string, expires record.Time) *record.Key {
	return &record.Key{Name: name, Fingerprint: []byte("print"), Futures: []string{"fut_1", "fut_2"}, ExpiresAt: expires}
}

func keyUntilSwept(t *testing.T, s *store.Store) {
	k := key("caller/one", start+10)
	commit(t, s, &record.Batch{At: start, Keys: []*record.Key{k, key("caller/two", start+20)}})
	got, err := s.Key(k.Name)
	if diff := cmp.Diff(k, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if none, err := s.Key("caller/o"); none != nil || err != nil {
		t.Errorf("a key that was not used: %v, %v", none, err)
	}
	if found, err := s.Sweepable(start + 9); found || err != nil {
		t.Errorf("sweepable before its time: %v, %v", found, err)
	}
	commit(t, s, &record.Batch{At: start + 10})
	if got, err := s.Key(k.Name); got != nil || err != nil {
		t.Errorf("after its time: %v, %v", got, err)
	}
	if got, err := s.Key("caller/two"); got == nil || err != nil {
		t.Errorf("the other one went too: %v", err)
	}
}

func keyUsedAnew(t *testing.T, s *store.Store) {
	commit(t, s, &record.Batch{At: start, Keys: []*record.Key{key("k", start+10)}})
	commit(t, s, &record.Batch{At: start + 10, Keys: []*record.Key{key("k", start+30)}})
	commit(t, s, &record.Batch{At: start + 20})
	if got, err := s.Key("k"); got == nil || err != nil {
		t.Errorf("it went with its first expiry: %v", err)
	}
	commit(t, s, &record.Batch{At: start + 30})
	if got, err := s.Key("k"); got != nil || err != nil {
		t.Errorf("after its second expiry: %v, %v", got, err)
	}
}

func loadVisits(t *testing.T, s *store.Store) {
	open := []*record.Future{
		future(1, record.StatePending), future(2, record.StateRunning),
		future(4, record.StatePending), future(5, record.StateRunning),
	}
	b := create(open[3], open[1], future(3, record.StateSucceeded), open[0], open[2])
	events := []*record.Event{{Name: "a", Generation: 1}, {Name: "b", Set: true}}
	b.Events = []record.EventFact{{Name: "b", Is: events[1]}, {Name: "a", Is: events[0]}}
	b.Keys = []*record.Key{key("k", start+10)}
	commit(t, s, b)
	var gotOpen []*record.Future
	var gotEvents []*record.Event
	var progress []int
	err := s.Load(
		func(f *record.Future) error { gotOpen = append(gotOpen, f); return nil },
		func(e *record.Event) error { gotEvents = append(gotEvents, e); return nil },
		func(n int) { progress = append(progress, n) },
	)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(open, gotOpen); diff != "" {
		t.Errorf("futures:\n%s", diff)
	}
	if diff := cmp.Diff(events, gotEvents); diff != "" {
		t.Errorf("events:\n%s", diff)
	}
	if diff := cmp.Diff([]int{6}, progress); diff != "" {
		t.Errorf("progress:\n%s", diff)
	}
}

func loadEnds(t *testing.T, s *store.Store) {
	b := create(future(1, record.StatePending), future(2, record.StatePending))
	b.Events = []record.EventFact{{Name: "a", Is: &record.Event{Name: "a"}}, {Name: "b", Is: &record.Event{Name: "b"}}}
	commit(t, s, b)
	enough := errors.New("enough")
	futures, events := 0, 0
	countFuture := func(*record.Future) error { futures++; return nil }
	countEvent := func(*record.Event) error { events++; return nil }
	if err := s.Load(func(*record.Future) error { futures++; return enough }, countEvent, nil); !errors.Is(err, enough) {
		t.Errorf("err = %v", err)
	}
	if futures != 1 || events != 0 {
		t.Errorf("visited %d futures and %d events", futures, events)
	}
	if err := s.Load(countFuture, func(*record.Event) error { events++; return enough }, nil); !errors.Is(err, enough) {
		t.Errorf("err = %v", err)
	}
	if futures != 3 || events != 1 {
		t.Errorf("visited %d futures and %d events in all", futures, events)
	}
}

func bodyFromAnywhere(t *testing.T, s *store.Store) {
	random := rand.New(rand.NewSource(1))
	for _, size := range []int{0, 1, 65535, 65536, 65537, 131071, 131072, 131073, 300_000} {
		text := make([]byte, size)
		random.Read(text)
		w, err := s.NewBody()
		if err != nil {
			t.Fatal(err)
		}
		for rest := text; len(rest) > 0; {
			n, err := w.Write(rest[:min(len(rest), 1+random.Intn(50_000))])
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		body, err := w.Commit()
		if err != nil || body.Bytes != int64(size) || (body.Ref != "") != (size > store.InlineBytesMax) {
			t.Fatalf("%d bytes: %d, ref %q, %v", size, body.Bytes, body.Ref, err)
		}
		r, err := s.OpenBody(body)
		if err != nil {
			t.Fatal(err)
		}
		if whole, err := io.ReadAll(r); err != nil || !bytes.Equal(whole, text) {
			t.Errorf("%d bytes: read %d, %v", size, len(whole), err)
		}
		for range 20 {
			at, whence := readSome(t, r, text, random), 0
			if n, err := r.Seek(-1, whence); err == nil {
				t.Errorf("from %d, sought to %d", at, n)
			}
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// readSome reads a random part of a body, from one of the three ends that seeking knows.
func readSome(t *testing.T, r io.ReadSeeker, text []byte, random *rand.Rand) int64 {
	t.Helper()
	size := int64(len(text))
	at := random.Int63n(size + 1)
	now, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		t.Fatal(err)
	}
	offset, whence := at, io.SeekStart
	switch random.Intn(3) {
	case 1:
		offset, whence = at-now, io.SeekCurrent
	case 2:
		offset, whence = at-size, io.SeekEnd
	}
	if got, err := r.Seek(offset, whence); got != at || err != nil {
		t.Fatalf("sought %d from %d: at %d, %v", offset, whence, got, err)
	}
	part := make([]byte, min(size-at, random.Int63n(100_000)))
	if _, err := io.ReadFull(r, part); err != nil || !bytes.Equal(part, text[at:at+int64(len(part))]) {
		t.Fatalf("read %d bytes at %d: %v", len(part), at, err)
	}
	return at
}

// The body of an attempt that is followed by another never gets an owner.
func looseBody(t *testing.T, s *store.Store) {
	text := strings.Repeat("x", store.InlineBytesMax+1)
	loose, owned := writeBody(t, s, text), writeBody(t, s, text)
	f := future(1, record.StateSucceeded)
	f.ExpiresAt = 0
	f.Result = &record.Result{Status: 200, Body: owned}
	commit(t, s, create(f))
	last := start + record.Time(store.LooseMax.Milliseconds())
	commit(t, s, &record.Batch{At: last})
	commit(t, s, &record.Batch{At: last}) // a body goes when its commit is done
	if got, err := readBody(s, loose); got != text || err != nil {
		t.Errorf("within its time: read %d bytes, %v", len(got), err)
	}
	later := writeBody(t, s, text)
	expectGone(t, s, loose, last+1)
	for which, body := range map[string]record.Body{"one that came later": later, "one with an owner": owned} {
		if got, err := readBody(s, body); got != text || err != nil {
			t.Errorf("%s: read %d bytes, %v", which, len(got), err)
		}
	}
}

// A future lies elsewhere once it is settled. Who looks for it meanwhile finds it in one place or the other.
func foundWhileItSettles(t *testing.T, s *store.Store) {
	pending, settled := future(1, record.StatePending), future(1, record.StateSucceeded)
	commit(t, s, create(pending))
	read := make(chan error)
	go func() {
		for range 20_000 {
			if f, err := s.Future(pending.ID); f == nil || err != nil {
				read <- fmt.Errorf("found %v: %v", f, err)
				return
			}
		}
		read <- nil
	}()
	for {
		select {
		case err := <-read:
			if err != nil {
				t.Error(err)
			}
			return
		default: // there and back, for there to be many moves
			change(t, s, pending, settled)
			change(t, s, settled, pending)
		}
	}
}
