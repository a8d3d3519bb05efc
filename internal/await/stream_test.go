package await

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

func (h *house) stream(r StreamRequest) *Stream {
	h.Helper()
	st, err := h.kernel.Stream(h.Context(), r)
	if err != nil {
		h.Fatal(err)
	}
	return st
}

// hears is what a stream has to say now, in words.
func (h *house) hears(st *Stream) (said string) {
	h.Helper()
	for {
		news, err := st.Next(h.Context(), time.After(time.Microsecond)) // when all else sleeps
		if err != nil {
			return said + err.Error()
		}
		if news.Missed > 0 {
			said += fmt.Sprintf("missed %d; ", news.Missed)
		}
		for _, item := range news.Items {
			switch item := item.(type) {
			case Completed:
				said += item.Expr.String() + "; "
			case Decided:
				said += line(item.WaitAnswer) + "; "
			case View:
				said += fmt.Sprintf("%s v%d; ", stateNames[item.State], item.Version)
			case *record.Future:
				said += fmt.Sprintf("%s %s; ", item.ID, stateNames[item.State])
			case *record.Event:
				said += fmt.Sprintf("%s %d; ", item.Name, item.Generation)
			}
		}
		if news.Over {
			return said + "over"
		}
		if len(news.Items) == 0 {
			return said
		}
	}
}

func (h *house) wantHears(st *Stream, want string) {
	h.Helper()
	if got := h.hears(st); got != want {
		h.Errorf("the stream says %q, want %q", got, want)
	}
}

// A stream of a wait tells of leaves as they come, of several at once when the caller was away, and of the end.
func TestAStreamOfAWait(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("p")
		h.set("a")
		st := h.stream(StreamRequest{WaitRequest: WaitRequest{
			For: h.expr(`{"all":["event:a","event:b","event:c",{"settled":"future:p"}]}`),
		}})
		h.wantHears(st, "event:a; ")
		h.happens("pulse c, -p")
		h.wantHears(st, "event:c; future:p; ")
		if n := h.kernel.gauges.waiters.Load(); n != 1 {
			t.Errorf("%d waiters", n)
		}
		h.happens("set b")
		h.wantHears(st, "event:b; satisfied: event:a event:c future:p(failed) event:b; over")
		st.Leave()
		h.happens("set b")
		if n := h.kernel.gauges.waiters.Load(); n != 0 {
			t.Errorf("%d waiters", n)
		}

		st = h.stream(StreamRequest{WaitRequest: WaitRequest{For: h.expr(`{"any":["event:a","event:b"]}`)}})
		h.wantHears(st, "event:a; event:b; satisfied: event:a event:b; over")
		st = h.stream(StreamRequest{WaitRequest: WaitRequest{For: h.expr(`"event:never"`), Timeout: time.Second}})
		time.Sleep(2 * time.Second)
		h.wantHears(st, "pending: | event:never; over")
		st = h.stream(StreamRequest{WaitRequest: WaitRequest{For: h.expr(`"sleep:1s"`), Timeout: time.Second}})
		time.Sleep(2 * time.Second)
		h.wantHears(st, "sleep:1s; satisfied: sleep:1s; over")
		st = h.stream(StreamRequest{WaitRequest: WaitRequest{For: h.expr(`"event:never"`)}})
		if err := h.kernel.Drain(h.Context()); err != nil {
			t.Fatal(err)
		}
		h.wantHears(st, "over")
		h.wantHears(h.stream(StreamRequest{Event: "late"}), "over")
	})
}

// A stream shows nothing that a crash could still take back, and what one commit made durable all at once.
func TestAStreamShowsOnlyWhatIsDurable(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		st := h.stream(StreamRequest{WaitRequest: WaitRequest{For: h.expr(`{"all":["event:a","event:b","event:c"]}`)}})
		event := h.stream(StreamRequest{Event: "a"})
		h.store.hold()
		set := func(name string) {
			go func() {
				_, _ = h.kernel.ChangeEvent(h.Context(), &record.EventChange{Name: name, Op: record.EventSet})
			}()
			synctest.Wait()
		}
		set("a") // its commit is held
		set("b") // this comes with the next
		set("c")
		h.wantHears(st, "")
		h.wantHears(event, "")
		h.store.letGo(true)
		h.wantHears(st, "event:a; ")
		h.wantHears(event, "a 1; ")
		h.store.letGo(false)
		h.wantHears(st, "event:b; event:c; satisfied: event:a event:b event:c; over")
	})
}

