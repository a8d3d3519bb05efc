package server

import (
	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/go-json-experiment/json"
)

// leafBytes is about what one leaf of a wait takes in an answer, without what it waits for.
const leafBytes = 160

// waitsFor shows what a future of a kind waits for; nil when it is of another, waits for nothing, or finds no room.
func (v *view) waitsFor(f *record.Future, kind record.Kind) *api.Expr {
	text := f.Wait.Text()
	if text == nil || f.Kind != kind || int64(len(text)) > v.room {
		return nil
	}
	v.room -= int64(len(text))
	e := &api.Expr{}
	if json.Unmarshal(text, e) != nil {
		return nil // not reached: the server wrote it
	}
	return e
}

// decided shows how the expression of a wait was decided.
func (v *view) decided(f *record.Future) *api.Result {
	e := &api.Expr{}
	if json.Unmarshal(f.Wait.For, e) != nil {
		return nil // not reached: the server wrote it
	}
	var leaves []*api.Expr
	e.Each(func(leaf *api.Expr) { leaves = append(leaves, leaf) })
	if int64(len(leaves))*leafBytes > v.room {
		return &api.Result{Truncated: true}
	}
	v.room -= int64(len(leaves)) * leafBytes
	a := &api.WaitAnswer{Outcome: api.OutcomeSatisfied, Done: []api.Leaf{}, Pending: []api.Leaf{}}
	if f.State == record.StateFailed {
		a.Outcome = api.OutcomeFailed
	}
	done := make([]bool, len(leaves))
	for _, l := range f.Wait.Leaves {
		done[l.N] = true
		a.Done = append(a.Done, remembered(leaves[l.N], l))
	}
	for i, leaf := range leaves {
		if !done[i] {
			a.Pending = append(a.Pending, api.Leaf{Ref: leaf.String(), Outcome: api.OutcomePending})
		}
	}
	return &api.Result{WaitAnswer: a}
}

// remembered shows a leaf as it was decided.
func remembered(e *api.Expr, l record.Leaf) api.Leaf {
	shown := api.Leaf{Ref: e.String(), Outcome: outcomeWords[await.Outcome(l.Outcome)], At: timeOf(l.At)}
	switch e.Op {
	case api.OpEvent:
		shown.Generation = &l.Mark
	case api.OpFuture:
		shown.State = stateWords[record.State(l.Mark)]
	}
	return shown
}
