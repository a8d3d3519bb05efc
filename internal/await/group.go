package await

import (
	"container/list"
	"context"
	"errors"
	"fmt"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/events"
	"github.com/awaitd/awaitd/internal/loop"
	"github.com/awaitd/awaitd/internal/record"
)

// Groups are asyncio's TaskGroup without the block around it: futures join one as they are submitted, and it is
// decided whenever it has members and none of them is pending. That is a level, not an edge: the next member makes it
// pending again, until it is closed. Closing it fails it, unless all its members have succeeded by then: what is done
// is done.

// UnknownGroupError names a group that does not exist, or no more.
type UnknownGroupError struct{ ID string }

func (e *UnknownGroupError) Error() string { return fmt.Sprintf("await: there is no group %s", e.ID) }

// GroupClosedError carries the group that takes no more members.
type GroupClosedError struct{ Group *record.Group }

func (e *GroupClosedError) Error() string {
	return fmt.Sprintf("await: the group %s is closed", e.Group.ID)
}

// ErrTooManyGroups says that as many groups are remembered as the limits allow.
var ErrTooManyGroups = errors.New("await: too many groups are remembered")

// group is a group in memory: its fact, the members that are pending, and who waits for it.
type group struct {
	fact    *record.Group
	members list.List // of *future, in the order in which they joined
	waiters loop.Waiters
	timer   loop.WheelHandle
	dirty   bool
	closing bool // it stands in State.cascade
}

// GroupOutcome is where a group stands as something to wait for.
func GroupOutcome(g *record.Group) Outcome {
	switch {
	case g.Pending > 0:
		return Pending
	case g.Failure != nil || g.Failed+g.Cancelled > 0:
		return Failed
	case g.Succeeded > 0:
		return Satisfied
	default:
		return Pending // nobody has joined yet
	}
}

// GroupMade is the answer to making a group: the group, or the one that the same request made before under the same
// idempotency key.
type GroupMade struct {
	Group    *record.Group
	Replayed bool
}

func (s *State) createGroup(c *record.CreateGroup) (GroupMade, error) {
	used, err := s.used(c.Key)
	if err != nil {
		return GroupMade{}, err
	}
	if used != nil {
		g, err := s.group(used.Futures[0])
		if err != nil {
			return GroupMade{}, err
		}
		return GroupMade{g.fact, true}, nil
	}
	if len(s.groups) >= s.limits.GroupsMax {
		return GroupMade{}, ErrTooManyGroups
	}
	g := &group{fact: &record.Group{
		ID: c.ID, CreatedAt: s.at, DeadlineAt: c.Until, Lease: c.Lease, TTL: c.TTL, Labels: c.Labels,
		CancelOnFailure: c.CancelOnFailure,
	}}
	s.groups[c.ID] = g
	s.changeGroup(g, func(fact *record.Group) {
		if c.Deadline > 0 {
			fact.DeadlineAt = s.at.Add(c.Deadline)
		}
		if c.Lease > 0 {
			fact.LeaseUntil = s.at.Add(c.Lease)
		}
		if fact.TTL == 0 {
			fact.TTL = s.limits.TTLDefault
		}
		fact.ExpiresAt = s.at.Add(fact.TTL)
	})
	if c.Key != nil {
		s.useKey(c.Key, c.KeyTTL, []string{c.ID})
	}
	return GroupMade{Group: g.fact}, nil
}

// changeGroup makes a new fact of g, one version on, and has its time come when the fact says so.
func (s *State) changeGroup(g *group, edit func(*record.Group)) {
	fact := *g.fact
	fact.Version++
	edit(&fact)
	g.fact = &fact
	if !g.dirty {
		g.dirty = true
		s.changedGroups = append(s.changedGroups, g)
	}
	s.armGroup(g)
}

func (s *State) armGroup(g *group) {
	if g.timer != zeroTimer {
		s.due.Cancel(g.timer)
		g.timer = zeroTimer
	}
	next := g.fact.ExpiresAt
	if g.fact.ClosedAt == 0 {
		next = soonest(next, soonest(g.fact.DeadlineAt, g.fact.LeaseUntil))
	}
	if next != 0 {
		g.timer = s.due.Insert(onWheel(next), g)
	}
}