// A future's stream has its changes, one for each command, and ends with it; of what is settled the last is all.
func TestAStreamOfOneFuture(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.submit("f")
		h.fetcher.take()
		st := h.stream(StreamRequest{Future: "f"})
		h.wantHears(st, "running v2; ")
		h.failWith("f", 1, record.FailConnect, time.Second)
		h.wantHears(st, "pending v4; ")
		time.Sleep(2 * time.Second)
		h.wantHears(st, "running v6; ")
		h.succeed("f", 2)
		h.wantHears(st, "succeeded v8; over")
		st.Leave()
		h.wantHears(h.stream(StreamRequest{Future: "f"}), "succeeded v8; over")
		seen := func(f *record.Future) bool { return f.Version == 8 }
		h.wantHears(h.stream(StreamRequest{Future: "f", Seen: seen}), "over")
		var unknown *UnknownFutureError
		if _, err := h.kernel.Stream(h.Context(), StreamRequest{Future: "no"}); !errors.As(err, &unknown) {
			t.Errorf("err %v", err)
		}
		h.promise("p")
		st = h.stream(StreamRequest{Future: "p", WaitRequest: WaitRequest{Timeout: time.Second}})
		time.Sleep(2 * time.Second)
		h.wantHears(st, "pending v1; over")
	})
}

// An event's stream has each generation; a slow reader is told how many were left out.
func TestAStreamOfOneEvent(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		st := h.stream(StreamRequest{Event: "a"})
		h.happens("set a, clear a, pulse a")
		h.wantHears(st, "a 1; a 2; ")
		for range NewsMax + 3 {
			h.pulse("a")
		}
		if got := h.hears(st); !strings.HasPrefix(got, "a 3; missed 2; a 6; a 7; ") {
			t.Errorf("a slow reader hears %.40q", got)
		}
		serial := h.kernel.state.events.Look("a").Serial
		after := func(n uint64) *uint64 { return &n }
		h.wantHears(h.stream(StreamRequest{Event: "a"}), "")
		h.wantHears(h.stream(StreamRequest{Event: "a", After: after(3)}), "a 261; ")
		h.wantHears(h.stream(StreamRequest{Event: "a", After: after(261)}), "")
		h.wantHears(h.stream(StreamRequest{Event: "a", Serial: serial}), "")
		h.wantHears(h.stream(StreamRequest{Event: "a", Serial: serial - 1}), "a 261; ")
		h.set("a")
		h.wantHears(h.stream(StreamRequest{Event: "a"}), "a 262; ")
		h.forget("a")
		st.Leave()
		synctest.Wait()
	})
}

// All futures, as far as the caller wants to hear of them: made, changed, settled.
func TestAStreamOfAllFutures(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		all := h.stream(StreamRequest{Futures: func(*record.Future) bool { return true }})
		waits := h.stream(StreamRequest{Futures: func(f *record.Future) bool { return f.Kind == record.KindWait }})
		h.promise("p")
		h.create(waitFuture("w", `"future:p"`))
		h.happens("+p")
		h.wantHears(all, "p pending; w pending; p succeeded; w succeeded; ")
		h.wantHears(waits, "w pending; w succeeded; ")
		in, err := h.kernel.Inspect(h.Context())
		if err != nil || len(in.Waits) != 2 || in.Waits[0].For != nil || in.Waits[0].Pending != 1 {
			t.Errorf("%+v, %v", in.Waits, err)
		}
		all.Leave()
		waits.Leave()
	})
}

// Callers leave in every moment, and nothing is left of them.
func TestLeavingAStream(t *testing.T) {
	limits := small()
	limits.WaitersMax, limits.EventsMax = 2, 3
	inHouse(t, limits, func(h *house) {
		st := h.stream(StreamRequest{Event: "a"})
		if _, err := h.kernel.Stream(h.Context(), StreamRequest{WaitRequest: WaitRequest{
			For: h.expr(`{"all":["event:b","event:c","event:d"]}`),
		}}); err != ErrTooManyEvents {
			t.Errorf("err %v", err)
		}
		if _, err := h.kernel.Stream(h.Context(), StreamRequest{WaitRequest: WaitRequest{
			For: h.expr(`"event:b"`), Cursor: "?",
		}}); err != ErrCursor {
			t.Errorf("err %v", err)
		}
		other := h.stream(StreamRequest{Event: "b"})
		for _, r := range []StreamRequest{
			{Event: "a"},
			{WaitRequest: WaitRequest{For: h.expr(`"event:a"`)}},
			{Futures: func(*record.Future) bool { return true }},
		} {
			if _, err := h.kernel.Stream(h.Context(), r); err != ErrTooManyWaiters {
				t.Errorf("err %v", err)
			}
		}
		ctx, cancel := context.WithCancel(h.Context())
		cancel()
		if _, err := st.Next(ctx, nil); err != context.Canceled {
			t.Errorf("err %v", err)
		}
		if _, err := h.kernel.Stream(ctx, StreamRequest{Event: "c"}); err != context.Canceled {
			t.Errorf("err %v", err)
		}
		st.Leave()
		other.Leave()
		synctest.Wait()
		s := h.kernel.state
		if s.waits.size+s.events.Len()+s.due.Len() != 0 {
			t.Errorf("%d seats, %d events, %d timers are left", s.waits.size, s.events.Len(), s.due.Len())
		}
		h.set("a")
		st = h.stream(StreamRequest{Event: "a"})
		h.end()
		if _, err := st.Next(h.Context(), nil); err != ErrEnded {
			t.Errorf("err %v", err)
		}
		h.begin()
	})
}

