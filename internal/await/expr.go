package await

import (
	"cmp"
	"slices"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/events"
	"github.com/awaitd/awaitd/internal/loop"
	"github.com/awaitd/awaitd/internal/record"
)

// Outcome is where an expression, or a part of one, stands. Once decided it stays so.
type Outcome uint8

// The three values of a wait.
const (
	Pending   Outcome = 0
	Satisfied Outcome = 1
	Failed    Outcome = 2
)

func (o Outcome) String() string { return [...]string{"pending", "satisfied", "failed"}[o] }

// wait is one expression being evaluated. A leaf that is decided costs as many steps as it lies deep; nothing is
// ever scanned again.
type wait struct {
	state   *State
	expr    *api.Expr
	parts   []part
	leaves  []leaf
	order   []int32     // decided leaves, first decided first
	began   record.Time // what sleeps count from
	since   uint64      // serial after which sets and pulses count, whether the flag is still up or not
	told    int         // so many of order were reported before
	sum     uint64      // of its leaves
	outcome Outcome
	owner   owner
}

// owner is told of each leaf that is decided, and once when the whole is. It is told in the middle of what decided
// them, so it only notes what is to come of it.
type owner interface {
	progressed(l *leaf)
	decided(w *wait)
}

// part is an operator in the tree: it is satisfied by need satisfied parts of its own, and fails when fewer than
// that can still be. `all` needs all, `any` one, `settled` is satisfied by its one part either way.
type part struct {
	parent    int32 // -1: the root
	op        api.Op
	need, of  int32
	satisfied int32
	failed    int32
	outcome   Outcome
}

// leaf is something that happens: to an event, to a future, or at a time.
type leaf struct {
	waiter  loop.Waiter
	wait    *wait
	number  int32 // in the order of the expression
	expr    *api.Expr
	parent  int32 // -1: the leaf is the whole expression
	outcome Outcome
	at      record.Time
	timer   loop.WheelHandle
	mark    uint64 // of the event its generation, of the future its state, as they decided it

	// While it sleeps, the *events.Event, *future or *group that it waits on; decided, the *record.Event, *record.Future
	// or *record.Group that decided it; nil: neither, or only its mark is known.
	about any
}

// build lays e out flat: parts and leaves in the order of the expression.
func (w *wait) build(e *api.Expr, parent int32) {
	if e.Leaf() {
		w.leaves = append(w.leaves, leaf{wait: w, number: int32(len(w.leaves)), expr: e, parent: parent})
		return
	}
	p := part{parent: parent, op: e.Op, need: 1, of: int32(len(e.Of))}
	switch e.Op {
	case api.OpAll:
		p.need = p.of
	case api.OpAtLeast:
		p.need = int32(e.K)
	}
	self := int32(len(w.parts))
	w.parts = append(w.parts, p)
	for i := range e.Of {
		w.build(&e.Of[i], self)
	}
}

// newWait evaluates e as things stand. Futures that are not in memory must be in known: they are settled. If some are
// in neither, their ids come back instead. All that is decided already is reported, even if less of it decided the
// whole.
func (s *State) newWait(
	r WaitRequest, known map[string]*record.Future, o owner,
) (w *wait, missing []string, err error) {
	w = s.layOut(r.For, o)
	w.sum = r.sum
	for n := range w.leaves {
		l, decided := w.leaves[n].expr, r.from != nil && r.from.decided.has(n)
		if !decided || r.from.untold.has(n) {
			missing = s.missing(l, known, missing)
		}
		if decided {
			continue
		}
		if err := s.groupsKnown(l); err != nil {
			return nil, nil, err
		}
	}
	if len(missing) > 0 {
		return nil, missing, nil
	}
	if r.from != nil {
		w.goOn(r.from)
	}
	w.look(r.from, known)
	return w, nil, nil
}

// missing adds to ids the futures in e that are neither in memory nor known.
func (s *State) missing(e *api.Expr, known map[string]*record.Future, ids []string) []string {
	if e.Op == api.OpFuture && s.futures[e.Ref] == nil && known[e.Ref] == nil {
		return append(ids, e.Ref)
	}
	for i := range e.Of {
		ids = s.missing(&e.Of[i], known, ids)
	}
	return ids
}

// layOut is the wait for e, of which nothing has been looked at.
func (s *State) layOut(e *api.Expr, o owner) *wait {
	w := &wait{
		state: s, expr: e, owner: o, began: s.at, since: s.events.Serial(), leaves: make([]leaf, 0, e.Leaves()),
	}
	w.build(e, -1)
	return w
}

// happening is what decides a leaf.
type happening struct {
	leaf    *leaf
	outcome Outcome
	at      record.Time
	fact    any
}

