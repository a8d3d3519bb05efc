package loop

import (
	"fmt"
	"iter"
)

// closingAwaitsMax is how often a task may await while Close ends it. A task that is cleaning up hears each time that
// it is cancelled; one that does not listen is ended by a panic that only the loop recovers.
const closingAwaitsMax = 100

// errClosing is what Await returns while Close ends a task.
var errClosing = fmt.Errorf("%w: %w", ErrCancelled, ErrClosed)

// abandoned ends a task that does not listen.
type abandoned struct{}

// coroutine is a stack on which tasks run, one after the other: to make one costs several times what running a small
// task does. It also holds what a task needs only while it is suspended.
//
// Of iter.Pull's traps it takes care of four. A panic would lose its stack and end the loop: tasks recover their own.
// Goexit would end the loop's goroutine: see leave. A coroutine that is dropped is never collected: Close ends all.
// To suspend from another goroutine would exchange the two: taskFor finds no current task, or, if one happens to
// run, the debug mode finds the wrong owner.
type coroutine struct {
	loop  *Loop
	task  *taskCore // nil when it is idle
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool

	ahead, behind *coroutine // among those whose task has been suspended
	listed        bool

	waiter      Waiter      // in the list of what the task waits for
	awaiting    *futureBase // the future whose list that is, if it is a future's: cancelled with the task
	timer       TimerHandle // of Sleep
	odd         bool        // there is something to look at when the task goes on
	interrupted bool        // what the task waits for was taken from it by Cancel
	left        bool        // by Goexit: not to be used again
	closing     int         // how often the task has awaited since Close
}

// borrowCoroutine takes an idle coroutine or makes one.
func (l *Loop) borrowCoroutine() *coroutine {
	if n := len(l.idle); n > 0 {
		co := l.idle[n-1]
		l.idle[n-1] = nil
		l.idle = l.idle[:n-1]
		return co
	}
	co := &coroutine{loop: l}
	co.waiter.Owner = co
	co.next, co.stop = iter.Pull(co.serve)
	return co
}

// giveBack keeps a coroutine whose task is done, if there is room.
func (l *Loop) giveBack(co *coroutine) {
	switch {
	case co.left:
		l.discard(co)
	case len(l.idle) < l.idleMax():
		l.idle = append(l.idle, co)
	default:
		co.stop()
	}
}

func (l *Loop) idleMax() int {
	if l.options.IdleCoroutinesMax == 0 {
		return 1024
	}
	return l.options.IdleCoroutinesMax
}

// serve is the life of a coroutine. It runs its task, and then whatever other tasks are to begin right after it in this
// turn: the way out to the loop and in again costs as much as all the rest of a small task.
func (co *coroutine) serve(yield func(struct{}) bool) {
	co.yield = yield
	for {
		co.adopt()
		for ok := true; ok; ok = co.beginNext() {
			co.task.self.run()
		}
		if !yield(struct{}{}) {
			return
		}
	}
}

// beginNext takes the next callback of the batch if that is the first step of a task.
func (co *coroutine) beginNext() bool {
	l := co.loop
	if l.cursor < len(l.batch) && l.strict.Load() == 0 {
		if task, ok := l.batch[l.cursor].(*taskCore); ok && task.co == nil && !task.mustCancel {
			l.listen(co.task)
			l.cursor++
			l.current = task
			co.task, task.co = task, co
			return true
		}
	}
	co.task = nil
	return false
}

// leave is called when a task called Goexit, in its last deferred function. To return from there would end the
// loop's goroutine after this one; so the coroutine stays suspended there until discard ends it.
func (co *coroutine) leave() {
	co.task = nil
	co.left = true
	co.yield(struct{}{})
}

// A task is suspended by join, co.yield and back, in this order. The call of yield stands in Await, Wait, Sleep and
// Yield themselves, as that of next stands in Loop.run: each frame between them and the switch is a return that the
// processor predicts wrong, because the stack under it was exchanged.