// Wherever a stream of a wait is cut, it goes on with exactly what was not told.
func TestWhereverAStreamIsCut(t *testing.T) {
	cuts := 0
	rapid.Check(t, func(t *rapid.T) {
		s := newState(DefaultLimits(), 1000, newTally(&Kernel{}))
		s.at = 1000
		o := &oracle{states: map[string]record.State{}, sets: map[string]uint64{}, up: map[string]bool{}, now: 1000}
		known := map[string]*record.Future{}
		for _, id := range futureIDs {
			must(t, s, &record.Submit{Futures: []record.NewFuture{{ID: id, Kind: record.KindPromise}}})
			o.states[id] = record.StatePending
			known[id] = s.futures[id].fact
		}
		o.woken = map[*api.Expr]bool{}
		for range rapid.IntRange(0, 3).Draw(t, "before") {
			happen(t, s, o, nil)
		}
		e := drawExpr(t, 3, o.now)
		begin := func(cursor string) *Stream {
			r := StreamRequest{WaitRequest: WaitRequest{For: &e, Cursor: cursor}}
			if err := r.begin(); err != nil {
				t.Fatal(err)
			}
			st := &Stream{state: s}
			if missing, err := s.stream(st, &r, known); missing != nil || err != nil {
				t.Fatal(missing, err)
			}
			return st
		}
		// told is the numbers of the leaves that st has told of, with the cursor after each, and whether all was decided.
		told := func(st *Stream) (numbers []int, cursors []string, outcome Outcome) {
			st.came(st.news)
			for _, item := range st.news {
				switch item := item.(type) {
				case Completed:
					numbers = append(numbers, item.number)
					cursors = append(cursors, string(st.AppendCursor(nil, item)))
				case Decided:
					outcome = item.Outcome
				}
			}
			return numbers, cursors, outcome
		}
		whole := begin("")
		for range rapid.IntRange(0, 6).Draw(t, "steps") {
			happen(t, s, o, nil)
		}
		numbers, cursors, outcome := told(whole)
		whole.end()
		for cut := 1; cut <= len(numbers); cut++ {
			rest := begin(cursors[cut-1])
			after, _, again := told(rest)
			rest.end()
			cuts++
			if again != outcome {
				t.Fatalf("%s: %v after cut %d, was %v", e, again, cut, outcome)
			}
			want := map[int]int{}
			for _, n := range numbers[cut:] {
				want[n] = 1
			}
			for _, n := range numbers[:cut] {
				want[n] = -1
			}
			for _, n := range after {
				// What happened after all was decided was not told at first, and is no fault.
				if want[n]--; want[n] == -2 || want[n] == -1 && outcome == Pending {
					t.Fatalf("%s cut %d: leaf %d is told twice or from nowhere", e, cut, n)
				}
			}
			for n, left := range want {
				if left == 1 {
					t.Fatalf("%s cut %d: leaf %d is lost", e, cut, n)
				}
			}
		}
	})
	if cuts == 0 {
		t.Error("no stream was ever cut: this test proves less than it says")
	}
}

// From a set to whom it wakes it is one commit, that of the set itself: for a caller who is held, for one who is told
// one by one, and for a wait that is a future.
func TestASetWakesWithinOneCommit(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.create(waitFuture("w", `"event:a"`))
		held := h.wait(`"event:a"`)
		nested := h.wait(`"future:w"`)
		st := h.stream(StreamRequest{Event: "a"})
		commits := func() int {
			h.store.mu.Lock()
			defer h.store.mu.Unlock()
			return h.store.commits
		}
		before := commits()
		h.set("a")
		if n := commits() - before; n != 1 {
			t.Errorf("%d commits", n)
		}
		h.wantHears(st, "a 1; ")
		if got := held.now() + ", " + nested.now(); got != "satisfied: event:a, satisfied: future:w" {
			t.Error(got)
		}
		if n := commits() - before; n != 1 {
			t.Errorf("%d commits until all were woken", n)
		}
	})
}
