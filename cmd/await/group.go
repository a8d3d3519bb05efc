package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/client"
)

type groupCommand struct {
	New    groupNew    `cmd:"" help:"Make a group, and print its id."`
	Get    groupGet    `cmd:"" help:"Show a group, or hold until its members are settled."`
	Cancel groupCancel `cmd:"" help:"Close groups, and cancel their members that are pending."`
	Renew  groupRenew  `cmd:"" help:"Begin the lease of a group anew, once or again and again."`
	Ls     groupLs     `cmd:"" help:"List groups, newest first."`
}

// Help is the long form of the help.
func (groupCommand) Help() string {
	return `Futures join a group when they are made. It is settled once it has members and none of them is pending. A group
with a lease that is not renewed in time is closed, and what is pending in it is cancelled.

Examples:

    group=$(await group new --cancel-on-failure --deadline 10m)
    await fetch --group $group https://api.example.com/a https://api.example.com/b
    await group get --wait $group
    await group cancel $group`
}

type groupNew struct {
	Deadline        *duration         `placeholder:"DURATION" help:"Close it after this long, and cancel what is pending in it."`
	Lease           *duration         `placeholder:"DURATION" help:"The same, unless it is renewed in this time."`
	CancelOnFailure bool              `help:"The same, when one of its members fails."`
	Label           map[string]string `placeholder:"KEY=VALUE" help:"A label to find it by. Repeatable."`
	TTL             *duration         `name:"ttl" placeholder:"DURATION" help:"How long it is kept once nothing in it is pending (24h)."`
	Key             string            `placeholder:"KEY" help:"An idempotency key: the same command with the same key finds what the first one created."`
}

// Run makes a group.
func (g *groupNew) Run(ctx context.Context, s *session, c *client.Client) error {
	request := api.GroupRequest{
		Labels: g.Label, Lease: g.Lease.wire(), CancelOnFailure: g.CancelOnFailure, TTL: g.TTL.wire(),
	}
	if g.Deadline != nil {
		request.Deadline = &api.Deadline{In: api.Duration(g.Deadline.Duration)}
	}
	made, err := c.NewGroup(ctx, request, idempotent(g.Key)...)
	if err != nil {
		return err
	}
	if s.json {
		return s.document(made.Seen())
	}
	return s.line("%s", made.ID())
}

type groupGet struct {
	ID   string `arg:"" complete:"groups" help:"The id of the group."`
	Wait bool   `short:"w" help:"Hold until it is settled. The exit status is then 0 if all its members succeeded, else 1."`
	within
}

// Run shows a group.
func (g *groupGet) Run(ctx context.Context, s *session, c *client.Client) error {
	ctx, stop := g.bound(ctx)
	defer stop()
	group := c.Group(g.ID)
	if !g.Wait {
		return s.group(group.Get(ctx))
	}
	settled, err := group.Await(ctx)
	if _, failing := errors.AsType[*client.FailedError](err); err != nil && !failing {
		return err
	}
	if told := s.showGroup(settled); told != nil || err == nil {
		return told
	}
	return failed()
}

type groupCancel struct {
	IDs []string `arg:"" name:"id" complete:"groups" help:"The ids of groups."`
}

// Run closes groups. One that cannot be closed does not keep the others from it.
func (g *groupCancel) Run(ctx context.Context, s *session, c *client.Client) error {
	var faults []error
	for _, id := range g.IDs {
		faults = append(faults, s.group(c.Group(id).Cancel(ctx)))
	}
	return errors.Join(faults...)
}

type groupRenew struct {
	ID   string `arg:"" complete:"groups" help:"The id of the group."`
	Keep bool   `help:"Go on renewing in time until the group is closed, or this command is ended."`
}

// Run renews the lease of a group.
func (g *groupRenew) Run(ctx context.Context, s *session, c *client.Client) error {
	group := c.Group(g.ID)
	if !g.Keep {
		return s.group(group.Renew(ctx))
	}
	return group.Keep(ctx)
}

type groupLs struct {
	Label map[string]string `placeholder:"KEY=VALUE" help:"Only those with this label. Repeatable; all must match."`
	Limit int               `short:"n" default:"50" help:"At most so many; 0 for all."`
	Quiet bool              `short:"q" help:"Print only the ids."`
}

// Run lists groups.
func (l *groupLs) Run(ctx context.Context, s *session, c *client.Client) error {
	head := []string{"ID", "STATE", "OUTCOME", "AGE", "MEMBERS"}
	return list(s, c.Groups(ctx, l.Label), l.Limit, l.Quiet, head, func(g *api.Group) []string {
		members := joined(append([]string{memberCounts(g)}, labelTexts(g.Labels)...))
		return []string{g.ID, string(g.State), string(g.Outcome), ago(g.CreatedAt), members}
	})
}

func (s *session) group(g *api.Group, err error) error {
	if err != nil {
		return err
	}
	return s.showGroup(g)
}

// showGroup writes all that there is about one group.
func (s *session) showGroup(g *api.Group) error {
	if s.json {
		return s.document(g)
	}
	rows := [][]string{
		{"id", g.ID}, {"state", string(g.State)}, {"outcome", string(g.Outcome)}, {"members", memberCounts(g)},
	}
	for _, label := range labelTexts(g.Labels) {
		rows = append(rows, []string{"label", label})
	}
	rows = append(rows, moments([]moment{
		{"created", &g.CreatedAt},
		{"deadline", g.DeadlineAt},
		{"lease until", g.LeaseUntil},
		{"closed", g.ClosedAt},
		{"expires", g.ExpiresAt},
	})...)
	if g.Error != nil {
		rows = append(rows, []string{"error", string(g.Error.Type) + ": " + g.Error.Message})
	}
	return s.table(rows)
}

func memberCounts(g *api.Group) string {
	m := g.Members
	return fmt.Sprintf("%d pending, %d succeeded, %d failed, %d cancelled", m.Pending, m.Succeeded, m.Failed, m.Cancelled)
}
