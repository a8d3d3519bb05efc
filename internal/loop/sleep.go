package loop

import "time"

// Sleep suspends the task that calls it for d, rounded up to the millisecond, and returns value. Zero or less is a
// Yield.
func Sleep[T any](l *Loop, d time.Duration, value T) (T, error) {
	if err := l.sleep(d); err != nil {
		var none T
		return none, err
	}
	return value, nil
}

func (l *Loop) sleep(d time.Duration) error {
	l.ownOpen("Sleep")
	t := l.taskFor("Sleep")
	co := t.co
	if d <= 0 || t.mustCancel {
		l.schedule(t)
	} else {
		co.timer = l.scheduleAt(l.after(d), (*sleeping)(co))
	}
	co.list()
	err := co.back(co.yield(struct{}{}))
	co.timer = TimerHandle{}
	return err
}

// Yield lets everything else that is ready run before the task that calls it goes on in the next turn: asyncio's
// sleep(0).
func (l *Loop) Yield() error {
	l.ownOpen("Yield")
	t := l.taskFor("Yield")
	l.schedule(t)
	t.co.list()
	return t.co.back(t.co.yield(struct{}{}))
}

// sleeping is a coroutine whose task sleeps. As in asyncio the end of the time only schedules the task: a cancellation
// that comes in the same turn is still thrown.
type sleeping coroutine

// Run is the end of the time.
func (s *sleeping) Run() { (*coroutine)(s).Wake() }

// Name is the task's.
func (s *sleeping) Name() string { return s.task.Name() }
