package main

import (
	"context"
	"fmt"
	"os"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/client"
)

type eventCommand struct {
	Set   eventSet   `cmd:"" help:"Raise the flag, and wake who waits for it."`
	Pulse eventPulse `cmd:"" help:"Wake who waits now, and leave the flag as it was."`
	Clear eventClear `cmd:"" help:"Lower the flag. Who was woken stays woken."`
	Get   eventGet   `cmd:"" help:"Show an event, or hold until it is set."`
	Ls    eventLs    `cmd:"" help:"List events by name."`
}

// Help is the long form of the help.
func (eventCommand) Help() string {
	return `An event is a named flag. It needs no creation, keeps what was set before anybody waited, and counts its sets.

Examples:

    await event set tests-passed --json '{"sha":"4f2a"}'
    await event set lunch --ttl 1h
    await event get --wait tests-passed
    await event pulse cache:flushed`
}

// payload is what an event carries.
type payload struct {
	Data *string `short:"d" xor:"body" placeholder:"TEXT" help:"Carry this text. @FILE reads a file, @- standard input."`
	JSON *string `name:"json" xor:"body" placeholder:"JSON" help:"Carry this JSON. @FILE reads a file, @- standard input."`
}

// value is the payload for the client; nil for none.
func (p payload) value() (any, error) {
	switch {
	case p.JSON != nil:
		text, err := contents(*p.JSON, os.Stdin)
		if err == nil && !jsontext.Value(text).IsValid() {
			err = usageError("--json: %q is not JSON", short(text, shownRunesMax))
		}
		return jsontext.Value(text), err
	case p.Data != nil:
		return contents(*p.Data, os.Stdin)
	}
	return nil, nil
}

type eventSet struct {
	Name string `arg:"" complete:"events" help:"The name of the event."`
	payload
	TTL duration `name:"ttl" placeholder:"DURATION" help:"Clear it again after this long."`
}

// Run sets an event.
func (e *eventSet) Run(ctx context.Context, s *session, c *client.Client) error {
	carried, err := e.value()
	if err != nil {
		return err
	}
	return s.event(c.Event(e.Name).SetFor(ctx, carried, e.TTL.Duration))
}

type eventPulse struct {
	Name string `arg:"" complete:"events" help:"The name of the event."`
	payload
}

// Run pulses an event.
func (e *eventPulse) Run(ctx context.Context, s *session, c *client.Client) error {
	carried, err := e.value()
	if err != nil {
		return err
	}
	return s.event(c.Event(e.Name).Pulse(ctx, carried))
}

type eventClear struct {
	Name string `arg:"" complete:"events" help:"The name of the event."`
}

// Run clears an event.
func (e *eventClear) Run(ctx context.Context, s *session, c *client.Client) error {
	return s.event(c.Event(e.Name).Clear(ctx))
}

type eventGet struct {
	Name  string  `arg:"" complete:"events" help:"The name of the event."`
	Wait  bool    `short:"w" help:"Hold until it is set."`
	After *uint64 `placeholder:"GENERATION" help:"Hold until it was set after this generation, even if it was cleared again."`
	within
}

// Run shows an event.
func (e *eventGet) Run(ctx context.Context, s *session, c *client.Client) error {
	ctx, stop := e.bound(ctx)
	defer stop()
	switch event := c.Event(e.Name); {
	case e.After != nil:
		return s.event(event.Next(ctx, *e.After))
	case e.Wait:
		return s.event(event.Wait(ctx))
	default:
		return s.event(event.Get(ctx))
	}
}

type eventLs struct {
	Prefix string `arg:"" optional:"" complete:"events" help:"Only events whose name starts with it."`
	Limit  int    `short:"n" default:"50" help:"At most so many; 0 for all."`
}

// Run lists events.
func (e *eventLs) Run(ctx context.Context, s *session, c *client.Client) error {
	head := []string{"NAME", "SET", "GENERATION", "AGE", "PAYLOAD"}
	return list(s, c.Events(ctx, e.Prefix), e.Limit, false, head, func(event *api.Event) []string {
		age, set := "", "no"
		if event.SetAt != nil {
			age = ago(*event.SetAt)
		}
		if event.Set {
			set = "yes"
		}
		payload := short(payloadText(event.Payload), shownRunesMax)
		return []string{event.Name, set, fmt.Sprint(event.Generation), age, payload}
	})
}

func (s *session) event(e *api.Event, err error) error {
	if err != nil {
		return err
	}
	return s.showEvent(e)
}
