package sim

import (
	"maps"
	"slices"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

// Talk is where a conversation about some leaves stands after an answer: what its caller has been told, and what had
// happened by then. The next wait for them, on whatever server, is told of all that came after, and of nothing twice.
type Talk struct {
	began  record.Time     // what sleeps count from
	told   map[int]Outcome // leaves, by their number
	untold map[int]bool    // of those: the caller of a stream was cut off in the middle of what came at once
	counts map[string]int  // Oracle.counts
}

// talk is where the conversation of w stands, which is being answered.
func (o *Oracle) talk(w *Wait) *Talk {
	t := &Talk{w.began, map[int]Outcome{}, map[int]bool{}, maps.Clone(o.counts)}
	for _, l := range w.done {
		t.told[slices.Index(w.leaves, l)] = l.Outcome
	}
	return t
}

// goOn lets w begin where its conversation stands: what was told stays decided. What was decided and not told is looked
// at as what is new.
func (w *Wait) goOn() {
	if w.From == nil {
		return
	}
	w.began = w.From.began
	for n, l := range w.leaves {
		if outcome, told := w.From.told[n]; told && !w.From.untold[n] {
			l.Outcome = outcome
			w.done = append(w.done, l)
		}
	}
}

// told is how many of the decided leaves of w its caller knows already.
func (w *Wait) told() int {
	if w.From == nil {
		return 0
	}
	return len(w.From.told) - len(w.From.untold)
}

// since reports whether an event was set or pulsed, or a group decided, since the last answer of the conversation of w.
func (o *Oracle) since(w *Wait, e *api.Expr) bool {
	name := countOf(e.Op, e.Ref)
	return w.From != nil && o.counts[name] > w.From.counts[name]
}

// countOf is the name of an event or a group in Oracle.counts. What happens is counted there when all who waited for it
// have been told: who is answered in the middle of that may wait for it with another leaf, too.
func countOf(op api.Op, ref string) string { return api.Expr{Op: op, Ref: ref}.String() }

// cutOff is where a conversation stands whose caller was told of all that t knows of but these leaves.
func (t *Talk) cutOff(w *Wait, untold []Effect) *Talk {
	one := *t
	one.untold = map[int]bool{}
	for _, e := range untold {
		one.untold[slices.IndexFunc(w.leaves, func(l *Leaf) bool { return l.Expr == e.Leaf.Expr })] = true
	}
	return &one
}

// owes is how a leaf of w was decided that its caller was not told of.
func (t *Talk) owes(w *Wait, l *Leaf) (Outcome, bool) {
	if t == nil {
		return Pending, false
	}
	n := slices.Index(w.leaves, l)
	return t.told[n], t.untold[n]
}

// retell decides a leaf as it was decided before, with what is there still of what decided it.
func (o *Oracle) retell(w *Wait, l *Leaf, outcome Outcome, read map[string]*record.Future) {
	at := o.Now
	switch ref := l.Expr.Ref; l.Expr.Op {
	case api.OpEvent:
		if l.Event = o.events[ref]; l.Event != nil {
			at = l.Event.SetAt
		}
	case api.OpGroup:
		if l.Group = o.groups[ref]; l.Group != nil {
			at = record.Time(l.Group.Serial >> 20)
		}
	case api.OpFuture:
		if f := o.view(ref, read); f != nil && f.State.Settled() {
			l.Future, at = f, f.SettledAt
		}
	}
	o.decide(w, l, outcome, at)
}

// mustRead reports whether only the store can know what w needs to know of a leaf that waits for a future. One that is
// gone is no hindrance when it was decided before.
func (o *Oracle) mustRead(w *Wait, l *Leaf, read map[string]*record.Future) bool {
	if _, owed := w.From.owes(w, l); owed {
		_, looked := read[l.Expr.Ref]
		return o.Cold(l.Expr.Ref) && !looked
	}
	return o.view(l.Expr.Ref, read) == nil
}

// unknown are the leaves of w whose outcome has still to be found out.
func (w *Wait) unknown() []*Leaf {
	return slices.DeleteFunc(slices.Clone(w.leaves), func(l *Leaf) bool {
		_, owed := w.From.owes(w, l)
		return owed
	})
}
