package api_test

import (
	"testing"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

var (
	t0 = api.TimeOf(time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC))
	t1 = api.TimeOf(t0.Add(1234 * time.Millisecond))
)

func fetched() api.Future {
	return api.Future{
		ID: futureID, Kind: api.KindFetch, State: api.StateSucceeded, Version: 3,
		CreatedAt: t0, StartedAt: t0.Pointer(), SettledAt: t1.Pointer(), ExpiresAt: t1.Pointer(),
		Labels:   map[string]string{"order": "42"},
		Attempts: []api.Attempt{{N: 1, At: t0, DurationMS: 12.3, Status: new(503)}},
		Request:  &api.RequestView{Method: "GET", URL: "https://api.example.com/data"},
		Result: &api.Result{
			Status: new(200), Headers: map[string]api.Strings{"Content-Type": {"application/json"}},
			Bytes: new(int64(7)), JSON: jsontext.Value(`{"a":1}`),
		},
		Links: api.FutureLinks{Self: "/s", Wait: "/w", Result: "/r", Cancel: "/c"},
	}
}

// A settled fetch is written as the contract's example: every field of the example is there, null when not set.
func TestASettledFetchIsWrittenAsTheExample(t *testing.T) {
	want := `{"id":"fut_01JD8Q2V9GZ5W0M4T7R1X3K6BC","kind":"fetch","state":"succeeded","version":3,` +
		`"created_at":"2026-11-22T18:00:00.000Z","started_at":"2026-11-22T18:00:00.000Z",` +
		`"settled_at":"2026-11-22T18:00:01.234Z","expires_at":"2026-11-22T18:00:01.234Z","labels":{"order":"42"},` +
		`"reason":null,"next_attempt_at":null,` +
		`"attempts":[{"n":1,"at":"2026-11-22T18:00:00.000Z","duration_ms":12.3,"status":503,"error":null}],` +
		`"request":{"method":"GET","url":"https://api.example.com/data"},` +
		`"result":{"status":200,"headers":{"Content-Type":["application/json"]},"bytes":7,"json":{"a":1}},` +
		`"error":null,"links":{"self":"/s","wait":"/w","result":"/r","cancel":"/c"}}`
	if diff := cmp.Diff(want, string(marshal(t, fetched()))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Every kind and state that a server can show is valid by the schema, empty and odd bodies included.
func TestEveryFutureIsValidByItsSchema(t *testing.T) {
	pending := api.Future{
		ID: futureID, Kind: api.KindFetch, State: api.StatePending, Version: 1, CreatedAt: t0,
		Reason: new(api.ReasonQueued), QueuePosition: new(1), Request: &api.RequestView{Method: "GET", URL: "u"},
	}
	running := pending
	running.State, running.Reason, running.QueuePosition, running.StartedAt = api.StateRunning, nil, nil, &t0
	failed := fetched()
	failed.State, failed.Error = api.StateFailed, &api.FutureError{Type: api.ErrorHTTPStatus, Message: "Status 503."}
	none := map[string]api.Strings{}
	empty := fetched()
	empty.Result = &api.Result{Status: new(0), Headers: none, Bytes: new(int64(0)), Text: new("")}
	binary := fetched()
	binary.Result = &api.Result{Status: new(999), Headers: none, Bytes: new(int64(0)), Base64: []byte{}}
	long := fetched()
	long.Result = &api.Result{Status: new(200), Headers: none, Bytes: new(int64(1 << 30)), Truncated: true}
	null := fetched()
	null.Kind, null.Attempts, null.Request, null.StartedAt = api.KindPromise, nil, nil, nil
	null.Result = &api.Result{JSON: jsontext.Value("null")}
	timer := null
	timer.Kind, timer.DueAt = api.KindTimer, &t1
	wait := null
	wait.Kind, wait.For = api.KindWait, new(over(api.OpAny, event("a")))
	wait.Result = &api.Result{WaitAnswer: &api.WaitAnswer{
		Outcome: api.OutcomeSatisfied,
		Done:    []api.Leaf{{Ref: "event:a", Outcome: api.OutcomeSatisfied, At: &t1, Generation: new(uint64(0))}},
		Pending: []api.Leaf{{Ref: futureID, Outcome: api.OutcomePending, Future: &pending}},
	}}
	s := schema(t, "Future")
	for name, f := range map[string]api.Future{
		"succeeded": fetched(), "pending": pending, "running": running, "failed": failed, "empty": empty, "binary": binary,
		"long": long, "null": null, "timer": timer, "wait": wait,
	} {
		t.Run(name, func(t *testing.T) { mustBe(t, s, marshal(t, f)) })
	}
}

// What contradicts itself is refused by the schema: a contract test that let it pass would be worth little.
func TestFuturesThatContradictThemselvesAreInvalid(t *testing.T) {
	s := schema(t, "Future")
	for name, change := range map[string]func(*api.Future){
		"settled without a time":    func(f *api.Future) { f.SettledAt = nil },
		"settled with a reason":     func(f *api.Future) { f.Reason = new(api.ReasonQueued) },
		"succeeded without result":  func(f *api.Future) { f.Result = nil },
		"succeeded with an error":   func(f *api.Future) { f.Error = &api.FutureError{Type: api.ErrorDNS, Message: "x"} },
		"failed without an error":   func(f *api.Future) { f.State = api.StateFailed },
		"pending with a result":     func(f *api.Future) { f.State = api.StatePending },
		"a fetch without a request": func(f *api.Future) { f.Request = nil },
		"a fetch that is due":       func(f *api.Future) { f.DueAt = &t0 },
		"a promise with a request":  func(f *api.Future) { f.Kind, f.Attempts = api.KindPromise, nil },
		"a running promise":         func(f *api.Future) { f.Kind, f.State = api.KindPromise, api.StateRunning },
		"an unknown state":          func(f *api.Future) { f.State = "done" },
		"an unknown error": func(f *api.Future) {
			f.State, f.Error = api.StateFailed, &api.FutureError{Type: "bad_luck", Message: "x"}
		},
		"two bodies": func(f *api.Future) { f.Result.Text = new("x") },
		"no body":    func(f *api.Future) { f.Result.JSON = nil },
		"version 0":  func(f *api.Future) { f.Version = 0 },
		"a bad id":   func(f *api.Future) { f.ID = "fut_1" },
	} {
		t.Run(name, func(t *testing.T) {
			f := fetched()
			change(&f)
			if err := s.Validate(value(t, marshal(t, f))); err == nil {
				t.Error("is valid")
			}
		})
	}
}

// Events, set and never set, are valid by the schema; nil lists are empty lists.
func TestEventsPagesAndTheLoopAreValid(t *testing.T) {
	unset := api.Event{Name: "a", Links: api.EventLinks{Self: "/s"}}
	set := unset
	set.Set, set.Generation, set.SetAt, set.Woken = true, 1, &t0, new(0)
	set.Payload = &api.Payload{ContentType: "", Base64: []byte{}}
	mustBe(t, schema(t, "Event"), marshal(t, unset))
	mustBe(t, schema(t, "WakingEvent"), marshal(t, set))
	mustBe(t, schema(t, "EventPage"), marshal(t, api.EventPage{NextCursor: new("c")}))
	mustBe(t, schema(t, "FuturePage"), marshal(t, api.FuturePage{Futures: []api.Future{fetched()}}))
	mustBe(t, schema(t, "WaitAnswer"), marshal(t, api.WaitAnswer{Outcome: api.OutcomePending}))
	loop := api.LoopState{
		Now: t0, Inbox: api.LoopInbox{RequestsMax: 1}, Workers: api.LoopWorkers{Max: 1},
		Waits: []api.LoopWait{{Since: t0, Kind: api.WaitHTTP, For: new(event("a")), Outcome: api.OutcomePending, Pending: 1}},
	}
	mustBe(t, schema(t, "LoopState"), marshal(t, loop))
	if got := string(marshal(t, api.EventPage{})); got != `{"events":[],"next_cursor":null}` {
		t.Errorf("got %s", got)
	}
}

// The three final states are those that are settled.
func TestSettledStates(t *testing.T) {
	for state, want := range map[api.State]bool{
		api.StatePending: false, api.StateRunning: false, api.StateSucceeded: true, api.StateFailed: true,
		api.StateCancelled: true, "": false,
	} {
		if got := state.Settled(); got != want {
			t.Errorf("%q: got %v", state, got)
		}
	}
}
