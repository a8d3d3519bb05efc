package loop

import (
	"math"
	"time"
)

// Handle names one scheduled callback. It is a small plain value; the zero value names nothing.
type Handle struct {
	loop      *Loop
	seq       uint64
	cancelled bool
}

// Cancel keeps the callback from running and reports whether it did: false means that it ran, is running, or was
// cancelled before.
func (h *Handle) Cancel() bool {
	if h.loop == nil {
		return false
	}
	h.loop.own("Handle.Cancel")
	if !h.loop.unqueue(h.seq) {
		return false
	}
	h.cancelled = true
	return true
}

// Cancelled reports whether Cancel of this very handle kept the callback from running; a copy made before knows
// nothing of it.
func (h *Handle) Cancelled() bool { return h.cancelled }

// TimerHandle names one timer. It is a small plain value; the zero value names nothing.
type TimerHandle struct {
	loop      *Loop
	timer     WheelHandle
	when      time.Duration
	cancelled bool
}

// Cancel keeps the timer from running, even when it is due and already in the ready queue, and reports whether it
// did: false means that it ran, is running, or was cancelled before.
func (h *TimerHandle) Cancel() bool {
	if h.loop == nil {
		return false
	}
	h.loop.own("TimerHandle.Cancel")
	if !h.loop.cancelTimer(h.timer) {
		return false
	}
	h.cancelled = true
	return true
}

// Cancelled reports whether Cancel of this very handle kept the timer from running; a copy made before knows nothing
// of it.
func (h *TimerHandle) Cancelled() bool { return h.cancelled }

// When is the moment asked for, on the loop's clock.
func (h *TimerHandle) When() time.Duration { return h.when }

// CallSoon schedules fn for the next turn, after all that is scheduled already. It allocates nothing; a closure made
// for the call does.
func (l *Loop) CallSoon(fn func()) Handle {
	l.ownOpen("CallSoon")
	return l.schedule(Func(fn))
}

// Schedule is CallSoon for what can run itself: no closure is made, which is the cheapest way to schedule anything.
func (l *Loop) Schedule(r Runner) Handle {
	l.ownOpen("Schedule")
	return l.schedule(r)
}

func (l *Loop) schedule(r Runner) Handle {
	seq := l.readySeq + uint64(len(l.ready))
	l.ready = append(l.ready, r)
	return Handle{loop: l, seq: seq}
}

// CallLater schedules fn to run once d has passed since this turn's Now, rounded up to the millisecond. Timers of the
// same millisecond run in the order in which they were scheduled. Zero or less runs in the next turn.
func (l *Loop) CallLater(d time.Duration, fn func()) TimerHandle {
	l.ownOpen("CallLater")
	return l.scheduleAt(l.after(d), Func(fn))
}

// CallAt schedules fn for a moment on the loop's clock, rounded up to the millisecond.
func (l *Loop) CallAt(when time.Duration, fn func()) TimerHandle {
	l.ownOpen("CallAt")
	return l.scheduleAt(when, Func(fn))
}

// ScheduleAt is CallAt for what can run itself.
func (l *Loop) ScheduleAt(when time.Duration, r Runner) TimerHandle {
	l.ownOpen("ScheduleAt")
	return l.scheduleAt(when, r)
}

func (l *Loop) scheduleAt(when time.Duration, r Runner) TimerHandle {
	h := l.wheel.rings.insert(int64(when)) // l.wheel.Insert with one call less
	l.wheel.put(h.index, r)
	return TimerHandle{loop: l, timer: h, when: when}
}

// after is the moment d from now, at most the last there is.
func (l *Loop) after(d time.Duration) time.Duration {
	now := l.Now()
	if d > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + max(d, 0)
}

// unqueue takes a callback out of the ready queue or out of the rest of this turn's batch.
func (l *Loop) unqueue(seq uint64) bool {
	if seq >= l.readySeq {
		i := seq - l.readySeq
		if i >= uint64(len(l.ready)) || l.ready[i] == nil {
			return false
		}
		l.ready[i] = nil
		l.readyGone++
		return true
	}
	i := seq - (l.readySeq - uint64(len(l.batch)))
	if i < uint64(l.cursor) || i >= uint64(len(l.batch)) || l.batch[i] == nil {
		return false
	}
	l.batch[i] = nil
	l.batchGone++
	return true
}

// timerDue queues a timer that is due. Its node stays held until the end of the turn and remembers where in the
// queue it is, so that it can still be cancelled.
func (l *Loop) timerDue(i uint32) {
	l.wheel.rings.nodes[i].at = int64(l.readySeq) + int64(len(l.ready))
	l.ready = append(l.ready, l.wheel.take(i))
	l.due = append(l.due, i)
}

func (l *Loop) cancelTimer(h WheelHandle) bool {
	n := l.wheel.rings.find(h)
	switch {
	case n == nil:
		return false
	case n.prev == wheelHeld:
		return l.unqueue(uint64(n.at))
	}
	l.wheel.rings.unlink(n)
	l.wheel.release(h.index)
	return true
}
