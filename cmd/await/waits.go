package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/client"
)

// waiting is what the commands that wait for several things have in common.
type waiting struct {
	within
	CancelRest bool `help:"Cancel the futures that are still pending once the wait is decided."`
}

const waitHelp = `

A terminal shows who is still missing; a pipe gets a line for each as it completes. Futures that fail count as failed;
all fails with the first of them, any with the last.

Examples:

`

type allCommand struct {
	Refs []string `arg:"" name:"ref" complete:"refs" help:"What to wait for: NAME, event:NAME, fut_…, future:ID, group:ID, sleep:5s, until:TIME, or an expression in JSON."`
	waiting
}

// Help is the long form of the help.
func (allCommand) Help() string {
	return "Exit status: 0 when everything is there, 1 when something failed, 124 when the time is over." + waitHelp +
		`    await all tests-passed image-built && ./deploy
    await all --timeout 5m $(await fetch https://a.example.com https://b.example.com)`
}

// Run waits for all.
func (w *allCommand) Run(ctx context.Context, s *session, c *client.Client) error {
	refs, err := parseRefs(w.Refs)
	if err != nil {
		return err
	}
	return w.wait(ctx, s, c, client.All(refs...))
}

type anyCommand struct {
	Refs []string `arg:"" name:"ref" complete:"refs" help:"What to wait for: NAME, event:NAME, fut_…, future:ID, group:ID, sleep:5s, until:TIME, or an expression in JSON."`
	waiting
}

// Help is the long form of the help.
func (anyCommand) Help() string {
	return "Exit status: 0 when one is there, 1 when all failed, 124 when the time is over." + waitHelp +
		`    await any approved rejected
    await any all-clear '{"all":["event:eu-done","event:us-done"]}'
    await any --cancel-rest $(await fetch https://mirror-a.example.com https://mirror-b.example.com)`
}

// Run waits for any.
func (w *anyCommand) Run(ctx context.Context, s *session, c *client.Client) error {
	refs, err := parseRefs(w.Refs)
	if err != nil {
		return err
	}
	return w.wait(ctx, s, c, client.Any(refs...))
}

type atLeastCommand struct {
	K    int      `arg:"" help:"How many are enough."`
	Refs []string `arg:"" name:"ref" complete:"refs" help:"What to wait for: NAME, event:NAME, fut_…, future:ID, group:ID, sleep:5s, until:TIME, or an expression in JSON."`
	waiting
}

// Help is the long form of the help.
func (atLeastCommand) Help() string {
	return "Exit status: 0 when K are there, 1 when too many failed, 124 when the time is over." + waitHelp +
		`    await at-least 2 eu-done us-done ap-done`
}

// Run waits for K.
func (w *atLeastCommand) Run(ctx context.Context, s *session, c *client.Client) error {
	refs, err := parseRefs(w.Refs)
	if err != nil {
		return err
	}
	if w.K < 1 || w.K > len(refs) {
		return usageError("at least %d of %d can never be: give a number from 1 to %d", w.K, len(refs), len(refs))
	}
	return w.wait(ctx, s, c, client.AtLeast(w.K, refs...))
}

func (w *waiting) wait(ctx context.Context, s *session, c *client.Client, expr client.Expr) error {
	var options []client.WaitOption
	if w.CancelRest {
		options = append(options, client.CancelRest())
	}
	_, err := s.watch(ctx, c, w.within, expr, options...)
	return err
}

// parseRefs reads what to wait for. A mistake in it is one of usage.
func parseRefs(texts []string) ([]client.Ref, error) {
	refs := make([]client.Ref, len(texts))
	for i, text := range texts {
		ref, err := parseRef(text)
		if err != nil {
			return nil, usageError("'%s': %w", short(text, shownRunesMax), err)
		}
		refs[i] = ref
	}
	return refs, nil
}

// parseRef reads a ref in its short form, or an expression as the API takes it.
func parseRef(text string) (client.Expr, error) {
	if text == "" {
		return client.Expr{}, errors.New("name something to wait for")
	}
	if !strings.HasPrefix(text, "{") {
		return client.ParseRef(text)
	}
	var e api.Expr
	err := json.Unmarshal([]byte(text), &e)
	if err == nil {
		return client.Expr(e), nil
	}
	fault, ok := errors.AsType[api.FieldError](err)
	if !ok {
		return client.Expr{}, errors.New("this is not JSON")
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		fault.Pointer = string(semantic.JSONPointer)
	}
	return client.Expr{}, fault
}

// watch waits for expr and shows how it goes. That it failed is an error that its output has told already.
func (s *session) watch(
	ctx context.Context, c *client.Client, limit within, expr client.Expr, options ...client.WaitOption,
) (*api.WaitAnswer, error) {
	ctx, stop := limit.bound(ctx)
	defer stop()
	answer, err := s.newBoard(expr.Expr()).show(func(completed func(api.Leaf)) (*api.WaitAnswer, error) {
		return c.Wait(ctx, expr, append(options, client.Each(completed))...)
	})
	switch {
	case errors.Is(err, errTimeout):
		return answer, fmt.Errorf("%w: %d of %d pending", err, len(answer.Pending), len(answer.Pending)+len(answer.Done))
	case answer.Outcome == api.OutcomeFailed:
		return answer, failed()
	}
	return answer, err
}
