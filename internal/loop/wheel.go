package loop

import (
	"slices"
	"time"
)

// Wheel is a hierarchical timer wheel (64 slots x 7 levels): insert and cancel take constant time whatever the
// number of timers. Its nodes sit in one slice without pointers, so a million timers cost the collector nothing;
// values sit in a parallel slice. It belongs to one goroutine.
type Wheel[T any] struct {
	rings  rings
	values []T
}

// WheelHandle names one timer of a Wheel. The zero value names none. It is a plain value; copies name the same timer.
type WheelHandle struct{ index, gen uint32 }

// NewWheel makes an empty wheel that has already advanced to start. tick is the resolution and must be positive.
// start may be any non-negative Duration, however large: a wheel keyed by wall time starts at the Unix time, around
// 1.79e12 ms. It panics on other arguments.
func NewWheel[T any](tick, start time.Duration) *Wheel[T] {
	w := new(Wheel[T])
	w.init(tick, start)
	return w
}

func (w *Wheel[T]) init(tick, start time.Duration) {
	if tick <= 0 || start < 0 {
		panic("loop: NewWheel: tick must be positive and start not negative")
	}
	w.rings.init(int64(tick), int64(start))
	w.values = make([]T, len(w.rings.nodes), cap(w.rings.nodes))
}

// Len is the number of timers that wait.
func (w *Wheel[T]) Len() int { return w.rings.live }

// Grow makes room for n more timers at once. A wheel that grows by itself copies what it has every now and then.
func (w *Wheel[T]) Grow(n int) {
	w.rings.nodes = slices.Grow(w.rings.nodes, n)
	w.values = slices.Grow(w.values, n)
}

// Insert adds a timer for the moment when, rounded up to the tick so that it never fires early. A moment that the
// last Advance has already passed is due in the next one. It allocates only when the wheel has to grow.
func (w *Wheel[T]) Insert(when time.Duration, v T) WheelHandle {
	h := w.rings.insert(int64(when))
	w.put(h.index, v)
	return h
}

func (w *Wheel[T]) put(i uint32, v T) {
	if int(i) == len(w.values) {
		w.values = append(w.values, v)
		return
	}
	w.values[i] = v
}

// Cancel removes a timer that waits and reports whether it did; false means that it fired or was cancelled before.
func (w *Wheel[T]) Cancel(h WheelHandle) bool {
	n := w.rings.find(h)
	if n == nil || n.prev == wheelHeld {
		return false
	}
	w.rings.unlink(n)
	w.release(h.index)
	return true
}

// Next is the earliest moment at which Advance has something to do, never later than the first timer is due. It can
// be earlier, when a wide slot has to be sorted into narrower ones first. false means that no timer waits.
func (w *Wheel[T]) Next() (time.Duration, bool) {
	at, ok := w.rings.next()
	return time.Duration(at), ok
}

// Advance hands everything that is due by now to due, in the order of (tick, insertion). What was inserted when it was
// already due comes first, as if its tick were the time of the last Advance. due may insert and cancel; what it
// inserts for a moment up to now fires in the next Advance. A now before that of the last Advance is allowed and
// fires only what was inserted late: wall clocks can be set back.
func (w *Wheel[T]) Advance(now time.Duration, due func(T)) {
	w.rings.advance(int64(now), func(i uint32) {
		v := w.take(i)
		w.release(i)
		due(v)
	})
}

// take empties the value of a held node.
func (w *Wheel[T]) take(i uint32) T {
	v := w.values[i]
	var none T
	w.values[i] = none
	return v
}

// release gives node i back; from now on its handle names nothing.
func (w *Wheel[T]) release(i uint32) {
	var none T
	w.values[i] = none
	w.rings.release(i)
}
