package await

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

// The verbs. Any goroutine may call them; each returns when what it says is durable.

// Submit creates futures, all or none, and returns them in order. Errors: ErrTooManyFutures, ErrFuturesTooLarge,
// ErrTooManyEvents (to be set or waited for), ErrTooManyLeaves, *IDTakenError, *UnknownFutureError for one that an
// expression names, *UnknownGroupError, *GroupClosedError, *CycleError, ErrDraining, ErrBusy.
func (k *Kernel) Submit(ctx context.Context, futures ...record.NewFuture) ([]*record.Future, error) {
	made, err := k.SubmitOnce(ctx, &record.Submit{Futures: futures})
	return made.Futures, err
}

// SubmitOnce is Submit with an idempotency key: of requests with the same key and fingerprint only the first creates.
// Errors: those of Submit, and ErrKeyReused for another fingerprint.
func (k *Kernel) SubmitOnce(ctx context.Context, c *record.Submit) (Submitted, error) {
	if k.gauges.draining.Load() {
		return Submitted{}, ErrDraining
	}
	for {
		answer, err := insist(func() (any, error) { return k.command(ctx, c) })
		if missing, ok := errors.AsType[*missingError](err); ok {
			known := map[string]*record.Future{}
			if err := k.learn(known, missing.ids); err != nil {
				return Submitted{}, err
			}
			again := *c // the loop may still look at the first
			maps.Copy(known, c.Known)
			again.Known = known
			c = &again
			continue
		}
		if err != nil {
			return Submitted{}, err
		}
		return answer.(Submitted), nil
	}
}

// learn adds to known the settled futures with these ids. What is neither settled in the store nor unknown is in
// memory by now.
func (k *Kernel) learn(known map[string]*record.Future, ids []string) error {
	for _, id := range ids {
		switch f, err := k.stored(id); {
		case err == nil:
			known[id] = f
		case !errors.Is(err, errAgain):
			return err
		}
	}
	return nil
}

// View is a future as a reader sees it.
type View struct {
	*record.Future
	Queue int // its place among the fetches of its key that wait for their turn; 0 when it does not
}

// view is f as a reader sees it. Why it waits for its turn, and until when, is its key's affair: that is told as it is
// now, though it changes no fact.
func (s *State) view(f *future) View {
	v := View{Future: f.fact}
	fact := *f.fact
	switch {
	case f.in == noRow:
		return v
	case f.fact.State.Settled():
		_, until := f.lane.blocked(f.position(), s.at)
		fact.Callback = fact.Callback.With(func(c *record.Callback) { c.NextAttemptAt = until })
	case f.in == rowHeld:
		fact.NextAttemptAt = budgetAt(s.at)
	default:
		v.Queue = f.position()
		reason, until := f.lane.blocked(v.Queue, s.at)
		if reason == record.ReasonNone {
			return v
		}
		fact.Reason, fact.NextAttemptAt = reason, until
	}
	v.Future = &fact
	return v
}

// Future reads a future. Error: *UnknownFutureError.
func (k *Kernel) Future(ctx context.Context, id string) (View, error) {
	return insist(func() (View, error) { return k.future(ctx, id) })
}

func (k *Kernel) future(ctx context.Context, id string) (View, error) {
	p := &proposal{}
	p.look = func(s *State) when {
		f := s.futures[id]
		if f == nil {
			return atOnce
		}
		p.answer = s.view(f)
		if f.dirty || k.committing || f.in != noRow { // what its key does is seen before it is committed
			return inOrder
		}
		return atOnce
	}
	if err := k.propose(p); err != nil {
		return View{}, err
	}
	answer, err := k.await(ctx, p)
	if err != nil {
		return View{}, err
	}
	if view, ok := answer.(View); ok {
		return view, nil
	}
	fact, err := k.stored(id)
	return View{Future: fact}, err
}

// stored reads a future that was not in memory: settled, or unknown. If it is neither, it was created after the look
// into memory: errAgain, and the loop knows better.
func (k *Kernel) stored(id string) (*record.Future, error) {
	f, err := k.store.Future(id)
	if err != nil {
		return nil, err
	}
	if f == nil || f.ExpiresAt != 0 && f.ExpiresAt <= k.wall() {
		return nil, &UnknownFutureError{id}
	}
	if !f.State.Settled() {
		return nil, errAgain
	}
	return f, nil
}

// insist asks the loop until it or the store knows: each time a future was created in between, it asks again.
func insist[T any](ask func() (T, error)) (T, error) {
	for {
		answer, err := ask()
		if !errors.Is(err, errAgain) {
			return answer, err
		}
	}
}

