package await

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// A wait future goes on with nobody connected, and what was decided stays decided: the pulse of one server's time
// counts in the next one's, although the flag never rose.
func TestAWaitFutureOutlivesItsServer(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("p")
		h.create(waitFuture("w", `{"all":["event:a","event:b",{"settled":"future:p"},"sleep:1h"]}`))
		h.happens("pulse b, -p")
		h.restart()
		if n := len(h.kernel.state.futures["w"].waiting.order); n != 2 {
			t.Fatalf("%d leaves are decided after the restart, want 2", n)
		}
		if _, err := h.kernel.Future(h.Context(), "p"); err != nil {
			t.Error(err)
		}
		if err := h.kernel.Delete(h.Context(), "p"); err != nil { // it is not needed any more
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute)
		h.restart()
		h.happens("set a, clear a")
		if got := h.state("w"); got != "pending" {
			t.Fatalf("before the hour is over: %s", got)
		}
		h.restart()
		time.Sleep(30*time.Minute + time.Millisecond) // the sleep counts from the creation, not from the last start
		synctest.Wait()
		if got := h.state("w"); got != "succeeded" {
			t.Fatalf("after the hour: %s", got)
		}
		h.wantDurable("w", "satisfied: event:b future:p(failed) event:a sleep:1h0m0s")
		left := 0
		if err := h.store.Leaves(func(string, *record.Leaf) error { left++; return nil }); err != nil || left != 0 {
			t.Errorf("%d leaves are left in the store, %v", left, err)
		}
	})
}

// A wait future ends in every way that a future can: decided at once, failed, out of time, cancelled; and what it
// waited for goes on without it.
func TestHowAWaitFutureEnds(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("p", "q")
		h.happens("set a, -q")
		h.create(waitFuture("at once", `"event:a"`))
		made, err := h.kernel.Submit(h.Context(), waitFuture("shown", `{"any":["event:a","event:b"]}`))
		if err != nil || made[0].State != record.StateSucceeded {
			t.Errorf("created as %+v, %v", made, err)
		}
		h.create(waitFuture("failed", `{"all":["future:p","future:q"]}`))
		late := waitFuture("late", `{"all":["future:p","event:b"]}`)
		late.Timeout = time.Minute
		h.create(late, waitFuture("cancelled", `{"all":["future:p","event:b"]}`))
		h.happens("set b, cancel cancelled, pass 61s")
		for id, want := range map[string]string{
			"at once": "succeeded", "shown": "succeeded", "failed": "failed dependency_failed", "late": "failed timeout",
			"cancelled": "cancelled cancelled", "p": "pending",
		} {
			if got := h.state(id); got != want {
				t.Errorf("%s: %s, want %s", id, got, want)
			}
		}
		if m := h.future("failed").Failure.Message; !strings.Contains(m, "future:q did not succeed") {
			t.Errorf("message %q", m)
		}
		if l := h.future("late").Wait.Leaves; l != nil {
			t.Errorf("a wait that was not decided has leaves: %v", l)
		}
		s := h.kernel.state
		if n := s.futures["p"].hall().waiters.Len() + len(s.feeders.heeded) + len(s.feeders.of) + s.due.Len(); n != 0 {
			t.Errorf("%d traces are left", n)
		}
	})
}

// A wait that names what nobody knows creates nothing; what is only in the store is known.
func TestAWaitFutureIsRefusedBeforeItBegins(t *testing.T) {
	limits := small()
	limits.EventsMax = 2
	inHouse(t, limits, func(h *house) {
		h.promise("p", "q")
		h.happens("+p, -q")
		var unknown *UnknownFutureError
		_, err := h.kernel.Submit(h.Context(), newFetch("f"), waitFuture("w", `{"any":["event:a","future:p","future:no"]}`))
		if !errors.As(err, &unknown) || unknown.ID != "no" {
			t.Errorf("err %v", err)
		}
		if _, err := h.kernel.Submit(h.Context(), waitFuture("w", `{"all":["event:a","event:b","event:c"]}`)); err !=
			ErrTooManyEvents {
			t.Errorf("err %v", err)
		}
		for _, id := range []string{"f", "w"} {
			if _, err := h.kernel.Future(h.Context(), id); !errors.As(err, &unknown) {
				t.Errorf("%s: %v", id, err)
			}
		}
		if n := h.kernel.state.events.Len(); n != 0 {
			t.Errorf("%d events are waited for", n)
		}
		h.create(waitFuture("ok", `{"all":[{"any":["event:a","future:p"]},{"settled":"future:q"}]}`))
		if got := h.state("ok"); got != "succeeded" {
			t.Errorf("ok: %s", got)
		}
	})
}

