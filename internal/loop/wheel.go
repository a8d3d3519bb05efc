package loop

import (
	"math"
	"math/bits"
	"time"
)

// A wheel has wheelLevels rings of wheelSlots lists. A slot of ring k is wheelSlots^k ticks wide, so seven rings of
// 64 span 2^42 ticks: 139 years of milliseconds. A deadline further away than that waits in the widest ring and is
// sorted in again when the ring comes round, so that no deadline is ever refused.
const (
	wheelLevels   = 7
	wheelSlots    = 1 << wheelSlotBits
	wheelSlotBits = 6

	// The first nodes are the heads of circular lists: one for each slot, then the two below.
	wheelLate   = wheelLevels * wheelSlots // what was already due when it was inserted, for the next Advance
	wheelFiring = wheelLate + 1            // what the Advance under way is handing out
	wheelHeads  = wheelFiring + 1

	wheelHeld uint32 = math.MaxUint32 // in node.prev: handed out, but its owner may still cancel it
	wheelFree uint32 = math.MaxUint32 - 1
)

// Wheel is a hierarchical timer wheel (64 slots x 7 levels): insert and cancel take constant time whatever the
// number of timers. Nodes sit in one slice without pointers, so a million timers cost the collector nothing; values
// sit in a parallel slice. It belongs to one goroutine.
type Wheel[T any] struct {
	tick   int64 // nanoseconds
	base   int64 // start, in ticks since zero; everything below counts from it
	now    int64 // ticks; every slot before it is empty
	target int64 // ticks; the time given to the last Advance: what is due by then is late
	live   int
	free   uint32 // first of the free nodes, linked by next; 0 means none
	nodes  []wheelNode
	values []T
	full   [wheelLevels]uint64 // one bit per slot that is not empty
}

// wheelNode is 24 bytes and free of pointers.
type wheelNode struct {
	next, prev uint32
	gen        uint32 // grows with each life of this node, so that an old handle finds nothing
	at         int64  // ticks since base; for a held node whatever its owner keeps there
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
	w.tick = int64(tick)
	w.base = int64(start) / w.tick
	w.nodes = make([]wheelNode, wheelHeads, wheelHeads+64)
	for i := range w.nodes {
		w.nodes[i].next, w.nodes[i].prev = uint32(i), uint32(i)
	}
	w.values = make([]T, wheelHeads, wheelHeads+64)
}

// Len is the number of timers that wait.
func (w *Wheel[T]) Len() int { return w.live }

// Insert adds a timer for the moment when, rounded up to the tick so that it never fires early. A moment that the
// last Advance has already passed is due in the next one. It allocates only when the wheel has to grow.
func (w *Wheel[T]) Insert(when time.Duration, v T) WheelHandle {
	i := w.free
	if i != 0 {
		w.free = w.nodes[i].next
		w.values[i] = v
	} else {
		i = uint32(len(w.nodes))
		w.nodes = append(w.nodes, wheelNode{gen: 1})
		w.values = append(w.values, v)
	}
	n := &w.nodes[i]
	n.at = w.ticksUp(when)
	w.live++
	w.link(i, n)
	return WheelHandle{index: i, gen: n.gen}
}

// Cancel removes a timer that waits and reports whether it did; false means that it fired or was cancelled before.
func (w *Wheel[T]) Cancel(h WheelHandle) bool {
	if !w.alive(h) || w.nodes[h.index].prev == wheelHeld {
		return false
	}
	w.unlink(h.index)
	w.release(h.index)
	return true
}

// Next is the earliest moment at which Advance has something to do, never later than the first timer is due. It can
// be earlier, when a wide slot has to be sorted into narrower ones first. false means that no timer waits.
func (w *Wheel[T]) Next() (time.Duration, bool) {
	if w.nodes[wheelLate].next != wheelLate {
		return w.moment(w.target), true
	}
	at, _, ok := w.nextSlot()
	return w.moment(at), ok
}

// Advance hands everything that is due by now to due, in the order of (tick, insertion). What was inserted when it was
// already due comes first, as if its tick were the time of the last Advance. due may insert and cancel; what it
// inserts for a moment up to now fires in the next Advance. A now before that of the last Advance is allowed and
// fires only what was inserted late: wall clocks can be set back.
func (w *Wheel[T]) Advance(now time.Duration, due func(T)) {
	w.advance(now, func(i uint32) {
		v := w.take(i)
		w.release(i)
		due(v)
	})
}

// advance hands out held nodes: the callee owns node i until it calls release, and may keep a number in its at field.
func (w *Wheel[T]) advance(now time.Duration, due func(i uint32)) {
	target := max(int64(now)/w.tick-w.base, w.target)
	w.target = target
	w.handOut(due) // what is left if a due panicked
	w.fire(wheelLate, due)
	for w.live > 0 {
		at, slot, ok := w.nextSlot()
		if !ok || at > target {
			break
		}
		w.now = at
		if slot < wheelSlots {
			w.fire(slot, due)
		} else {
			w.cascade(slot)
		}
	}
	w.now = max(w.now, target)
}

