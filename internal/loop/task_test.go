package loop

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Goal: tasks take turns where they await, and nowhere else.
func TestTasksTakeTurns(t *testing.T) {
	l := newTestLoop(t)
	var order []string
	count := func(name string) *Task[int] {
		return CreateTask(l, func() (int, error) {
			for i := range 3 {
				order = append(order, fmt.Sprint(name, i))
				if err := l.Yield(); err != nil {
					return 0, err
				}
			}
			return len(order), nil
		})
	}
	a, b := count("a"), count("b")
	inTask(t, l, func() {
		if n, err := a.Await(); n != 6 || err != nil {
			t.Errorf("a: %d, %v", n, err)
		}
		if n, err := b.Await(); n != 6 || err != nil {
			t.Errorf("b: %d, %v", n, err)
		}
	})
	if diff := cmp.Diff([]string{"a0", "b0", "a1", "b1", "a2", "b2"}, order); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if l.Stats().Tasks != 0 || len(l.idle) == 0 {
		t.Errorf("stats %+v, %d idle coroutines", l.Stats(), len(l.idle))
	}
}

// Goal: what a coroutine panics with is its task's exception, with the stack of the place; the loop goes on.
func TestATaskThatPanics(t *testing.T) {
	l := newTestLoop(t)
	cause := errors.New("cause")
	inTask(t, l, func() {
		_, err := CreateTask(l, func() (int, error) { panic(cause) }).Await()
		var p *PanicError
		if !errors.As(err, &p) || !errors.Is(err, cause) || !strings.Contains(string(p.Stack), "TestATaskThatPanics") {
			t.Errorf("the exception is %v", err)
		}
	})
}

// Goal: Goexit in a task, as of a test that gives up, ends that task and nothing else: not the loop, and not the
// coroutine of the next task.
func TestATaskThatCallsGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLoop(t)
		cleaned := false
		inTask(t, l, func() {
			task := CreateTask(l, func() (int, error) {
				defer func() { cleaned = true }()
				if err := l.Yield(); err != nil {
					return 0, err
				}
				runtime.Goexit()
				return 1, nil
			})
			if _, err := task.Await(); !errors.Is(err, ErrGoexit) || !cleaned {
				t.Errorf("the task ended with %v, cleaned up: %v", err, cleaned)
			}
			if v, err := CreateTask(l, func() (int, error) { return 2, nil }).Await(); v != 2 || err != nil {
				t.Errorf("the next task ended with %d, %v", v, err)
			}
		})
		synctest.Wait()
		for _, co := range l.idle {
			if co.left {
				t.Error("a coroutine that was left is to be used again")
			}
		}
	})
}

// Goal: Close ends every task where it stands, lets it clean up, and settles it; none of it runs later.
func TestCloseEndsTasks(t *testing.T) {
	l := New(Options{Clock: NewVirtualClock()})
	var ends []string
	suspended := func(name string, wait func() error) *Task[int] {
		return CreateTask(l, func() (_ int, err error) {
			defer func() {
				ends = append(ends, fmt.Sprint(name, " ", errors.Is(err, ErrCancelled), errors.Is(err, ErrClosed)))
			}()
			if err := wait(); err != nil {
				return 0, err
			}
			return 1, nil
		})
	}
	future, event := CreateFuture[int](l), NewEvent(l)
	tasks := []*Task[int]{
		suspended("future", func() error { _, err := future.Await(); return err }),
		suspended("event", event.Wait),
		suspended("sleep", func() error { return l.sleep(time.Hour) }),
		suspended("deaf", func() error {
			for {
				_ = event.Wait()
			}
		}),
	}
	runTurns(t, l, 1)
	tasks = append(tasks, suspended("not begun", func() error { return nil }))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	want := []string{"future true true", "event true true", "sleep true true", "deaf false false"}
	if diff := cmp.Diff(want, ends); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, task := range tasks {
		if !task.Cancelled() {
			t.Errorf("%s is not cancelled", task.Name())
		}
	}
	if got := l.Stats(); got.Tasks != 0 || got.Timers != 0 {
		t.Errorf("stats %+v", got)
	}
	if event.waiters.Len()+future.waiters.Len() != 0 {
		t.Error("somebody still waits")
	}
}

// Goal: a task that calls Goexit while Close ends it takes the goroutine along, but Close is completed first.
func TestCloseIsCompletedDespiteGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Clock: NewVirtualClock()})
		ended := 0
		for i := range 3 {
			CreateTask(l, func() (int, error) {
				defer func() {
					ended++
					if i < 2 {
						runtime.Goexit()
					}
				}()
				return 0, l.sleep(time.Hour)
			})
		}
		runTurns(t, l, 1)
		returned := false
		go func() {
			_ = l.Close()
			returned = true
		}()
		synctest.Wait()
		if !l.Closed() || ended != 3 || returned || l.Running() {
			t.Errorf("closed %v, %d tasks ended, Close returned: %v", l.Closed(), ended, returned)
		}
	})
}

