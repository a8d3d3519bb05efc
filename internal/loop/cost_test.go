package loop

import (
	"runtime"
	"testing"
	"time"
	"unsafe"
)

// Goal: what a loop does all day allocates nothing.
func TestNothingIsAllocated(t *testing.T) {
	l := newTestLoop(t)
	c, fn := &counter{}, func() {}
	for range 2 * bufferKeep {
		l.Schedule(c) // grows the buffers
		l.ScheduleAt(time.Hour, c)
	}
	runTurns(t, l, 2)
	var turn func()
	free := func(name string, use func()) {
		t.Helper()
		if n := testing.AllocsPerRun(200, use); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	turn = func() {
		l.stopping = true // not to sleep
		l.turn()
		l.stopping = false
	}
	free("Schedule", func() { l.Schedule(c); turn() })
	free("CallSoon", func() { l.CallSoon(fn); turn() })
	free("Handle.Cancel", func() { h := l.CallSoon(fn); h.Cancel(); turn() })
	free("CallLater", func() { h := l.CallLater(time.Second, fn); h.Cancel() })
	free("ScheduleAt that fires", func() { l.ScheduleAt(0, c); turn() })
	free("ScheduleThreadsafe", func() { _ = l.ScheduleThreadsafe(c); turn() })
	e := NewEvent(l)
	for range 10 {
		CreateTask(l, func() (int, error) {
			for {
				if err := e.Wait(); err != nil {
					return 0, err
				}
			}
		})
	}
	turn()
	free("Event.Set that wakes ten tasks", func() { e.Set(); e.Clear(); turn() })
	inTask(t, l, func() {
		free("Yield", func() { _ = l.Yield() })
		free("Sleep", func() { _ = l.sleep(time.Second) })
		f := CreateFuture[int](l)
		_ = f.SetResult(1)
		free("Await of a done future", func() { _, _ = f.Await() })
	})
}

// Goal: a task costs one allocation beyond its function, however often coroutines are used again.
func TestATaskIsOneAllocation(t *testing.T) {
	l := newTestLoop(t)
	coro := func() (int, error) { return 1, nil }
	runTurns(t, l, 1)
	if n := testing.AllocsPerRun(200, func() {
		CreateTask(l, coro)
		l.stopping = true
		l.turn()
		l.stopping = false
	}); n != 1 {
		t.Errorf("%v allocations", n)
	}
}

// Goal: what is parked is small: who waits for an event, a pending future, a timer. A timer's slices grow by copying,
// so its size is asked of the compiler.
func TestParkedThingsAreSmall(t *testing.T) {
	l := newTestLoop(t)
	e, c := NewEvent(l), &counter{}
	bytes := func(create func()) float64 {
		const n = 100_000
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range n {
			create()
		}
		runtime.ReadMemStats(&after)
		return float64(after.TotalAlloc-before.TotalAlloc) / n
	}
	for name, cost := range map[string]struct{ got, most float64 }{
		"waiter": {bytes(func() { p := &parked{tell: c}; p.Owner = p; e.Join(&p.Waiter) }), 200},
		"future": {bytes(func() { CreateFuture[int](l) }), 104},
	} {
		if cost.got > cost.most {
			t.Errorf("a %s takes %.0f bytes, more than %.0f", name, cost.got, cost.most)
		}
		t.Logf("a %s takes %.0f bytes", name, cost.got)
	}
	if size := unsafe.Sizeof(wheelNode{}) + unsafe.Sizeof(Runner(nil)); size > 44 {
		t.Errorf("a timer takes %d bytes", size)
	}
}
