package sim

import (
	"maps"
	"slices"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

// standing is where a group stands as something to wait for: a level over its members, until closing it cuts something
// short.
func standing(g *record.Group) Outcome {
	switch undone := g.Failed + g.Cancelled; {
	case g.Pending > 0:
		return Pending
	case undone > 0 || g.Failure != nil:
		return Failed
	case g.Succeeded > 0:
		return Satisfied
	}
	return Pending
}

// makeGroup makes one, and under one key only once.
func (o *Oracle) makeGroup(c *record.CreateGroup) Answer {
	again, refused := o.used(c.Key)
	switch {
	case refused != "":
		return Answer{Refusal: refused}
	case again != nil && o.groups[again[0]] == nil:
		return Answer{Refusal: UnknownGroup}
	case again != nil:
		return Answer{Again: again, Group: o.groups[again[0]]}
	case len(o.groups) >= o.Limits.GroupsMax:
		return Answer{Refusal: TooManyGroups}
	}
	g := record.Group{
		ID: c.ID, CreatedAt: o.Now, DeadlineAt: c.Until, Lease: c.Lease, TTL: c.TTL, Labels: c.Labels,
		CancelOnFailure: c.CancelOnFailure,
	}
	if c.TTL == 0 {
		g.TTL = o.Limits.TTLDefault
	}
	if c.Deadline > 0 {
		g.DeadlineAt = o.Now.Add(c.Deadline)
	}
	if c.Lease > 0 {
		g.LeaseUntil = o.Now.Add(c.Lease)
	}
	g.ExpiresAt = o.Now.Add(g.TTL)
	o.putGroup(g)
	o.use(c.Key, c.KeyTTL, []string{c.ID})
	return Answer{Group: o.groups[c.ID]}
}

// putGroup replaces what was known of a group, and makes its appointment.
func (o *Oracle) putGroup(g record.Group) {
	o.Changes++
	o.groups[g.ID] = &g
	o.meetGroup(&g)
}

// meetGroup makes a group's appointment: its deadline or the end of its lease, while it is open, or of its time.
func (o *Oracle) meetGroup(g *record.Group) {
	at := g.ExpiresAt
	if g.ClosedAt == 0 {
		at = soonest(at, soonest(g.DeadlineAt, g.LeaseUntil))
	}
	o.enter("group "+g.ID, at, func() {
		switch g := o.groups[g.ID]; {
		case g.ExpiresAt != 0 && g.ExpiresAt <= o.Now:
			delete(o.groups, g.ID)
			o.Changes++
			o.groupTold(g, Failed) // nobody can join it any more
		case g.DeadlineAt != 0 && g.DeadlineAt <= o.Now:
			o.closeGroup(g.ID, record.FailDeadline)
		default:
			o.closeGroup(g.ID, record.FailTimeout)
		}
	})
}

// mayJoin says what is in the way of those futures of c that are to be members of a group.
func (o *Oracle) mayJoin(c *record.Submit) Answer {
	for _, n := range c.Futures {
		switch g := o.groups[n.Group]; {
		case n.Group == "":
		case g == nil:
			return Answer{Refusal: UnknownGroup}
		case g.ClosedAt != 0:
			return Answer{Refusal: GroupClosed, Group: g}
		}
	}
	return Answer{}
}

// join makes a new future a member of its group.
func (o *Oracle) join(f *record.Future) {
	if f.Group() == "" {
		return
	}
	g := *o.groups[f.Group()]
	g.Pending++
	g.ExpiresAt = 0
	o.putGroup(g)
	o.members[g.ID] = append(o.members[g.ID], f.ID)
}

// part tells the group of f that f is settled.
func (o *Oracle) part(f *record.Future) {
	if f.Group() == "" {
		return
	}
	o.members[f.Group()] = slices.DeleteFunc(o.members[f.Group()], func(id string) bool { return id == f.ID })
	g := *o.groups[f.Group()]
	g.Pending--
	switch f.State {
	case record.StateSucceeded:
		g.Succeeded++
	case record.StateFailed:
		g.Failed++
	default:
		g.Cancelled++
	}
	o.putGroup(g)
	if f.State == record.StateFailed && g.CancelOnFailure {
		o.closeGroup(g.ID, record.FailDependencyFailed)
	}
	o.decideGroup(g.ID)
}

// decideGroup tells who waits for a group, if none of its members is pending. From then on it is kept for its ttl.
func (o *Oracle) decideGroup(id string) {
	g := *o.groups[id]
	outcome := standing(&g)
	if outcome == Pending {
		return
	}
	g.Outcome, g.Serial = uint8(slices.Index(outcomes, outcome)), o.count()
	g.ExpiresAt = o.Now.Add(g.TTL)
	o.putGroup(g)
	o.groupTold(&g, outcome)
	o.counts[countOf(api.OpGroup, id)]++
}

// groupTold tells who waits for a group.
func (o *Oracle) groupTold(g *record.Group, outcome Outcome) {
	for _, w := range slices.Clone(o.waits) {
		for _, l := range w.leaves {
			hit := l.Expr.Op == api.OpGroup && l.Expr.Ref == g.ID
			if hit && o.holds(w) && l.Outcome == Pending {
				l.Group = g
				o.decide(w, l, outcome, o.Now)
				o.conclude(w)
			}
		}
	}
}

// closeGroup lets nobody join any more; its members are cancelled afterwards. It has failed, unless all that it was
// made for is done.
func (o *Oracle) closeGroup(id string, why record.FailureType) {
	g := *o.groups[id]
	if g.ClosedAt != 0 {
		return
	}
	empty := g.Pending+g.Succeeded+g.Failed+g.Cancelled == 0
	if standing(&g) != Satisfied {
		g.Failure = &record.Failure{Type: why}
	}
	g.ClosedAt = o.Now
	o.putGroup(g)
	if empty {
		o.decideGroup(id)
		return
	}
	o.cascade = append(o.cascade, func() {
		for len(o.members[id]) > 0 {
			o.cancel(o.futures[o.members[id][0]])
		}
	})
}

func (o *Oracle) cancelGroup(c *record.CancelGroup) Answer {
	if o.groups[c.ID] == nil {
		return Answer{Refusal: UnknownGroup}
	}
	o.closeGroup(c.ID, record.FailCancelled)
	o.follow()
	return Answer{Group: o.groups[c.ID]}
}

func (o *Oracle) renewGroup(c *record.RenewGroup) Answer {
	switch g := o.groups[c.ID]; {
	case g == nil:
		return Answer{Refusal: UnknownGroup}
	case g.ClosedAt != 0:
		return Answer{Refusal: GroupClosed, Group: g}
	case g.Lease > 0:
		one := *g
		one.LeaseUntil = o.Now.Add(g.Lease)
		o.putGroup(one)
	}
	return Answer{Group: o.groups[c.ID]}
}

// strangers reports whether a leaf waits for a group that nobody knows.
func (o *Oracle) strangers(leaves []*Leaf) bool {
	return slices.ContainsFunc(leaves, func(l *Leaf) bool {
		return l.Expr.Op == api.OpGroup && l.Outcome == Pending && o.groups[l.Expr.Ref] == nil
	})
}

// restoreGroups is what a new server does with the groups that it finds.
func (o *Oracle) restoreGroups() {
	for _, id := range slices.Sorted(maps.Keys(o.groups)) {
		o.meetGroup(o.groups[id])
	}
	for _, f := range oldestFirst(o.futures) {
		if f.Group() != "" && !f.State.Settled() {
			o.members[f.Group()] = append(o.members[f.Group()], f.ID)
		}
	}
}
