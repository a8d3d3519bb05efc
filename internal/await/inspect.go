package await

import (
	"context"
	"slices"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/loop"
	"github.com/awaitd/awaitd/internal/record"
)

// The most that an inspection lists.
const (
	WaitsShownMax     = 100 // held waits
	LeavesShownMax    = 100 // leaves of each
	UnawaitedShownMax = 100
)

// Inspection is the loop at one moment, for people.
type Inspection struct {
	Now         record.Time
	Uptime      time.Duration  // since the kernel was made
	Loop        loop.Stats     // with the timers of the state
	Slow        []SlowCallback // the last few, oldest first
	SlowCount   int
	LagLast     time.Duration
	LagMax      time.Duration
	Outstanding int      // proposals not answered yet
	Pending     int      // futures that are not settled
	Unawaited   int      // of these: that no call, no future and no group waits for
	Loose       []string // ids of those; the first are so for the longest
	Running     int      // attempts under way
	Queued      int      // fetches that wait for a worker
	Events      int
	Waiters     int
	Committing  bool
	CommitLast  time.Duration
	Draining    bool
	Waits       []HeldWait // the oldest
	Limits      Limits
}

// WaiterKind says who waits.
type WaiterKind uint8

// Who waits.
const (
	WaiterCall   WaiterKind = 0 // a caller whose answer is held
	WaiterStream WaiterKind = 1 // a caller who is told one by one
	WaiterFuture WaiterKind = 2 // a future
)

// HeldWait is one who waits: a caller, or a future.
type HeldWait struct {
	Kind    WaiterKind
	Future  string    // id, of a future
	For     *api.Expr // nil: all futures
	Since   record.Time
	Done    int
	Pending int
	Leaves  []Outcome // of the first, in the order of the expression
	Orphan  bool      // all that is pending are events that no pending future is to set

	wait *wait // nil: of a stream of something else
}

// Key is how one limit key stands.
type Key struct {
	Key string
	record.LimitSettings
	Running     int           // attempts under way
	Waiting     int           // fetches that wait for their turn
	Held        int           // retries that wait for the budget of the key
	Reason      record.Reason // why the first of them is not started; none when none waits
	NextStartAt record.Time   // when it may be at the earliest; 0 when that is not known
	Circuit     record.Circuit
}

// KeyPage is a page of limit keys, by key.
type KeyPage struct {
	Keys []Key
	More bool // others follow
}

// Keys reads a page of limit keys: those after one of them. Any goroutine.
func (k *Kernel) Keys(ctx context.Context, after string, limit int) (KeyPage, error) {
	p := &proposal{}
	p.look = func(s *State) when {
		p.answer = s.keyPage(after, limit)
		return inOrder
	}
	if err := k.propose(p); err != nil {
		return KeyPage{}, err
	}
	answer, err := k.await(ctx, p)
	if err != nil {
		return KeyPage{}, err
	}
	return answer.(KeyPage), nil
}

func (s *State) keyPage(after string, limit int) (page KeyPage) {
	s.queue.lanes.Ascend(after, func(key string, l *lane) bool {
		if key == after {
			return true
		}
		if page.More = len(page.Keys) == limit; page.More {
			return false
		}
		shown := Key{
			Key: key, LimitSettings: l.settings, Running: l.running, Waiting: l.waiting.size, Held: l.held.size,
			Circuit: l.circuit.Circuit,
		}
		if l.waiting.first != nil {
			if shown.Reason, shown.NextStartAt = l.blocked(1, s.at); shown.Reason == record.ReasonNone {
				shown.Reason = record.ReasonQueued
			}
		}
		page.Keys = append(page.Keys, shown)
		return true
	})
	return page
}

// Inspect looks at the loop. Any goroutine.
func (k *Kernel) Inspect(ctx context.Context) (*Inspection, error) {
	p := &proposal{}
	p.look = func(s *State) when {
		p.answer = k.inspect(s)
		return atOnce
	}
	if err := k.propose(p); err != nil {
		return nil, err
	}
	answer, err := k.await(ctx, p)
	if err != nil {
		return nil, err
	}
	return answer.(*Inspection), nil
}

func (k *Kernel) inspect(s *State) *Inspection {
	in := &Inspection{
		Now: s.at, Uptime: k.Now(), Loop: k.Stats(),
		Slow: slices.Clone(k.slow), SlowCount: int(k.gauges.slow.Load()),
		LagLast: time.Duration(k.gauges.lastLag.Load()), LagMax: time.Duration(k.gauges.maxLag.Load()),
		Outstanding: int(k.outstanding.Load()),
		Pending:     s.pending, Running: s.running, Queued: s.queue.size,
		Events: s.events.Len(), Waiters: s.waits.size,
		Committing: k.committing, CommitLast: time.Duration(k.gauges.lastCommit.Load()),
		Draining: s.draining, Limits: s.limits,
	}
	in.Loop.Timers += s.due.Len()
	in.Unawaited, in.Loose = s.loose.size, s.loose.ids(UnawaitedShownMax)
	leaves := 0
	for caller, future := s.waits.first, s.durable.first; len(in.Waits) < WaitsShownMax; {
		next := &caller
		if caller == nil || future != nil && future.since <= caller.since {
			next = &future
		}
		if *next == nil {
			break
		}
		held := (*next).holds.standing()
		held.Since = (*next).since
		if held.wait != nil {
			held.Leaves = held.wait.outcomes(LeavesShownMax)
		}
		if leaves += held.Done + held.Pending; held.For != nil && leaves <= api.LeavesMax { // a look must not take long
			held.Orphan = s.orphan(held)
		}
		held.wait = nil // it is the loop's
		in.Waits = append(in.Waits, held)
		*next = (*next).next
	}
	return in
}

// outcomes is how the first leaves stand, at most so many.
func (w *wait) outcomes(most int) []Outcome {
	all := make([]Outcome, min(len(w.leaves), most))
	for i := range all {
		all[i] = w.leaves[i].outcome
	}
	return all
}

// orphan reports whether nothing that is under way can decide what is waited for.
func (s *State) orphan(w HeldWait) bool {
	only := w.wait != nil
	if only {
		for i := range w.wait.leaves {
			l := &w.wait.leaves[i]
			if l.outcome == Pending && (l.expr.Op != api.OpEvent || s.events.Reserved(l.expr.Ref)) {
				return false
			}
		}
	}
	return only
}
