package await

import (
	"context"
	"slices"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/loop"
	"github.com/awaitd/awaitd/internal/record"
)

// WaitsShownMax is the most held waits that an inspection lists.
const WaitsShownMax = 100

// Inspection is the loop at one moment, for people.
type Inspection struct {
	Now         record.Time
	Uptime      time.Duration  // since the kernel was made
	Loop        loop.Stats     // with the timers of the state
	Slow        []SlowCallback // the last few, oldest first
	SlowCount   int
	LagLast     time.Duration
	LagMax      time.Duration
	Outstanding int // proposals not answered yet
	Pending     int // futures that are not settled
	Running     int // attempts under way
	Queued      int // fetches that wait for a worker
	Events      int
	Waiters     int
	Committing  bool
	CommitLast  time.Duration
	Draining    bool
	Waits       []HeldWait // the oldest
	Limits      Limits
}

// HeldWait is one wait that is held for a caller.
type HeldWait struct {
	For     *api.Expr
	Since   record.Time
	Done    int
	Pending int
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
	for p := s.waits.first; p != nil && len(in.Waits) < WaitsShownMax; p = p.next {
		held := p.holds.standing()
		held.Since = p.since
		in.Waits = append(in.Waits, held)
	}
	return in
}
