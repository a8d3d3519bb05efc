package loop

// Waker is what a Waiter wakes: it is told, on the loop, that what it waited for has happened. Wake should only
// schedule what comes next, for it runs in the middle of whoever woke it.
type Waker interface{ Wake() }

// Waiter is a place in a list of Waiters. Embed it in what waits, or hold it; it can be in one list at a time and must
// not be copied while it is in one. The zero value, with its Owner set, is in none.
type Waiter struct {
	// Owner is woken; it must be set before the Waiter is added.
	Owner Waker

	next, prev *Waiter
	list       *Waiters
}

// Waiting reports whether w is in a list, that is, neither woken nor removed since it was added.
func (w *Waiter) Waiting() bool { return w.list != nil }

// Leave takes w out of the list it is in, in constant time, and reports whether it was in one.
func (w *Waiter) Leave() bool {
	if w.list == nil {
		return false
	}
	w.list.unlink(w)
	return true
}

// Waiters is a list of who waits for one thing, in order of arrival. The zero value is empty and ready; it must not be
// copied while anybody waits. It is linked through the Waiters themselves, so that joining and leaving allocate
// nothing and take constant time: with a slice, 100 000 leavers took 2.6 s.
type Waiters struct {
	first, last *Waiter
	latch       *Waiter // the last of those whom the Wake under way will wake
	n           int
}

// Len is how many wait.
func (ws *Waiters) Len() int { return ws.n }

// Add puts w at the end of the list. It panics if w is already in a list or has no Owner.
func (ws *Waiters) Add(w *Waiter) {
	if w.list != nil || w.Owner == nil {
		panic("loop: Waiters.Add: the waiter is already in a list or has no owner")
	}
	w.list = ws
	w.prev = ws.last
	if ws.last == nil {
		ws.first = w
	} else {
		ws.last.next = w
	}
	ws.last = w
	ws.n++
}

// Remove takes w out in constant time and reports whether it was in this list. Whoever is removed is not woken, not
// even by a Wake that has begun.
func (ws *Waiters) Remove(w *Waiter) bool {
	if w.list != ws {
		return false
	}
	ws.unlink(w)
	return true
}

// Wake takes out everybody who waits now, in order of arrival, and wakes each. It is latched: a waiter that adds itself
// again meanwhile waits for the next Wake.
func (ws *Waiters) Wake() {
	for ws.latch = ws.last; ws.latch != nil; {
		w := ws.first
		ws.unlink(w)
		w.Owner.Wake()
	}
}

func (ws *Waiters) unlink(w *Waiter) {
	if ws.latch == w {
		ws.latch = w.prev // whoever comes before w was there when the Wake began
	}
	if w.prev == nil {
		ws.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		ws.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.next, w.prev, w.list = nil, nil, nil
	ws.n--
}