func (k *Kernel) keyInStore(name string) (*record.Key, error) {
	key, err := k.store.Key(name)
	if err != nil {
		return nil, fmt.Errorf("await: look for an idempotency key: %w", err)
	}
	return key, nil
}

// Wall is the wall time as the kernel counts it: what everybody must go by who compares with a time of its. Any
// goroutine.
func (k *Kernel) Wall() time.Time { return k.origin.Add(k.clock.Now()) }

func (k *Kernel) wall() record.Time { return record.TimeOf(k.Wall()) }

// Futures reads a page of committed futures, newest first. Only if some of them wait for their turn does it ask the
// loop, how their keys stand.
func (k *Kernel) Futures(ctx context.Context, q record.FutureQuery) ([]View, string, error) {
	q.Exists = k.wall()
	found, next, err := k.store.Futures(q)
	if err != nil {
		return nil, "", err
	}
	page := make([]View, len(found))
	waiting := false
	for i, f := range found {
		page[i].Future = f
		waiting = waiting || f.Reason == record.ReasonQueued || f.Reason == record.ReasonBackoff ||
			f.CallbackPending()
	}
	if !waiting {
		return page, next, nil
	}
	p := &proposal{}
	p.look = func(s *State) when {
		now := make([]View, len(page))
		for i, v := range page {
			if f := s.futures[v.ID]; f != nil && f.fact.Version == v.Version {
				v = s.view(f)
			}
			now[i] = v
		}
		p.answer = now
		return inOrder
	}
	if err := k.propose(p); err != nil {
		return nil, "", err
	}
	answer, err := k.await(ctx, p)
	if err != nil {
		return nil, "", err
	}
	return answer.([]View), next, nil
}

// Cancel ends a pending future. Cancelling a cancelled one gives it again. Errors: *SettledError,
// *UnknownFutureError.
func (k *Kernel) Cancel(ctx context.Context, id string) (*record.Future, error) {
	return insist(func() (*record.Future, error) { return k.cancel(ctx, id) })
}

func (k *Kernel) cancel(ctx context.Context, id string) (*record.Future, error) {
	answer, err := k.command(ctx, &record.Cancel{ID: id})
	if errors.Is(err, errCold) {
		f, err := k.stored(id)
		if err != nil {
			return nil, err
		}
		return cancelled(f)
	}
	return futureOf(answer, err)
}

// Resolve ends a promise with a JSON value. The same value again gives the same answer. Errors: *SettledError,
// ErrNotSettleable (as *RefusedError), *UnknownFutureError.
func (k *Kernel) Resolve(ctx context.Context, id string, value []byte) (*record.Future, error) {
	c := &record.Settle{ID: id, Value: value}
	return insist(func() (*record.Future, error) { return k.settlePromise(ctx, c) })
}

// Reject ends a promise as failed. The same failure again gives the same answer. Errors as of Resolve.
func (k *Kernel) Reject(ctx context.Context, id string, f record.Failure) (*record.Future, error) {
	c := &record.Settle{ID: id, Failure: &f}
	return insist(func() (*record.Future, error) { return k.settlePromise(ctx, c) })
}

func (k *Kernel) settlePromise(ctx context.Context, c *record.Settle) (*record.Future, error) {
	answer, err := k.command(ctx, c)
	if errors.Is(err, errCold) {
		f, err := k.stored(c.ID)
		if err != nil {
			return nil, err
		}
		if f.Kind != record.KindPromise {
			return nil, &RefusedError{View{Future: f}, ErrNotSettleable}
		}
		return settledAgain(f, c)
	}
	return futureOf(answer, err)
}

func futureOf(answer any, err error) (*record.Future, error) {
	if err != nil {
		return nil, err
	}
	return answer.(*record.Future), nil
}

// Delete forgets a settled future. Errors: ErrNotSettled (as *RefusedError), *UnknownFutureError. Who finds it there
// and is overtaken by another Delete hears of no error: it is forgotten.
func (k *Kernel) Delete(ctx context.Context, id string) error {
	_, err := k.Future(ctx, id)
	if err != nil {
		return err
	}
	_, err = insist(func() (any, error) { return k.command(ctx, &record.Delete{ID: id}) })
	return err
}

