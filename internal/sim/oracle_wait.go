package sim

import (
	"slices"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

// Outcome is where an expression, or a part of one, stands.
type Outcome string

// The outcomes of the contract.
const (
	Pending   Outcome = "pending"
	Satisfied Outcome = "satisfied"
	Failed    Outcome = "failed"
)

// Wait is somebody who asked for an expression.
type Wait struct {
	ID         int    // tells a caller from all others
	Of         string // the future that waits; empty: a caller
	For        *api.Expr
	Timeout    time.Duration // ≤ 0: to be answered at once
	CancelRest bool
	Abandons   bool                      // when its caller leaves
	From       *Talk                     // that it goes on with; nil: it begins one
	Tells      bool                      // it is a stream, without end if it has no timeout
	Watches    bool                      // it is a stream of the changes of a future or an event, its only leaf
	Seen       func(*record.Future) bool // of such a stream: whether its caller knows this; nil: it knows nothing
	Serial     uint64                    // of such a stream: of the last set that its caller knows of; 0: none

	Answer *WaitAnswer // nil: not answered yet

	held   bool           // it has slept
	since  record.Time    // of a future: its creation
	began  record.Time    // what its sleeps count from
	leaves []*Leaf        // in the order of the expression
	done   []*Leaf        // in the order in which they were decided
	seen   *record.Future // of a stream of a future: as it was when it was last looked at
	news   []Effect       // of a stream: what its caller has not heard yet
}

// WaitAnswer is what the caller of a wait is told.
type WaitAnswer struct {
	Outcome       Outcome
	Done, Pending []Leaf // done are those that were not told before
	Talk          *Talk
}

// Leaf is something that is waited for.
type Leaf struct {
	Expr    *api.Expr
	Outcome Outcome
	At      record.Time // when it was decided
	Future  *record.Future
	Event   *record.Event
	Group   *record.Group
	Place   Place // of a future that is pending

	mark uint64 // what is stored of the event or the future that decided it
}

// leavesOf lists the leaves of e in order.
func leavesOf(e *api.Expr) (all []*Leaf) {
	if e.Leaf() {
		return []*Leaf{{Expr: e, Outcome: Pending}}
	}
	for i := range e.Of {
		all = append(all, leavesOf(&e.Of[i])...)
	}
	return all
}

// Outcome evaluates the expression from scratch.
func (w *Wait) Outcome() Outcome { return w.eval(w.For) }

func (w *Wait) eval(e *api.Expr) Outcome {
	if e.Leaf() {
		i := slices.IndexFunc(w.leaves, func(l *Leaf) bool { return l.Expr == e })
		return w.leaves[i].Outcome
	}
	count := map[Outcome]int{}
	for i := range e.Of {
		count[w.eval(&e.Of[i])]++
	}
	need := map[api.Op]int{api.OpAll: len(e.Of), api.OpAny: 1, api.OpAtLeast: e.K, api.OpSettled: 1}[e.Op]
	switch {
	case count[Satisfied] >= need, e.Op == api.OpSettled && count[Failed] == 1:
		return Satisfied
	case len(e.Of)-count[Failed] < need:
		return Failed
	}
	return Pending
}

// Begin takes a wait in. read is what its caller has read from the store. If that leaves futures that are not known,
// their ids come back and nothing has happened: only the store can say what they are. A wait that need not be held is
// never refused.
func (o *Oracle) Begin(w *Wait, read map[string]*record.Future) (missing []string, refused Refusal) {
	w.leaves, w.done, w.since, w.began = leavesOf(w.For), nil, o.Now, o.Now
	w.goOn()
	for _, l := range w.leaves {
		if l.Outcome == Pending && l.Expr.Op == api.OpFuture && o.mustRead(w, l, read) {
			missing = append(missing, l.Expr.Ref)
		}
	}
	switch {
	case o.strangers(w.unknown()):
		return nil, UnknownGroup
	case len(missing) > 0:
		return missing, ""
	}
	switch {
	case w.Watches:
		return nil, o.watch(w, read)
	case w.Tells:
		return nil, o.stream(w, read)
	}
	o.lookAll(w, read)
	if w.Outcome() != Pending || w.Timeout <= 0 || o.Draining {
		o.answer(w)
		return nil, ""
	}
	return nil, o.hold(w)
}

// hold lets a caller sleep, if there is room for one more.
func (o *Oracle) hold(w *Wait) Refusal {
	names := o.names()
	before := len(names)
	w.addNames(names)
	switch {
	case len(o.Callers()) >= o.Limits.WaitersMax:
		return TooManyWaiters
	case o.leaves()+len(w.leaves) > o.Limits.WaitLeavesHeldMax:
		return TooManyLeaves
	case len(names) > before && len(names) > o.Limits.EventsMax:
		return TooManyEvents
	}
	o.sleep(w)
	return ""
}

// view is a future as a wait sees it that begins now. What was settled when it was read is so for good.
func (o *Oracle) view(id string, read map[string]*record.Future) *record.Future {
	f := read[id]
	switch {
	case !o.Cold(id):
		return o.futures[id]
	case f == nil || !f.State.Settled():
		return nil
	}
	return f
}

// look decides a leaf if what it waits for has happened.
func (o *Oracle) look(w *Wait, l *Leaf, read map[string]*record.Future) {
	if outcome, decided := w.From.owes(w, l); decided {
		o.retell(w, l, outcome, read)
		return
	}
	switch e := l.Expr; e.Op {
	case api.OpEvent:
		fact := o.Event(e.Ref)
		up := fact.Set || o.events[e.Ref] != nil && o.since(w, e)
		if needs := generation(e); needs > 0 && fact.Generation >= needs || needs == 0 && up {
			l.Event = fact
			o.decide(w, l, Satisfied, fact.SetAt)
		}
	case api.OpFuture:
		if f := o.view(e.Ref, read); f.State.Settled() {
			l.Future = f
			o.decide(w, l, outcomeOf(f), f.SettledAt)
		}
	case api.OpGroup:
		g := o.groups[e.Ref]
		outcome := standing(g)
		if outcome == Pending && o.since(w, e) {
			outcome = outcomes[g.Outcome]
		}
		if outcome != Pending {
			l.Group = g
			o.decide(w, l, outcome, record.Time(g.Serial>>20))
		}
	case api.OpSleep:
		if t := w.began.Add(e.Sleep); t <= o.Now {
			o.decide(w, l, Satisfied, t)
		}
	case api.OpUntil:
		if t := record.TimeOf(e.Until); t <= o.Now {
			o.decide(w, l, Satisfied, t)
		}
	}
}

// generation is the one that an event must have reached; 0 when its flag will do, or else its next set or pulse.
func generation(e *api.Expr) uint64 {
	if e.After != nil {
		return *e.After + max(e.Times, 1)
	}
	return e.Times
}

func outcomeOf(f *record.Future) Outcome {
	if f.State == record.StateSucceeded {
		return Satisfied
	}
	return Failed
}

func (o *Oracle) decide(w *Wait, l *Leaf, outcome Outcome, at record.Time) {
	l.Outcome, l.At = outcome, at
	switch {
	case l.Event != nil:
		l.mark = l.Event.Generation
	case l.Future != nil:
		l.mark = uint64(l.Future.State)
	}
	w.done = append(w.done, l)
	switch {
	case w.Of != "":
		o.Changes++ // it is a fact
	case w.Tells && w.held:
		o.tell(w, *l)
	}
}

// sleep lets a wait sleep until it is decided, or its time is over.
func (o *Oracle) sleep(w *Wait) {
	o.waits = append(o.waits, w)
	w.held = true
	for i, l := range w.leaves {
		var at record.Time
		switch {
		case l.Outcome != Pending:
		case l.Expr.Op == api.OpSleep:
			at = w.began.Add(l.Expr.Sleep)
		case l.Expr.Op == api.OpUntil:
			at = record.TimeOf(l.Expr.Until)
		}
		o.enter(w.name(i), at, func() {
			o.decide(w, l, Satisfied, o.Now)
			o.conclude(w)
		})
	}
	if w.Of == "" && w.Timeout > 0 {
		o.enter(w.name(-1), o.Now.Add(w.Timeout), func() { o.wake(w) })
	}
}

// eventRaised tells who waits for an event that it was set or pulsed, in the order in which they came.
func (o *Oracle) eventRaised(e *record.Event) (decided int) {
	for _, w := range slices.Clone(o.waits) {
		for _, l := range w.leaves {
			hit := l.Expr.Op == api.OpEvent && l.Expr.Ref == e.Name && e.Generation >= generation(l.Expr)
			switch {
			case !hit || !o.holds(w) || l.Outcome != Pending:
			case w.Watches:
				o.tell(w, Leaf{Expr: l.Expr, Outcome: Pending, Event: e})
			default:
				l.Event = e
				o.decide(w, l, Satisfied, o.Now)
				decided += boolean(o.conclude(w))
			}
		}
	}
	return decided
}

// futureSettled tells who waits for a future.
func (o *Oracle) futureSettled(f *record.Future) {
	for _, w := range slices.Clone(o.waits) {
		for _, l := range w.leaves {
			hit := l.Expr.Op == api.OpFuture && l.Expr.Ref == f.ID
			if hit && !w.Watches && o.holds(w) && l.Outcome == Pending {
				l.Future = f
				o.decide(w, l, outcomeOf(f), o.Now)
				o.conclude(w)
			}
		}
	}
}

func (o *Oracle) holds(w *Wait) bool { return slices.Contains(o.waits, w) }

// conclude ends a held wait if it is decided now: its caller is woken, its future is followed later.
func (o *Oracle) conclude(w *Wait) bool {
	switch {
	case w.Outcome() == Pending:
		return false
	case w.Of == "":
		o.wake(w)
	default:
		o.Withdraw(w)
		o.cascade = append(o.cascade, func() { o.proceed(w) })
	}
	return true
}

// wake ends a held wait with an answer.
func (o *Oracle) wake(w *Wait) {
	o.Withdraw(w)
	if !w.Watches {
		o.answer(w)
	}
	o.effects = append(o.effects, Effect{Does: Wakes, Wait: w})
}

// answer says how w stands, and asks that the rest of it be cancelled if it is decided and its caller wished so.
func (o *Oracle) answer(w *Wait) {
	a := &WaitAnswer{Outcome: w.Outcome(), Talk: o.talk(w)}
	for _, l := range w.done[w.told():] {
		a.Done = append(a.Done, *l)
	}
	for _, l := range w.leaves {
		if l.Outcome != Pending {
			continue
		}
		seen := *l
		switch l.Expr.Op {
		case api.OpEvent:
			seen.Event = o.Event(l.Expr.Ref)
		case api.OpGroup:
			seen.Group = o.groups[l.Expr.Ref]
		case api.OpFuture:
			seen.Future, seen.Place = o.futures[l.Expr.Ref], o.Place(l.Expr.Ref)
			if w.CancelRest && a.Outcome != Pending {
				o.effects = append(o.effects, Effect{Does: CancelsRest, ID: l.Expr.Ref})
			}
		}
		a.Pending = append(a.Pending, seen)
	}
	w.Answer = a
}

// Orphan reports whether w lacks only events that no pending future is to set.
func (o *Oracle) Orphan(w *Wait) bool {
	for _, l := range w.leaves {
		if l.Outcome != Pending {
			continue
		}
		if l.Expr.Op != api.OpEvent || w.Watches {
			return false
		}
		for _, f := range o.futures {
			if f.Sets() == l.Expr.Ref && !f.State.Settled() {
				return false
			}
		}
	}
	return true
}

// awaited reports whether somebody waits for a future that is pending: its group does.
func (o *Oracle) awaited(id string) bool {
	if o.futures[id].Group() != "" {
		return true
	}
	for _, w := range o.waits {
		for _, l := range w.leaves {
			if l.Expr.Op == api.OpFuture && l.Expr.Ref == id && l.Outcome == Pending {
				return true
			}
		}
	}
	return false
}

// Idle is the ids of the futures that are not settled and that nobody waits for.
func (o *Oracle) Idle() (ids []string) {
	for _, f := range o.futures {
		if !f.State.Settled() && !o.awaited(f.ID) {
			ids = append(ids, f.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// Withdraw forgets a wait, if it is held: its caller has gone, or is answered.
func (o *Oracle) Withdraw(w *Wait) {
	at := slices.Index(o.waits, w)
	if at < 0 {
		return
	}
	o.waits = slices.Delete(o.waits, at, at+1)
	for i, l := range w.leaves {
		if l.Expr.Op == api.OpEvent && l.Outcome == Pending {
			o.left[l.Expr.Ref] = o.Now
		}
		o.enter(w.name(i), 0, nil)
	}
	o.enter(w.name(-1), 0, nil)
}

// Leave is for a caller who has gone. One who takes what it waited for with it, and was not answered, has the futures
// cancelled that nobody else waits for then.
func (o *Oracle) Leave(w *Wait) {
	held := o.holds(w)
	o.Withdraw(w)
	if !held || !w.Abandons {
		return
	}
	for _, l := range w.leaves {
		f := o.futures[l.Expr.Ref]
		if l.Expr.Op == api.OpFuture && f != nil && !f.State.Settled() && !o.awaited(f.ID) {
			o.effects = append(o.effects, Effect{Does: CancelsRest, ID: f.ID})
		}
	}
}

// Drain answers everybody who waits. From now on nobody is held and nothing is started.
func (o *Oracle) Drain() {
	o.Draining = true
	for _, w := range o.Callers() {
		if w.Tells {
			o.hangUp(w)
		} else {
			o.wake(w)
		}
	}
}
