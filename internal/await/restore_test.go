package await

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/internal/record"
)

// A server that drains gives its running attempts back: what may be repeated waits for the next server, without the
// attempt being counted; what may not has an unknown outcome.
func TestAnAttemptCutByTheDrainIsNotLost(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		post := newFetch("post")
		post.Request = altered(post.Request, toPOST)
		if _, err := h.kernel.Submit(h.Context(), newFetch("get"), post); err != nil {
			h.Fatal(err)
		}
		h.fetcher.take()
		if err := h.kernel.Drain(h.Context()); err != nil {
			h.Fatal(err)
		}
		for _, id := range []string{"get", "post"} {
			h.failWith(id, 1, record.FailCancelled, -1)
		}
		if got := h.state("get"); got != "pending queued" || len(h.future("get").Attempts) != 0 {
			h.Errorf("get: %s", got)
		}
		if got := h.state("post"); got != "failed outcome_unknown" {
			h.Errorf("post: %s", got)
		}
	})
}

// After a restart everything that was pending goes on: timers by wall time, queued and interrupted fetches again, a
// request that must not be repeated not at all, and a fetch that saw two deaths no more.
func TestARestartGoesOnWhereTheLastServerEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := record.TimeOf(time.Now())
		s := newState(DefaultLimits(), at, newTally(&Kernel{}))
		fetch := func(id string, state record.State, edit func(*record.Future)) {
			f := &record.Future{
				ID: id, Kind: record.KindFetch, State: state, Version: 5, CreatedAt: at - 1000,
				TTL: time.Hour, Request: newFetch(id).Request,
			}
			edit(f)
			s.restore(f)
		}
		keep := func(*record.Future) {}
		fetch("queued", record.StatePending, func(f *record.Future) { f.Reason = record.ReasonQueued })
		fetch("running", record.StateRunning, keep)
		fetch("post", record.StateRunning, func(f *record.Future) { f.Request = altered(f.Request, toPOST) })
		fetch("poison", record.StateRunning, func(f *record.Future) { f.Interrupted = 1 })
		fetch("backoff", record.StatePending, func(f *record.Future) {
			f.Reason, f.NextAttemptAt = record.ReasonBackoff, at+5000
			f.Attempts = []record.Attempt{{N: 1, Failure: &record.Failure{}}}
		})
		fetch("late", record.StateRunning, func(f *record.Future) { f.DeadlineAt = at - 1 })
		s.restore(&record.Future{ID: "timer", Kind: record.KindTimer, State: record.StatePending, DueAt: at - 10})
		s.restore(&record.Future{ID: "promise", Kind: record.KindPromise, State: record.StatePending, DeadlineAt: at + 9000})
		s.restoreEvent(&record.Event{Name: "falls", Set: true, Generation: 2, ExpiresAt: at + 5000})

		states := func() map[string]string {
			out := map[string]string{}
			for id, f := range s.futures {
				out[id] = stateNames[f.fact.State]
				if f.fact.Failure != nil {
					out[id] += " " + string(f.fact.Failure.Type)
				}
			}
			return out
		}
		launched := func() (ids []string) {
			for _, e := range s.effects {
				if l, ok := e.(launch); ok {
					ids = append(ids, l.job.ID)
				}
			}
			s.effects = nil
			return ids
		}
		s.advance(at)
		if _, err := s.apply(&record.Restart{}); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"queued": "running", "running": "running", "post": "failed outcome_unknown", "poison": "failed quarantined",
			"backoff": "pending", "late": "failed deadline", "timer": "succeeded", "promise": "pending",
		}
		if diff := cmp.Diff(want, states()); diff != "" {
			t.Errorf("after the restart (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"queued", "running"}, launched()); diff != "" {
			t.Errorf("launched (-want +got):\n%s", diff)
		}
		if n := s.futures["running"].fact.Interrupted; n != 1 {
			t.Errorf("interrupted = %d", n)
		}
		s.advance(at + 5000)
		if diff := cmp.Diff([]string{"backoff"}, launched()); diff != "" {
			t.Errorf("after the back-off (-want +got):\n%s", diff)
		}
		if s.events.Look("falls").Set {
			t.Error("the flag did not fall")
		}
		s.advance(at + 9000)
		if got := states()["promise"]; got != "failed timeout" {
			t.Errorf("promise: %s", got)
		}
		if len(s.takeBatch(1).Futures) != 8 {
			t.Error("not everything that changed is committed")
		}
	})
}
