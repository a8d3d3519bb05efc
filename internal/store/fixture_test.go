package store_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/store"
)

var update = flag.Bool("update", false, "write the store of this format into testdata; only when the format is new")

// fixtures are stores that servers of each format have left; beside each lies a file that says what it holds. The last
// is of this format.
var fixtures = []string{"testdata/format-1", "testdata/format-2"}

// holds is everything in a store, as the file beside a fixture says it.
type holds struct {
	Position uint64
	Counts   map[string]int64
	Futures  []record.Future            // newest first, without requests
	Requests map[string]*record.Request // by future
	Loaded   []string
	Running  []string
	Events   []*record.Event
	Groups   []*record.Group
	Leaves   map[string][]*record.Leaf
	Limits   []*record.Limit
	Keys     []*record.Key
	Bodies   map[string]string // SHA-256 by future
}

var fixtureKeys = []string{"caller/one", "caller/two"}

// holdsOf reads everything.
func holdsOf(t *testing.T, s *store.Store) holds {
	t.Helper()
	h := holds{
		Counts: map[string]int64{}, Requests: map[string]*record.Request{},
		Leaves: map[string][]*record.Leaf{}, Bodies: map[string]string{},
	}
	fail := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	var err error
	h.Position, err = s.Position()
	fail(err)
	for kind := record.KindFetch; kind <= record.KindWait; kind++ {
		for state := record.StatePending; state <= record.StateCancelled; state++ {
			if n := s.Count(kind, state); n != 0 {
				h.Counts[fmt.Sprintf("kind %d, state %d", kind, state)] = n
			}
		}
	}
	all, _, err := s.Futures(record.FutureQuery{Limit: 1000})
	fail(err)
	for _, f := range all {
		without := *f
		without.Request = ""
		h.Futures = append(h.Futures, without)
		if f.Request != "" {
			h.Requests[f.ID] = f.Request.Open()
		}
		if f.Result != nil {
			r, err := s.OpenBody(f.Result.Body)
			fail(err)
			sum := sha256.New()
			_, err = io.Copy(sum, r)
			fail(errors.Join(err, r.Close()))
			h.Bodies[f.ID] = hex.EncodeToString(sum.Sum(nil))
		}
	}
	running, _, err := s.Futures(record.FutureQuery{Limit: 1000, State: record.StateRunning})
	fail(err)
	for _, f := range running {
		h.Running = append(h.Running, f.ID)
	}
	fail(s.Load(
		func(f *record.Future) error { h.Loaded = append(h.Loaded, f.ID); return nil },
		func(e *record.Event) error { h.Events = append(h.Events, e); return nil }, nil,
	))
	fail(s.LoadGroups(func(g *record.Group) error { h.Groups = append(h.Groups, g); return nil }))
	fail(s.Leaves(func(id string, l *record.Leaf) error { h.Leaves[id] = append(h.Leaves[id], l); return nil }))
	fail(s.Limits(func(l *record.Limit) error { h.Limits = append(h.Limits, l); return nil }))
	for _, name := range fixtureKeys {
		k, err := s.Key(name)
		fail(err)
		h.Keys = append(h.Keys, k)
	}
	return h
}

// A store that an earlier version wrote is opened, and holds what it held.
func TestAStoreOfEachFormatIsRead(t *testing.T) {
	if *update {
		makeFixture(t, fixtures[len(fixtures)-1])
	}
	for _, fixture := range fixtures {
		t.Run(filepath.Base(fixture), func(t *testing.T) { readFixture(t, fixture) })
	}
}

