package sim

import (
	"slices"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
)

// talk is an answer to a wait, or a message of its stream, with which somebody may go on.
type talk struct {
	wait   *Wait
	at     *Talk
	cursor string
	life   int // of the server that gave it
}

// remember makes a cursor one that somebody may go on with.
func (w *world) remember(wait *Wait, at *Talk, cursor string) {
	w.talks = append(w.talks[max(0, len(w.talks)-talksMax+1):], &talk{wait, at, cursor, w.life.number})
}

// talksMax is how many answers are remembered, old ones among them: a cursor may be used again.
const talksMax = 6

// answered notes an answer to a wait, and what came of the conversation that it went on with; nil: none.
func (w *world) answered(got *await.WaitAnswer, wait *Wait, from *talk) {
	w.remember(wait, wait.Answer.Talk, got.Cursor.String())
	if from == nil {
		return
	}
	where := w.since(from.life)
	w.seen.saw("a conversation went on" + where)
	for _, l := range wait.Answer.Done {
		w.seen.saw("a conversation was told of something new" + where)
		if l.Event != nil && !l.Event.Set && generation(l.Expr) == 0 && !wait.held {
			w.seen.saw("a conversation was told of a set that had passed" + where)
		}
	}
	for n, l := range wait.leaves {
		if _, told := wait.From.told[n]; told && w.oracle.since(wait, l.Expr) {
			w.seen.saw("a conversation was not told twice" + where)
		}
	}
}

// since says whether a server died since that one.
func (w *world) since(life int) string {
	if life != w.life.number {
		return " over a restart"
	}
	return ""
}

// drawTalk goes on with a conversation, if there is one about what is known without the store, or about anything if
// cold. The leaves are the same; how many of them are wanted may be another question.
func (w *world) drawTalk(cold bool) (*api.Expr, *talk) {
	var open []*talk
	for _, t := range w.talks {
		if cold || !slices.ContainsFunc(t.untold(), w.oracle.Cold) {
			open = append(open, t)
		}
	}
	if len(open) == 0 {
		return nil, nil
	}
	t := oneOf(w.T, "talk", open...)
	for _, cut := range open {
		if len(cut.at.untold) > 0 && chance(w.T, "cut off", 50) {
			t = cut
		}
	}
	e := *t.wait.For
	if !e.Leaf() && e.Op != api.OpSettled && chance(w.T, "another operator", 40) {
		e.Op, e.K = oneOf(w.T, "op", api.OpAll, api.OpAny), 0
	}
	return &e, t
}

// untold are the futures that t has still to be told of.
func (t *talk) untold() (ids []string) {
	for n, l := range t.wait.leaves {
		if _, told := t.at.told[n]; (!told || t.at.untold[n]) && l.Expr.Op == api.OpFuture {
			ids = append(ids, l.Expr.Ref)
		}
	}
	return ids
}
