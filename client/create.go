package client

import (
	"context"
	"time"

	"github.com/awaitd/awaitd/api"
)

// Fetch hands an HTTP request to the server and returns its future at once.
func (c *Client) Fetch(ctx context.Context, request api.FetchRequest, options ...CallOption) (*Future, error) {
	return c.create(ctx, "/fetch", request, options)
}

// FetchBatch hands up to api.FetchesMax requests to the server, all or none, and returns their futures in order.
func (c *Client) FetchBatch(
	ctx context.Context, requests []api.FetchRequest, options ...CallOption,
) ([]*Future, error) {
	what, err := creating("/fetch/batch", api.BatchRequest{Fetches: requests}, options)
	if err != nil {
		return nil, err
	}
	var made api.BatchAnswer
	if err := c.answer(ctx, what, &made); err != nil {
		return nil, err
	}
	futures := make([]*Future, len(made.Futures))
	for i := range made.Futures {
		futures[i] = c.handle(&made.Futures[i])
	}
	return futures, nil
}

// Create makes a promise, a timer or a durable wait as the request says. Promise, Timer and Durable are its short
// forms.
func (c *Client) Create(ctx context.Context, request api.FutureRequest, options ...CallOption) (*Future, error) {
	return c.create(ctx, "/futures", request, options)
}

// Promise makes a future that somebody settles by Resolve or Reject. An empty id lets the server choose one.
func (c *Client) Promise(ctx context.Context, id string, options ...CallOption) (*Future, error) {
	return c.Create(ctx, api.FutureRequest{Kind: api.KindPromise, ID: id}, options...)
}

// Timer makes a future that succeeds after d.
func (c *Client) Timer(ctx context.Context, d time.Duration, options ...CallOption) (*Future, error) {
	after := api.Duration(d)
	return c.Create(ctx, api.FutureRequest{Kind: api.KindTimer, After: &after}, options...)
}

// Durable makes a future that settles when ref is decided: a wait that goes on with nobody connected.
func (c *Client) Durable(ctx context.Context, ref Ref, options ...CallOption) (*Future, error) {
	expr := ref.Expr()
	return c.Create(ctx, api.FutureRequest{Kind: api.KindWait, For: &expr}, options...)
}

func (c *Client) create(ctx context.Context, path string, v any, options []CallOption) (*Future, error) {
	what, err := creating(path, v, options)
	if err != nil {
		return nil, err
	}
	var made api.Future
	if err := c.answer(ctx, what, &made); err != nil {
		return nil, err
	}
	return c.handle(&made), nil
}
