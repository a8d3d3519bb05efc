package loop

import (
	"math"
	"math/bits"
	"time"
)

// The rings of a wheel are wheelLevels circles of wheelSlots lists. A slot of ring k is wheelSlots^k ticks wide, so
// seven rings of 64 span 2^42 ticks: 139 years of milliseconds. A deadline further away than that waits in the widest
// ring and is sorted in again when the ring comes round, so that no deadline is ever refused.
const (
	wheelLevels   = 7
	wheelSlots    = 1 << wheelSlotBits
	wheelSlotBits = 6

	// The first nodes are the heads of circular lists: one for each slot, then the two below.
	wheelLate   = wheelLevels * wheelSlots // what was already due when it was inserted, for the next Advance
	wheelFiring = wheelLate + 1            // what the Advance under way is handing out
	wheelHeads  = wheelFiring + 1

	wheelHeld = math.MaxUint32 // in node.prev: handed out, but its owner may still cancel it
)

// rings is a Wheel without its values.
type rings struct {
	tick   int64 // nanoseconds
	base   int64 // start, in ticks since zero; everything below counts from it
	now    int64 // ticks; every slot before it is empty
	target int64 // ticks; the time given to the last advance: what is due by then is late
	live   int
	free   uint32 // first of the free nodes, linked by next; 0 means none
	nodes  []wheelNode
	full   [wheelLevels]uint64 // one bit per slot that is not empty
}

// wheelNode is 24 bytes and free of pointers.
type wheelNode struct {
	next, prev uint32
	gen        uint32 // grows with each life of this node, so that an old handle finds nothing
	at         int64  // ticks since base; for a held node whatever its owner keeps there
}

func (w *rings) init(tick, start int64) {
	*w = rings{tick: tick, base: start / tick}
	w.nodes = make([]wheelNode, wheelHeads, wheelHeads+64)
	for i := range w.nodes {
		w.nodes[i].next, w.nodes[i].prev = uint32(i), uint32(i)
	}
}

// insert links a node where its time says.
func (w *rings) insert(when int64) WheelHandle {
	at := w.ticksUp(when)
	i := w.free
	if i == 0 {
		i = uint32(len(w.nodes))
		w.nodes = append(w.nodes, wheelNode{gen: 1})
	} else {
		w.free = w.nodes[i].next
	}
	w.live++
	n := &w.nodes[i]
	n.at = at
	head := uint32(wheelLate)
	if at > w.target {
		head = w.slot(at)
	}
	w.push(head, i, n)
	return WheelHandle{index: i, gen: n.gen}
}

// release makes node i free.
func (w *rings) release(i uint32) {
	n := &w.nodes[i]
	n.gen = max(n.gen+1, 1) // 0 is the handle that names nothing
	n.next = w.free
	w.free = i
	w.live--
}

// find is the node that h names, or nil.
func (w *rings) find(h WheelHandle) *wheelNode {
	if int(h.index) < len(w.nodes) {
		if n := &w.nodes[h.index]; n.gen == h.gen && h.gen != 0 {
			return n
		}
	}
	return nil
}

// next is the moment of the first slot that is not empty.
func (w *rings) next() (int64, bool) {
	if w.nodes[wheelLate].next != wheelLate {
		return w.moment(w.target), true
	}
	at, _, ok := w.nextSlot()
	return w.moment(at), ok
}

// advance hands out held nodes: due owns node i until it calls release, and may keep a number in its at field.
func (w *rings) advance(now int64, due func(i uint32)) {
	target := max(now/w.tick-w.base, w.target)
	w.target = target
	w.handOut(due) // what is left if a due panicked
	w.fire(wheelLate, due)
	for w.live > 0 {
		at, slot, ok := w.nextSlot()
		if !ok || at > target {
			break
		}
		w.now = at
		w.full[slot>>wheelSlotBits] &^= 1 << (slot & (wheelSlots - 1))
		if slot < wheelSlots {
			w.fire(slot, due)
		} else {
			w.cascade(slot)
		}
	}
	w.now = max(w.now, target)
}

