package loop

import (
	"cmp"
	"errors"
	"runtime/debug"
	"slices"
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
	name       *string    // nil means Task-<id>
	id         uint64
	cancels    int32 // requests to cancel minus Uncancel
	mustCancel bool  // the next step begins with ErrCancelled
	cancelling bool  // Cancel is under way; in a circle of tasks it comes round, and then ends the wait itself
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
	return createTask(l, l.taskFactory, coro)
}

func createTask[T any](l *Loop, factory TaskFactory, coro func() (T, error)) *Task[T] {
	l.taskIDs++
	t := &Task[T]{coro: coro}
	t.loop = l
	t.core.self, t.core.future, t.core.id = t, &t.futureBase, l.taskIDs
	t.owner = &t.core
	if factory != nil {
		t.manufacture(factory)
	}
	l.tasks++
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
	var all []*taskCore
	if l.current != nil && !l.current.co.listed {
		all = append(all, l.current)
	}
	for co := l.suspended.first; co != nil; co = co.ahead {
		all = append(all, co.task)
	}
	for _, queue := range [][]Runner{l.batch[l.cursor:], l.ready} {
		for _, r := range queue {
			if task, ok := r.(*taskCore); ok && task.co == nil {
				all = append(all, task)
			}
		}
	}
	slices.SortFunc(all, func(a, b *taskCore) int { return cmp.Compare(a.id, b.id) })
	tasks := make([]AnyTask, len(all))
	for i, task := range all {
		tasks[i] = task.self
	}
	return tasks
}

// Name is what SetName set, or else Task-1, Task-2 and so on.
func (t *Task[T]) Name() string { return t.core.Name() }

// SetName names the task, for logs and exceptions.
func (t *Task[T]) SetName(name string) { t.core.name = &name }

// Cancelling is how many requests to cancel the task are pending: calls of Cancel minus calls of Uncancel.
func (t *Task[T]) Cancelling() int { return int(t.core.cancels) }

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
	if co := c.co; co != nil && co.listed {
		l.suspended.remove(co)
	}
	t.coro, c.co = nil, nil
	l.tasks--
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

// begin gives the task a coroutine for its first step; nil if it was cancelled before.
func (c *taskCore) begin() *coroutine {
	if c.mustCancel {
		return nil
	}
	co := c.future.loop.borrowCoroutine()
	co.task, c.co = c, co
	return co
}

// Run is one step of the task, from one suspension to the next. Loop.run does it itself, when it can.
func (c *taskCore) Run() {
	if c.co == nil {
		c.begin()
	}
	c.runStrictly()
}

// runStrictly is a step in debug mode, or the only step of a task that was cancelled before it began.
func (c *taskCore) runStrictly() {
	co, l := c.co, c.future.loop
	if co == nil {
		c.self.settleCancelled()
		return
	}
	co.odd = co.odd || l.debug()
	l.current = c
	co.next()
	l.current = nil
	l.stepped(co)
}

// stepped is the end of a step that was the last one, or in which the debug mode was on.
func (l *Loop) stepped(co *coroutine) {
	l.adoptBack()
	if co.task == nil {
		l.giveBack(co)
	}
}

// Name is the task's, for the report of a slow step.
func (c *taskCore) Name() string {
	if c.name != nil {
		return *c.name
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
		co.interrupted, co.odd = true, true
		c.future.loop.schedule(c)
		return true
	}
	c.mustCancel = true
	if co != nil {
		co.odd = true
	}
	return true
}

func (c *taskCore) uncancel() int {
	if c.cancels > 0 {
		c.cancels--
		if c.cancels == 0 {
			c.mustCancel = false
		}
	}
	return int(c.cancels)
}
