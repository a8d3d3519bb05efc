package sim

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

// A future that waits holds a Wait as a caller does, whose decided leaves are facts. What is decided is followed after
// the command, or after all that was due at the time, that decided it.

// expressions are those of the futures of c; nil where one has none.
func expressions(c *record.Submit) []*api.Expr {
	exprs := make([]*api.Expr, len(c.Futures))
	for i, n := range c.Futures {
		exprs[i] = expression(n.For)
	}
	return exprs
}

// expression reads one; nil: there is none.
func expression(text []byte) *api.Expr {
	if text == nil {
		return nil
	}
	e := &api.Expr{}
	if err := json.Unmarshal(text, e); err != nil {
		panic(err) // the test writes none that cannot be read
	}
	return e
}

// rests reports whether f waits for an expression.
func rests(f *record.Future) bool {
	return f.Kind == record.KindWait || f.Reason == record.ReasonWaiting
}

// mayWait says what is in the way of the futures of c as far as they wait: futures that only the store can know, or a
// refusal.
func (o *Oracle) mayWait(c *record.Submit, exprs []*api.Expr, read map[string]*record.Future) Answer {
	var missing []string
	names, leaves, stranger := o.names(), o.leaves(), false
	before := len(names)
	for i, e := range exprs {
		if sets := c.Futures[i].Sets; sets != "" {
			names[sets] = true
		}
		if e == nil {
			continue
		}
		all := leavesOf(e)
		leaves += len(all)
		stranger = stranger || o.strangers(all)
		for _, l := range all {
			switch {
			case l.Expr.Op == api.OpEvent:
				names[l.Expr.Ref] = true
			case l.Expr.Op == api.OpFuture && o.view(l.Expr.Ref, read) == nil:
				missing = append(missing, l.Expr.Ref)
			}
		}
	}
	switch {
	case stranger:
		return Answer{Refusal: UnknownGroup}
	case missing != nil:
		return Answer{Missing: missing}
	case leaves > o.Limits.WaitLeavesHeldMax:
		return Answer{Refusal: TooManyLeaves}
	case len(names) > before && len(names) > o.Limits.EventsMax:
		return Answer{Refusal: TooManyEvents}
	case o.circular(c, exprs):
		return Answer{Refusal: Cyclic}
	}
	return Answer{}
}

// leaves are those that are held.
func (o *Oracle) leaves() (n int) {
	for _, w := range o.waits {
		n += len(w.leaves)
	}
	return n
}

// circular reports whether a future of c would wait for what it feeds, when those before it exist.
func (o *Oracle) circular(c *record.Submit, exprs []*api.Expr) bool {
	needs := map[string][]*Leaf{} // of a future, and of what it feeds
	for _, w := range o.waits {
		if w.Of == "" {
			continue
		}
		f := o.futures[w.Of]
		for _, thing := range append(feeds(f.Sets(), f.Group()), api.Expr{Op: api.OpFuture, Ref: w.Of}.String()) {
			for _, l := range w.leaves {
				if l.Outcome == Pending {
					needs[thing] = append(needs[thing], l)
				}
			}
		}
	}
	for i, e := range exprs {
		if e == nil {
			continue
		}
		things := feeds(c.Futures[i].Sets, c.Futures[i].Group)
		if reaches(needs, leavesOf(e), things, map[string]bool{}) {
			return true
		}
		for _, thing := range things {
			needs[thing] = append(needs[thing], leavesOf(e)...)
		}
	}
	return false
}

// feeds are the things that a future with these feeds.
func feeds(sets, group string) (things []string) {
	if sets != "" {
		things = append(things, api.Expr{Op: api.OpEvent, Ref: sets}.String())
	}
	if group != "" {
		things = append(things, api.Expr{Op: api.OpGroup, Ref: group}.String())
	}
	return things
}

func reaches(needs map[string][]*Leaf, from []*Leaf, things []string, seen map[string]bool) bool {
	for _, l := range from {
		thing := l.Expr.String()
		if slices.Contains(things, thing) {
			return true
		}
		if !seen[thing] {
			seen[thing] = true
			if reaches(needs, needs[thing], things, seen) {
				return true
			}
		}
	}
	return false
}

