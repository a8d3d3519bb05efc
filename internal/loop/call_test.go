package loop

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// background runs the loop on a goroutine of its own until the test ends.
func background(t *testing.T, l *Loop) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- l.RunForever() }()
	t.Cleanup(func() {
		if err := l.CallSoonThreadsafe(l.Stop); err != nil {
			t.Errorf("stopping: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("RunForever: %v", err)
		}
	})
}

// Goal: many goroutines ask at once; each gets its own answer, and what one goroutine sends arrives in order.
func TestCallsFromManyGoroutines(t *testing.T) {
	l := newTestLoop(t, func(o *Options) { o.Clock = nil })
	background(t, l)
	const callers, calls = 8, 200
	next := make([]int, callers) // owned by the loop
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for i := range calls {
				got, err := Call(context.Background(), l, func() int {
					next[caller]++
					return next[caller] - 1
				})
				if err != nil || got != i {
					t.Errorf("call %d of %d: %d, %v", i, caller, got, err)
				}
			}
		})
	}
	all.Wait()
	if got := l.Stats().Callbacks; got < callers*(calls-1) {
		t.Errorf("%d callbacks", got)
	}
}

// Goal: every way in which a Call can end without its value.
func TestCallEndsWithoutAValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{})
		waited, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		late := make(chan int, 1)
		if _, err := Call(waited, l, func() int { late <- 1; return 0 }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody runs the loop: %v", err)
		}
		ended := make(chan error, 1)
		go func() { ended <- l.RunForever() }()
		<-late // it runs all the same

		cause := errors.New("cause")
		if _, err := Call(t.Context(), l, func() int { panic(cause) }); !errors.Is(err, cause) {
			t.Errorf("panic: %v", err)
		}
		if err := l.CallSoonThreadsafe(l.Stop); err != nil || <-ended != nil {
			t.Errorf("Stop: %v", err)
		}

		answer := make(chan error, 1)
		go func() {
			_, err := Call(t.Context(), l, func() int { t.Error("ran"); return 0 })
			answer <- err
		}()
		synctest.Wait()
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-answer; !errors.Is(err, ErrClosed) {
			t.Errorf("closed while it waited: %v", err)
		}
		if _, err := Call(t.Context(), l, func() int { return 0 }); !errors.Is(err, ErrClosed) {
			t.Errorf("closed before: %v", err)
		}
	})
}

// Goal: the end of the loop's goroutine by Goexit is reported and answers the caller; the loop can be run again and
// finishes what was left of the turn.
func TestGoexitInACallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var exceptions []Exception
		l := newTestLoop(t, func(o *Options) {
			o.Clock = nil
			o.OnException = func(e Exception) { exceptions = append(exceptions, e) }
		})
		ran := 0
		h := l.CallSoon(func() {})
		h.Cancel()
		l.CallSoon(runtime.Goexit)
		left := l.CallSoon(func() { ran++ })
		l.CallSoon(func() { ran++ })
		go func() { _ = l.RunForever() }()
		synctest.Wait()
		if len(exceptions) != 1 || !errors.Is(exceptions[0].Err, ErrGoexit) || l.Running() {
			t.Errorf("exceptions %+v, running %v", exceptions, l.Running())
		}
		if !left.Cancel() {
			t.Error("what was left of the turn can still be cancelled")
		}
		runTurns(t, l, 1)
		if ran != 1 {
			t.Errorf("%d of the rest ran", ran)
		}
		answer := make(chan error, 1)
		go func() {
			_, err := Call(t.Context(), l, func() int { runtime.Goexit(); return 0 })
			answer <- err
		}()
		synctest.Wait()
		go func() { _ = l.RunForever() }()
		if err := <-answer; !errors.Is(err, ErrGoexit) {
			t.Errorf("the caller heard %v", err)
		}
		synctest.Wait()
	})
}

// Goal: a sleeping loop wakes up for its timers and for others, on the machine's clock, and for nothing else.
func TestSleepOnTheMachinesClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLoop(t, func(o *Options) { o.Clock = nil })
		background(t, l)
		began := time.Now()
		fired := make(chan time.Duration, 10)
		fire := func() { fired <- time.Since(began) }
		ask := func(fn func()) {
			if _, err := Call(t.Context(), l, func() int { fn(); return 0 }); err != nil {
				t.Errorf("Call: %v", err)
			}
		}
		var earlier TimerHandle
		ask(func() { l.CallLater(time.Hour, fire) })
		ask(func() { earlier = l.CallLater(time.Minute, fire) })
		ask(func() { l.CallLater(time.Second, fire) })
		if got := <-fired; got != time.Second {
			t.Errorf("the earliest fired after %v", got)
		}
		ask(func() { earlier.Cancel() })
		turns := l.Stats().Turns
		if got := <-fired; got != time.Hour {
			t.Errorf("the last fired after %v", got)
		}
		synctest.Wait()
		if more := l.Stats().Turns - turns; more > 8 {
			t.Errorf("%d turns in an hour in which nothing happened", more)
		}
	})
}

// Goal: a post that comes between the loop's last look and its sleep wakes it. The race is provoked by a clock that
// posts at exactly that moment.
func TestNoWakeIsLost(t *testing.T) {
	var l *Loop
	clock := &meddlingClock{}
	l = newTestLoop(t, func(o *Options) { o.Clock = clock })
	clock.meddle = func() { _ = l.CallSoonThreadsafe(l.Stop) }
	for range 3 {
		runLoop(t, l)
	}
	clock.meddle = clock.wake // with nothing behind it
	clock.sleepless = true
	stopped := false
	l.CallLater(time.Nanosecond, func() { stopped = true; l.Stop() })
	clock.now = time.Second
	runLoop(t, l)
	if !stopped {
		t.Error("the timer did not run")
	}
}

// meddlingClock does something between the loop's decision to sleep and its sleep.
type meddlingClock struct {
	now       time.Duration
	meddle    func()
	sleepless bool
	pause     *Pause
}

func (c *meddlingClock) Now() time.Duration { return c.now }

// wake wakes the loop twice, of which it may notice once.
func (c *meddlingClock) wake() {
	c.pause.Wake()
	c.pause.Wake()
}

func (c *meddlingClock) Pass(p *Pause) {
	c.pause = p
	c.meddle()
	if !c.sleepless {
		p.Sleep()
	}
}
