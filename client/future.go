package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/go-json-experiment/json"
)

// Future is a handle on one future of the server. It is a Ref, and may be used by many goroutines at once.
type Future struct {
	c    *Client
	id   string
	seen atomic.Pointer[api.Future] // the newest state that was heard of; nil for none
}

// Future is a handle on the future with an id that somebody else has made. Nothing is sent yet.
func (c *Client) Future(id string) *Future { return &Future{c: c, id: id} }

func (c *Client) handle(f *api.Future) *Future {
	h := c.Future(f.ID)
	h.seen.Store(f)
	return h
}

// ID is the id under which every client of the server finds the future.
func (f *Future) ID() string { return f.id }

// Expr makes a Future a Ref.
func (f *Future) Expr() api.Expr { return api.Expr{Op: api.OpFuture, Ref: f.id} }

// Seen is the state of the future as far as this handle has heard of it, without a call; nil when it has not.
func (f *Future) Seen() *api.Future { return f.seen.Load() }

// Get reads the future as it is now.
func (f *Future) Get(ctx context.Context) (*api.Future, error) { return f.read(ctx, nil) }

// Await returns the future once it is settled. When it failed or was cancelled the error is a *FailedError, and the
// future is returned all the same.
func (f *Future) Await(ctx context.Context) (*api.Future, error) {
	if now := f.Seen(); now != nil && now.State.Settled() {
		return now, failureOf(now)
	}
	var settled *api.Future
	err := f.c.poll(ctx, func(wait string) (done bool, err error) {
		settled, err = f.read(ctx, url.Values{"wait": {wait}})
		return err == nil && settled.State.Settled(), err
	})
	if err != nil {
		return nil, err
	}
	return settled, failureOf(settled)
}

func (f *Future) read(ctx context.Context, query url.Values) (*api.Future, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	return f.take(ctx, get(f.path(), query))
}

// take makes a call whose answer is this future.
func (f *Future) take(ctx context.Context, what call) (*api.Future, error) {
	var now api.Future
	if err := f.c.answer(ctx, what, &now); err != nil {
		return nil, err
	}
	f.seen.Store(&now)
	return &now, nil
}

func (f *Future) path() string { return "/futures/" + url.PathEscape(f.id) }

// check refuses an id that no future can have, before it becomes part of a path.
func (f *Future) check() error {
	if api.ValidFutureID(f.id) {
		return nil
	}
	return api.InvalidRequest(api.FieldError{
		Parameter: "id", Detail: fmt.Sprintf("%q is no id of a future.", f.id),
	})
}

// anyCase decodes values of callers as encoding/json does, which their types are written for.
var anyCase = json.MatchCaseInsensitiveNames(true)

// JSON awaits the future and decodes its JSON result into v.
func (f *Future) JSON(ctx context.Context, v any) error {
	settled, err := f.Await(ctx)
	if err != nil {
		return err
	}
	r := settled.Result
	switch {
	case r == nil:
		return fmt.Errorf("%s has no result", f.id)
	case r.JSON != nil:
		return json.Unmarshal(r.JSON, v, anyCase)
	case !r.Truncated:
		return fmt.Errorf("the result of %s is not JSON", f.id)
	}
	whole, err := f.Result(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = whole.Body.Close() }()
	return json.UnmarshalRead(whole.Body, v, anyCase)
}

// Result is what a future brought home, byte for byte.
type Result struct {
	Status          int    // with which the target answered; 0 if the future is no fetch
	ContentType     string // as the target sent it
	ContentEncoding string // as the target sent it; usually empty
	Bytes           int64  // length of Body; -1 if unknown
	Body            io.ReadCloser
}

// Result awaits the future and opens its result, whose Body the caller closes. When the future failed or was cancelled
// the error is a *FailedError.
func (f *Future) Result(ctx context.Context) (*Result, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	var opened *http.Response
	err := f.c.poll(ctx, func(wait string) (done bool, err error) {
		opened, err = f.c.open(ctx, get(f.path()+"/result", url.Values{"wait": {wait}}))
		if err == nil && opened.StatusCode == http.StatusAccepted {
			_ = opened.Body.Close()
			return false, nil
		}
		return true, err
	})
	if problem, ok := errors.AsType[*Problem](err); ok && problem.Code == api.CodeResultUnavailable {
		return nil, &FailedError{Future: problem.Future}
	}
	if err != nil {
		return nil, err
	}
	status, _ := strconv.Atoi(opened.Header.Get("Awaitd-Upstream-Status")) // only a fetch has one
	return &Result{
		Status: status, ContentType: opened.Header.Get("Content-Type"),
		ContentEncoding: opened.Header.Get("Content-Encoding"), Bytes: opened.ContentLength, Body: opened.Body,
	}, nil
}

// Cancel cancels the future. To cancel one that is cancelled is no error; one that is otherwise settled is a *Problem
// with api.CodeAlreadySettled.
func (f *Future) Cancel(ctx context.Context) (*api.Future, error) {
	return f.settle(ctx, "/cancel", nil)
}

// Resolve settles a promise with any value that JSON can hold. The same value again is no error.
func (f *Future) Resolve(ctx context.Context, value any) (*api.Future, error) {
	raw, err := json.Marshal(value, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode the value: %w", err)
	}
	return f.settle(ctx, "/resolve", api.ResolveRequest{Value: raw})
}

// Reject settles a promise with a failure. The same failure again is no error.
func (f *Future) Reject(ctx context.Context, why api.RejectRequest) (*api.Future, error) {
	return f.settle(ctx, "/reject", why)
}

// settle makes a call that settles this future. Each may be repeated: the same outcome again is the same answer.
func (f *Future) settle(ctx context.Context, verb string, body any) (*api.Future, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	what, err := post(f.path()+verb, body)
	if err != nil {
		return nil, err
	}
	what.repeatable = true
	return f.take(ctx, what)
}

// Delete makes the server forget a settled future. One that is unknown already is no error.
func (f *Future) Delete(ctx context.Context) error {
	if err := f.check(); err != nil {
		return err
	}
	err := f.c.answer(ctx, deleting(f.path()), nil)
	if CodeOf(err) == api.CodeUnknownFuture {
		return nil
	}
	return err
}

func deleting(path string) call {
	return call{method: http.MethodDelete, path: path, repeatable: true, header: http.Header{}}
}

// pollPauseMin is the shortest time from one poll to the next, whatever the server makes of the wish to be held.
const pollPauseMin = time.Second

// poll repeats a call that is held until it is done or fails.
func (c *Client) poll(ctx context.Context, once func(wait string) (done bool, err error)) error {
	for {
		asked := time.Now()
		done, err := once(c.hold.String())
		if err != nil || done {
			return err
		}
		if err := sleep(ctx, pollPauseMin-time.Since(asked)); err != nil {
			return err
		}
	}
}
