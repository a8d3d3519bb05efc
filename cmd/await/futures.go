package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/client"
)

type getCommand struct {
	ID   string `arg:"" complete:"futures" help:"The id of a future."`
	Wait bool   `short:"w" help:"Hold until it is settled. The exit status is then 0 if it succeeded, else 1."`
	within
}

// Help is the long form of the help.
func (getCommand) Help() string {
	return `Examples:

    await get fut_01JD8Q2V9GZ5W0M4T7R1X3K6BC
    await get --wait --timeout 1m approval:42 --output json`
}

// Run shows a future.
func (g *getCommand) Run(ctx context.Context, s *session, c *client.Client) error {
	ctx, stop := g.bound(ctx)
	defer stop()
	f := c.Future(g.ID)
	if !g.Wait {
		now, err := f.Get(ctx)
		if err != nil {
			return err
		}
		return s.showFuture(now)
	}
	settled, err := f.Await(ctx)
	if settled == nil {
		return err
	}
	if err := s.showFuture(settled); err != nil {
		return err
	}
	if err != nil {
		return failed()
	}
	return nil
}

type resultCommand struct {
	ID string `arg:"" complete:"futures" help:"The id of a future."`
	within
}

// Help is the long form of the help.
func (resultCommand) Help() string {
	return `Examples:

    await result $(await fetch https://api.example.com/data) | jq .
    await result --timeout 5m fut_01JD8Q2V9GZ5W0M4T7R1X3K6BC > report.pdf`
}

// Run copies the result of a future to standard output.
func (r *resultCommand) Run(ctx context.Context, s *session, c *client.Client) error {
	bounded, stop := r.bound(ctx)
	defer stop()
	result, err := c.Future(r.ID).Result(bounded)
	if err != nil {
		return err
	}
	defer func() { _ = result.Body.Close() }()
	_, err = io.Copy(s.out, result.Body)
	if bounded.Err() != nil {
		return context.Cause(bounded)
	}
	return err
}

type cancelCommand struct {
	IDs []string `arg:"" name:"id" complete:"futures" help:"The ids of futures."`
}

// Help is the long form of the help.
func (cancelCommand) Help() string {
	return `What is cancelled already is no error; what is otherwise settled is.

Examples:

    await cancel fut_01JD8Q2V9GZ5W0M4T7R1X3K6BC
    await ls --state pending --label order=42 -o json | jq -r .id | xargs await cancel`
}

// Run cancels futures. One that cannot be cancelled does not keep the others from it.
func (k *cancelCommand) Run(ctx context.Context, s *session, c *client.Client) error {
	var faults []error
	for _, id := range k.IDs {
		f, err := c.Future(id).Cancel(ctx)
		if err == nil && s.json {
			err = s.document(f)
		} else if err == nil {
			err = s.line("%s  %s", f.State, f.ID)
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

type lsCommand struct {
	State *api.State        `enum:"pending,running,succeeded,failed,cancelled" placeholder:"STATE" help:"Only those in this state: pending, running, succeeded, failed or cancelled."`
	Kind  *api.Kind         `enum:"fetch,promise,timer,wait" placeholder:"KIND" help:"Only those of this kind: fetch, promise, timer or wait."`
	Group string            `placeholder:"ID" complete:"groups" help:"Only members of this group."`
	Label map[string]string `placeholder:"KEY=VALUE" help:"Only those with this label. Repeatable; all must match."`
	Limit int               `short:"n" default:"50" help:"At most so many; 0 for all."`
	Quiet bool              `short:"q" help:"Print only the ids."`
}

// Help is the long form of the help.
func (lsCommand) Help() string {
	return `Examples:

    await ls --state pending
    await ls --kind fetch --label order=42 --output json`
}

// Run lists futures.
func (l *lsCommand) Run(ctx context.Context, s *session, c *client.Client) error {
	filter := client.FutureFilter{Group: l.Group, Labels: l.Label}
	if l.State != nil {
		filter.State = *l.State
	}
	if l.Kind != nil {
		filter.Kind = *l.Kind
	}
	head := []string{"ID", "KIND", "STATE", "AGE", "WHAT"}
	return list(s, c.Futures(ctx, filter), l.Limit, l.Quiet, head, func(f *api.Future) []string {
		what := append([]string{gist(f)}, labelTexts(f.Labels)...)
		return []string{f.ID, string(f.Kind), stateWord(f), ago(f.CreatedAt), joined(what)}
	})
}

// joined is the parts that are not empty.
func joined(parts []string) string {
	text := ""
	for _, part := range parts {
		if part != "" && text != "" {
			text += "  "
		}
		text += part
	}
	return text
}

func labelTexts(labels map[string]string) []string {
	var texts []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		texts = append(texts, key+"="+labels[key])
	}
	return texts
}
