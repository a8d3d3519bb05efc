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
	if d <= 0 || t.mustCancel {
		return l.yield(t)
	}
	t.co.timer = l.scheduleAt(l.after(d), t)
	err := t.co.suspend()
	t.co.timer = TimerHandle{}
	return err
}

// Yield lets everything else that is ready run before the task that calls it goes on in the next turn: asyncio's
// sleep(0).
func (l *Loop) Yield() error {
	l.ownOpen("Yield")
	return l.yield(l.taskFor("Yield"))
}

func (l *Loop) yield(t *taskCore) error {
	l.schedule(t)
	return t.co.suspend()
}
