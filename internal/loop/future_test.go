package loop

import (
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inTask runs fn as a task of l and fails the test if it returns an error.
func inTask(t *testing.T, l *Loop, fn func()) {
	t.Helper()
	task := CreateTask(l, func() (struct{}, error) { fn(); return struct{}{}, nil })
	if _, err := RunUntilComplete(l, task); err != nil {
		t.Fatalf("the task ended with %v", err)
	}
}

// Goal: a future that is asked too early says so, and afterwards says the same for ever.
func TestAFutureIsAskedForItsResult(t *testing.T) {
	l := newTestLoop(t)
	f := CreateFuture[string](l)
	if _, err := f.Result(); !errors.Is(err, ErrInvalidState) || !errors.Is(f.Exception(), ErrInvalidState) || f.Done() {
		t.Errorf("pending: %v, %v, %v", err, f.Exception(), f.Done())
	}
	if err := f.SetException(nil); !errors.Is(err, ErrInvalidState) || f.Done() {
		t.Errorf("nil as an exception: %v", err)
	}
	if err := f.SetResult("value"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if v, err := f.Result(); v != "value" || err != nil || f.Exception() != nil || !f.Done() || f.Cancelled() {
			t.Errorf("settled: %q, %v", v, err)
		}
	}
	if f.Loop() != l {
		t.Error("Loop() is another loop")
	}
	task := CreateTask(l, func() (int, error) { return 1, nil })
	if err := task.SetResult(2); !errors.Is(err, ErrInvalidState) {
		t.Errorf("a task was settled from outside: %v", err)
	}
}

// Goal: callbacks and tasks run one turn after the future settled, in the order in which they came; what was removed
// does not run, and what comes too late is scheduled at once.
func TestDoneCallbacks(t *testing.T) {
	l := newTestLoop(t)
	f := CreateFuture[int](l)
	var order []string
	say := func(name string) func(*Future[int]) {
		return func(done *Future[int]) {
			if done != f {
				t.Error("told of another future")
			}
			order = append(order, name)
		}
	}
	f.AddDoneCallback(say("first"))
	removed := f.AddDoneCallback(say("removed"))
	CreateTask(l, func() (int, error) {
		v, err := f.Await()
		order = append(order, "task")
		return v, err
	})
	runTurns(t, l, 1)
	f.AddDoneCallback(say("last"))
	if !f.RemoveDoneCallback(removed) || f.RemoveDoneCallback(removed) {
		t.Error("a callback can be removed, once")
	}
	if err := f.SetResult(1); err != nil || order != nil {
		t.Errorf("%v; ran at once: %v", err, order)
	}
	late := f.AddDoneCallback(say("late"))
	if f.RemoveDoneCallback(late) {
		t.Error("removed from a future that is done")
	}
	runTurns(t, l, 1)
	if diff := cmp.Diff([]string{"first", "task", "last", "late"}, order); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Goal: a callback that panics is reported under its own name.
func TestDoneCallbackThatPanics(t *testing.T) {
	var sources []string
	l := newTestLoop(t, func(o *Options) { o.OnException = func(e Exception) { sources = append(sources, e.Source) } })
	f := CreateFuture[int](l)
	f.AddDoneCallback(func(*Future[int]) { panic("broken") })
	f.Cancel()
	runTurns(t, l, 1)
	if len(sources) != 1 || !containsAll(sources[0], "TestDoneCallbackThatPanics") {
		t.Errorf("sources %q", sources)
	}
}

// Goal: an exception that nobody ever asks for is reported; one that somebody saw is not, nor is a cancellation.
func TestExceptionsThatNobodyAsksFor(t *testing.T) {
	told := make(chan Exception, 10)
	l := newTestLoop(t, func(o *Options) {
		o.Clock = nil
		o.OnException = func(e Exception) { told <- e }
	})
	cause := errors.New("cause")
	task := CreateTask(l, func() (int, error) { return 0, cause })
	task.SetName("forgotten")
	for range 2 {
		seen := CreateFuture[int](l)
		_ = seen.SetException(errors.New("seen"))
		if _, err := seen.Result(); err == nil {
			t.Error("no exception")
		}
		f := CreateFuture[int](l)
		f.Cancel()
	}
	runTurns(t, l, 1)
	runtime.KeepAlive(task)
	task = nil
	background(t, l)
	for range 1000 {
		runtime.GC()
		if len(told) > 0 {
			break
		}
		runtime.Gosched()
	}
	if e := <-told; e.Err != cause || e.Source != "forgotten" {
		t.Errorf("told of %+v", e)
	}
	runtime.GC()
	if len(told) != 0 {
		t.Errorf("told of more: %+v", <-told)
	}
}

// twoSteps is an awaitable as a user writes one: it is made of others.
type twoSteps struct {
	l           *Loop
	first, last *Future[int]
}

func (s twoSteps) Await() (int, error) {
	a, err := s.first.Await()
	if err != nil {
		return 0, err
	}
	b, err := s.last.Await()
	return a + b, err
}

// Goal: an awaitable of one's own can be given to whatever takes one.
func TestAnAwaitableOfOnesOwn(t *testing.T) {
	l := newTestLoop(t)
	s := twoSteps{l, CreateFuture[int](l), CreateFuture[int](l)}
	l.CallSoon(func() { _ = s.last.SetResult(2) })
	l.CallLater(1, func() { _ = s.first.SetResult(1) })
	inTask(t, l, func() {
		if sums, err := Gather[int](l, s, s, s.first).Await(); err != nil || !slices.Equal(sums, []int{3, 3, 1}) {
			t.Errorf("%v, %v", sums, err)
		}
		if v, err := WaitFor(l, s, 1); v != 3 || err != nil {
			t.Errorf("%v, %v", v, err)
		}
	})
}

// Goal: a future of another loop is refused by name, not awaited for ever.
func TestFuturesOfAnotherLoop(t *testing.T) {
	l, other := newTestLoop(t), newTestLoop(t)
	f := CreateFuture[int](other)
	mustPanic(t, "belongs to another loop", func() { EnsureFuture(l, f) })
	inTask(t, l, func() { mustPanic(t, "Await outside a task", func() { _, _ = f.Await() }) })
}
