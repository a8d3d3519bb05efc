package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/go-json-experiment/json"
)

// Event is a handle on one named event of the server. It is a Ref: it waits until the event is set.
type Event struct {
	c    *Client
	name string
}

// Event is a handle on the event with a name. Events need no creation; nothing is sent yet.
func (c *Client) Event(name string) *Event { return &Event{c, name} }

// Name is the name of the event.
func (e *Event) Name() string { return e.name }

// Expr makes an Event a Ref.
func (e *Event) Expr() api.Expr { return api.Expr{Op: api.OpEvent, Ref: e.name} }

// After waits until the event was set or pulsed after a generation, even if it was cleared again.
func (e *Event) After(generation uint64) Expr {
	return Expr{Op: api.OpEvent, Ref: e.name, After: &generation}
}

// Times waits until the event was set or pulsed n times in all.
func (e *Event) Times(n uint64) Expr { return Expr{Op: api.OpEvent, Ref: e.name, Times: n} }

// Payload is a payload with a media type of its own.
type Payload struct {
	ContentType string
	Body        []byte
}

// Set raises the flag. A payload may be nil for none, a string, a []byte, a Payload, or any value that JSON can hold.
//
// A set that is sent twice counts twice, so a connection that breaks before the answer is an error and not repeated.
func (e *Event) Set(ctx context.Context, payload any) (*api.Event, error) {
	return e.raise(ctx, "/set", payload, 0)
}

// SetFor raises the flag for a time, after which it is cleared.
func (e *Event) SetFor(ctx context.Context, payload any, ttl time.Duration) (*api.Event, error) {
	return e.raise(ctx, "/set", payload, ttl)
}

// Pulse wakes who waits now and leaves the flag as it was. Payloads are as those of Set.
func (e *Event) Pulse(ctx context.Context, payload any) (*api.Event, error) {
	return e.raise(ctx, "/pulse", payload, 0)
}

func (e *Event) raise(ctx context.Context, verb string, payload any, ttl time.Duration) (*api.Event, error) {
	what := call{method: http.MethodPost, path: e.path() + verb, header: http.Header{}}
	if ttl > 0 {
		what.query = url.Values{"ttl": {ttl.String()}}
	}
	switch p := payload.(type) {
	case nil:
	case string:
		what.contentType, what.body = "text/plain; charset=utf-8", []byte(p)
	case []byte:
		what.contentType, what.body = "application/octet-stream", p
	case Payload:
		what.contentType, what.body = p.ContentType, p.Body
	default:
		encoded, err := json.Marshal(payload, json.Deterministic(true))
		if err != nil {
			return nil, fmt.Errorf("encode the payload: %w", err)
		}
		what.contentType, what.body = "application/json", encoded
	}
	return e.take(ctx, what)
}

// Clear lowers the flag. Who was woken stays woken.
func (e *Event) Clear(ctx context.Context) (*api.Event, error) {
	return e.take(ctx, call{
		method: http.MethodPost, path: e.path() + "/clear", repeatable: true, header: http.Header{},
	})
}

// Get reads the event as it is now. One that was never set is an unset event of generation 0.
func (e *Event) Get(ctx context.Context) (*api.Event, error) { return e.take(ctx, get(e.path(), nil)) }

// Wait returns the event once it is set. A set that is cleared again between two polls is not missed.
func (e *Event) Wait(ctx context.Context) (*api.Event, error) { return e.wait(ctx, url.Values{}) }

// Next returns the event once its generation is above one that was seen before, whether it is still set or not.
func (e *Event) Next(ctx context.Context, generation uint64) (*api.Event, error) {
	return e.wait(ctx, url.Values{"after": {strconv.FormatUint(generation, 10)}})
}

func (e *Event) wait(ctx context.Context, query url.Values) (*api.Event, error) {
	var now *api.Event
	err := e.c.poll(ctx, func(wait string) (done bool, err error) {
		query.Set("wait", wait)
		var status int
		if now, status, err = e.look(ctx, get(e.path(), query)); err != nil || status == http.StatusOK {
			return true, err
		}
		if !query.Has("after") { // it is not set: from here on, each set counts
			query.Set("after", strconv.FormatUint(now.Generation, 10))
		}
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	return now, nil
}

// Delete makes the server forget the event: flag, payload and generation.
func (e *Event) Delete(ctx context.Context) error {
	if err := e.check(); err != nil {
		return err
	}
	return e.c.answer(ctx, deleting(e.path()), nil)
}

func (e *Event) take(ctx context.Context, what call) (*api.Event, error) {
	now, _, err := e.look(ctx, what)
	return now, err
}

// look makes a call whose answer is this event; 200 and 202 tell whether it is what was waited for.
func (e *Event) look(ctx context.Context, what call) (now *api.Event, status int, err error) {
	if err := e.check(); err != nil {
		return nil, 0, err
	}
	now = &api.Event{}
	status, err = e.c.answerStatus(ctx, what, now)
	if err != nil {
		return nil, 0, err
	}
	return now, status, nil
}

func (e *Event) path() string { return "/events/" + url.PathEscape(e.name) }

// check refuses a name that no event can have, before it becomes part of a path.
func (e *Event) check() error {
	if api.ValidEventName(e.name) {
		return nil
	}
	return api.InvalidRequest(api.FieldError{
		Parameter: "name", Detail: fmt.Sprintf("%q is no name of an event.", e.name),
	})
}
