package main

import (
	"context"
	"os"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/client"
)

type promiseCommand struct {
	New     promiseNew     `cmd:"" help:"Make a promise, and print its id."`
	Resolve promiseResolve `cmd:"" help:"Settle a promise with a value."`
	Reject  promiseReject  `cmd:"" help:"Settle a promise with a failure."`
}

// Help is the long form of the help.
func (promiseCommand) Help() string {
	return `Examples:

    await promise new approval:42 --timeout 2h
    await promise resolve approval:42 '{"by":"Ada"}'
    await promise reject approval:42 'too expensive'
    await all future:approval:42`
}

type promiseNew struct {
	ID      string            `arg:"" optional:"" help:"The id; the server chooses one unless given."`
	Timeout *duration         `short:"t" placeholder:"DURATION" help:"It fails when it is not settled by then."`
	Group   string            `placeholder:"ID" complete:"groups" help:"The group that it joins."`
	Label   map[string]string `placeholder:"KEY=VALUE" help:"A label to find it by. Repeatable."`
	TTL     *duration         `name:"ttl" placeholder:"DURATION" help:"How long it is kept once settled (24h)."`
}

// Run makes a promise.
func (p *promiseNew) Run(ctx context.Context, s *session, c *client.Client) error {
	made, err := c.Create(ctx, api.FutureRequest{
		Kind: api.KindPromise, ID: p.ID, Timeout: p.Timeout.wire(), Group: p.Group, Labels: p.Label, TTL: p.TTL.wire(),
	})
	if err != nil {
		return err
	}
	if s.json {
		return s.document(made.Seen())
	}
	return s.line("%s", made.ID())
}

type promiseResolve struct {
	ID    string `arg:"" complete:"futures" help:"The id of the promise."`
	Value string `arg:"" optional:"" default:"null" help:"The value, as JSON. @FILE reads a file, @- standard input."`
	Text  bool   `help:"The value is a text and not JSON."`
}

// Run resolves a promise.
func (p *promiseResolve) Run(ctx context.Context, s *session, c *client.Client) error {
	text, err := contents(p.Value, os.Stdin)
	if err != nil {
		return err
	}
	var value any = text
	if !p.Text {
		value = jsontext.Value(text)
		if !jsontext.Value(text).IsValid() {
			return usageError("%q is not JSON; --text takes it as it is", short(text, shownRunesMax))
		}
	}
	return s.future(c.Future(p.ID).Resolve(ctx, value))
}

type promiseReject struct {
	ID      string `arg:"" complete:"futures" help:"The id of the promise."`
	Message string `arg:"" help:"Why."`
	Type    string `placeholder:"TYPE" help:"The type of the error, such as timeout or dependency_failed (rejected)."`
}

// Run rejects a promise.
func (p *promiseReject) Run(ctx context.Context, s *session, c *client.Client) error {
	return s.future(c.Future(p.ID).Reject(ctx, api.RejectRequest{Message: p.Message, Type: api.ErrorType(p.Type)}))
}

func (s *session) future(f *api.Future, err error) error {
	if err != nil {
		return err
	}
	return s.showFuture(f)
}
