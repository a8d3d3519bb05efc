package client

import (
	"context"
	"iter"
	"net/url"

	"github.com/awaitd/awaitd/api"
)

// FutureFilter chooses futures. Zero fields choose all.
type FutureFilter struct {
	State  api.State
	Kind   api.Kind
	Group  string            // the id of a group: its members
	Labels map[string]string // all must match
}

// Futures lists futures, newest first, page by page as they are asked for. An error ends the list.
func (c *Client) Futures(ctx context.Context, filter FutureFilter) iter.Seq2[*api.Future, error] {
	query := url.Values{}
	if filter.State != "" {
		query.Set("state", string(filter.State))
	}
	if filter.Kind != "" {
		query.Set("kind", string(filter.Kind))
	}
	if filter.Group != "" {
		query.Set("group", filter.Group)
	}
	for key, value := range filter.Labels {
		query.Add("label", key+":"+value)
	}
	return pages(query, func(query url.Values) ([]api.Future, *string, error) {
		var page api.FuturePage
		err := c.answer(ctx, get("/futures", query), &page)
		return page.Futures, page.NextCursor, err
	})
}

// Events lists the events whose name starts with prefix, by name. An error ends the list.
func (c *Client) Events(ctx context.Context, prefix string) iter.Seq2[*api.Event, error] {
	query := url.Values{}
	if prefix != "" {
		query.Set("prefix", prefix)
	}
	return pages(query, func(query url.Values) ([]api.Event, *string, error) {
		var page api.EventPage
		err := c.answer(ctx, get("/events", query), &page)
		return page.Events, page.NextCursor, err
	})
}

// pages walks a list from page to page.
func pages[T any](query url.Values, read func(url.Values) ([]T, *string, error)) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for {
			items, next, err := read(query)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range items {
				if !yield(&items[i], nil) {
					return
				}
			}
			if next == nil {
				return
			}
			query.Set("cursor", *next)
		}
	}
}

// Loop is what the server's event loop does right now.
func (c *Client) Loop(ctx context.Context) (*api.LoopState, error) {
	var state api.LoopState
	if err := c.answer(ctx, get("/loop", nil), &state); err != nil {
		return nil, err
	}
	return &state, nil
}
