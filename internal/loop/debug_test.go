package loop

import (
	"context"
	"testing"
)

// Goal: in debug mode a foreign goroutine that uses a loop-only method is told which, and what to use instead;
// while the loop does not run anybody may prepare it.
func TestDebugModeCatchesForeignGoroutines(t *testing.T) {
	l := newTestLoop(t, func(o *Options) { o.Debug = true })
	l.CallSoon(func() {}) // prepares
	background(t, l)
	var h Handle
	var timer TimerHandle
	if _, err := Call(t.Context(), l, func() int {
		h, timer = l.CallSoon(func() {}), l.CallLater(0, func() {})
		mustPanic(t, "Call was used on the loop itself", func() {
			_, _ = Call(context.Background(), l, func() int { return 0 })
		})
		return 0
	}); err != nil {
		t.Fatalf("Call: %v", err)
	}
	for method, use := range map[string]func(){
		"CallSoon":             func() { l.CallSoon(func() {}) },
		"Schedule":             func() { l.Schedule(Func(func() {})) },
		"CallLater":            func() { l.CallLater(0, func() {}) },
		"CallAt":               func() { l.CallAt(0, func() {}) },
		"ScheduleAt":           func() { l.ScheduleAt(0, Func(func() {})) },
		"Handle.Cancel":        func() { h.Cancel() },
		"TimerHandle.Cancel":   func() { timer.Cancel() },
		"Stop":                 func() { l.Stop() },
		"SetDebug":             func() { l.SetDebug(false) },
		"SetExceptionHandler":  func() { l.SetExceptionHandler(nil) },
		"CallExceptionHandler": func() { l.CallExceptionHandler(Exception{}) },
	} {
		mustPanic(t, method+" was called by a goroutine that does not own the loop; use CallSoonThreadsafe", use)
	}
}

// Goal: the debug mode can be turned on and off on the running loop.
func TestSetDebugOnTheLoop(t *testing.T) {
	l := newTestLoop(t)
	background(t, l)
	for _, on := range []bool{true, false, true} {
		if _, err := Call(t.Context(), l, func() int { l.SetDebug(on); l.CallSoon(func() {}); return 0 }); err != nil {
			t.Fatalf("Call: %v", err)
		}
		if l.Debug() != on {
			t.Errorf("Debug() = %v", l.Debug())
		}
	}
	mustPanic(t, "CallSoon was called", func() { l.CallSoon(func() {}) })
}

// Goal: turned on by a task, the debug mode knows the loop's own goroutine again as soon as the task is suspended.
func TestSetDebugInATask(t *testing.T) {
	l := newTestLoop(t)
	inTask(t, l, func() {
		ran := false
		other := CreateTask(l, func() (int, error) { return 1, l.Yield() })
		l.SetDebug(true)
		l.CallSoon(func() { l.CallSoon(func() { ran = true }) })
		for range 3 {
			if err := l.Yield(); err != nil {
				t.Error(err)
			}
		}
		if v, err := other.Await(); v != 1 || err != nil || !ran {
			t.Errorf("%d, %v, ran %v", v, err, ran)
		}
	})
}