// due is the deadline of g, the end of its lease, or the time to forget it.
func (g *group) due(s *State) {
	g.timer = zeroTimer
	passed := func(t record.Time) bool { return t != 0 && t <= s.at }
	switch {
	case passed(g.fact.ExpiresAt):
		s.forgetGroup(g)
	case passed(g.fact.DeadlineAt):
		s.closeGroup(g, record.FailDeadline, "The deadline of the group passed.")
	default:
		s.closeGroup(g, record.FailTimeout, "Nobody renewed the lease of the group.")
	}
}

func (s *State) forgetGroup(g *group) {
	delete(s.groups, g.fact.ID)
	s.forgotten = append(s.forgotten, record.GroupFact{ID: g.fact.ID})
	g.waiters.Wake() // nobody can join it any more
}

func (s *State) group(id string) (*group, error) {
	if g := s.groups[id]; g != nil {
		return g, nil
	}
	return nil, &UnknownGroupError{id}
}

// roomInGroups is nil if all futures of c may join the groups that they name.
func (s *State) roomInGroups(c *record.Submit) error {
	for i := range c.Futures {
		if id := c.Futures[i].Group; id != "" {
			switch g, err := s.group(id); {
			case err != nil:
				return err
			case g.fact.ClosedAt != 0:
				return &GroupClosedError{g.fact}
			}
		}
	}
	return nil
}

// join makes a new future a member of its group.
func (s *State) join(f *future) {
	if f.fact.Group() == "" {
		return
	}
	g := s.groups[f.fact.Group()]
	s.attention(f, func() { f.member = g.members.PushBack(f) })
	s.changeGroup(g, func(fact *record.Group) {
		fact.Pending++
		fact.ExpiresAt = 0
	})
}

// part takes a future that has just been settled from the pending members of its group.
func (s *State) part(f *future) {
	if f.member == nil {
		return
	}
	g := s.groups[f.fact.Group()]
	g.members.Remove(f.member)
	f.member = nil
	s.changeGroup(g, func(fact *record.Group) {
		fact.Pending--
		switch f.fact.State {
		case record.StateSucceeded:
			fact.Succeeded++
		case record.StateFailed:
			fact.Failed++
		default:
			fact.Cancelled++
		}
	})
	if f.fact.State == record.StateFailed && g.fact.CancelOnFailure {
		s.closeGroup(g, record.FailDependencyFailed, "A member failed: "+f.fact.ID+".")
	}
	s.decideGroup(g)
}

// decideGroup wakes who waits for g, if none of its members is pending any more.
func (s *State) decideGroup(g *group) {
	outcome := GroupOutcome(g.fact)
	if outcome == Pending {
		return
	}
	s.changeGroup(g, func(fact *record.Group) {
		fact.Outcome = uint8(outcome)
		fact.Serial = s.events.Count(s.at)
		fact.ExpiresAt = s.at.Add(fact.TTL)
	})
	g.waiters.Wake()
}

// closeGroup lets nobody join any more, and leaves the cancelling of its members to follow.
func (s *State) closeGroup(g *group, why record.FailureType, message string) {
	if g.fact.ClosedAt != 0 {
		return
	}
	before := GroupOutcome(g.fact)
	s.changeGroup(g, func(fact *record.Group) {
		if before != Satisfied {
			fact.Failure = &record.Failure{Type: why, Message: message}
		}
		fact.ClosedAt = s.at
	})
	switch {
	case g.fact.Pending > 0:
		s.cancelMembers(g) // the end of the last one decides it
	case before == Pending: // nobody joined it
		s.decideGroup(g)
	}
}

func (s *State) cancelMembers(g *group) {
	if !g.closing {
		g.closing = true
		s.cascade = append(s.cascade, g)
	}
}

// follow cancels the members of a closed group, as far as this turn allows.
func (g *group) follow(s *State) {
	g.closing = false
	for first := g.members.Front(); first != nil; first = g.members.Front() {
		if s.cascaded++; s.cascaded > CascadeMax {
			s.cancelMembers(g)
			return
		}
		s.cancelFuture(first.Value.(*future), "Its group was closed.")
	}
}

func (s *State) cancelGroup(c *record.CancelGroup) (*record.Group, error) {
	g, err := s.group(c.ID)
	if err != nil {
		return nil, err
	}
	s.closeGroup(g, record.FailCancelled, "The group was cancelled.")
	s.follow()
	return g.fact, nil
}

