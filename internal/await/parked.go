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
	Done    []Leaf // decided leaves, first decided first
	Pending []Leaf // the others, in the order of the expression

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
	Queue   int // the place of a pending future in its queue; 0 when it does not queue
}

// parkedWait is a wait held for a caller: the proposal that asked for it is answered only when it is decided, its
// time is up, or the server drains.
type parkedWait struct {
	ask        proposal
	wait       *wait // nil before it parks
	cancelRest bool
	withdrawn  bool // the caller left, perhaps before the wait began
	since      record.Time
	timer      loop.WheelHandle // zero: not asleep
	next, prev *parkedWait
}

// parked is a list of the waits that are held, oldest first.
type parked struct {
	first, last *parkedWait
	size        int
}

func (l *parked) add(p *parkedWait) {
	p.prev = l.last
	if l.last != nil {
		l.last.next = p
	} else {
		l.first = p
	}
	l.last = p
	l.size++
}

func (l *parked) remove(p *parkedWait) {
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
		return atOnce
	}
	w, missing := s.newWait(r.For, known, p)
	switch {
	case w == nil:
		p.ask.answer = missing
		return atOnce
	case w.outcome != Pending || r.Timeout <= 0 || s.draining:
		p.ask.answer = w.answer()
		if p.cancelRest && w.outcome != Pending {
			s.cancelRest(w)
		}
		return inOrder
	case s.waits.size >= s.limits.WaitersMax:
		p.ask.err = ErrTooManyWaiters
		return atOnce
	case !s.roomForEvents(r.For):
		p.ask.err = ErrTooManyEvents
		return atOnce
	}
	w.sleep()
	p.wait, p.since = w, s.at
	p.timer = s.due.Insert(onWheel(s.at.Add(r.Timeout)), p)
	s.waits.add(p)
	return later
}

// roomForEvents reports whether the names in e that are new fit beside those that are known.
func (s *State) roomForEvents(e *api.Expr) bool {
	room := s.limits.EventsMax - s.events.Len()
	return room >= api.LeavesMax || s.newNames(e) <= room
}

func (s *State) newNames(e *api.Expr) int {
	if e.Op == api.OpEvent && !s.events.Known(e.Ref) {
		return 1
	}
	n := 0
	for i := range e.Of {
		n += s.newNames(&e.Of[i])
	}
	return n
}

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
	s.waits.remove(p)
	s.due.Cancel(p.timer)
	p.timer = zeroTimer
	p.wait.leaveAll()
}

// withdraw is a look: the caller has gone.
func (p *parkedWait) withdraw(*State) when {
	p.withdrawn = true
	if p.timer != zeroTimer {
		p.end()
	}
	return atOnce
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
	a := &WaitAnswer{Outcome: w.outcome, Done: make([]Leaf, 0, len(w.order))}
	for _, i := range w.order {
		l := &w.leaves[i]
		done := Leaf{Expr: l.expr, Outcome: l.outcome, At: l.at}
		done.Future, _ = l.fact.(*record.Future)
		done.Event, _ = l.fact.(*record.Event)
		a.Done = append(a.Done, done)
	}
	for i := range w.leaves {
		if l := &w.leaves[i]; l.outcome == Pending {
			a.Pending = append(a.Pending, w.state.pendingLeaf(l.expr))
		}
	}
	return a
}

func (s *State) pendingLeaf(e *api.Expr) Leaf {
	l := Leaf{Expr: e}
	switch e.Op {
	case api.OpEvent:
		l.Event = s.events.Look(e.Ref)
	case api.OpFuture:
		if f := s.futures[e.Ref]; f != nil {
			v := s.shown(f)
			l.Future, l.Queue = v.Future, v.Queue
		}
	}
	return l
}
