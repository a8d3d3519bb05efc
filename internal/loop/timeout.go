package loop

import (
	"errors"
	"time"
)

// Timeout runs body in the task that calls it and gives it d, rounded up to the millisecond. When the time is over the
// task is cancelled, once; if body ends with ErrCancelled because of that, Timeout returns ErrTimeout. A cancellation
// that came from elsewhere stays one. Timeouts can be nested.
func Timeout(l *Loop, d time.Duration, body func() error) error {
	l.ownOpen("Timeout")
	s := timeoutScope{task: l.taskFor("Timeout")}
	s.cancels = int(s.task.cancels)
	timer := l.scheduleAt(l.after(d), &s)
	defer timer.Cancel() // also when body panics
	err := body()
	if s.over && s.task.uncancel() <= s.cancels && errors.Is(err, ErrCancelled) {
		return ErrTimeout
	}
	return err
}

type timeoutScope struct {
	task    *taskCore
	cancels int  // of the task when the scope began
	over    bool // the time
}

// Run is the end of the time.
func (s *timeoutScope) Run() {
	s.over = true
	s.task.cancel()
}

// WaitFor awaits aw for at most d. When the time is over it cancels aw, waits until that has ended, and returns
// ErrTimeout; if aw came to a result all the same, it returns that. With d of zero or less it does not wait for
// anything that is not done already. As in CPython 3.12.
func WaitFor[T any](l *Loop, aw Awaitable[T], d time.Duration) (T, error) {
	l.ownOpen("WaitFor")
	if d <= 0 {
		return awaitNow(l, EnsureFuture(l, aw))
	}
	var value T
	err := Timeout(l, d, func() (err error) {
		value, err = aw.Await()
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return value, nil
}

// awaitNow takes the result that is there, or cancels f and waits until it has ended.
func awaitNow[T any](l *Loop, f *Future[T]) (T, error) {
	if f.state != pending {
		return f.Result()
	}
	f.requestCancel()
	if f.state == pending {
		if err := l.park(&f.waiters, "WaitFor"); err != nil {
			var none T
			return none, err
		}
	}
	value, err := f.Result()
	if errors.Is(err, ErrCancelled) {
		return value, ErrTimeout
	}
	return value, err
}
