package loop

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Goal: a turn runs what was ready when it began; what its callbacks schedule waits for the next turn.
func TestATurnRunsWhatWasReadyAtItsStart(t *testing.T) {
	l := newTestLoop(t)
	var order []string
	say := func(word string) func() { return func() { order = append(order, word) } }
	l.CallSoon(func() {
		l.CallSoon(say("child"))
		order = append(order, "parent")
	})
	l.CallSoon(say("sibling"))
	runTurns(t, l, 1)
	if diff := cmp.Diff([]string{"parent", "sibling"}, order); diff != "" {
		t.Fatalf("first turn (-want +got):\n%s", diff)
	}
	runTurns(t, l, 1)
	if !slices.Equal(order, []string{"parent", "sibling", "child"}) {
		t.Errorf("second turn: %v", order)
	}
}

// Goal: due timers run after what was ready, in order of time and then of insertion, never early.
func TestTimersRunInOrder(t *testing.T) {
	l := newTestLoop(t)
	type run struct {
		Name string
		At   time.Duration
	}
	var runs []run
	say := func(name string) func() { return func() { runs = append(runs, run{name, l.Now()}) } }
	l.CallLater(20*time.Millisecond, say("second"))
	l.CallLater(20*time.Millisecond, say("third"))
	l.CallAt(1500*time.Microsecond, say("first, rounded up"))
	l.CallLater(-time.Hour, say("past"))
	l.CallSoon(say("soon"))
	l.CallLater(24*time.Hour, l.Stop)
	runLoop(t, l)
	want := []run{
		{"soon", 0},
		{"past", 0},
		{"first, rounded up", 2 * time.Millisecond},
		{"second", 20 * time.Millisecond},
		{"third", 20 * time.Millisecond},
	}
	if diff := cmp.Diff(want, runs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if l.Now() != 24*time.Hour {
		t.Errorf("Now() = %v", l.Now())
	}
}

// Goal: Cancel succeeds exactly while the callback has not begun, wherever it is.
func TestHandleCancel(t *testing.T) {
	l := newTestLoop(t)
	ran := 0
	count := func() { ran++ }
	var inBatch, running, next Handle
	queued := l.CallSoon(count)
	running = l.CallSoon(func() {
		ran++
		if running.Cancel() {
			t.Error("cancelled what is running")
		}
		if !inBatch.Cancel() || inBatch.Cancel() || !inBatch.Cancelled() {
			t.Error("the rest of the turn can be cancelled, once")
		}
		next = l.CallSoon(count)
		if !next.Cancel() {
			t.Error("the next turn can be cancelled")
		}
	})
	inBatch = l.CallSoon(count)
	if !queued.Cancel() || queued.Cancel() || !queued.Cancelled() {
		t.Error("what is queued can be cancelled, once")
	}
	runTurns(t, l, 2)
	if running.Cancel() || running.Cancelled() || (&Handle{}).Cancel() {
		t.Error("cancelled what has run, or nothing")
	}
	if got := l.Stats(); ran != 1 || got.Callbacks != 1 || got.Ready != 0 {
		t.Errorf("%d ran, stats %+v", ran, got)
	}
}

// Goal: a timer can be cancelled until it runs, also when it is due and waits in the ready queue.
func TestTimerHandleCancel(t *testing.T) {
	l := newTestLoop(t)
	ran := []string{}
	say := func(name string) func() { return func() { ran = append(ran, name) } }
	var first, due, after TimerHandle
	waiting := l.CallLater(time.Second, say("waiting"))
	first = l.CallLater(time.Millisecond, func() {
		ran = append(ran, "first")
		if first.Cancel() {
			t.Error("cancelled what is running")
		}
		if !due.Cancel() || due.Cancel() || !due.Cancelled() {
			t.Error("a due timer can be cancelled, once")
		}
	})
	due = l.CallLater(time.Millisecond, say("due"))
	after = l.CallLater(time.Millisecond, say("after"))
	if l.Stats().Timers != 0 || !waiting.Cancel() || waiting.Cancel() || !waiting.Cancelled() {
		t.Error("a waiting timer can be cancelled, once")
	}
	l.CallLater(2*time.Second, l.Stop)
	runLoop(t, l)
	if after.Cancel() || after.Cancelled() || (&TimerHandle{}).Cancel() {
		t.Error("cancelled what has run, or nothing")
	}
	if !slices.Equal(ran, []string{"first", "after"}) || after.When() != time.Millisecond {
		t.Errorf("ran %v, When %v", ran, after.When())
	}
	if got := l.Stats(); got.Timers != 0 || got.Callbacks != 3 {
		t.Errorf("stats %+v", got)
	}
}

// Goal: time stands still during a turn, and only then.
func TestNowIsReadOncePerTurn(t *testing.T) {
	clock := &countingClock{}
	l := newTestLoop(t, func(o *Options) { o.Clock = clock })
	runTurns(t, l, 100)
	if clock.reads > 1 {
		t.Fatalf("%d readings though nobody asked", clock.reads)
	}
	clock.reads = 0
	l.CallSoon(func() {
		if a, b := l.Now(), l.Now(); a != b || clock.reads != 1 {
			t.Errorf("%v, %v after %d readings", a, b, clock.reads)
		}
	})
	runTurns(t, l, 1)
	if a, b := l.Now(), l.Now(); a == b {
		t.Errorf("time stands still at %v while the loop does not run", a)
	}
}

// countingClock goes on by a nanosecond with each reading.
type countingClock struct{ reads int }

func (c *countingClock) Now() time.Duration { c.reads++; return time.Duration(c.reads) }
func (c *countingClock) Pass(p *Pause)      { p.Sleep() }

// Goal: the hook runs once a turn, after the callbacks; what it schedules runs in the next turn; its panic is reported.
func TestAfterTurn(t *testing.T) {
	var l *Loop
	var log []string
	var exceptions []Exception
	l = newTestLoop(t, func(o *Options) {
		o.OnException = func(e Exception) { exceptions = append(exceptions, e) }
		o.AfterTurn = func(turn Turn) {
			log = append(log, fmt.Sprintf("turn of %d", turn.Callbacks))
			if turn != (Turn{Callbacks: turn.Callbacks}) {
				t.Errorf("nobody asked for times: %+v", turn)
			}
			if turn.Callbacks == 2 {
				l.CallSoon(func() { log = append(log, "scheduled by the hook") })
				panic("hook")
			}
		}
	})
	l.CallSoon(func() { log = append(log, "one") })
	l.CallSoon(func() { log = append(log, "two") })
	runTurns(t, l, 2)
	want := []string{"one", "two", "turn of 2", "scheduled by the hook", "turn of 1"}
	if diff := cmp.Diff(want, log); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(exceptions) != 1 || exceptions[0].Err.Error() != "panic: hook" {
		t.Errorf("exceptions: %+v", exceptions)
	}
}

// Goal: with TimeTurns the hook is told when the turn began and how long it took.
func TestTimedTurns(t *testing.T) {
	var turns []Turn
	clock := &countingClock{}
	l := newTestLoop(t, func(o *Options) {
		o.Clock, o.TimeTurns = clock, true
		o.AfterTurn = func(turn Turn) { turns = append(turns, turn) }
	})
	l.CallSoon(func() { clock.reads += 41 })
	runTurns(t, l, 1)
	if want := []Turn{{Callbacks: 1, Began: 2, Took: 42}}; !slices.Equal(turns, want) {
		t.Errorf("got %+v, want %+v", turns, want)
	}
}

// Goal: a callback that panics is reported with its stack; the others of its turn run, in order, and the loop goes on.
func TestPanicsAreIsolated(t *testing.T) {
	var exceptions []Exception
	l := newTestLoop(t, func(o *Options) { o.OnException = func(e Exception) { exceptions = append(exceptions, e) } })
	var ran []int
	cause := errors.New("cause")
	for i := range 5 {
		l.CallSoon(func() {
			if i%2 == 1 {
				panic(cause)
			}
			ran = append(ran, i)
		})
	}
	runTurns(t, l, 1)
	if !slices.Equal(ran, []int{0, 2, 4}) || l.Stats().Callbacks != 5 {
		t.Errorf("ran %v, stats %+v", ran, l.Stats())
	}
	for _, e := range exceptions {
		var p *PanicError
		if !errors.As(e.Err, &p) || !errors.Is(e.Err, cause) || !containsAll(string(p.Stack), "TestPanicsAreIsolated") {
			t.Errorf("exception %+v", e)
		}
		if !containsAll(e.Source, "TestPanicsAreIsolated") {
			t.Errorf("the source is %q", e.Source)
		}
	}
	if len(exceptions) != 2 {
		t.Errorf("%d exceptions", len(exceptions))
	}
}

// Goal: RunForever and Close say why they refuse.
func TestRunAndCloseRefuse(t *testing.T) {
	l := New(Options{Clock: NewVirtualClock()})
	l.CallSoon(func() {
		if err := l.RunForever(); !errors.Is(err, ErrRunning) {
			t.Errorf("RunForever inside: %v", err)
		}
		if err := l.Close(); !errors.Is(err, ErrRunning) {
			t.Errorf("Close inside: %v", err)
		}
		if !l.Running() {
			t.Error("it does not run")
		}
		l.Stop()
	})
	runLoop(t, l)
	if l.Running() || l.Closed() {
		t.Error("it runs, or is closed")
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := l.RunForever(); !errors.Is(err, ErrClosed) || !l.Closed() {
		t.Errorf("RunForever after Close: %v", err)
	}
	if err := l.CallSoonThreadsafe(func() {}); !errors.Is(err, ErrClosed) {
		t.Errorf("CallSoonThreadsafe after Close: %v", err)
	}
	mustPanic(t, "closed loop", func() { l.CallSoon(func() {}) })
	mustPanic(t, "negative option", func() { New(Options{ExecutorMax: -1}) })
}

// Goal: a spike leaves no large buffers behind.
func TestBuffersShrinkAfterASpike(t *testing.T) {
	l := newTestLoop(t)
	nothing := Func(func() {})
	for range 100_000 {
		l.Schedule(nothing)
		_ = l.ScheduleThreadsafe(nothing)
	}
	runTurns(t, l, 1)
	for range 4 * bufferCalm {
		_ = l.ScheduleThreadsafe(nothing)
		l.Schedule(nothing)
		runTurns(t, l, 1)
	}
	total := cap(l.ready) + cap(l.batch) + cap(l.spare) + cap(l.inbox.queue)
	if total > 8*bufferKeep {
		t.Errorf("%d entries are kept: %d %d %d %d", total, cap(l.ready), cap(l.batch), cap(l.spare), cap(l.inbox.queue))
	}
}

// Goal: a delay beyond the end of time is the end of time, not the past.
func TestTimersAtTheEndOfTime(t *testing.T) {
	l := newTestLoop(t)
	never := func() { t.Error("ran") }
	l.CallLater(time.Hour, func() {
		for _, d := range []time.Duration{math.MaxInt64, math.MaxInt64 - 1} {
			if h := l.CallLater(d, never); h.When() != math.MaxInt64 {
				t.Errorf("CallLater(%v) is for %v", d, h.When())
			}
		}
		l.CallAt(math.MaxInt64, never)
	})
	l.CallLater(100*365*24*time.Hour, l.Stop)
	runLoop(t, l)
	if got := l.Stats().Timers; got != 3 || l.Now() != 100*365*24*time.Hour {
		t.Errorf("%d timers at %v", got, l.Now())
	}

	last := newTestLoop(t)
	last.CallAt(math.MaxInt64, last.Stop)
	runLoop(t, last)
	if left := math.MaxInt64 - last.Now(); left < 0 || left >= time.Millisecond {
		t.Errorf("the last moment is %v", last.Now())
	}
}

// Goal: whoever waits for the end of a loop hears of it.
func TestDoneIsClosedWithTheLoop(t *testing.T) {
	l := New(Options{})
	select {
	case <-l.Done():
		t.Error("done before Close")
	default:
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	<-l.Done()
}
