package loop

import (
	"errors"
	"runtime/debug"
)

// TaskGroup is tasks that end together: asyncio.TaskGroup. See RunGroup.
type TaskGroup struct {
	loop     *Loop
	parent   *taskCore
	members  Waiters // of members that are not done
	finished Waiters // the parent, when it waits for the last one
	errs     []error
	exiting  bool // body has returned
	aborting bool // everybody is being cancelled
	asked    bool // the parent was cancelled by us, to end body
	over     bool
}

// member is a task of a group.
type member struct {
	place  Waiter // among the group's members; never woken
	waiter Waiter // among those of the task
	group  *TaskGroup
	task   AnyTask
}

// RunGroup runs body in the task that calls it and then waits for all tasks that body, or one of them, has created in
// the group. If body or a task fails, the others are cancelled, body included; when all have ended RunGroup returns
// the exceptions, joined in the order in which they came. If the task is cancelled from outside, so are all, and
// RunGroup returns ErrCancelled, unless there are exceptions, too.
func RunGroup(l *Loop, body func(g *TaskGroup) error) error {
	l.ownOpen("RunGroup")
	g := &TaskGroup{loop: l, parent: l.taskFor("RunGroup")}
	err := g.runBody(body)
	g.exiting = true
	stopped := errors.Is(err, ErrCancelled)
	if g.asked && g.parent.uncancel() == 0 {
		stopped = false // nobody else wanted us to stop
	}
	if err != nil && !g.aborting {
		g.abort()
	}
	for g.members.Len() > 0 {
		if l.park(&g.finished, "RunGroup") != nil && !g.aborting {
			stopped = true
			g.abort()
		}
	}
	g.over = true
	return g.outcome(err, stopped)
}

// runBody makes an exception of a panic: the group is waited for all the same.
func (g *TaskGroup) runBody(body func(g *TaskGroup) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return body(g)
}

// outcome joins the exceptions; they have priority over a cancellation from outside, which is then thrown by the next
// Await of the task.
func (g *TaskGroup) outcome(err error, stopped bool) error {
	if err != nil && !errors.Is(err, ErrCancelled) {
		g.errs = append(g.errs, err)
	}
	if len(g.errs) == 0 {
		if stopped {
			return ErrCancelled
		}
		return nil
	}
	if g.parent.cancels > 0 {
		g.parent.uncancel()
		g.parent.cancel()
	}
	return errors.Join(g.errs...)
}

// CreateTaskIn creates a task in a group. In a group that is being cancelled the task is cancelled before it begins. It
// panics if the group is over.
func CreateTaskIn[T any](g *TaskGroup, coro func() (T, error)) *Task[T] {
	if g.over {
		panic("loop: CreateTaskIn: the group is over")
	}
	t := CreateTask(g.loop, coro)
	m := &member{group: g, task: t}
	m.place.Owner, m.waiter.Owner = m, m
	g.members.Add(&m.place)
	t.waiters.Add(&m.waiter)
	if g.aborting {
		t.core.cancel()
	}
	return t
}

func (g *TaskGroup) abort() {
	g.aborting = true
	for w := g.members.first; w != nil; w = w.next {
		w.Owner.(*member).task.base().requestCancel()
	}
}

// Wake is told that the task is done.
func (m *member) Wake() {
	g, task := m.group, m.task.base()
	m.place.Leave()
	if g.members.Len() == 0 {
		g.finished.Wake()
	}
	if task.state == cancelled || task.err == nil {
		return
	}
	task.lost.found()
	g.errs = append(g.errs, task.err)
	if g.aborting {
		return
	}
	g.abort()
	if !g.exiting {
		g.asked = true
		g.parent.cancel()
	}
}
