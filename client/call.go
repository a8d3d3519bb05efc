package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/go-json-experiment/json"
)

// answerBytesMax is the longest answer that is read into memory. A server shows at most 8 MiB of bodies in one; the
// rest is room for what is around them in 10 000 futures.
const answerBytesMax = 256 << 20

// The pauses between tries when the server does not say when to come back.
const (
	pauseMin = 100 * time.Millisecond
	pauseMax = 5 * time.Second
)

// call is one request of the API, as often as it must be sent.
type call struct {
	method      string
	path        string // escaped
	query       url.Values
	header      http.Header
	contentType string
	body        []byte // nil for none
	repeatable  bool   // to do it twice is to do it once
}

// CallOption changes one call.
type CallOption func(*call)

// IdempotencyKey makes a call that creates safe to repeat even after the calling program has crashed: the same key
// with the same request finds what was created before. Without it each call has a key of its own.
func IdempotencyKey(key string) CallOption { return header("Idempotency-Key", key) }

// Traceparent is the W3C trace context that the server keeps with what is created and continues in each attempt.
func Traceparent(value string) CallOption { return header("Traceparent", value) }

func header(name, value string) CallOption {
	return func(what *call) { what.header.Set(name, value) }
}

// get is a call that changes nothing.
func get(path string, query url.Values) call {
	return call{method: http.MethodGet, path: path, query: query, repeatable: true, header: http.Header{}}
}

// post is a call with a JSON body, or with none if v is nil.
func post(path string, v any) (call, error) {
	what := call{method: http.MethodPost, path: path, header: http.Header{}}
	if v == nil {
		return what, nil
	}
	var err error
	if what.body, err = json.Marshal(v, json.Deterministic(true)); err != nil {
		return what, fmt.Errorf("encode the request: %w", err)
	}
	what.contentType = "application/json"
	return what, nil
}

// creating is a post that creates. Its key makes it repeatable.
func creating(path string, v any, options []CallOption) (call, error) {
	what, err := post(path, v)
	what.repeatable = true
	what.header.Set("Idempotency-Key", rand.Text())
	for _, option := range options {
		option(&what)
	}
	return what, err
}

// answer makes a call and decodes its JSON answer into out, unless that is nil.
func (c *Client) answer(ctx context.Context, what call, out any) error {
	_, err := c.answerStatus(ctx, what, out)
	return err
}

// answerStatus is answer for those who must tell 200 from 202.
func (c *Client) answerStatus(ctx context.Context, what call, out any) (status int, err error) {
	err = c.do(ctx, what, func(resp *http.Response) error {
		defer func() { _ = resp.Body.Close() }()
		status = resp.StatusCode
		if out == nil {
			return nil
		}
		return decode(resp, out)
	})
	return status, err
}

// decode reads a JSON answer whole.
func decode(resp *http.Response, out any) error {
	if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media != "application/json" {
		return fmt.Errorf("the answer is %q and not JSON: this is no awaitd server", media)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax+1))
	switch {
	case err != nil:
		return &brokenError{err}
	case len(body) > answerBytesMax:
		return fmt.Errorf("the answer is longer than %d bytes", answerBytesMax)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("decode the answer: %w", err)
	}
	return nil
}

// open makes a call and hands out its answer, whose body the caller closes.
func (c *Client) open(ctx context.Context, what call) (opened *http.Response, err error) {
	err = c.do(ctx, what, func(resp *http.Response) error {
		opened = resp
		return nil
	})
	return opened, err
}

// do tries a call until it is answered, refused for good, patience or ctx ends. read takes the answer over.
func (c *Client) do(ctx context.Context, what call, read func(*http.Response) error) error {
	started := time.Now()
	for tries := 1; ; tries++ {
		err := c.once(ctx, what, read)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		pause, again := pauseAfter(err, what.repeatable, tries)
		if !again || time.Since(started)+pause > c.patience {
			return plain(err)
		}
		if c.onRetry != nil {
			c.onRetry(plain(err), pause)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// once sends a call once.
func (c *Client) once(ctx context.Context, what call, read func(*http.Response) error) error {
	target := c.base + what.path
	if len(what.query) > 0 {
		target += "?" + what.query.Encode()
	}
	var body io.Reader
	if what.body != nil {
		body = bytes.NewReader(what.body)
	}
	req, err := http.NewRequestWithContext(ctx, what.method, target, body)
	if err != nil {
		return err
	}
	req.Header = what.header.Clone()
	req.Header.Set("User-Agent", c.agent)
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	if what.contentType != "" {
		req.Header.Set("Content-Type", what.contentType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return &brokenError{err}
	}
	if resp.StatusCode < http.StatusMultipleChoices {
		return read(resp)
	}
	defer func() { _ = resp.Body.Close() }()
	return &refusedError{problemOf(resp), retryAfter(resp.Header)}
}

// brokenError is a call that got no answer, or not all of it.
type brokenError struct{ error }

// Unwrap is what the network said.
func (e *brokenError) Unwrap() error { return e.error }

// refusedError is a Problem and the pause that the server asked for, 0 if it did not.
type refusedError struct {
	*Problem
	after time.Duration
}

// plain is err as callers see it.
func plain(err error) error {
	switch e := err.(type) { //nolint:errorlint // both are made in once and never wrapped
	case *brokenError:
		return e.error
	case *refusedError:
		return e.Problem
	}
	return err
}

// pauseAfter tells whether a call that failed is worth repeating, and when.
func pauseAfter(err error, repeatable bool, tries int) (pause time.Duration, again bool) {
	pause = min(pauseMin<<min(tries-1, 16), pauseMax)
	pause = pause/2 + mathrand.N(pause/2+1)
	switch e := err.(type) { //nolint:errorlint // as in plain
	case *brokenError:
		return pause, neverSent(e.error) || repeatable && !untrusted(e.error)
	case *refusedError:
		return max(pause, e.after), nothingDone(e.Code) || repeatable && halfway(e.Problem)
	}
	return 0, false
}

// nothingDone is the problems that pass by themselves, and that promise that the call had no effect.
func nothingDone(code api.Code) bool {
	switch code {
	case api.CodeBusy, api.CodeTooManyFutures, api.CodeTooManyWaiters, api.CodeTooManyEvents, api.CodeTooManyGroups,
		api.CodeDraining, api.CodeNotReady:
		return true
	}
	return false
}

// halfway is an answer of something between client and server, which cannot reach it now.
func halfway(p *Problem) bool {
	return p.Code == "" && (p.Status == http.StatusTooManyRequests || p.Status == http.StatusBadGateway ||
		p.Status == http.StatusServiceUnavailable || p.Status == http.StatusGatewayTimeout)
}

// neverSent reports whether there was no connection to send anything on.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// untrusted is a server that is not who it should be, which no other try will change.
func untrusted(err error) bool {
	_, is := errors.AsType[*tls.CertificateVerificationError](err)
	return is
}

// retryAfter reads seconds, the only form that the API uses; proxies' dates are not understood.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// sleep waits for d, or returns the cause for which ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