// join makes the current task wait in a list. A task that was asked to end while it ran is not kept waiting.
func (l *Loop) join(ws *Waiters, method string) *coroutine {
	t := l.taskFor(method)
	if t.mustCancel {
		l.schedule(t)
	} else {
		ws.Add(&t.co.waiter)
	}
	t.co.list()
	return t.co
}

// back is what a task finds that goes on: an error if its wait was cut short.
func (co *coroutine) back(ok bool) error {
	if ok && !co.odd {
		return nil
	}
	return co.cutShort(ok)
}

func (co *coroutine) cutShort(ok bool) error {
	if !ok {
		return co.close()
	}
	co.adopt()
	t := co.task
	cut := t.mustCancel || co.interrupted
	t.mustCancel, co.interrupted, co.odd = false, false, false
	if cut {
		return ErrCancelled
	}
	return nil
}

// close is what a suspended task finds when the loop is closed.
func (co *coroutine) close() error {
	co.waiter.Leave()
	co.closing++
	if co.closing > closingAwaitsMax {
		panic(abandoned{})
	}
	return errClosing
}

// adopt makes the coroutine's goroutine the owner of the loop, for the debug mode.
func (co *coroutine) adopt() {
	if co.loop.debug() {
		co.loop.owner.Store(goroutineID())
	}
}

// adoptBack gives the loop back to the goroutine that runs it.
func (l *Loop) adoptBack() {
	if l.debug() {
		if l.home == 0 {
			l.home = goroutineID()
		}
		l.owner.Store(l.home)
	}
}

// Wake schedules the task: something in whose list it waited has happened.
func (co *coroutine) Wake() { co.loop.schedule(co.task) }

// park suspends the current task until the list is woken.
func (l *Loop) park(ws *Waiters, method string) error {
	co := l.join(ws, method)
	return co.back(co.yield(struct{}{}))
}

// taskFor is the task that runs now. It panics if there is none.
func (l *Loop) taskFor(method string) *taskCore {
	if l.current == nil {
		panic("loop: " + method + " outside a task: use it in a coroutine given to CreateTask; " +
			"callbacks use AddDoneCallback, other goroutines use Call")
	}
	return l.current
}

// closeCoroutines ends every task and every coroutine. It goes on also when one of them calls Goexit, which ends the
// goroutine that calls Close, but only after all is done.
func (l *Loop) closeCoroutines() {
	completed := false
	defer func() {
		if !completed {
			l.closeCoroutines()
		}
	}()
	for co := l.suspended.first; co != nil; co = l.suspended.first {
		l.current = co.task
		co.stop()
	}
	l.current = nil
	for i := 0; i < len(l.ready); i++ {
		if task, ok := l.ready[i].(*taskCore); ok && task.co == nil && task.future.state == pending {
			task.self.settleCancelled()
		}
	}
	for n := len(l.idle); n > 0; n = len(l.idle) {
		co := l.idle[n-1]
		l.idle = l.idle[:n-1]
		co.stop()
	}
	completed = true
}

// coroutineList is the coroutines whose task has been suspended at least once. Tasks that never were are not worth the
// entry: until their first step they are in the ready queue.
type coroutineList struct{ first, last *coroutine }

// list makes the coroutine findable for Close and AllTasks.
func (co *coroutine) list() {
	if !co.listed {
		co.loop.suspended.add(co)
	}
}

func (cs *coroutineList) add(co *coroutine) {
	co.listed = true
	co.behind = cs.last
	if cs.last == nil {
		cs.first = co
	} else {
		cs.last.ahead = co
	}
	cs.last = co
}

func (cs *coroutineList) remove(co *coroutine) {
	if co.behind == nil {
		cs.first = co.ahead
	} else {
		co.behind.ahead = co.ahead
	}
	if co.ahead == nil {
		cs.last = co.behind
	} else {
		co.ahead.behind = co.behind
	}
	co.ahead, co.behind, co.listed = nil, nil, false
}