// ChangeEvent does one operation on an event. Errors: ErrTooManyEvents, ErrEventsTooLarge.
func (k *Kernel) ChangeEvent(ctx context.Context, c *record.EventChange) (EventAnswer, error) {
	answer, err := k.command(ctx, c)
	if err != nil {
		return EventAnswer{}, err
	}
	return answer.(EventAnswer), nil
}

// Events reads a page of committed events by name.
func (k *Kernel) Events(prefix, after string, limit int) ([]*record.Event, string, error) {
	return k.store.Events(prefix, after, limit)
}

// WaitRequest asks to be told when an expression is decided.
type WaitRequest struct {
	For        *api.Expr
	Timeout    time.Duration // ≤ 0 answers at once
	CancelRest bool          // when it is decided, cancel the futures in it that are still pending
	// CancelOnLeave cancels the futures in it that are still pending, and that nobody else waits for, when the caller
	// leaves before it is answered.
	CancelOnLeave bool
	Cursor        string // of an earlier answer about the same leaves: only what is new is reported; empty: all

	sum  uint64  // of the leaves
	from *Cursor // nil: the conversation begins
}

// begin reads the cursor.
func (r *WaitRequest) begin() (err error) {
	leaves := 0
	r.sum, leaves = leafSum(r.For)
	if r.Cursor != "" {
		r.from, err = readCursor(r.Cursor, r.sum, leaves)
	}
	return err
}

// Wait returns when the expression is decided, the timeout is over or the server drains, whichever comes first. Its
// errors are those of Hold, and ctx's when the caller leaves.
func (k *Kernel) Wait(ctx context.Context, r WaitRequest) (*WaitAnswer, error) {
	a, held, err := k.Hold(ctx, r)
	if held == nil {
		return a, err
	}
	select {
	case <-held.Done():
		return held.Answer()
	case <-ctx.Done():
		held.Leave()
		return nil, ctx.Err()
	}
}

// Hold begins a wait, and answers it if it is decided, has no time, or the server drains. Else it is held, and must be
// left or done. Errors: ErrCursor, *UnknownFutureError, *UnknownGroupError, ErrTooManyWaiters, ErrTooManyLeaves,
// ErrTooManyEvents, ErrBusy, ErrEnded, and ctx's when the caller leaves before it is known whether it is held.
func (k *Kernel) Hold(ctx context.Context, r WaitRequest) (*WaitAnswer, *Held, error) {
	if err := r.begin(); err != nil {
		return nil, nil, err
	}
	h := &Held{kernel: k}
	var known map[string]*record.Future
	for {
		p := &proposal{}
		p.look = func(s *State) (at when) {
			p.answer, at, p.err = s.park(h, &r, known)
			return at
		}
		if err := k.propose(p); err != nil {
			return nil, nil, err
		}
		answer, err := k.await(ctx, p)
		if err != nil {
			if ctx.Err() != nil {
				h.Leave()
			}
			return nil, nil, err
		}
		switch answer := answer.(type) {
		case *WaitAnswer:
			return answer, nil, nil
		case *Held:
			return nil, h, nil
		case []string:
			if known == nil {
				known = map[string]*record.Future{}
			}
			if err := k.learnFor(&r, known, answer); err != nil {
				return nil, nil, err
			}
		}
	}
}

// learnFor is learn for a wait. Of a future whose end was decided before, and that is gone, only the id is known then.
func (k *Kernel) learnFor(r *WaitRequest, known map[string]*record.Future, ids []string) error {
	for _, id := range ids {
		err := k.learn(known, []string{id})
		if _, gone := errors.AsType[*UnknownFutureError](err); gone && r.from.knows(r.For, id) {
			known[id], err = &record.Future{ID: id}, nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Woken is told when the answer to a wait that slept has been written. Any goroutine.
func (k *Kernel) Woken(a *WaitAnswer) {
	if a.Slept {
		k.tally.wakeSeconds.Observe((k.clock.Now() - a.DecidedAt).Seconds())
	}
}

// Drain answers every parked caller at once and refuses new work. Attempts under way go on.
func (k *Kernel) Drain(ctx context.Context) error {
	k.gauges.draining.Store(true)
	p := &proposal{done: make(chan struct{})}
	p.look = func(s *State) when {
		s.draining = true
		for w := s.waits.first; w != nil; w = s.waits.first {
			w.holds.drain()
		}
		return inOrder
	}
	k.mustHappen(p)
	if _, err := k.await(ctx, p); err != nil {
		return fmt.Errorf("await: drain: %w", err)
	}
	return nil
}

// Draining reports whether Drain has been called.
func (k *Kernel) Draining() bool { return k.gauges.draining.Load() }
