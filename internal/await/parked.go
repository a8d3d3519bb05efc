package await

import (
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/loop"
	"github.com/awaitd/awaitd/internal/record"
)

// WaitAnswer is how a wait stood when it was answered.
type WaitAnswer struct {
	Outcome Outcome
	Done    []Leaf // decided leaves that were not reported before, first decided first
	Pending []Leaf // the undecided, in the order of the expression
	Cursor  *Cursor

	Slept     bool          // it was decided after the caller had gone to sleep
	DecidedAt time.Duration // the loop's time at which it was decided; set only if Slept
}

// Leaf is one leaf of an answered wait.
type Leaf struct {
	Expr    *api.Expr
	Outcome Outcome
	At      record.Time // when it was decided; 0 while pending
	Future  *record.Future
	Event   *record.Event
	Group   *record.Group
	Queue   int // the place of a pending future in its queue; 0 when it does not queue
}

// Held is a wait that sleeps until it is decided, its time is up, its caller leaves, or the server drains. It is no
// goroutine, and what asked for it need not stay.
type Held struct {
	kernel *Kernel

	// For the loop.
	seat
	wait       *wait
	timer      loop.WheelHandle // zero: not asleep
	cancelRest bool
	abandons   bool // its futures are cancelled when the caller leaves
	withdrawn  bool // the caller left, perhaps before the wait began

	// For the caller.
	answer *WaitAnswer // nil: the kernel has ended
	done   chan struct{}
}

// seat is the place of a caller who is held.
type seat struct {
	holds      holder
	since      record.Time
	next, prev *seat
}

// holder is what is held in a seat.
type holder interface {
	drain() // the caller is answered now, and leaves the seat
	standing() HeldWait
}

// parked is a list of the callers who are held, oldest first.
type parked struct {
	first, last *seat
	size        int
}

func (l *parked) add(p *seat, holds holder, at record.Time) {
	p.holds, p.since = holds, at
	p.prev = l.last
	if l.last != nil {
		l.last.next = p
	} else {
		l.first = p
	}
	l.last = p
	l.size++
}

func (l *parked) remove(p *seat) {
	if p.prev != nil {
		p.prev.next = p.next
	} else {
		l.first = p.next
	}
	if p.next != nil {
		p.next.prev = p.prev
	} else {
		l.last = p.prev
	}
	p.next, p.prev = nil, nil
	l.size--
}

// park begins a wait. Its answer is a *WaitAnswer, the ids ([]string) that only the store can know, or h, which sleeps.
func (s *State) park(h *Held, r *WaitRequest, known map[string]*record.Future) (answer any, at when, err error) {
	if h.withdrawn {
		if r.CancelOnLeave {
			s.abandon(r.For)
		}
		return nil, atOnce, nil
	}
	w, missing, err := s.newWait(*r, known, h)
	switch {
	case err != nil:
		return nil, atOnce, err
	case w == nil:
		return missing, atOnce, nil
	case w.outcome != Pending || r.Timeout <= 0 || s.draining:
		a := w.answer()
		if r.CancelRest && w.outcome != Pending {
			s.cancelRest(w)
		}
		return a, inOrder, nil
	}
	if err := s.roomFor(w); err != nil {
		return nil, atOnce, err
	}
	w.sleep()
	h.done = make(chan struct{})
	h.wait, h.cancelRest, h.abandons = w, r.CancelRest, r.CancelOnLeave
	h.timer = s.due.Insert(onWheel(s.at.Add(r.Timeout)), h)
	s.waits.add(&h.seat, h, s.at)
	s.leavesHeld += len(w.leaves)
	return h, atOnce, nil
}

// roomFor is nil if one more caller can be held, for w: there is a seat, its leaves are not too many, and the names in
// it that are new fit beside those that are known.
func (s *State) roomFor(w *wait) error {
	switch {
	case s.waits.size >= s.limits.WaitersMax:
		return ErrTooManyWaiters
	case s.leavesHeld+len(w.leaves) > s.limits.WaitLeavesHeldMax:
		return ErrTooManyLeaves
	case !s.roomForEvents(w):
		return ErrTooManyEvents
	default:
		return nil
	}
}

// roomForEvents reports whether the names that w still waits for, and that are new, fit beside those that are known. A
// name counts once.
func (s *State) roomForEvents(w *wait) bool {
	room := max(0, s.limits.EventsMax-s.events.Len())
	if room >= len(w.leaves) {
		return true
	}
	fresh := map[string]bool{}
	for i := range w.leaves {
		if e := w.leaves[i].expr; e.Op == api.OpEvent && w.leaves[i].outcome == Pending && !s.events.Known(e.Ref) {
			fresh[e.Ref] = true // what was told before is not waited for, and may be forgotten
		}
	}
	return len(fresh) <= room
}

// progressed is of no account: the caller is told of all leaves when it is answered.
func (h *Held) progressed(*leaf) {}