func (s *State) renewGroup(c *record.RenewGroup) (*record.Group, error) {
	g, err := s.group(c.ID)
	switch {
	case err != nil:
		return nil, err
	case g.fact.ClosedAt != 0:
		return nil, &GroupClosedError{g.fact}
	case g.fact.Lease > 0:
		s.changeGroup(g, func(fact *record.Group) { fact.LeaseUntil = s.at.Add(fact.Lease) })
	}
	return g.fact, nil
}

// takeGroups returns the groups that changed since the last call.
func (s *State) takeGroups() []record.GroupFact {
	facts := s.forgotten
	for _, g := range s.changedGroups {
		g.dirty = false
		if s.groups[g.fact.ID] == g {
			facts = append(facts, record.GroupFact{ID: g.fact.ID, Is: g.fact})
		}
	}
	s.forgotten, s.changedGroups = nil, nil
	return facts
}

// restoreGroup puts a stored group back, before the futures.
func (s *State) restoreGroup(fact *record.Group) {
	g := &group{fact: fact}
	s.groups[fact.ID] = g
	s.armGroup(g)
	if fact.ClosedAt != 0 && fact.Pending > 0 {
		s.cancelMembers(g) // the last server died while it did
	}
	s.events.Counted(fact.Serial)
}

// rejoin makes a restored future a member again. Its group has counted it already.
func (s *State) rejoin(f *future) {
	if g := s.groups[f.fact.Group()]; g != nil {
		s.attention(f, func() { f.member = g.members.PushBack(f) })
	}
}

// groupsKnown is nil if the groups in e exist.
func (s *State) groupsKnown(e *api.Expr) error {
	if e.Op == api.OpGroup {
		_, err := s.group(e.Ref)
		return err
	}
	for i := range e.Of {
		if err := s.groupsKnown(&e.Of[i]); err != nil {
			return err
		}
	}
	return nil
}

// lookAtGroup finds out whether the leaf's group is decided, or was since the conversation began.
func (l *leaf) lookAtGroup() happening {
	fact := l.wait.state.groups[l.expr.Ref].fact
	outcome := GroupOutcome(fact)
	if outcome == Pending && fact.Serial > l.wait.since {
		outcome = Outcome(fact.Outcome)
	}
	return happening{l, outcome, events.Time(fact.Serial), fact}
}

// wakeBy decides the leaf by its group, which is decided or forgotten.
func (l *leaf) wakeBy(g *group) {
	s, fact := l.wait.state, g.fact
	s.feeders.heed(l, -1)
	outcome := GroupOutcome(fact)
	if outcome == Pending {
		outcome = Failed // forgotten with nobody in it
	}
	l.decide(outcome, s.at, fact)
}

// CreateGroup makes a group. Errors: ErrTooManyGroups, ErrKeyReused, ErrDraining, ErrBusy, and *UnknownGroupError when
// that of the key is forgotten.
func (k *Kernel) CreateGroup(ctx context.Context, c *record.CreateGroup) (GroupMade, error) {
	if k.gauges.draining.Load() {
		return GroupMade{}, ErrDraining
	}
	answer, err := k.command(ctx, c)
	if err != nil {
		return GroupMade{}, err
	}
	return answer.(GroupMade), nil
}

// CancelGroup closes a group and cancels its members. Closing a closed one gives it again. Error: *UnknownGroupError.
func (k *Kernel) CancelGroup(ctx context.Context, id string) (*record.Group, error) {
	return groupOf(k.command(ctx, &record.CancelGroup{ID: id}))
}

// RenewGroup begins the lease of a group anew; of one without a lease nothing changes. Errors: *UnknownGroupError,
// *GroupClosedError.
func (k *Kernel) RenewGroup(ctx context.Context, id string) (*record.Group, error) {
	return groupOf(k.command(ctx, &record.RenewGroup{ID: id}))
}

func groupOf(answer any, err error) (*record.Group, error) {
	if err != nil {
		return nil, err
	}
	return answer.(*record.Group), nil
}

// Groups reads a page of committed groups, newest first; label, if not nil, is one that each has.
func (k *Kernel) Groups(label *record.Label, after string, limit int) ([]*record.Group, string, error) {
	return k.store.Groups(label, after, limit)
}
