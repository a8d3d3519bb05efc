package sim

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

func inGroup(id string) api.Expr { return api.Expr{Op: api.OpGroup, Ref: id} }

// noGroup is the id of no group.
var noGroup = "grp_" + strings.Repeat("0", 26)

// openGroups are the latest of those that take members.
func (w *world) openGroups() []string { return w.knownGroups(false) }

// knownGroups are the latest of those that are closed, or not.
func (w *world) knownGroups(closed bool) (ids []string) {
	for _, id := range w.groups {
		if g := w.oracle.groups[id]; g != nil && (g.ClosedAt != 0) == closed {
			ids = append(ids, id)
		}
	}
	return ids[max(0, len(ids)-3):]
}

// recentGroups are those that are known, or were not long ago, or never.
func (w *world) recentGroups() []string {
	return append([]string{noGroup}, w.groups[max(0, len(w.groups)-6):]...)
}

// anyGroup is likely to be one that takes members.
func (w *world) anyGroup() string {
	open := w.openGroups()
	if len(open) == 0 || chance(w.T, "any group", 20) {
		open = w.recentGroups()
	}
	return oneOf(w.T, "group", open...)
}

// drawGroup draws something to be done with a group.
func (w *world) drawGroup() *call {
	verb := oneOf(w.T, "verb", "make", "make", "make", "cancel", "renew")
	if len(w.openGroups()) < 2 && chance(w.T, "one more", 50) {
		verb = "make"
	}
	switch verb {
	case "cancel":
		return w.cancelGroup(w.anyGroup())
	case "renew":
		if closed := w.knownGroups(true); len(closed) > 0 && chance(w.T, "closed", 40) {
			return w.renewGroup(oneOf(w.T, "group", closed...))
		}
		return w.renewGroup(w.anyGroup())
	}
	t := w.T
	c := &record.CreateGroup{
		ID: w.newGroupID(), TTL: oneOf(t, "ttl", 0, 40*time.Millisecond, 2*time.Millisecond),
		CancelOnFailure: chance(t, "cancel on failure", 40),
	}
	if chance(t, "labels", 30) {
		c.Labels = []record.Label{oneOf(t, "label", labels...)}
	}
	switch oneOf(t, "deadline", "none", "none", "in", "until") {
	case "in":
		c.Deadline = ms(t, "in", 1, 40)
	case "until":
		c.Until = w.now() + record.Time(ms(t, "until", 0, 40).Milliseconds())
	}
	if chance(t, "lease", 30) {
		c.Lease = ms(t, "lease", 1, 30)
	}
	if chance(t, "key", 35) {
		c.KeyTTL = oneOf(t, "key ttl", time.Hour, 10*time.Millisecond)
		mark := oneOf(t, "fingerprint", "1g", "1g", "1g", "2g")
		c.Key = &record.Key{Name: oneOf(t, "key", "k", "g", "g"), Fingerprint: []byte(mark)}
	}
	return w.makeGroup(c)
}

func (w *world) makeGroup(c *record.CreateGroup) *call {
	return w.commands("make group", name(c.ID), c, func(ctx context.Context) (any, error) {
		return w.life.kernel.CreateGroup(ctx, c)
	})
}

func (w *world) cancelGroup(id string) *call {
	return w.commands("cancel group", name(id), &record.CancelGroup{ID: id}, func(ctx context.Context) (any, error) {
		return w.life.kernel.CancelGroup(ctx, id)
	})
}

func (w *world) renewGroup(id string) *call {
	return w.commands("renew group", name(id), &record.RenewGroup{ID: id}, func(ctx context.Context) (any, error) {
		return w.life.kernel.RenewGroup(ctx, id)
	})
}

// plainGroup is a fact without what the oracle does not say: the version, and the wording of what closed it.
func plainGroup(g *record.Group) *record.Group {
	one := *g
	one.Version = 0
	if g.Failure != nil {
		one.Failure = &record.Failure{Type: g.Failure.Type}
	}
	return &one
}

// differsGroup says how a group is not what it should be, and checks its version: the same one always means the same
// fact.
func (w *world) differsGroup(got, want *record.Group) string {
	if got == nil || want == nil {
		if got == want {
			return ""
		}
		return fmt.Sprintf("group %v, want %v", got, want)
	}
	fact := record.AppendGroup(nil, plainGroup(got))
	if !bytes.Equal(fact, record.AppendGroup(nil, plainGroup(want))) {
		return fmt.Sprintf("group (-want +got):\n%s", cmp.Diff(plainGroup(want), plainGroup(got)))
	}
	if got.Failure != nil && got.Failure.Message == "" {
		return name(got.ID) + " was closed without a word"
	}
	switch last := w.versions[got.ID]; {
	case got.Version == last.number && string(fact) != last.fact:
		return fmt.Sprintf("two facts of %s have version %d", name(got.ID), got.Version)
	case got.Version > last.number:
		w.versions[got.ID] = version{got.Version, string(fact)}
	}
	return ""
}

// inFewWords is a group in a few words.
func inFewWords(g *record.Group) string {
	words := fmt.Sprintf("%s %d/%d/%d/%d", name(g.ID), g.Pending, g.Succeeded, g.Failed, g.Cancelled)
	if g.ClosedAt != 0 {
		words += " closed"
	}
	if g.Failure != nil {
		words += " " + string(g.Failure.Type)
	}
	return words
}

// agreeGroups compares lists of all groups, and of those with a label, page by page, with what is durable.
func (w *world) agreeGroups() {
	for _, label := range []*record.Label{nil, &labels[0]} {
		var want []string
		for id, g := range w.oracle.Stored.Groups {
			if label == nil || slices.Contains(g.Labels, *label) {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		slices.Reverse(want)
		var got []string
		for after := ""; ; {
			page, next, err := w.life.kernel.Groups(label, after, 2)
			if err != nil {
				w.Fatalf("list groups: %v", err)
			}
			for _, g := range page {
				got = append(got, g.ID)
				if d := w.differsGroup(g, w.oracle.Stored.Groups[g.ID]); d != "" {
					w.Fatalf("stored: %s", d)
				}
			}
			if after = next; next == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			w.Fatalf("%d groups are stored, want %d", len(got), len(want))
		}
	}
}

// sawGroups notes what came of the groups as they were when the turn began.
func (w *world) sawGroups(before map[string]*record.Group) {
	for id, was := range before {
		g := w.oracle.groups[id]
		switch {
		case g == nil && was.Outcome == 0:
			w.seen.saw("a group was forgotten that nobody joined")
		case g == nil:
			w.seen.saw("a group was forgotten")
		case g.Pending > 0 && was.Pending == 0 && g.Outcome != 0:
			w.seen.saw("a group was taken up again")
		}
		if g == nil || g == was {
			continue
		}
		if g.Outcome != 0 && g.Serial != was.Serial {
			w.seen.saw("a group was " + string(outcomes[g.Outcome]))
			if was.CreatedAt < record.TimeOf(w.origin) {
				w.seen.saw("a group was decided that outlived a server")
			}
		}
		if g.ClosedAt != 0 && was.ClosedAt == 0 {
			why := "when its work was done"
			if g.Failure != nil {
				why = string(g.Failure.Type)
			}
			w.seen.saw("a group was closed: " + why)
			switch {
			case g.Pending+g.Succeeded+g.Failed+g.Cancelled == 0:
				w.seen.saw("a group was closed that nobody joined")
			case g.Cancelled > was.Cancelled:
				w.seen.saw("closing a group cancelled members")
			}
		}
	}
}
