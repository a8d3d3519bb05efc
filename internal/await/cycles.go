package await

import (
	"container/list"
	"fmt"
	"slices"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

// A future that waits can be waited for only once it exists, so no two of them can name each other. But a future can
// feed what has a name before it: the event that it sets, the group that it joins. A circle through one would never
// begin to turn, so it is refused where it would be closed.

// CycleStepsMax is the most things that the search for a circle looks at in one submit.
const CycleStepsMax = 200_000

// CycleError names the thing through which a new future would wait for itself.
type CycleError struct {
	Ref     string
	Future  int  // its place in the submit
	Unknown bool // the search was given up: too much hangs together
}

func (e *CycleError) Error() string {
	if e.Unknown {
		return "await: too much hangs together to say whether the future would wait for itself"
	}
	return fmt.Sprintf("await: the future would wait for itself, through %s", e.Ref)
}

// feeders are the futures that wait and feed something, by what they feed: who feeds without waiting depends on
// nothing. heeded counts the leaves of such futures that sleep on something that can be fed.
type feeders struct {
	of     map[string]*list.List // of *future
	heeded map[string]int
}

// feeding is where a future stands among the feeders of one thing.
type feeding struct {
	key string
	at  *list.Element
}

// fed is what a future with these feeds.
func fed(sets, group string) []string {
	var keys []string
	if sets != "" {
		keys = append(keys, api.Expr{Op: api.OpEvent, Ref: sets}.String())
	}
	if group != "" {
		keys = append(keys, api.Expr{Op: api.OpGroup, Ref: group}.String())
	}
	return keys
}

func (d *feeders) add(f *future) {
	for _, key := range fed(f.fact.Sets(), f.fact.Group()) {
		if d.of[key] == nil {
			d.of[key] = list.New()
		}
		f.waiting.feeds = append(f.waiting.feeds, feeding{key, d.of[key].PushBack(f)})
	}
}

func (d *feeders) remove(w *waiting) {
	for _, p := range w.feeds {
		d.of[p.key].Remove(p.at)
		if d.of[p.key].Len() == 0 {
			delete(d.of, p.key)
		}
	}
	w.feeds = nil
}

// heed counts a leaf of a future that begins (1) or ceases (-1) to sleep.
func (d *feeders) heed(l *leaf, n int) {
	if _, ofFuture := l.wait.owner.(*future); !ofFuture {
		return // a caller who is held feeds nothing
	}
	key := l.expr.String()
	if d.heeded[key] += n; d.heeded[key] == 0 {
		delete(d.heeded, key)
	}
}

// circles looks whether the futures of one submit, added one after the other, close one.
type circles struct {
	state  *State
	of     map[string][]*api.Expr // what those submitted so far wait for, by what they feed
	heeded map[string]bool
	steps  int
}

// circle is the first future of c that would wait for itself, as an error; nil when there is none.
func (s *State) circle(c *record.Submit, exprs []*api.Expr) error {
	k := &circles{s, map[string][]*api.Expr{}, map[string]bool{}, 0}
	for i, e := range exprs {
		if e == nil {
			continue
		}
		feeds := fed(c.Futures[i].Sets, c.Futures[i].Group)
		if cycle := k.closes(e, feeds); cycle != nil {
			cycle.Future = i
			return cycle
		}
		for _, key := range feeds {
			k.of[key] = append(k.of[key], e)
		}
		if len(exprs) > 1 {
			k.heed(e)
		}
	}
	return nil
}

func (k *circles) heed(e *api.Expr) {
	if e.Leaf() {
		k.heeded[e.String()] = true
	}
	for i := range e.Of {
		k.heed(&e.Of[i])
	}
}

// closes reports whether one of the things that a new future feeds depends on what it waits for.
func (k *circles) closes(e *api.Expr, feeds []string) *CycleError {
	unheeded := func(key string) bool { return k.state.feeders.heeded[key] == 0 && !k.heeded[key] && !names(e, key) }
	if !slices.ContainsFunc(feeds, func(key string) bool { return !unheeded(key) }) {
		return nil
	}
	seen := map[string]bool{}
	for next := []*api.Expr{e}; len(next) > 0; k.steps++ {
		e := next[len(next)-1]
		next = next[:len(next)-1]
		if !e.Leaf() {
			for i := range e.Of {
				next = append(next, &e.Of[i])
			}
			continue
		}
		key := e.String()
		switch {
		case slices.Contains(feeds, key):
			return &CycleError{Ref: key}
		case k.steps > CycleStepsMax:
			return &CycleError{Unknown: true}
		case !seen[key]:
			seen[key] = true
			next = k.upstream(e, key, next)
		}
	}
	return nil
}

func names(e *api.Expr, key string) bool {
	if e.Leaf() {
		return e.String() == key
	}
	return slices.ContainsFunc(e.Of, func(part api.Expr) bool { return names(&part, key) })
}

// upstream adds to next what the thing with this key depends on.
func (k *circles) upstream(e *api.Expr, key string, next []*api.Expr) []*api.Expr {
	if e.Op == api.OpFuture {
		if f := k.state.futures[e.Ref]; f != nil {
			next = f.needs(next)
		}
		return next
	}
	if futures := k.state.feeders.of[key]; futures != nil {
		for at := futures.Front(); at != nil; at = at.Next() {
			next = at.Value.(*future).needs(next)
		}
	}
	return append(next, k.of[key]...)
}

// needs adds to next what f waits for.
func (f *future) needs(next []*api.Expr) []*api.Expr {
	if f.waiting == nil {
		return next
	}
	for i := range f.waiting.leaves {
		if l := &f.waiting.leaves[i]; l.outcome == Pending {
			next = append(next, l.expr)
		}
	}
	return next
}
