package loop

import (
	"fmt"
	"time"
)

// ReturnWhen is what Wait waits for.
type ReturnWhen int

const (
	AllCompleted   ReturnWhen = iota // every future is done
	FirstCompleted                   // one is done, however it ended
	FirstException                   // one has an exception, or all are done; to be cancelled is no exception
)

// Wait suspends the task that calls it until enough of the futures are done, or the timeout has passed; 0 means no
// timeout. It gives both kinds in the order of futures, cancels nothing, and takes nobody's exception. Its error is
// ErrCancelled if the task was cancelled, or ErrInvalidState if there is nothing to wait for.
func Wait[F Waitable](l *Loop, futures []F, until ReturnWhen, timeout time.Duration) (done, rest []F, err error) {
	l.ownOpen("Wait")
	if len(futures) == 0 {
		return nil, nil, fmt.Errorf("%w: Wait for no futures", ErrInvalidState)
	}
	w := &wait{until: until, left: len(futures)}
	w.watches = make([]watch, len(futures))
	for i, f := range futures {
		w.watches[i].of(w, f.base())
	}
	if !w.enough() {
		err = w.park(l, timeout)
	}
	for i, f := range futures {
		w.watches[i].waiter.Leave()
		if f.base().state == pending {
			rest = append(rest, f)
		} else {
			done = append(done, f)
		}
	}
	return done, rest, err
}

// wait counts the futures of one Wait down.
type wait struct {
	until   ReturnWhen
	left    int
	failed  bool
	watches []watch
	task    Waiters // the one task that waits
}

// watch is one future of a wait.
type watch struct {
	waiter Waiter
	wait   *wait
	future *futureBase
}

func (w *wait) park(l *Loop, timeout time.Duration) error {
	var timer TimerHandle
	if timeout > 0 {
		timer = l.scheduleAt(l.after(timeout), w)
	}
	err := l.park(&w.task, "Wait")
	timer.Cancel()
	return err
}

// Run is the end of the timeout.
func (w *wait) Run() { w.task.Wake() }

func (w *wait) enough() bool {
	switch w.until {
	case FirstCompleted:
		return w.left < len(w.watches)
	case FirstException:
		return w.failed || w.left == 0
	default:
		return w.left == 0
	}
}

func (v *watch) of(w *wait, f *futureBase) {
	v.wait, v.future = w, f
	v.waiter.Owner = v
	if f.state == pending {
		f.waiters.Add(&v.waiter)
	} else {
		v.count()
	}
}

func (v *watch) count() {
	v.wait.left--
	if v.future.state == finished && v.future.err != nil {
		v.wait.failed = true
	}
}

// Wake counts one future, and wakes the task when it is the one that was wanted.
func (v *watch) Wake() {
	v.count()
	if v.wait.enough() {
		v.wait.task.Wake()
	}
}
