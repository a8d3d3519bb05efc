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

// parkedWait is a wait held for a caller: the proposal that asked for it is answered only when it is decided, its
// time is up, or the server drains.
type parkedWait struct {
	seat
	ask        proposal
	wait       *wait // nil before it parks
	cancelRest bool
	abandons   *api.Expr        // whose futures are cancelled when the caller leaves; nil: none
	withdrawn  bool             // the caller left, perhaps before the wait began
	timer      loop.WheelHandle // zero: not asleep
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

// park begins a held wait, or answers it: with a *WaitAnswer, or with the ids ([]string) that only the store can
// know.
func (s *State) park(p *parkedWait, r WaitRequest, known map[string]*record.Future) when {
	if p.withdrawn {
		s.abandon(p.abandons)
		return atOnce
	}
	w, missing, err := s.newWait(r, known, p)
	switch {
	case err != nil:
		p.ask.err = err
		return atOnce
	case w == nil:
		p.ask.answer = missing
		return atOnce
	case w.outcome != Pending || r.Timeout <= 0 || s.draining:
		p.ask.answer = w.answer()
		if p.cancelRest && w.outcome != Pending {
			s.cancelRest(w)
		}
		return inOrder
	}
	if p.ask.err = s.roomFor(w); p.ask.err != nil {
		return atOnce
	}
	w.sleep()
	p.wait = w
	p.timer = s.due.Insert(onWheel(s.at.Add(r.Timeout)), p)
	s.waits.add(&p.seat, p, s.at)
	s.leavesHeld += len(w.leaves)
	return later
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
func (p *parkedWait) progressed(*leaf) {}

// decided is told by the wait that it is over. A wait that is over before it slept is answered by park.
func (p *parkedWait) decided(w *wait) {
	if p.timer == zeroTimer {
		return
	}
	a := w.answer()
	a.Slept = true
	p.wake(a)
	if p.cancelRest {
		w.state.cancelRest(w)
	}
}

func (p *parkedWait) drain() { p.wake(p.wait.answer()) }

func (p *parkedWait) standing() HeldWait { return p.wait.standing() }

func (w *wait) standing() HeldWait {
	return HeldWait{For: w.expr, Done: len(w.order), Pending: len(w.leaves) - len(w.order), wait: w}
}

// due is the end of the caller's patience.
func (p *parkedWait) due(*State) { p.wake(p.wait.answer()) }

// wake answers the sleeping caller with this turn.
func (p *parkedWait) wake(a *WaitAnswer) {
	p.ask.answer = a
	p.wait.state.effects = append(p.wait.state.effects, &p.ask)
	p.end()
}

// end takes a sleeping wait out of everything.
func (p *parkedWait) end() {
	s := p.wait.state
	s.waits.remove(&p.seat)
	s.leavesHeld -= len(p.wait.leaves)
	s.due.Cancel(p.timer)
	p.timer = zeroTimer
	p.wait.leaveAll()
}

// withdraw is a look: the caller has gone.
func (p *parkedWait) withdraw(s *State) when {
	p.withdrawn = true
	if p.timer != zeroTimer {
		p.end()
		s.abandon(p.abandons)
	}
	return atOnce
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
	done.Future, _ = l.fact.(*record.Future)
	done.Event, _ = l.fact.(*record.Event)
	done.Group, _ = l.fact.(*record.Group)
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
