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
	counts map[string]int  // Oracle.counts
}

// talk is where the conversation of w stands, which is being answered.
func (o *Oracle) talk(w *Wait) *Talk {
	t := &Talk{w.began, map[int]Outcome{}, maps.Clone(o.counts)}
	for _, l := range w.done {
		t.told[slices.Index(w.leaves, l)] = l.Outcome
	}
	return t
}

// goOn lets w begin where its conversation stands: what was told stays decided.
func (w *Wait) goOn() {
	if w.From == nil {
		return
	}
	w.began = w.From.began
	for n, l := range w.leaves {
		if outcome, told := w.From.told[n]; told {
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
	return len(w.From.told)
}

// since reports whether an event was set or pulsed, or a group decided, since the last answer of the conversation of w.
func (o *Oracle) since(w *Wait, e *api.Expr) bool {
	name := countOf(e.Op, e.Ref)
	return w.From != nil && o.counts[name] > w.From.counts[name]
}

// countOf is the name of an event or a group in Oracle.counts. What happens is counted there when all who waited for it
// have been told: who is answered in the middle of that may wait for it with another leaf, too.
func countOf(op api.Op, ref string) string { return api.Expr{Op: op, Ref: ref}.String() }
