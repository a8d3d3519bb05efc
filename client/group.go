package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/awaitd/awaitd/api"
)

// Group is a handle on one group of the server: asyncio's TaskGroup, for members that are started anywhere. It is a
// Ref, and may be used by many goroutines at once.
type Group struct {
	c    *Client
	id   string
	seen atomic.Pointer[api.Group] // the newest state that was heard of; nil for none
}

// NewGroup makes a group. Futures join it by their request's Group, or are made by its Fetch.
func (c *Client) NewGroup(ctx context.Context, request api.GroupRequest, options ...CallOption) (*Group, error) {
	what, err := creating("/groups", request, options)
	if err != nil {
		return nil, err
	}
	var made api.Group
	if err := c.answer(ctx, what, &made); err != nil {
		return nil, err
	}
	g := c.Group(made.ID)
	g.seen.Store(&made)
	return g, nil
}

// Group is a handle on the group with an id that somebody else has made. Nothing is sent yet.
func (c *Client) Group(id string) *Group { return &Group{c: c, id: id} }

// Groups lists groups with these labels, newest first, page by page as they are asked for. An error ends the list.
func (c *Client) Groups(ctx context.Context, labels map[string]string) iter.Seq2[*api.Group, error] {
	query := url.Values{}
	for key, value := range labels {
		query.Add("label", key+":"+value)
	}
	return pages(query, func(query url.Values) ([]api.Group, *string, error) {
		var page api.GroupPage
		err := c.answer(ctx, get("/groups", query), &page)
		return page.Groups, page.NextCursor, err
	})
}

// ID is the id under which every client of the server finds the group.
func (g *Group) ID() string { return g.id }

// Expr makes a Group a Ref.
func (g *Group) Expr() api.Expr { return api.Expr{Op: api.OpGroup, Ref: g.id} }

// Seen is the state of the group as far as this handle has heard of it, without a call; nil when it has not.
func (g *Group) Seen() *api.Group { return g.seen.Load() }

// Fetch hands an HTTP request to the server, whose future becomes a member of the group.
func (g *Group) Fetch(ctx context.Context, request api.FetchRequest, options ...CallOption) (*Future, error) {
	request.Group = g.id
	return g.c.Fetch(ctx, request, options...)
}

// Get reads the group as it is now.
func (g *Group) Get(ctx context.Context) (*api.Group, error) { return g.take(ctx, get(g.path(), nil)) }

// Await returns the group once it has members and none of them is pending. When one of them did not succeed, or
// the group was closed before all had, the error is a *FailedError, and the group is returned all the same.
func (g *Group) Await(ctx context.Context) (*api.Group, error) {
	var now *api.Group
	err := g.c.poll(ctx, func(wait string) (done bool, err error) {
		now, err = g.take(ctx, get(g.path(), url.Values{"wait": {wait}}))
		return err == nil && now.Outcome != api.OutcomePending, err
	})
	switch {
	case err != nil:
		return nil, err
	case now.Outcome == api.OutcomeFailed:
		return now, &FailedError{Group: now}
	}
	return now, nil
}

// Cancel closes the group and cancels its members that are pending. To cancel a closed one is no error.
func (g *Group) Cancel(ctx context.Context) (*api.Group, error) { return g.change(ctx, "/cancel") }

// Renew begins the lease of the group anew. One that is closed is a *Problem with api.CodeGroupClosed.
func (g *Group) Renew(ctx context.Context) (*api.Group, error) { return g.change(ctx, "/renew") }

// Keep renews the lease of the group three times in each of its terms, until ctx ends or the group is closed; then
// nobody's members run on when their owner has died. It returns at once when the group has no lease.
func (g *Group) Keep(ctx context.Context) error {
	for {
		now, err := g.Renew(ctx)
		if err != nil || now.Lease == nil {
			return err
		}
		if err := sleep(ctx, time.Duration(*now.Lease)/3); err != nil {
			return err
		}
	}
}

func (g *Group) change(ctx context.Context, verb string) (*api.Group, error) {
	return g.take(ctx, call{method: http.MethodPost, path: g.path() + verb, repeatable: true, header: http.Header{}})
}

// take makes a call whose answer is this group.
func (g *Group) take(ctx context.Context, what call) (*api.Group, error) {
	if !api.ValidGroupID(g.id) {
		return nil, api.InvalidRequest(api.FieldError{
			Parameter: "id", Detail: fmt.Sprintf("%q is no id of a group.", g.id),
		})
	}
	var now api.Group
	if err := g.c.answer(ctx, what, &now); err != nil {
		return nil, err
	}
	g.seen.Store(&now)
	return &now, nil
}

func (g *Group) path() string { return "/groups/" + url.PathEscape(g.id) }

func groupFailure(g *api.Group) string {
	if g.Error != nil {
		return g.ID + " was closed: " + string(g.Error.Type) + ": " + g.Error.Message
	}
	return fmt.Sprintf("%s failed: of its members %d failed and %d were cancelled", g.ID, g.Members.Failed,
		g.Members.Cancelled)
}