// fire hands out the list of one slot. The list is moved away first: what is inserted meanwhile is for later.
func (w *rings) fire(slot uint32, due func(i uint32)) {
	h, f := &w.nodes[slot], &w.nodes[wheelFiring]
	if h.next == slot {
		return
	}
	f.next, f.prev = h.next, h.prev
	w.nodes[f.next].prev, w.nodes[f.prev].next = wheelFiring, wheelFiring
	h.next, h.prev = slot, slot
	w.handOut(due)
}

func (w *rings) handOut(due func(i uint32)) {
	for i := w.nodes[wheelFiring].next; i != wheelFiring; i = w.nodes[wheelFiring].next {
		n := &w.nodes[i]
		w.unlink(n)
		n.prev = wheelHeld
		due(i)
	}
}

// cascade sorts a wide slot, whose time has come, into narrower ones. Order of insertion is kept: whatever is already
// in those slots was there only after the time of this slot had come, and it has only come now.
func (w *rings) cascade(slot uint32) {
	h := &w.nodes[slot]
	i := h.next
	h.next, h.prev = slot, slot
	for i != slot {
		n := &w.nodes[i]
		next := n.next
		w.push(w.slot(n.at), i, n)
		i = next
	}
}

// slot finds the ring by the highest bit in which at differs from now: ring 0 holds what shares all but the last six
// bits, so a lower ring is always earlier than a higher one.
func (w *rings) slot(at int64) uint32 {
	level := min(uint(bits.Len64(uint64(at^w.now)>>1))/wheelSlotBits, wheelLevels-1)
	return uint32(level<<wheelSlotBits) | uint32(at>>(level*wheelSlotBits))&(wheelSlots-1)
}

// nextSlot is the first slot that is not empty and the tick at which its time comes.
func (w *rings) nextSlot() (at int64, slot uint32, ok bool) {
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
		at = here + int64(bits.TrailingZeros64(ahead))
		slot = uint32(level)<<wheelSlotBits | uint32(at&(wheelSlots-1))
		if at > math.MaxInt64>>shift {
			return math.MaxInt64, slot, true
		}
		return at << shift, slot, true
	}
	return 0, 0, false
}

// push links node i at the end of a list.
func (w *rings) push(head, i uint32, n *wheelNode) {
	h := &w.nodes[head]
	last := h.prev
	n.next, n.prev = head, last
	w.nodes[last].next = i
	h.prev = i
	if last == head && head < wheelLate {
		w.full[head>>wheelSlotBits] |= 1 << (head & (wheelSlots - 1))
	}
}

// unlink takes a node out of whatever list it is in.
func (w *rings) unlink(n *wheelNode) {
	next, prev := n.next, n.prev
	w.nodes[next].prev = prev
	w.nodes[prev].next = next
	if next == prev && next < wheelLate {
		w.full[next>>wheelSlotBits] &^= 1 << (next & (wheelSlots - 1))
	}
}

// ticksUp counts in ticks from base, rounded up, except in the last tick that a Duration can name. The usual tick is a
// constant for the compiler: a division by any other takes as long as the rest of an insertion.
func (w *rings) ticksUp(when int64) int64 {
	var at, rest int64
	if w.tick == int64(time.Millisecond) {
		at, rest = when/int64(time.Millisecond), when%int64(time.Millisecond)
	} else {
		at, rest = when/w.tick, when%w.tick
	}
	if rest > 0 && when < math.MaxInt64-w.tick {
		at++
	}
	return at - w.base
}

// moment is the Duration of a tick, at most the largest there is.
func (w *rings) moment(at int64) int64 {
	at += w.base
	if at > math.MaxInt64/w.tick {
		return math.MaxInt64
	}
	return at * w.tick
}
