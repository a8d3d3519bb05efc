package await

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

// Futures that wait: those of kind wait, which are settled when their expression is decided, and fetches with an
// `after`, which start when theirs is satisfied. Each leaf that is decided is committed with what decided it, and
// after a restart the expression is built again from those: what was decided stays decided.

// waiting is the expression that a future waits for.
type waiting struct {
	*wait
	seat
	saved int       // so many of its decided leaves are in the store
	noted bool      // it stands in State.progress
	feeds []feeding // where its future stands among the feeders
}

// parse reads an expression as a command or a fact carries it.
func parse(text []byte) (*api.Expr, error) {
	e := &api.Expr{}
	if err := json.Unmarshal(text, e); err != nil {
		return nil, fmt.Errorf("await: read an expression: %w", err)
	}
	return e, nil
}

// expressions reads those of c, nil where a future has none. If futures in them are neither in memory nor known, the
// error is *missingError.
func (s *State) expressions(c *record.Submit) ([]*api.Expr, error) {
	exprs := make([]*api.Expr, len(c.Futures))
	var missing []string
	for i := range c.Futures {
		n := &c.Futures[i]
		if n.For == nil {
			continue
		}
		e, err := parse(n.For)
		if err != nil {
			return nil, err
		}
		if err := s.groupsKnown(e); err != nil {
			return nil, err
		}
		exprs[i] = e
		missing = s.missing(e, c.Known, missing)
	}
	if len(missing) > 0 {
		return nil, &missingError{missing}
	}
	if err := s.roomForAll(c, exprs); err != nil {
		return nil, err
	}
	return exprs, s.circle(c, exprs)
}

// missingError says that apply needs futures that only the store can know.
type missingError struct{ ids []string }

func (e *missingError) Error() string { return "await: not in memory: " + fmt.Sprint(e.ids) }

// roomForAll is nil if the leaves of all expressions are not too many, and the names in them that are new fit beside
// those that are known and those that the futures of c set. A name counts once.
func (s *State) roomForAll(c *record.Submit, exprs []*api.Expr) error {
	leaves := 0
	for _, e := range exprs {
		if e != nil {
			leaves += e.Leaves()
		}
	}
	if s.leavesHeld+leaves > s.limits.WaitLeavesHeldMax {
		return ErrTooManyLeaves
	}
	room := s.limits.EventsMax - s.events.Len()
	if room >= leaves+len(c.Futures) {
		return nil
	}
	fresh := map[string]bool{}
	note := func(name string) {
		if name != "" && !s.events.Known(name) {
			fresh[name] = true
		}
	}
	for i, e := range exprs {
		note(c.Futures[i].Sets)
		if e != nil {
			e.Each(func(leaf *api.Expr) {
				if leaf.Op == api.OpEvent {
					note(leaf.Ref)
				}
			})
		}
	}
	if len(fresh) > max(0, room) {
		return ErrTooManyEvents
	}
	return nil
}

// rest makes a new fact that of a future that waits. A fetch does not begin before begins, either.
func (s *State) rest(f *future, begins record.Time) {
	if f.fact.Kind == record.KindFetch {
		f.fact.Reason = record.ReasonWaiting
		if begins > s.at {
			f.fact.NextAttemptAt = begins
		}
	}
	s.arm(f, f.fact.DeadlineAt)
}

// attend makes f wait for e.
func (s *State) attend(f *future, e *api.Expr, known map[string]*record.Future) {
	f.waiting = &waiting{wait: s.layOut(e, f)}
	s.settleDown(f, s.at)
	f.waiting.look(nil, known)
	if f.waiting.outcome == Pending {
		f.waiting.sleep()
	}
}

// settleDown counts f among those that wait, since then.
func (s *State) settleDown(f *future, since record.Time) {
	s.leavesHeld += len(f.waiting.leaves)
	s.durable.add(&f.waiting.seat, f, since)
	s.feeders.add(f)
}

// drain is nothing to a future: it waits on.
func (f *future) drain() {}

func (f *future) standing() HeldWait {
	held := f.waiting.standing()
	held.Kind, held.Future = WaiterFuture, f.fact.ID
	return held
}

// progressed notes that a leaf is to be committed.
func (f *future) progressed(l *leaf) {
	if s := l.wait.state; !f.waiting.noted {
		f.waiting.noted = true
		s.progress = append(s.progress, f)
	}
}

// decided leaves what comes of it to follow: a wait may decide the next, and that one more.
func (f *future) decided(w *wait) { w.state.cascade = append(w.state.cascade, f) }

// CascadeMax is how many futures that waited one turn takes further. The rest comes in the next ones, so that a long
// chain of waits never holds the loop.
const CascadeMax = 4096

// follow takes further what the decided expressions wait for, in the order in which they were decided, as far as
// this turn allows.
func (s *State) follow() {
	for ; len(s.cascade) > 0 && s.cascaded < CascadeMax; s.cascaded++ {
		next := s.cascade[0]
		s.cascade[0] = nil
		s.cascade = s.cascade[1:]
		next.follow(s)
	}
	if len(s.cascade) == 0 {
		s.cascade = nil
	}
}

