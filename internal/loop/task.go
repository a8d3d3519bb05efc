package loop

import (
	"errors"
	"runtime/debug"
	"strconv"
)

// Task runs a coroutine on the loop and is the future of what it returns.
type Task[T any] struct {
	Future[T]
	coro func() (T, error)
	core taskCore
}

// AnyTask is a task of any type.
type AnyTask interface {
	Waitable
	Name() string
	SetName(name string)
	Cancelling() int
	Uncancel() int
}

// taskCore is a task without its value.
type taskCore struct {
	self       taskSelf
	future     *futureBase
	co         *coroutine // nil until the first step and after the last
	next, prev *taskCore  // of the loop's tasks that are not done
	name       string     // "" means Task-<id>
	id         uint64
	cancels    int  // requests to cancel minus Uncancel
	mustCancel bool // the next step begins with ErrCancelled
	cancelling bool // Cancel is under way; in a circle of tasks it comes round, and then ends the wait itself
}

// taskSelf is the Task a taskCore belongs to.
type taskSelf interface {
	AnyTask
	run()
	settleCancelled()
}

// TaskFactory is asked about each task that is created, before anything of it runs, and returns the coroutine that
// runs in its place: coro itself, or something around it. What that returns is the outcome of the task; the value
// is the one coro had.
type TaskFactory func(task AnyTask, coro func() error) func() error

// SetTaskFactory sets who is asked about new tasks; nil means nobody.
func (l *Loop) SetTaskFactory(factory TaskFactory) {
	l.own("SetTaskFactory")
	l.taskFactory = factory
}

// CreateTask schedules coro to run as a task; its first step is taken in the next turn. Inside coro, and whatever it
// calls, Await suspends the task and lets others run. It must not block otherwise: that would hold up the whole
// loop. A panic becomes the task's exception, a *PanicError.
func CreateTask[T any](l *Loop, coro func() (T, error)) *Task[T] {
	l.ownOpen("CreateTask")
	l.taskIDs++
	t := &Task[T]{coro: coro}
	t.loop = l
	t.core.self, t.core.future, t.core.id = t, &t.futureBase, l.taskIDs
	t.owner = &t.core
	if l.taskFactory != nil {
		t.manufacture(l.taskFactory)
	}
	l.tasks.add(&t.core)
	l.schedule(&t.core)
	return t
}

func (t *Task[T]) manufacture(factory TaskFactory) {
	var value T
	inner := t.coro
	outer := factory(t, func() (err error) {
		value, err = inner()
		return err
	})
	t.coro = func() (T, error) {
		err := outer()
		return value, err
	}
}

// CurrentTask is the task that runs now, or nil in a callback.
func (l *Loop) CurrentTask() AnyTask {
	l.own("CurrentTask")
	if l.current == nil {
		return nil
	}
	return l.current.self
}

// AllTasks are the tasks that are not done, in order of creation.
func (l *Loop) AllTasks() []AnyTask {
	l.own("AllTasks")
	var all []AnyTask
	for t := l.tasks.first; t != nil; t = t.next {
		all = append(all, t.self)
	}
	return all
}

// Name is what SetName set, or else Task-1, Task-2 and so on.
func (t *Task[T]) Name() string { return t.core.Name() }

// SetName names the task, for logs and exceptions.
func (t *Task[T]) SetName(name string) { t.core.name = name }

// Cancelling is how many requests to cancel the task are pending: calls of Cancel minus calls of Uncancel.
func (t *Task[T]) Cancelling() int { return t.core.cancels }

// Uncancel takes one request to cancel back and returns how many are left. A coroutine that caught ErrCancelled and
// goes on should call it. With the last request goes a cancellation that has not been thrown yet.
func (t *Task[T]) Uncancel() int { return t.core.uncancel() }

// run is the whole life of the coroutine function, on the coroutine's stack.
func (t *Task[T]) run() {
	completed := false
	defer func() {
		if !completed {
			t.broke(recover())
		}
	}()
	value, err := t.coro()
	completed = true
	t.finish(value, err)
}

// broke ends a task that panicked or called Goexit.
func (t *Task[T]) broke(value any) {
	var none T
	if value == nil {
		co := t.core.co
		t.finish(none, ErrGoexit)
		co.leave()
		return
	}
	if _, ok := value.(abandoned); ok {
		t.finish(none, ErrCancelled)
		return
	}
	t.finish(none, &PanicError{Value: value, Stack: debug.Stack()})
}

// finish settles the task. A request to cancel that came too late to be thrown wins over a value, not over an
// exception.
func (t *Task[T]) finish(value T, err error) {
	c := &t.core
	l := t.loop
	t.coro, c.co = nil, nil
	l.tasks.remove(c)
	switch {
	case err == nil && !c.mustCancel:
		t.succeed(value)
	case err == nil || errors.Is(err, ErrCancelled):
		t.settle(cancelled, ErrCancelled)
	default:
		t.fail(err)
	}
}

// settleCancelled ends a task that has not begun.
func (t *Task[T]) settleCancelled() {
	var none T
	t.finish(none, ErrCancelled)
}

// Run is one step of the task: from one suspension to the next.
func (c *taskCore) Run() {
	co, l := c.co, c.future.loop
	if co == nil {
		if c.mustCancel {
			c.self.settleCancelled()
			return
		}
		co = l.borrowCoroutine()
		co.task, c.co = c, co
	}
	l.current = c
	co.next()
	l.current = nil
	l.adoptBack()
	if co.task == nil {
		l.giveBack(co)
	}
}

// Name is the task's, for the report of a slow step.
func (c *taskCore) Name() string {
	if c.name != "" {
		return c.name
	}
	return "Task-" + strconv.FormatUint(c.id, 10)
}

// cancel asks the task to end: ErrCancelled is thrown out of the Await it is suspended in, or out of its next one.
// What it awaits is cancelled, too.
func (c *taskCore) cancel() bool {
	c.cancels++
	co := c.co
	switch {
	case co == nil:
	case co.awaiting != nil && !c.cancelling:
		c.cancelling = true
		asked := co.awaiting.requestCancel()
		c.cancelling = false
		if asked {
			return true
		}
	case co.waiter.Leave(), co.timer.Cancel():
		co.interrupted = true
		c.future.loop.schedule(c)
		return true
	}
	c.mustCancel = true
	return true
}

func (c *taskCore) uncancel() int {
	if c.cancels > 0 {
		c.cancels--
		if c.cancels == 0 {
			c.mustCancel = false
		}
	}
	return c.cancels
}

// taskList is the tasks that are not done.
type taskList struct {
	first, last *taskCore
	n           int
}

func (ts *taskList) add(t *taskCore) {
	t.prev = ts.last
	if ts.last == nil {
		ts.first = t
	} else {
		ts.last.next = t
	}
	ts.last = t
	ts.n++
}

func (ts *taskList) remove(t *taskCore) {
	if t.prev == nil {
		ts.first = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		ts.last = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.next, t.prev = nil, nil
	ts.n--
}