// A fetch with an after starts when it is satisfied and not before, whatever else it waits for, also after restarts.
func TestAFetchStartsAfterWhatItWaitsFor(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("p")
		later := fetchAfter("later", `"event:a"`)
		later.Delay = time.Hour
		h.create(fetchAfter("f", `{"all":["event:a","future:p"]}`), later, fetchAfter("g", `"event:never"`))
		if got := h.fetcher.take(); got != nil {
			t.Fatalf("launched %v", got)
		}
		if got := h.state("f"); got != "pending waiting" {
			t.Errorf("f: %s", got)
		}
		h.happens("pulse a")
		if got := h.state("later"); got != "pending delayed" {
			t.Errorf("later: %s", got)
		}
		h.restart()
		h.happens("+p")
		if got := fmt.Sprint(h.fetcher.take()); got != "[f#1]" {
			t.Errorf("launched %s", got)
		}
		h.succeed("f", 1)
		h.restart()
		time.Sleep(time.Hour + time.Millisecond)
		if got := fmt.Sprint(h.fetcher.take()); got != "[later#1]" {
			t.Errorf("launched %s", got)
		}
		if got := h.state("g"); got != "pending waiting" {
			t.Errorf("g: %s", got)
		}
	})
}

// A fetch whose after cannot be satisfied any more fails without an attempt; one whose deadline passes fails with
// that, and one that is cancelled waits no more.
func TestAFetchThatCanNeverStartFails(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("p", "q")
		late := fetchAfter("late", `"event:a"`)
		late.Timeout = time.Minute
		sets := fetchAfter("sets", `{"all":["future:p","future:q"]}`)
		sets.Sets = "done"
		h.create(sets, late, fetchAfter("cancelled", `"event:a"`))
		h.create(fetchAfter("next", `{"settled":"future:sets"}`))
		h.happens("-q, cancel cancelled, pass 61s, set a")
		for id, want := range map[string]string{
			"sets": "failed dependency_failed", "late": "failed deadline", "cancelled": "cancelled cancelled",
			"next": "running",
		} {
			if got := h.state(id); got != want {
				t.Errorf("%s: %s, want %s", id, got, want)
			}
		}
		if got := fmt.Sprint(h.fetcher.take()); got != "[next#1]" {
			t.Errorf("launched %s", got)
		}
		if h.kernel.state.events.Known("done") {
			t.Error("a fetch that failed set its event")
		}
		if f := h.future("sets"); f.Wait != nil || len(f.Attempts) != 0 {
			t.Errorf("%+v", f.Future)
		}
	})
}

// A chain is worked off step by step and its whole length, a diamond meets again, through futures as through events.
func TestChainsAndDiamonds(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("p")
		h.create(fetchAfter("f0", `"future:p"`))
		for n := 1; n < 1000; n++ {
			h.create(fetchAfter(fmt.Sprintf("f%d", n), fmt.Sprintf(`"future:f%d"`, n-1)))
		}
		left, right := fetchAfter("left", `"future:f999"`), fetchAfter("right", `"future:f999"`)
		left.Sets, right.Sets = "l", "r"
		h.create(left, right, waitFuture("bottom", `{"all":["event:l","event:r"]}`))
		h.happens("+p")
		for n := range 1000 {
			if got := fmt.Sprint(h.fetcher.take()); got != fmt.Sprintf("[f%d#1]", n) {
				t.Fatalf("step %d launched %s", n, got)
			}
			h.succeed(fmt.Sprintf("f%d", n), 1)
		}
		if got := fmt.Sprint(h.fetcher.take()); got != "[left#1 right#1]" {
			t.Fatalf("launched %s", got)
		}
		h.succeed("right", 1)
		if got := h.state("bottom"); got != "pending" {
			t.Errorf("bottom: %s", got)
		}
		h.succeed("left", 1)
		if got := h.state("bottom"); got != "succeeded" {
			t.Errorf("bottom: %s", got)
		}
		if p := h.kernel.state.events.Look("l").Payload; p == nil || string(p.Data) != "left" {
			t.Errorf("payload %v", p)
		}
	})
}

// A chain of waits falls like dominoes, without depth, a bounded number in a turn; a server that dies in the middle of
// it lets the next one go on.
func TestALongChainFallsInBoundedTurns(t *testing.T) {
	const length = 2*CascadeMax + 10
	inHouse(t, small(), func(h *house) {
		h.promise("p")
		chain := []record.NewFuture{waitFuture("w0", `"future:p"`)}
		h.create(chain...)
		for n := 1; n < length; n++ {
			h.create(waitFuture(fmt.Sprintf("w%d", n), fmt.Sprintf(`"future:w%d"`, n-1)))
		}
		h.store.hold()
		done := make(chan error, 1)
		go func() {
			_, err := h.kernel.Resolve(h.Context(), "p", []byte("1"))
			done <- err
		}()
		synctest.Wait()
		settled := func() (n int) {
			for _, f := range h.kernel.state.futures {
				if f.fact.Kind == record.KindWait && f.fact.State.Settled() {
					n++
				}
			}
			return n
		}
		if n := settled(); n != length {
			t.Errorf("%d of %d have fallen", n, length)
		}
		h.store.letGo(false)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := h.state(fmt.Sprintf("w%d", length-1)); got != "succeeded" {
			t.Errorf("the last: %s", got)
		}
	})
	// One turn takes no more than its share.
	s := newState(DefaultLimits(), 1000, newTally(&Kernel{}))
	apply := func(c record.Command) {
		t.Helper()
		if _, err := s.apply(c); err != nil {
			t.Fatal(err)
		}
	}
	apply(&record.Submit{Futures: []record.NewFuture{{ID: "p", Kind: record.KindPromise}}})
	before := "p"
	for n := range length {
		id := fmt.Sprintf("w%d", n)
		apply(&record.Submit{Futures: []record.NewFuture{waitFuture(id, fmt.Sprintf(`"future:%s"`, before))}})
		before = id
	}
	pending := s.pending
	apply(&record.Settle{ID: "p", Value: []byte("1")})
	if fell := pending - s.pending; fell != CascadeMax+1 || len(s.cascade) != 1 {
		t.Errorf("%d fell in one turn, %d are to follow", fell, len(s.cascade))
	}
}

