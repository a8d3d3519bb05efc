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

	waiter      Waiter      // in the list of what the task waits for
	awaiting    *futureBase // the future whose list that is, if it is a future's: cancelled with the task
	timer       TimerHandle // of Sleep
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

// serve is the life of a coroutine.
func (co *coroutine) serve(yield func(struct{}) bool) {
	co.yield = yield
	for {
		co.adopt()
		co.task.self.run()
		co.task = nil
		if !yield(struct{}{}) {
			return
		}
	}
}

// leave is called when a task called Goexit, in its last deferred function. To return from there would end the
// loop's goroutine after this one; so the coroutine stays suspended there until discard ends it.
func (co *coroutine) leave() {
	co.task = nil
	co.left = true
	co.yield(struct{}{})
}

// suspend gives control back to the loop until something schedules the task.
func (co *coroutine) suspend() error {
	if !co.yield(struct{}{}) {
		return co.close()
	}
	co.adopt()
	t := co.task
	if t.mustCancel || co.interrupted {
		t.mustCancel, co.interrupted = false, false
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
	t := l.taskFor(method)
	if t.mustCancel {
		return l.yield(t) // asked for while it ran: not to be kept waiting
	}
	ws.Add(&t.co.waiter)
	return t.co.suspend()
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
	for l.tasks.first != nil {
		t := l.tasks.first
		if t.co == nil {
			t.self.settleCancelled()
			continue
		}
		l.current = t
		t.co.stop()
	}
	l.current = nil
	for n := len(l.idle); n > 0; n = len(l.idle) {
		co := l.idle[n-1]
		l.idle = l.idle[:n-1]
		co.stop()
	}
	completed = true
}
