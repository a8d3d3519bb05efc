package record

import "time"

// Group is the fact of one group of futures. It is immutable (see the package comment).
type Group struct {
	ID      string
	Version uint64 // grows by one with each change; the ETag

	CreatedAt  Time
	DeadlineAt Time // when it is closed and its members are cancelled; 0 for never
	LeaseUntil Time // the same, unless it is renewed before; 0 for never
	ClosedAt   Time // 0 while it takes members
	ExpiresAt  Time // when it is forgotten; 0 while members are pending

	Lease           time.Duration // what a renewal adds; 0 for no lease
	TTL             time.Duration // how long it is kept once nothing is pending
	Labels          []Label       // sorted by key
	CancelOnFailure bool          // the first member that fails closes it

	Pending   uint64 // members, running ones included
	Succeeded uint64
	Failed    uint64
	Cancelled uint64

	Failure *Failure // why it was closed before its work was done; nil when it was not
	Outcome uint8    // when it was last decided, as internal/await counts outcomes; 0 for never
	Serial  uint64   // of that decision, among those of all events
}

// GroupFact is a group by id as it is now; nil Is: forgotten.
type GroupFact struct {
	ID string
	Is *Group
}

// AppendGroup appends g to b, in the same envelope as EncodeFuture.
func AppendGroup(b []byte, g *Group) []byte { return seal(b, g.fields) }

// DecodeGroup reads what AppendGroup wrote. ErrCorrupt and ErrVersion say why it cannot.
func DecodeGroup(b []byte) (*Group, error) {
	body, err := open(b)
	if err != nil {
		return nil, err
	}
	g := &Group{}
	if err := decode(body, "group", g.take); err != nil {
		return nil, err
	}
	return g, nil
}

// The field numbers below are on disk. A new field takes a new number; a number is never reused.

func (g *Group) fields(e *encoder) {
	e.string(1, g.ID)
	e.uint(2, g.Version)
	e.time(3, g.CreatedAt)
	e.time(4, g.DeadlineAt)
	e.time(5, g.LeaseUntil)
	e.time(6, g.ClosedAt)
	e.time(7, g.ExpiresAt)
	e.duration(8, g.Lease)
	e.duration(9, g.TTL)
	for _, l := range g.Labels {
		e.message(10, l.fields)
	}
	e.bool(11, g.CancelOnFailure)
	e.uint(12, g.Pending)
	e.uint(13, g.Succeeded)
	e.uint(14, g.Failed)
	e.uint(15, g.Cancelled)
	if g.Failure != nil {
		e.message(16, g.Failure.fields)
	}
	e.uint(17, uint64(g.Outcome))
	e.uint(18, g.Serial)
}

func (g *Group) take(in field) (bool, error) {
	switch in.n {
	case 1:
		g.ID = in.string()
	case 2:
		g.Version = in.num
	case 8:
		g.Lease = in.duration()
	case 9:
		g.TTL = in.duration()
	case 10:
		g.Labels = append(g.Labels, Label{})
		return true, decode(in.raw, "label", g.Labels[len(g.Labels)-1].take)
	case 11:
		g.CancelOnFailure = in.num != 0
	case 16:
		g.Failure = &Failure{}
		return true, decode(in.raw, "failure", g.Failure.take)
	case 17:
		g.Outcome = uint8(in.num)
	case 18:
		g.Serial = in.num
	default:
		return g.takeTime(in) || g.takeCount(in), nil
	}
	return true, nil
}

func (g *Group) takeTime(in field) bool {
	switch in.n {
	case 3:
		g.CreatedAt = in.time()
	case 4:
		g.DeadlineAt = in.time()
	case 5:
		g.LeaseUntil = in.time()
	case 6:
		g.ClosedAt = in.time()
	case 7:
		g.ExpiresAt = in.time()
	default:
		return false
	}
	return true
}

func (g *Group) takeCount(in field) bool {
	switch in.n {
	case 12:
		g.Pending = in.num
	case 13:
		g.Succeeded = in.num
	case 14:
		g.Failed = in.num
	case 15:
		g.Cancelled = in.num
	default:
		return false
	}
	return true
}