// A server that died in the middle of a cascade: what was decided is followed by the next one.
func TestACascadeThatWasCutGoesOn(t *testing.T) {
	s := newState(DefaultLimits(), 1000, newTally(&Kernel{}))
	s.restore(resting("w1", `"event:a"`))
	s.restore(resting("w2", `"future:w1"`))
	s.restoreLeaf("w1", &record.Leaf{Outcome: uint8(Satisfied), At: 900, Mark: 3})
	if err := s.resume(); err != nil {
		t.Fatal(err)
	}
	s.advance(1000)
	for _, id := range []string{"w1", "w2"} {
		if f := s.futures[id].fact; f.State != record.StateSucceeded || len(f.Wait.Leaves) != 1 {
			t.Errorf("%s: %+v", id, f)
		}
	}
	for _, broken := range []*record.Future{resting("b", `{`), resting("b", `"future:gone"`)} {
		s := newState(DefaultLimits(), 1000, newTally(&Kernel{}))
		s.restore(broken)
		if err := s.resume(); err == nil {
			t.Errorf("%s was resumed", broken.Wait.For)
		}
	}
	s.restore(resting("b", `"event:a"`))
	s.restoreLeaf("b", &record.Leaf{N: 7})
	if err := s.resume(); !errors.Is(err, record.ErrCorrupt) {
		t.Errorf("a leaf that is none: %v", err)
	}
}

// Nobody waits for himself: not through his own event, not through others', not within one submit.
func TestCirclesAreRefusedWhereTheyWouldClose(t *testing.T) {
	sets := func(f record.NewFuture, event string) record.NewFuture {
		f.Sets = event
		return f
	}
	inHouse(t, small(), func(h *house) {
		refused := func(want string, futures ...record.NewFuture) {
			h.Helper()
			before := h.kernel.state.pending
			var cycle *CycleError
			_, err := h.kernel.Submit(h.Context(), futures...)
			if !errors.As(err, &cycle) || cycle.Ref != want || h.kernel.state.pending != before {
				h.Errorf("%v, %d created", err, h.kernel.state.pending-before)
			}
		}
		refused("event:a", sets(fetchAfter("x", `"event:a"`), "a"))
		refused("event:a", sets(fetchAfter("x", `{"any":["sleep:1s",{"event":"a","times":2}]}`), "a"))
		refused("event:b", sets(fetchAfter("x", `"event:b"`), "a"), sets(fetchAfter("y", `"event:a"`), "b"))

		h.create(sets(fetchAfter("ab", `"event:a"`), "b"), sets(fetchAfter("bc", `"event:b"`), "c"))
		h.create(waitFuture("w", `{"all":["event:c","sleep:1h"]}`))
		refused("event:a", sets(fetchAfter("x", `"future:w"`), "a"))
		refused("event:b", sets(fetchAfter("x", `"event:c"`), "b"))
		h.create(sets(fetchAfter("ok", `"event:c"`), "d")) // no circle
		h.create(sets(newFetch("free"), "a"))              // who waits for nothing closes none
		h.happens("set a")                                 // ab runs, and depends on nothing any more
		h.create(sets(fetchAfter("now", `"event:b"`), "a"))
		h.restart()
		refused("event:b", sets(fetchAfter("x", `"event:c"`), "b"))
	})
}

// The search for circles has an end.
func TestTheSearchForCirclesIsBounded(t *testing.T) {
	s := newState(DefaultLimits(), 1000, newTally(&Kernel{}))
	leaf := strings.Repeat(`"event:x",`, 9998)
	for n := range CycleStepsMax/9998 + 2 {
		first := "z" // of the search's last steps
		if n > 0 {
			first = "x"
		}
		f := fetchAfter(fmt.Sprintf("f%d", n), fmt.Sprintf(`{"all":["event:%s",%s"event:e%d"]}`, first, leaf, n+1))
		f.Sets = fmt.Sprintf("e%d", n)
		if _, err := s.apply(&record.Submit{Futures: []record.NewFuture{f}}); err != nil {
			t.Fatal(n, err)
		}
	}
	last := fetchAfter("last", `"event:e0"`)
	last.Sets = "z"
	var cycle *CycleError
	if _, err := s.apply(&record.Submit{Futures: []record.NewFuture{last}}); !errors.As(err, &cycle) || !cycle.Unknown {
		t.Errorf("err %v", err)
	}
}
