package await

import (
	"context"

	"github.com/awaitd/awaitd/internal/record"
)

// proposal is something asked of the kernel: a command for the total order, or a look at the state.
type proposal struct {
	kernel  *Kernel
	command record.Command
	look    func(*State) when // run on the loop, after the commands of its turn
	answer  any
	err     error
	counted bool          // it takes one of the places of the inbox
	done    chan struct{} // closed with the release of the answer; nil when nobody waits for it
}

// when says at what time the answer of a look may be released.
type when uint8

const (
	atOnce  when = iota // all that it saw is committed
	inOrder             // it may have seen what is not committed yet
	later               // not now: somebody else will release it
)

// Run puts p into the turn that is being gathered. It is the loop that calls it.
func (p *proposal) Run() {
	if p.counted {
		p.kernel.asked = append(p.kernel.asked, p)
	} else {
		p.kernel.sure = append(p.kernel.sure, p)
	}
}

// Name is what a slow turn is reported under.
func (p *proposal) Name() string { return "await.proposal" }

func (p *proposal) release(*Kernel) {
	if p.counted {
		p.counted = false
		p.kernel.outstanding.Add(-1)
	}
	if p.done != nil {
		close(p.done)
	}
}

// propose hands p to the loop, unless too many are there already. After an error nothing was done. Any goroutine.
func (k *Kernel) propose(p *proposal) error {
	if k.hasEnded() {
		return ErrEnded
	}
	if k.outstanding.Add(1) > int64(k.limits.InboxMax) {
		k.outstanding.Add(-1)
		return ErrBusy
	}
	p.kernel, p.counted, p.done = k, true, make(chan struct{})
	if k.ScheduleThreadsafe(p) != nil {
		return ErrEnded
	}
	return nil
}

func (k *Kernel) hasEnded() bool {
	select {
	case <-k.ended:
		return true
	default:
		return false
	}
}

// await waits for the release of p. Who leaves early leaves the answer behind. Errors: ErrLost, of a command; ErrEnded,
// of a look; ctx's. Any goroutine.
func (k *Kernel) await(ctx context.Context, p *proposal) (any, error) {
	select {
	case <-p.done:
		return p.answer, p.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-k.ended:
	}
	select {
	case <-p.done: // the last thing that the kernel did
		return p.answer, p.err
	default:
	}
	if p.command != nil {
		return nil, ErrLost
	}
	return nil, ErrEnded
}

// command proposes c and waits for its answer, which is released once it is durable. Any goroutine.
func (k *Kernel) command(ctx context.Context, c record.Command) (any, error) {
	p := &proposal{command: c}
	if err := k.propose(p); err != nil {
		return nil, err
	}
	return k.await(ctx, p)
}

// mustHappen proposes on the lane that has no bound: for outcomes and withdrawals, of which there are never more
// than attempts and parked callers. Any goroutine.
func (k *Kernel) mustHappen(p *proposal) {
	p.kernel = k
	_ = k.ScheduleThreadsafe(p) // a kernel that has ended needs no outcome
}