func readFixture(t *testing.T, fixture string) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(folder, os.DirFS(fixture)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(fixture + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var want holds
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if len(want.Futures) < 10 || len(want.Running) == 0 || len(want.Events) < 2 || len(want.Bodies) < 2 ||
		len(want.Groups) == 0 || len(want.Leaves) == 0 || len(want.Limits) == 0 {
		t.Fatalf("the fixture holds too little: %+v", want)
	}
	s := mustOpen(t, folder)
	if diff := cmp.Diff(want, holdsOf(t, s)); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
	// It goes on as a store of this version.
	first := want.Futures[0]
	b := &record.Batch{Position: want.Position + 1, At: first.ExpiresAt, Dropped: []string{first.ID}}
	if err := commit(s, b); err != nil {
		t.Error(err)
	}
	mustClose(t, s)
	s = mustOpen(t, folder)
	if f, err := s.Future(first.ID); f != nil || err != nil {
		t.Errorf("forgotten, and still there: %v, %v", f, err)
	}
	mustClose(t, s)
}

// makeFixture writes a store with every kind of fact in it, in tables and in a log.
func makeFixture(t *testing.T, fixture string) {
	t.Helper()
	if err := os.RemoveAll(fixture); err != nil {
		t.Fatal(err)
	}
	var h holds
	for life, batch := range fixtureBatches() {
		s := mustOpen(t, fixture)
		if life == 1 {
			body, err := keepIn(s)(strings.Repeat("A body too long to be inline. ", 2500))
			if err != nil {
				t.Fatal(err)
			}
			batch.Futures[0].Is.Result.Body = body
		}
		if err := commit(s, batch); err != nil {
			t.Fatal(err)
		}
		h = holdsOf(t, s)
		mustClose(t, s)
	}
	text, err := json.MarshalIndent(h, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fixture+".json", append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

func fixtureBatches() []*record.Batch {
	at := record.TimeOf(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	full := &record.Future{
		ID: "fut_01KAPFSV40H7TZ3XJ5G9VQW2ME", Kind: record.KindFetch, State: record.StatePending,
		Reason: record.ReasonBackoff, Version: 3, Interrupted: 1,
		CreatedAt: at, StartedAt: at + 1, NextAttemptAt: at + 500, DeadlineAt: at + 3_600_000, TTL: 24 * time.Hour,
		Terms: &record.Terms{
			Labels: []record.Label{{Key: "order", Value: "42"}, {Key: "team", Value: "söder"}}, Sets: "order/42",
			LimitKey: "orders", Group: "grp_01KAPFSV40H7TZ3XJ5G9VQW2MF",
		},
		Wait: &record.Wait{For: []byte(`{"event":"go"}`)},
		Request: (&record.Request{
			Method: "POST", URL: "https://api.example.com/orders?x=1",
			Headers: []record.Header{
				{Name: "Accept", Values: []string{"application/json", "text/plain"}}, {Name: "X-Empty", Values: []string{""}},
			},
			Body: []byte(`{"a":1}`), Timeout: 30 * time.Second,
			Retry: record.Retry{
				AttemptsMax: 4, BackoffMin: 500 * time.Millisecond, BackoffMax: 30 * time.Second, NonIdempotent: true,
				OnStatus: []record.StatusRange{{From: 429, To: 429}, {From: 500, To: 599}},
			},
			AcceptStatus: []record.StatusRange{{From: 200, To: 299}}, RedirectsMax: 5, BodyBytesMax: 16 << 20,
			Redact: []string{"X-Secret"}, Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		}).Pack(),
		Attempts: []record.Attempt{{
			N: 1, At: at + 1, Duration: 12 * time.Millisecond, Status: 503,
			Failure: &record.Failure{Type: record.FailHTTPStatus, Message: "The target answered 503."},
		}},
	}
	settled := *full
	settled.State, settled.Reason, settled.Version = record.StateSucceeded, record.ReasonNone, 4
	settled.NextAttemptAt, settled.SettledAt, settled.ExpiresAt = 0, at+1000, 0
	settled.Result = &record.Result{
		Status: 200, Headers: []record.Header{{Name: "Content-Type", Values: []string{"text/plain"}}},
	}
	settled.Request, settled.Wait = full.Request.WithoutSecrets(), nil
	settled.Callback = &record.Callback{
		URL: "https://caller.example.com/done", Headers: []record.Header{{Name: "X-A", Values: []string{"b"}}},
		On: []record.State{record.StateSucceeded}, State: record.CallbackPending, Attempts: 1, NextAttemptAt: at + 7000,
		LastStatus: 500, LastFailure: &record.Failure{Type: record.FailHTTPStatus, Message: "The target answered 500."},
	}
	first := &record.Batch{Position: 7, At: at, Futures: []record.FutureChange{{Is: full}}}
	second := &record.Batch{Position: 9, At: at + 1000, Futures: []record.FutureChange{{Was: full, Is: &settled}}}
	n := 0
	for kind := record.KindFetch; kind <= record.KindWait; kind++ {
		for state := record.StatePending; state <= record.StateCancelled; state++ {
			f := &record.Future{
				ID: fmt.Sprintf("job:%d.%d", kind, state), Kind: kind, State: state, Version: 1, CreatedAt: at + record.Time(n),
				DueAt: at + 5000,
			}
			if state.Settled() {
				f.SettledAt, f.ExpiresAt = at+2000, at+2000+record.Time(n)
				f.Result = &record.Result{Body: record.Body{Bytes: 4, Inline: []byte("null")}}
			}
			b := []*record.Batch{first, second}[n%2]
			b.Futures = append(b.Futures, record.FutureChange{Is: f})
			if kind == record.KindWait && state == record.StatePending {
				f.Wait = &record.Wait{For: []byte(`{"all":["event:a","event:b"]}`)}
				leaf := &record.Leaf{N: 1, Order: 0, Outcome: 1, At: at + 9, Mark: 5}
				b.Leaves = append(b.Leaves, record.LeafChange{Of: f, N: leaf.N, Is: leaf})
			}
			n++
		}
	}
	first.Events = []record.EventFact{
		{Name: "order/42", Is: &record.Event{Name: "order/42", Set: true, Generation: 1, Version: 1, SetAt: at}},
		{Name: "empty", Is: &record.Event{
			Name: "empty", Generation: 3, Version: 5, Payload: &record.Payload{Data: []byte{}},
		}},
	}
	second.Events = []record.EventFact{{Name: "order/42", Is: &record.Event{
		Name: "order/42", Set: true, Generation: 2, Version: 2, SetAt: at + 1000, ExpiresAt: at + 9000,
		Payload: &record.Payload{ContentType: "application/json", Data: []byte(`{"sha":"1f"}`)},
	}}}
	group := &record.Group{
		ID: full.Group(), Version: 3, CreatedAt: at, DeadlineAt: at + 9000, LeaseUntil: at + 8000, Lease: 8 * time.Second,
		TTL: time.Hour, Labels: []record.Label{{Key: "a", Value: "b"}}, CancelOnFailure: true, Pending: 1, Serial: 4,
	}
	limit := &record.Limit{Key: "orders", LimitSettings: record.LimitSettings{Rate: 5}}
	first.Groups = []record.GroupFact{{ID: group.ID, Is: group}}
	second.Limits = []record.LimitFact{{Key: limit.Key, Is: limit}}
	for i, name := range fixtureKeys {
		k := &record.Key{Name: name, Fingerprint: []byte{1, 2, 3}, Futures: []string{full.ID}, ExpiresAt: at + 86_400_000}
		b := []*record.Batch{first, second}[i]
		b.Keys = append(b.Keys, k)
	}
	return []*record.Batch{first, second}
}