// attend makes f wait for e: the leaves that were decided before stay so.
func (o *Oracle) attend(f *record.Future, e *api.Expr, decided []record.Leaf, read map[string]*record.Future) {
	w := &Wait{Of: f.ID, For: e, leaves: leavesOf(e), since: f.CreatedAt, began: f.CreatedAt}
	for _, fact := range decided {
		l := w.leaves[fact.N]
		l.Outcome, l.At, l.mark = outcomes[fact.Outcome], fact.At, fact.Mark
		w.done = append(w.done, l)
	}
	o.lookAll(w, read)
	if w.Outcome() != Pending {
		o.cascade = append(o.cascade, func() { o.proceed(w) })
		return
	}
	o.sleep(w)
}

// lookAll decides the leaves of w for which it has happened already, first what happened first.
func (o *Oracle) lookAll(w *Wait, read map[string]*record.Future) {
	before := len(w.done)
	for _, l := range w.leaves {
		if l.Outcome == Pending {
			o.look(w, l, read)
		}
	}
	slices.SortStableFunc(w.done[before:], func(a, b *Leaf) int { return cmp.Compare(a.At, b.At) })
}

var outcomes = []Outcome{Pending, Satisfied, Failed} // as they are stored

// facts are the decided leaves of w.
func (w *Wait) facts() []record.Leaf {
	facts := []record.Leaf{}
	for i, l := range w.done {
		facts = append(facts, record.Leaf{
			N: slices.Index(w.leaves, l), Order: i, Outcome: uint8(slices.Index(outcomes, l.Outcome)), At: l.At, Mark: l.mark,
		})
	}
	return facts
}

// follow lets come what is to come of what was decided, and what comes of that.
func (o *Oracle) follow() {
	for len(o.cascade) > 0 {
		next := o.cascade[0]
		o.cascade = o.cascade[1:]
		next()
	}
}

// proceed takes further what waited for an expression that is decided.
func (o *Oracle) proceed(w *Wait) {
	f := *o.futures[w.Of]
	switch outcome := w.Outcome(); {
	case f.State.Settled():
	case f.Kind == record.KindWait:
		f.Wait = &record.Wait{For: f.Wait.For, Leaves: w.facts()}
		if outcome == Failed {
			o.settle(&f, record.StateFailed, nil, record.FailDependencyFailed)
		} else {
			o.settle(&f, record.StateSucceeded, &record.Result{}, "")
		}
	case outcome == Failed:
		o.settle(&f, record.StateFailed, nil, record.FailDependencyFailed)
	default:
		o.begin(&f)
	}
}

// begin lets a fetch go that has waited; f is a copy of its fact.
func (o *Oracle) begin(f *record.Future) {
	f.Wait, f.Reason = nil, record.ReasonDelayed
	if f.NextAttemptAt > o.Now {
		o.put(f)
		o.meet(f.ID, soonest(f.NextAttemptAt, f.DeadlineAt))
		return
	}
	f.Reason, f.NextAttemptAt = record.ReasonQueued, 0
	o.put(f)
	o.enqueue(f)
}

// stopWaiting ends what f waited for.
func (o *Oracle) stopWaiting(id string) {
	if i := slices.IndexFunc(o.waits, func(w *Wait) bool { return w.Of == id }); i >= 0 {
		o.Withdraw(o.waits[i])
	}
}

// resume lets the futures that wait go on, with what was decided and stored.
func (o *Oracle) resume() {
	for _, f := range oldestFirst(o.futures) {
		if !f.State.Settled() && rests(f) {
			o.attend(f, expression(f.Wait.Text()), o.Stored.Leaves[f.ID], nil)
		}
	}
}

// decidedLeaves are those of the futures that wait.
func (o *Oracle) decidedLeaves() map[string][]record.Leaf {
	all := map[string][]record.Leaf{}
	for _, w := range o.waits {
		if w.Of != "" && len(w.done) > 0 {
			all[w.Of] = w.facts()
		}
	}
	return all
}

// Callers are those whose answer is held, oldest first.
func (o *Oracle) Callers() []*Wait {
	return slices.DeleteFunc(slices.Clone(o.waits), func(w *Wait) bool { return w.Of != "" })
}

// Futures are those that wait, oldest first.
func (o *Oracle) Futures() []*Wait {
	return slices.DeleteFunc(slices.Clone(o.waits), func(w *Wait) bool { return w.Of == "" })
}

// name is that of the appointment of a leaf, or, of -1, of the end of the caller's patience.
func (w *Wait) name(leaf int) string {
	if w.Of != "" {
		return fmt.Sprintf("future %s leaf %d", w.Of, leaf)
	}
	return fmt.Sprintf("wait %d leaf %d", w.ID, leaf)
}