// decided is told by the wait that it is over. A wait that is over before it slept is answered by park.
func (h *Held) decided(w *wait) {
	if h.timer == zeroTimer {
		return
	}
	a := w.answer()
	a.Slept = true
	h.wake(a)
	if h.cancelRest {
		w.state.cancelRest(w)
	}
}

func (h *Held) drain() { h.wake(h.wait.answer()) }

func (h *Held) standing() HeldWait { return h.wait.standing() }

func (w *wait) standing() HeldWait {
	return HeldWait{For: w.expr, Done: len(w.order), Pending: len(w.leaves) - len(w.order), wait: w}
}

// due is the end of the caller's patience.
func (h *Held) due(*State) { h.wake(h.wait.answer()) }

// wake answers the sleeping caller with this turn.
func (h *Held) wake(a *WaitAnswer) {
	s := h.wait.state
	h.answer = a
	h.end()
	s.waking.add(&h.seat, h, s.at)
	s.effects = append(s.effects, h)
}

// end takes a sleeping wait out of everything.
func (h *Held) end() {
	s := h.wait.state
	s.waits.remove(&h.seat)
	s.leavesHeld -= len(h.wait.leaves)
	s.due.Cancel(h.timer)
	h.timer = zeroTimer
	h.wait.leaveAll()
}

// release is the effect of waking: the answer is durable.
func (h *Held) release(k *Kernel) {
	k.state.waking.remove(&h.seat)
	close(h.done)
}

// withdraw is a look: the caller has gone.
func (h *Held) withdraw(s *State) when {
	h.withdrawn = true
	if h.timer != zeroTimer {
		h.end()
		if h.abandons {
			s.abandon(h.wait.expr)
		}
	}
	return atOnce
}

// Done is closed when there is an answer, or the kernel has ended.
func (h *Held) Done() <-chan struct{} { return h.done }

// Answer is for the caller, when it is done. Error: ErrEnded.
func (h *Held) Answer() (*WaitAnswer, error) {
	if h.answer == nil {
		return nil, ErrEnded
	}
	return h.answer, nil
}

// Leave ends what is not done. Any goroutine.
func (h *Held) Leave() { h.kernel.mustHappen(&proposal{look: h.withdraw}) }

// loseAll is the end of the kernel for whoever is held. What was not released was never promised.
func (s *State) loseAll() {
	for _, list := range []*parked{&s.waits, &s.waking} {
		for seat := list.first; seat != nil; seat = seat.next {
			if h, ok := seat.holds.(*Held); ok {
				h.answer = nil
				close(h.done)
			}
		}
	}
}

// abandon asks that the futures in e that are still pending be cancelled, unless somebody else waits for them. A nil e
// has none.
func (s *State) abandon(e *api.Expr) {
	if e == nil {
		return
	}
	e.Each(func(leaf *api.Expr) {
		if leaf.Op != api.OpFuture {
			return
		}
		if f := s.futures[leaf.Ref]; f != nil && !f.fact.State.Settled() && !f.awaited() {
			s.effects = append(s.effects, propose{&record.Cancel{ID: leaf.Ref}})
		}
	})
}

// cancelRest asks, as a command of its own, that the futures of a decided wait that are still pending be cancelled.
func (s *State) cancelRest(w *wait) {
	for i := range w.leaves {
		if l := &w.leaves[i]; l.outcome == Pending && l.expr.Op == api.OpFuture {
			s.effects = append(s.effects, propose{&record.Cancel{ID: l.expr.Ref}})
		}
	}
}

// propose is the effect of asking for a further command.
type propose struct{ command record.Command }

func (p propose) release(k *Kernel) { k.mustHappen(&proposal{command: p.command}) }

// answer says how w stands.
func (w *wait) answer() *WaitAnswer {
	a := &WaitAnswer{Outcome: w.outcome, Done: make([]Leaf, 0, len(w.order)-w.told), Cursor: w.cursor(len(w.order))}
	for _, i := range w.order[w.told:] {
		a.Done = append(a.Done, w.leaves[i].done())
	}
	for i := range w.leaves {
		if l := &w.leaves[i]; l.outcome == Pending {
			a.Pending = append(a.Pending, w.state.pendingLeaf(l.expr))
		}
	}
	return a
}

// done is a decided leaf as it is shown.
func (l *leaf) done() Leaf {
	done := Leaf{Expr: l.expr, Outcome: l.outcome, At: l.at}
	done.Future, _ = l.about.(*record.Future)
	done.Event, _ = l.about.(*record.Event)
	done.Group, _ = l.about.(*record.Group)
	return done
}

func (s *State) pendingLeaf(e *api.Expr) Leaf {
	l := Leaf{Expr: e}
	switch e.Op {
	case api.OpEvent:
		l.Event = s.events.Look(e.Ref)
	case api.OpFuture:
		if f := s.futures[e.Ref]; f != nil {
			v := s.view(f)
			l.Future, l.Queue = v.Future, v.Queue
		}
	case api.OpGroup:
		if g := s.groups[e.Ref]; g != nil {
			l.Group = g.fact
		}
	}
	return l
}