// Goal: no more coroutines are kept than the option says.
func TestIdleCoroutinesAreBounded(t *testing.T) {
	for limit, want := range map[int]int{0: 5, 2: 2, -1: 0} {
		l := newTestLoop(t, func(o *Options) { o.IdleCoroutinesMax = limit })
		for range 5 {
			CreateTask(l, func() (int, error) { return 0, l.Yield() })
		}
		runTurns(t, l, 2)
		if len(l.idle) != want {
			t.Errorf("limit %d: %d are idle", limit, len(l.idle))
		}
	}
}

// Goal: Await says what to do instead where there is no task to suspend, and in a task that awaits itself.
func TestAwaitWhereItCannot(t *testing.T) {
	l := newTestLoop(t)
	f := CreateFuture[int](l)
	mustPanic(t, "callbacks use AddDoneCallback", func() { _, _ = f.Await() })
	mustPanic(t, "Yield outside a task", func() { _ = l.Yield() })
	mustPanic(t, "Sleep outside a task", func() { _, _ = Sleep(l, 1, 1) })
	mustPanic(t, "Event.Wait outside a task", func() { _ = NewEvent(l).Wait() })
	var itself *Task[int]
	itself = CreateTask(l, func() (int, error) { return itself.Await() })
	inTask(t, l, func() {
		if _, err := itself.Await(); !errors.Is(err, ErrInvalidState) {
			t.Errorf("a task that awaits itself: %v", err)
		}
	})
}

// Goal: in debug mode a goroutine that a task has started cannot await in its name, which would exchange the two.
func TestAwaitFromAForeignGoroutine(t *testing.T) {
	l := newTestLoop(t, func(o *Options) { o.Debug = true })
	f := CreateFuture[int](l)
	inTask(t, l, func() {
		foreign := make(chan struct{})
		go func() {
			defer close(foreign)
			mustPanic(t, "Await was called by a goroutine that does not own the loop", func() { _, _ = f.Await() })
		}()
		<-foreign
		if err := l.Yield(); err != nil {
			t.Errorf("the task itself: %v", err)
		}
		l.SetDebug(false)
		l.SetDebug(true)
		if err := l.Yield(); err != nil {
			t.Errorf("after the debug mode was turned on in a task: %v", err)
		}
	})
	l.CallSoon(l.Stop)
	runLoop(t, l)
}

// Goal: a circle of tasks that await each other can be cancelled.
func TestCancelOfACircle(t *testing.T) {
	l := newTestLoop(t)
	var a, b *Task[int]
	a = CreateTask(l, func() (int, error) { return b.Await() })
	b = CreateTask(l, func() (int, error) { return a.Await() })
	runTurns(t, l, 2)
	if !a.Cancel() {
		t.Error("a is done")
	}
	l.CallLater(time.Second, l.Stop)
	runLoop(t, l)
	if !a.Cancelled() || !b.Cancelled() {
		t.Errorf("a %v, b %v", a.Cancelled(), b.Cancelled())
	}
}

// Goal: tasks can be named, listed and found out.
func TestTasksAreKnown(t *testing.T) {
	l := newTestLoop(t)
	if l.CurrentTask() != nil {
		t.Error("a task runs")
	}
	var names []string
	look := func() (int, error) {
		for _, task := range l.AllTasks() {
			names = append(names, task.Name())
		}
		names = append(names, "now "+l.CurrentTask().Name())
		return 0, nil
	}
	CreateTask(l, look)
	CreateTask(l, look).SetName("named")
	runTurns(t, l, 1)
	if want := []string{"Task-1", "named", "now Task-1", "named", "now named"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

// Goal: a task factory sees each new task and can wrap what it runs, down to the outcome.
func TestTaskFactory(t *testing.T) {
	l := newTestLoop(t)
	var log []string
	l.SetTaskFactory(func(task AnyTask, coro func() error) func() error {
		log = append(log, "created "+task.Name())
		return func() error {
			err := coro()
			log = append(log, fmt.Sprint(task.Name(), " ended with ", err))
			if err == errBroken {
				return nil // forgiven
			}
			return err
		}
	})
	good := CreateTask(l, func() (int, error) { return 7, l.Yield() })
	forgiven := CreateTask(l, func() (int, error) { return 8, errBroken })
	l.SetTaskFactory(nil)
	inTask(t, l, func() {
		if v, err := good.Await(); v != 7 || err != nil {
			t.Errorf("good: %d, %v", v, err)
		}
		if v, err := forgiven.Await(); v != 8 || err != nil {
			t.Errorf("forgiven: %d, %v", v, err)
		}
	})
	want := []string{"created Task-1", "created Task-2", "Task-2 ended with broken", "Task-1 ended with <nil>"}
	if diff := cmp.Diff(want, log); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Goal: the slow step of a task is named after the task, and so is the end of a sleep.
func TestSlowTasksAreNamed(t *testing.T) {
	clock := &virtualClock{}
	var names []string
	l := newTestLoop(t, func(o *Options) {
		o.Clock, o.Debug = clock, true
		o.OnSlow = func(name string, _ time.Duration) { names = append(names, name) }
	})
	task := CreateTask(l, func() (int, error) {
		clock.now += time.Second
		return 0, l.sleep(time.Second)
	})
	task.SetName("sloth")
	runTurns(t, l, 1)
	if got := (*sleeping)(task.core.co).Name(); !slices.Equal(names, []string{"sloth"}) || got != "sloth" {
		t.Errorf("names %q, asleep %q", names, got)
	}
}