// fire hands out the list of one slot. The list is detached first: what is inserted meanwhile belongs to a later turn.
func (w *Wheel[T]) fire(slot uint32, due func(i uint32)) {
	w.detach(slot)
	w.handOut(due)
}

func (w *Wheel[T]) handOut(due func(i uint32)) {
	for i := w.nodes[wheelFiring].next; i != wheelFiring; i = w.nodes[wheelFiring].next {
		w.unlink(i)
		w.nodes[i].prev = wheelHeld
		due(i)
	}
}

// cascade sorts a wide slot, whose time has come, into narrower ones. Order of insertion is kept: whatever is already
// in those slots was there only after the time of this slot had come, and it has only come now.
func (w *Wheel[T]) cascade(slot uint32) {
	w.detach(slot)
	for i := w.nodes[wheelFiring].next; i != wheelFiring; i = w.nodes[wheelFiring].next {
		w.unlink(i)
		n := &w.nodes[i]
		w.push(w.slot(n.at), i, n)
	}
}

// link puts a new node where its time says.
func (w *Wheel[T]) link(i uint32, n *wheelNode) {
	if n.at <= w.target {
		w.push(wheelLate, i, n)
		return
	}
	w.push(w.slot(n.at), i, n)
}

// slot finds the ring by the highest bit in which at differs from now: ring 0 holds what shares all but the last six
// bits, so a lower ring is always earlier than a higher one.
func (w *Wheel[T]) slot(at int64) uint32 {
	level := min((bits.Len64(uint64(at^w.now))-1)/wheelSlotBits, wheelLevels-1)
	return uint32(level)<<wheelSlotBits | uint32(at>>(level*wheelSlotBits))&(wheelSlots-1)
}

// nextSlot is the first slot that is not empty and the tick at which its time comes.
func (w *Wheel[T]) nextSlot() (at int64, slot uint32, ok bool) {
	for level, full := range w.full {
		if full == 0 {
			continue
		}
		shift := level * wheelSlotBits
		here := w.now >> shift
		ahead := bits.RotateLeft64(full, -int(here&(wheelSlots-1)))
		if level > 0 {
			ahead &^= 1 // what sits in the slot we are in is a whole round or more away: 64 trailing zeros
		}
		away := bits.TrailingZeros64(ahead)
		at = here + int64(away)
		slot = uint32(level)<<wheelSlotBits | uint32(at&(wheelSlots-1))
		if at > math.MaxInt64>>shift {
			return math.MaxInt64, slot, true
		}
		return at << shift, slot, true
	}
	return 0, 0, false
}

// push links node i at the end of a list.
func (w *Wheel[T]) push(head, i uint32, n *wheelNode) {
	h := &w.nodes[head]
	n.next, n.prev = head, h.prev
	w.nodes[h.prev].next = i
	h.prev = i
	if head < wheelLate {
		w.full[head>>wheelSlotBits] |= 1 << (head & (wheelSlots - 1))
	}
}

// unlink takes node i out of whatever list it is in.
func (w *Wheel[T]) unlink(i uint32) {
	next, prev := w.nodes[i].next, w.nodes[i].prev
	w.nodes[next].prev = prev
	w.nodes[prev].next = next
	if next == prev && next < wheelLate {
		w.full[next>>wheelSlotBits] &^= 1 << (next & (wheelSlots - 1))
	}
}

// detach moves the whole list of a slot to the firing list, which is empty.
func (w *Wheel[T]) detach(slot uint32) {
	h := &w.nodes[slot]
	if h.next == slot {
		return
	}
	f := &w.nodes[wheelFiring]
	f.next, f.prev = h.next, h.prev
	w.nodes[f.next].prev = wheelFiring
	w.nodes[f.prev].next = wheelFiring
	h.next, h.prev = slot, slot
	if slot < wheelLate {
		w.full[slot>>wheelSlotBits] &^= 1 << (slot & (wheelSlots - 1))
	}
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
	n := &w.nodes[i]
	n.gen = max(n.gen+1, 1) // 0 is the handle that names nothing
	n.prev = wheelFree
	n.next = w.free
	w.free = i
	w.live--
}

func (w *Wheel[T]) alive(h WheelHandle) bool {
	return h.gen != 0 && int(h.index) < len(w.nodes) && w.nodes[h.index].gen == h.gen && w.nodes[h.index].prev != wheelFree
}

// ticksUp counts in ticks from base, rounded up.
func (w *Wheel[T]) ticksUp(when time.Duration) int64 {
	at := int64(when) / w.tick
	if int64(when)%w.tick > 0 {
		at++
	}
	return at - w.base
}

// moment is the Duration of a tick, at most the largest there is.
func (w *Wheel[T]) moment(at int64) time.Duration {
	at += w.base
	if at > math.MaxInt64/w.tick {
		return math.MaxInt64
	}
	return time.Duration(at * w.tick)
}