// follow settles a wait, or starts a fetch, whose expression is decided.
func (f *future) follow(s *State) {
	w := f.waiting
	switch {
	case w == nil: // settled meanwhile
	case f.fact.Kind == record.KindWait && w.outcome == Satisfied:
		s.settle(f, ending{state: record.StateSucceeded, result: &record.Result{}, leaves: w.facts()})
	case f.fact.Kind == record.KindWait:
		e := failed(record.FailDependencyFailed, "The expression failed: "+w.culprit()+".")
		e.leaves = w.facts()
		s.settle(f, e)
	case w.outcome == Failed:
		s.settle(f, failed(record.FailDependencyFailed, "It will never start: "+w.culprit()+"."))
	default:
		s.proceed(f)
	}
}

// culprit names the first leaf that failed, of an expression that did.
func (w *wait) culprit() string {
	failed := slices.IndexFunc(w.order, func(n int32) bool { return w.leaves[n].outcome == Failed })
	return w.leaves[w.order[failed]].expr.String() + " did not succeed" // nothing fails without a leaf that did
}

// proceed starts a fetch whose after is satisfied: now, or when its delay has passed.
func (s *State) proceed(f *future) {
	s.stopWaiting(f)
	s.pendingBytes -= int64(len(f.fact.Wait.Text()))
	s.change(f, func(fact *record.Future) {
		fact.Wait = nil
		fact.Reason = record.ReasonQueued
		if fact.NextAttemptAt > s.at {
			fact.Reason = record.ReasonDelayed
		} else {
			fact.NextAttemptAt = 0
		}
	})
	if f.fact.Reason == record.ReasonDelayed {
		s.arm(f, soonest(f.fact.NextAttemptAt, f.fact.DeadlineAt))
		return
	}
	s.enqueue(f)
}

// stopWaiting ends the wait of f, whatever came of it; its leaves need not be remembered any more.
func (s *State) stopWaiting(f *future) {
	w := f.waiting
	if w == nil {
		return
	}
	f.waiting = nil
	s.leavesHeld -= len(w.leaves)
	s.durable.remove(&w.seat)
	s.feeders.remove(w)
	w.leaveAll()
	for _, n := range w.order[:w.saved] {
		s.leaves = append(s.leaves, record.LeafChange{Of: f.fact, N: int(n)})
	}
}

// facts are the decided leaves of w, in order.
func (w *wait) facts() []record.Leaf {
	facts := make([]record.Leaf, len(w.order))
	for i := range w.order {
		facts[i] = w.fact(i)
	}
	return facts
}

func (w *wait) fact(i int) record.Leaf {
	l := &w.leaves[w.order[i]]
	return record.Leaf{N: int(l.number), Order: i, Outcome: uint8(l.outcome), At: l.at, Mark: l.mark}
}

// takeLeaves returns what changed of the leaves of futures that wait since the last call.
func (s *State) takeLeaves() []record.LeafChange {
	changes := s.leaves
	for _, f := range s.progress {
		w := f.waiting
		if w == nil {
			continue // it is over, and was never in the store
		}
		w.noted = false
		for ; w.saved < len(w.order); w.saved++ {
			l := w.fact(w.saved)
			changes = append(changes, record.LeafChange{Of: f.fact, N: l.N, Is: &l})
		}
	}
	s.leaves, s.progress = nil, nil
	return changes
}

// restoreLeaf puts a stored leaf back. All futures have been by then.
func (s *State) restoreLeaf(id string, l *record.Leaf) {
	if f := s.futures[id]; f != nil {
		if s.restored == nil {
			s.restored = map[*future][]*record.Leaf{}
		}
		s.restored[f] = append(s.restored[f], l)
	}
}

// resume lets the restored futures that wait go on: with what was decided, and with all that has happened besides.
func (s *State) resume() error {
	resting, restored := s.resting, s.restored
	s.resting, s.restored = nil, nil
	for _, f := range resting {
		e, err := parse(f.fact.Wait.Text())
		if err != nil {
			return fmt.Errorf("resume %s: %w", f.fact.ID, err)
		}
		w := s.layOut(e, f)
		w.began = f.fact.CreatedAt
		f.waiting = &waiting{wait: w}
		s.settleDown(f, w.began)
		leaves := restored[f]
		slices.SortFunc(leaves, func(a, b *record.Leaf) int { return cmp.Compare(a.Order, b.Order) })
		for _, l := range leaves {
			if l.N >= len(w.leaves) || w.leaves[l.N].outcome != Pending {
				return fmt.Errorf("resume %s: %w: leaf %d", f.fact.ID, record.ErrCorrupt, l.N)
			}
			w.leaves[l.N].restore(l)
		}
		f.waiting.saved = len(w.order)
		if missing := s.missing(pendingOf(w), nil, nil); len(missing) > 0 {
			return fmt.Errorf("resume %s: %w: it waits for %s, which is gone", f.fact.ID, record.ErrCorrupt, missing[0])
		}
		if err := s.groupsKnown(pendingOf(w)); err != nil {
			return fmt.Errorf("resume %s: %w: %w", f.fact.ID, record.ErrCorrupt, err)
		}
		w.look(nil, nil)
		if w.outcome == Pending {
			w.sleep()
		}
	}
	return nil
}

// restore decides the leaf as it was decided before.
func (l *leaf) restore(as *record.Leaf) {
	l.at, l.mark = as.At, as.Mark
	l.enter(Outcome(as.Outcome))
	l.rise(l.outcome)
}

// pendingOf is the leaves of w that are not decided.
func pendingOf(w *wait) *api.Expr {
	e := &api.Expr{Op: api.OpAll}
	for i := range w.leaves {
		if w.leaves[i].outcome == Pending {
			e.Of = append(e.Of, *w.leaves[i].expr)
		}
	}
	return e
}
