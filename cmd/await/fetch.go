package main

import (
	"context"
	"io"
	"net/textproto"
	"os"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/client"
)

type fetchCommand struct {
	URLs           []string          `arg:"" name:"url" help:"What to fetch."`
	Method         string            `short:"X" placeholder:"METHOD" help:"The method: GET, or POST with a body, unless given."`
	Header         []string          `short:"H" placeholder:"'NAME: VALUE'" sep:"none" help:"Send this header. Repeatable."`
	Data           *string           `short:"d" xor:"body" placeholder:"TEXT" help:"Send this body, as a form unless a header says otherwise. @FILE reads a file, @- standard input."`
	JSON           *string           `name:"json" xor:"body" placeholder:"JSON" help:"Send this body as JSON. @FILE reads a file, @- standard input."`
	Retry          *int              `placeholder:"N" help:"Try again at most so many times (3)."`
	AttemptTimeout *duration         `placeholder:"DURATION" help:"Time for each attempt (30s)."`
	Deadline       *duration         `placeholder:"DURATION" help:"Time for everything (1h)."`
	Delay          *duration         `placeholder:"DURATION" help:"Start no sooner than this."`
	After          []string          `placeholder:"REF" sep:"none" complete:"refs" help:"Start only when this is there: a REF, or an expression in JSON. Repeatable; all must be."`
	AcceptStatus   []string          `placeholder:"STATUS" help:"What is a success, such as 2xx,404."`
	Sets           string            `placeholder:"EVENT" complete:"events" help:"An event to set on success."`
	Group          string            `placeholder:"ID" complete:"groups" help:"The group that it joins."`
	Label          map[string]string `placeholder:"KEY=VALUE" help:"A label to find it by. Repeatable."`
	TTL            *duration         `name:"ttl" placeholder:"DURATION" help:"How long it is kept once settled (24h)."`
	Key            string            `placeholder:"KEY" help:"An idempotency key: the same command with the same key finds what the first one created."`
	Wait           bool              `short:"w" help:"Hold until all are settled. The exit status is then 0 if all succeeded, else 1."`
	within
}

// Help is the long form of the help.
func (fetchCommand) Help() string {
	return `Several URLs are submitted as one batch: all or none.

Examples:

    await fetch https://api.example.com/data
    await fetch -X DELETE -H 'Authorization: Bearer abc' https://api.example.com/items/7
    await fetch --json '{"item":7}' --label order=42 --retry 5 https://api.example.com/orders
    await fetch --wait --timeout 1m https://api.example.com/a https://api.example.com/b
    await fetch --after approved --sets shipped --json @order.json https://api.example.com/ship
    await fetch --after '{"any":["event:approved","future:vote:7"]}' https://api.example.com/ship`
}

// Run submits the fetches, and waits for them if asked to.
func (f *fetchCommand) Run(ctx context.Context, s *session, c *client.Client) error {
	request, err := f.request(os.Stdin)
	if err != nil {
		return err
	}
	requests := make([]api.FetchRequest, len(f.URLs))
	for i, url := range f.URLs {
		requests[i] = request
		requests[i].URL = url
	}
	futures, err := c.FetchBatch(ctx, requests, idempotent(f.Key)...)
	if err != nil {
		return err
	}
	if f.Wait {
		return f.watch(ctx, s, c, futures)
	}
	for _, future := range futures {
		if s.json {
			err = s.document(future.Seen())
		} else {
			err = s.line("%s", future.ID())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// idempotent is the options of a call that creates; a key is not needed.
func idempotent(key string) []client.CallOption {
	if key == "" {
		return nil
	}
	return []client.CallOption{client.IdempotencyKey(key)}
}

// watch waits until all are settled, and not only until one has failed.
func (f *fetchCommand) watch(ctx context.Context, s *session, c *client.Client, futures []*client.Future) error {
	refs := make([]client.Ref, len(futures))
	for i, future := range futures {
		refs[i] = client.Settled(future)
	}
	answer, err := s.watch(ctx, c, f.within, client.All(refs...))
	if err != nil {
		return err
	}
	for _, leaf := range answer.Done {
		if leaf.Outcome == api.OutcomeFailed {
			return failed()
		}
	}
	return nil
}

// request is what all the fetches have in common.
func (f *fetchCommand) request(stdin io.Reader) (r api.FetchRequest, err error) {
	r = api.FetchRequest{
		Method: f.Method, Timeout: f.AttemptTimeout.wire(), Delay: f.Delay.wire(), AcceptStatus: f.AcceptStatus,
		Sets: f.Sets, Group: f.Group, Labels: f.Label, TTL: f.TTL.wire(),
	}
	if f.Deadline != nil {
		r.Deadline = &api.Deadline{In: api.Duration(f.Deadline.Duration)}
	}
	if f.Retry != nil {
		attempts := *f.Retry + 1
		r.Retry = &api.Retry{MaxAttempts: &attempts}
	}
	if len(f.After) > 0 {
		refs, err := parseRefs(f.After)
		if err != nil {
			return r, err
		}
		after := client.All(refs...).Expr()
		if len(refs) == 1 {
			after = refs[0].Expr()
		}
		r.After = &after
	}
	if r.Headers, err = headers(f.Header); err != nil {
		return r, err
	}
	return r, f.body(&r, stdin)
}

// body adds the body, which makes a POST of a request without a method.
func (f *fetchCommand) body(r *api.FetchRequest, stdin io.Reader) error {
	given := f.Data
	if given == nil {
		given = f.JSON
	}
	if given == nil {
		return nil
	}
	if r.Method == "" {
		r.Method = "POST"
	}
	text, err := contents(*given, stdin)
	if err != nil {
		return err
	}
	if f.JSON != nil {
		r.JSON = jsontext.Value(text)
		if !r.JSON.IsValid() {
			return usageError("--json: %q is not JSON", short(text, shownRunesMax))
		}
		return nil
	}
	r.Body = &text
	if r.Headers["Content-Type"] != nil {
		return nil
	}
	if r.Headers == nil {
		r.Headers = map[string]api.Strings{}
	}
	r.Headers["Content-Type"] = api.Strings{"application/x-www-form-urlencoded"}
	return nil
}

// contents is the argument itself, or what the file says that it names with an @.
func contents(argument string, stdin io.Reader) (string, error) {
	name, is := strings.CutPrefix(argument, "@")
	var text []byte
	var err error
	switch {
	case !is:
		return argument, nil
	case name == "-":
		text, err = io.ReadAll(stdin)
	default:
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return "", usageError("%w", err)
	}
	return string(text), nil
}

func headers(lines []string) (map[string]api.Strings, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	all := map[string]api.Strings{}
	for _, line := range lines {
		name, value, found := strings.Cut(line, ":")
		if !found {
			return nil, usageError("--header: %q is no header: write 'NAME: VALUE'", line)
		}
		name = textproto.CanonicalMIMEHeaderKey(name) // a name in two spellings is one
		all[name] = append(all[name], strings.TrimSpace(value))
	}
	return all, nil
}
