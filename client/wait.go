package client

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/awaitd/awaitd/api"
)

// eachHold is the longest poll of a wait whose leaves are told one by one, on a server that does not stream.
const eachHold = time.Second

// WaitOption changes one wait.
type WaitOption func(*waiting)

// Each is told of each leaf as it is decided, failed ones too, in that order.
func Each(told func(api.Leaf)) WaitOption {
	return func(w *waiting) {
		w.each = func(leaf api.Leaf) bool {
			told(leaf)
			return true
		}
	}
}

// Results says how much the answer shows of each leaf; api.ResultsFull unless given.
func Results(results api.Results) WaitOption { return func(w *waiting) { w.results = results } }

// CancelRest cancels the futures that are still pending once the wait is decided.
func CancelRest() WaitOption { return func(w *waiting) { w.cancelRest = true } }

// Wait returns once ref is decided. When it failed the error is a *FailedError. When ctx ends first, or the server
// cannot be reached for longer than the client's Patience, the answer shows what was done by then.
func (c *Client) Wait(ctx context.Context, ref Ref, options ...WaitOption) (*api.WaitAnswer, error) {
	w := newWaiting(c, ref.Expr())
	for _, option := range options {
		option(w)
	}
	if err := w.run(ctx); err != nil {
		return &w.answer, err
	}
	if w.answer.Outcome == api.OutcomeFailed {
		return &w.answer, &FailedError{Answer: &w.answer}
	}
	return &w.answer, nil
}

// AsCompleted yields the leaves of refs as they are decided, satisfied or failed, until all are: the futures and events
// in them, each once. An error ends it.
func (c *Client) AsCompleted(ctx context.Context, refs ...Ref) iter.Seq2[api.Leaf, error] {
	return func(yield func(api.Leaf, error) bool) {
		var each []api.Expr
		for _, ref := range refs {
			for _, leaf := range leaves(nil, ref.Expr()) {
				each = append(each, Settled(Expr(leaf)).Expr())
			}
		}
		if len(each) == 0 {
			return
		}
		left := false
		w := newWaiting(c, api.Expr{Op: api.OpAll, Of: each})
		w.each = func(leaf api.Leaf) bool {
			left = !yield(leaf, nil)
			return !left
		}
		if err := w.run(ctx); err != nil && !left {
			yield(api.Leaf{}, err)
		}
	}
}

// waiting is one wait, however many calls it takes. It belongs to the goroutine that waits.
type waiting struct {
	c          *Client
	expr       api.Expr
	results    api.Results
	cancelRest bool
	each       func(api.Leaf) (goOn bool) // nil: nobody wants to know

	started time.Time
	answer  api.WaitAnswer // as far as it is known
	told    map[string]int // of each ref, how many decided leaves each was told of
}

func newWaiting(c *Client, expr api.Expr) *waiting {
	w := &waiting{c: c, expr: expr, started: time.Now(), told: map[string]int{}}
	w.answer.Outcome = api.OutcomePending
	for _, leaf := range leaves(nil, expr) {
		w.answer.Pending = append(w.answer.Pending, api.Leaf{Ref: leaf.String(), Outcome: api.OutcomePending})
	}
	return w
}

func (w *waiting) run(ctx context.Context) error {
	if w.each != nil && !w.c.streamless.Load() {
		if decided, err := w.stream(ctx); decided || err != nil {
			return err
		}
	}
	return w.polls(ctx)
}

func (w *waiting) request() api.WaitRequest {
	return api.WaitRequest{For: w.expr, Results: w.results, CancelRest: w.cancelRest}
}

// polls asks again and again. The cursor of each answer makes the next a continuation of the same wait.
func (w *waiting) polls(ctx context.Context) error {
	hold := w.c.hold
	if w.each != nil {
		hold = 0 // what is done already is told at once
	}
	for ; ; hold = w.holdNext() {
		asked := time.Now()
		q := w.request()
		q.Timeout, q.Cursor = (*api.Duration)(&hold), w.answer.Cursor
		what, err := post("/wait", q)
		if err != nil {
			return err
		}
		what.repeatable = true
		var a api.WaitAnswer
		if err := w.c.answer(ctx, what, &a); err != nil {
			return err
		}
		if q.Cursor != "" { // it tells only what is new
			a.Done = append(w.answer.Done, a.Done...)
		}
		w.answer = a
		if !w.tell() || a.Outcome != api.OutcomePending {
			return nil
		}
		if err := sleep(ctx, min(pollPauseMin, hold)-time.Since(asked)); err != nil {
			return err
		}
	}
}

func (w *waiting) holdNext() time.Duration {
	if w.each != nil {
		return min(w.c.hold, eachHold)
	}
	return w.c.hold
}

// tell passes on the leaves that nobody was told of, and reports whether to go on.
func (w *waiting) tell() bool {
	if w.each == nil {
		return true
	}
	seen := map[string]int{}
	for _, leaf := range w.answer.Done {
		if seen[leaf.Ref]++; seen[leaf.Ref] > w.told[leaf.Ref] && !w.pass(leaf) {
			return false
		}
	}
	return true
}

func (w *waiting) pass(leaf api.Leaf) bool {
	w.told[leaf.Ref]++
	return w.each(leaf)
}

// complete moves one leaf from pending to done.
func (w *waiting) complete(leaf api.Leaf) (goOn bool) {
	same := func(pending api.Leaf) bool { return pending.Ref == leaf.Ref }
	if i := slices.IndexFunc(w.answer.Pending, same); i >= 0 {
		w.answer.Pending = slices.Delete(w.answer.Pending, i, i+1)
	}
	w.answer.Done = append(w.answer.Done, leaf)
	return w.pass(leaf)
}