// look decides what has happened already, first what happened first; of two things that happened at one time, first the
// one that stands first in the expression. from is where the conversation stands; nil: it begins.
func (w *wait) look(from *Cursor, known map[string]*record.Future) {
	var found []happening
	for i := range w.leaves {
		l := &w.leaves[i]
		switch {
		case l.outcome != Pending:
		case from != nil && from.untold.has(i):
			found = append(found, l.retold(from, known))
		default:
			if h := l.look(known); h.outcome != Pending {
				found = append(found, h)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b happening) int { return cmp.Compare(a.at, b.at) })
	for _, h := range found {
		h.leaf.decide(h.outcome, h.at, h.fact)
	}
}

// sleep keeps at it until w, which is pending, is decided. It comes right after newWait: nothing may happen in between.
func (w *wait) sleep() {
	for i := range w.leaves {
		if w.leaves[i].outcome == Pending {
			w.leaves[i].park()
		}
	}
}

// look finds out whether what the leaf waits for has happened already.
func (l *leaf) look(known map[string]*record.Future) happening {
	s := l.wait.state
	switch l.expr.Op {
	case api.OpEvent:
		fact := s.events.Last(l.expr.Ref)
		if fact == nil {
			return happening{}
		}
		up := fact.Set || fact.Serial > l.wait.since
		if target := generation(l.expr); target > 0 && fact.Generation >= target || target == 0 && up {
			return happening{l, Satisfied, fact.SetAt, fact}
		}
	case api.OpFuture:
		fact := known[l.expr.Ref]
		if f := s.futures[l.expr.Ref]; f != nil {
			fact = f.fact
		}
		if fact.State.Settled() {
			return happening{l, outcomeOf(fact), fact.SettledAt, fact}
		}
	case api.OpGroup:
		return l.lookAtGroup()
	case api.OpSleep:
		if t := l.wait.began.Add(l.expr.Sleep); t <= s.at {
			return happening{l, Satisfied, t, nil}
		}
	case api.OpUntil:
		if t := record.TimeOf(l.expr.Until); t <= s.at {
			return happening{l, Satisfied, t, nil}
		}
	}
	return happening{}
}

// generation is the one that an event must reach to satisfy e; 0 when the flag, or any next set, does.
func generation(e *api.Expr) uint64 {
	switch {
	case e.After != nil:
		return *e.After + max(e.Times, 1)
	default:
		return e.Times
	}
}

// park puts the leaf to sleep until what it waits for happens.
func (l *leaf) park() {
	s := l.wait.state
	l.waiter.Owner = l
	switch l.expr.Op {
	case api.OpEvent:
		s.feeders.heed(l, 1)
		e := s.events.Get(l.expr.Ref)
		e.Wait(&l.waiter)
		l.about = e
	case api.OpFuture:
		f := s.futures[l.expr.Ref]
		s.attention(f, func() { f.hall().waiters.Add(&l.waiter) })
		l.about = f
	case api.OpGroup:
		s.feeders.heed(l, 1)
		g := s.groups[l.expr.Ref]
		g.waiters.Add(&l.waiter)
		l.about = g
	case api.OpSleep:
		l.timer = s.due.Insert(onWheel(l.wait.began.Add(l.expr.Sleep)), l)
	case api.OpUntil:
		l.timer = s.due.Insert(onWheel(record.TimeOf(l.expr.Until)), l)
	}
}

// leave takes a sleeping leaf away from what it waits for. Constant time.
func (l *leaf) leave() {
	s := l.wait.state
	switch on := l.about.(type) {
	case *events.Event:
		s.feeders.heed(l, -1)
		s.events.Leave(on, &l.waiter, s.at)
		l.about = nil
	case *future:
		s.attention(on, func() { on.hall().waiters.Remove(&l.waiter) })
		l.about = nil
	case *group:
		s.feeders.heed(l, -1)
		on.waiters.Remove(&l.waiter)
		l.about = nil
	default:
		if l.timer != zeroTimer {
			s.due.Cancel(l.timer)
			l.timer = zeroTimer
		}
	}
}

// Wake is called by the event, the future or the group that the leaf sleeps on.
func (l *leaf) Wake() {
	switch on := l.about.(type) {
	case *future:
		l.decide(outcomeOf(on.fact), on.fact.SettledAt, on.fact)
	case *group:
		l.wakeBy(on)
	case *events.Event:
		fact := on.Fact()
		if fact.Generation < generation(l.expr) {
			on.Wait(&l.waiter)
			return
		}
		l.wait.state.feeders.heed(l, -1)
		l.decide(Satisfied, l.wait.state.at, fact)
	}
}

// due is the time that the leaf slept until.
func (l *leaf) due(s *State) {
	l.timer = zeroTimer
	l.decide(Satisfied, s.at, nil)
}

// outcomeOf is what a settled future is to those who wait for it.
func outcomeOf(fact *record.Future) Outcome {
	if fact.State == record.StateSucceeded {
		return Satisfied
	}
	return Failed
}

// decide settles the leaf and carries what follows from it towards the root.
func (l *leaf) decide(o Outcome, at record.Time, fact any) {
	l.at, l.about = at, fact
	switch f := fact.(type) {
	case *record.Event:
		l.mark = f.Generation
	case *record.Future:
		l.mark = uint64(f.State)
	}
	l.enter(o)
	l.wait.owner.progressed(l)
	l.rise(o)
}

// enter puts the leaf among the decided ones.
func (l *leaf) enter(o Outcome) {
	l.outcome = o
	l.wait.order = append(l.wait.order, l.number)
}

func (l *leaf) rise(o Outcome) {
	w := l.wait
	for up := l.parent; ; up = w.parts[up].parent {
		if up < 0 {
			w.conclude(o)
			return
		}
		p := &w.parts[up]
		if p.outcome != Pending {
			return
		}
		if o = p.take(o); o == Pending {
			return
		}
		p.outcome = o
	}
}

// take counts the outcome of one part of p and says whether it decides p.
func (p *part) take(o Outcome) Outcome {
	switch {
	case p.op == api.OpSettled:
		return Satisfied
	case o == Satisfied:
		if p.satisfied++; p.satisfied == p.need {
			return Satisfied
		}
	default:
		if p.failed++; p.of-p.failed < p.need {
			return Failed
		}
	}
	return Pending
}

// conclude decides the whole expression: the leaves that still sleep leave, the owner is told.
func (w *wait) conclude(o Outcome) {
	if w.outcome != Pending {
		return // a leaf that was found decided after the whole was
	}
	w.outcome = o
	w.state.decided++
	w.leaveAll()
	w.owner.decided(w)
}

func (w *wait) leaveAll() {
	for i := range w.leaves {
		w.leaves[i].leave()
	}
}
