package faults

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// client makes calls and notes them. One goroutine.
type client struct {
	*world
	number  int
	http    *http.Client
	created int // promises, or tried to
}

func newClient(w *world, number int) *client {
	return &client{world: w, number: number, http: &http.Client{Transport: &http.Transport{}}}
}

// request is what is sent.
type request struct {
	method, path string
	kind, body   string // media type, empty for none
	key          string // for Idempotency-Key, empty for none
}

// answer is what came back.
type answer struct {
	status   int
	replayed bool // it says that it is that of an earlier call
	body     []byte
}

// call makes one request of whatever server is ready, and waits for one first. It is lost when no answer came: it may
// have happened. It is void when it was certainly never made, and when the answer says that the server is about to end:
// that nothing was done, it is taken at its word. Of both the server that was asked is dead when call returns.
func (c *client) call(ctx context.Context, q request) (a answer, is fate) {
	l := c.enter(ctx)
	if l == nil {
		return a, void
	}
	a, err := c.exchange(ctx, q)
	is = lost
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		c.history.turnedAway.Add(1)
		return a, void
	case err == nil && a.status == http.StatusServiceUnavailable:
		is = void
		c.history.turnedAway.Add(1)
	case err == nil:
		return a, answered
	}
	select {
	case <-l.ended:
	case <-ctx.Done():
		c.accuse("%s %s got no answer though the server lives: %d %v", q.method, q.path, a.status, err)
	}
	return a, is
}

// fate is what became of a call.
type fate uint8

const (
	answered fate = iota
	lost
	void
)

// exchange is one request and its whole answer.
func (c *client) exchange(ctx context.Context, q request) (a answer, err error) {
	req, err := http.NewRequestWithContext(ctx, q.method, "http://"+c.home.address+q.path, strings.NewReader(q.body))
	if err != nil {
		return a, err
	}
	req.GetBody = nil // net/http shall not send it again by itself
	if q.kind != "" {
		req.Header.Set("Content-Type", q.kind)
	}
	if q.key != "" {
		req.Header.Set("Idempotency-Key", q.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = resp.Body.Close() }()
	a.status, a.replayed = resp.StatusCode, resp.Header.Get("Idempotent-Replayed") == "true"
	a.body, err = io.ReadAll(resp.Body)
	return a, err
}

// later makes a request and hands over the answer when it comes; status 0 is none.
func (c *client) later(ctx context.Context, method, path string) <-chan answer {
	promised := make(chan answer, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		a, _ := c.exchange(ctx, request{method: method, path: path})
		promised <- a
	}()
	return promised
}

// note makes a call and adds it to the history. It returns the answer; ok is whether there is one.
func (c *client) note(ctx context.Context, o operation, q request) (a answer, ok bool) {
	before := c.stories.newest(o.key)
	o.client, o.called = c.number, c.history.now()
	a, is := c.call(ctx, q)
	o.returned = c.history.now()
	if is == void || refusal(a.status) {
		return a, false
	}
	if o.lost = is == lost; !o.lost {
		o.reply = c.replyOf(o.thing, a, before)
	}
	c.history.add(o)
	return a, !o.lost
}

// refusal reports whether the server said that it does nothing now: it is busy, or the disk is full. Whatever it does
// all the same has no explanation.
func refusal(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusInsufficientStorage
}

// replyOf reads an answer. before is the newest version of the future that was known before the call.
func (c *client) replyOf(t thing, a answer, before chapter) reply {
	r := reply{says: strconv.Itoa(a.status)}
	var p struct {
		Code   string
		Future json.RawMessage
	}
	switch {
	case a.status >= 400:
		c.decode(a, &p)
		r.says += " " + p.Code
		if p.Future != nil {
			r.saw = c.future(p.Future, before).seen()
		}
	case a.status == http.StatusNoContent:
	case t == event:
		var e shownEvent
		c.decode(a, &e)
		r.saw = e.standing()
	default:
		r.saw = c.future(a.body, before).seen()
	}
	return r
}

// future reads a future, and holds it against what was seen of it.
func (c *client) future(text []byte, before chapter) *shownFuture {
	f := &shownFuture{}
	c.decode(answer{body: text}, f)
	c.stories.add(f, text, before)
	return f
}

func (c *client) decode(a answer, into any) {
	if err := json.Unmarshal(a.body, into); err != nil {
		c.accuse("an answer that is no JSON: %v in %d %.200s", err, a.status, a.body)
	}
}

// shownFuture is what is read of a future.
type shownFuture struct {
	ID        string
	Kind      string
	State     string
	Version   uint64
	DueAt     string `json:"due_at"`
	SettledAt string `json:"settled_at"`
	Labels    struct{ Born string }
	Result    *shownResult
	Error     *struct{ Type, Message string }
	Request   *struct{ Method, URL string }
}

func (f *shownFuture) settled() bool { return f.State != "pending" && f.State != "running" }

// seen is the future as its specification knows it. How a fetch is tried is not in it.
func (f *shownFuture) seen() futureState { return futureState{f.Labels.Born, f.ending()} }

func (f *shownFuture) ending() string {
	switch {
	case !f.settled():
		return pending
	case f.State == "cancelled":
		return "cancelled"
	case f.Error != nil:
		return failedWith(f.Error.Type, f.Error.Message)
	case f.Result == nil:
		return "succeeded without a result"
	default:
		return "succeeded " + f.Result.text
	}
}

// brief stands for a text of any length: a history of many thousand bodies must fit into memory.
func brief(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s… %d bytes, SHA-256 %x", text[:most/2], len(text), sha256.Sum256([]byte(text)))
}

// shownResult is what a future brought home, in brief.
type shownResult struct {
	text string // all of it
	body string // of a fetch
}

// UnmarshalJSON keeps what is needed and no more.
func (r *shownResult) UnmarshalJSON(text []byte) error {
	var shown struct {
		JSON json.RawMessage
		Text string
	}
	err := json.Unmarshal(text, &shown)
	*r = shownResult{brief(string(text)), brief(shown.Text + string(shown.JSON))}
	return err
}

func failedWith(kind, message string) string { return fmt.Sprintf("failed %s: %s", kind, message) }

func resolvedWith(value string) string { return fmt.Sprintf(`succeeded {"json":%q}`, value) }

// shownEvent is what is read of an event.
type shownEvent struct {
	Name       string
	Set        bool
	Generation uint64
	Payload    *struct{ Text *string }
}

func (e *shownEvent) standing() standing {
	f := standing{set: e.Set, generation: e.Generation}
	if e.Payload != nil && e.Payload.Text != nil {
		f.payload = *e.Payload.Text
	}
	return f
}

// The verbs on futures.

const jsonType = "application/json"

// create gives the promise a label that no other has, so that it is told from those that had its id before.
func (c *client) create(ctx context.Context, id string) {
	c.created++
	born := fmt.Sprintf("%d.%d", c.number, c.created)
	body := fmt.Sprintf(`{"kind":"promise","id":%q,"labels":{"born":%q}}`, id, born)
	c.note(ctx, operation{thing: promise, key: id, verb: "create", value: born},
		request{"POST", "/futures", jsonType, body, ""})
}

func (c *client) resolve(ctx context.Context, id, value string) {
	c.note(ctx, operation{thing: promise, key: id, verb: "resolve", value: resolvedWith(value)},
		request{"POST", "/futures/" + id + "/resolve", jsonType, fmt.Sprintf(`{"value":%q}`, value), ""})
}

func (c *client) reject(ctx context.Context, id, message string) {
	c.note(ctx, operation{thing: promise, key: id, verb: "reject", value: failedWith("rejected", message)},
		request{"POST", "/futures/" + id + "/reject", jsonType, fmt.Sprintf(`{"message":%q}`, message), ""})
}

func (c *client) cancel(ctx context.Context, t thing, id string) {
	c.note(ctx, operation{thing: t, key: id, verb: "cancel", value: "cancelled"},
		request{method: "POST", path: "/futures/" + id + "/cancel"})
}

func (c *client) forget(ctx context.Context, t thing, id string) {
	c.note(ctx, operation{thing: t, key: id, verb: "delete"}, request{method: "DELETE", path: "/futures/" + id})
}

// read holds for as long as hold says; "" is not at all. ok is whether an answer came.
func (c *client) read(ctx context.Context, t thing, id, hold string) (f *shownFuture, ok bool) {
	path := "/futures/" + id
	if hold != "" {
		path += "?wait=" + hold
	}
	a, ok := c.note(ctx, operation{thing: t, key: id, verb: "read"}, request{method: "GET", path: path})
	if !ok || a.status >= 400 {
		return nil, ok
	}
	f = &shownFuture{}
	c.decode(a, f)
	return f, true
}

// The verbs on events.

// raise sets, pulses or clears.
func (c *client) raise(ctx context.Context, verb, name, payload string) {
	q := request{method: "POST", path: "/events/" + name + "/" + verb}
	if payload != "" {
		q.kind, q.body = "text/plain", payload
	}
	c.note(ctx, operation{thing: event, key: name, verb: verb, value: payload}, q)
}

func (c *client) forgetEvent(ctx context.Context, name string) {
	c.note(ctx, operation{thing: event, key: name, verb: "delete"}, request{method: "DELETE", path: "/events/" + name})
}

func (c *client) look(ctx context.Context, name string) (standing, bool) {
	return c.seen(c.note(ctx, operation{thing: event, key: name, verb: "read"},
		request{method: "GET", path: "/events/" + name}))
}

// await holds until the event has passed the generation.
func (c *client) await(ctx context.Context, name string, after uint64, hold string) (standing, bool) {
	return c.seen(c.note(ctx, operation{thing: event, key: name, verb: "wait", after: after},
		request{method: "GET", path: fmt.Sprintf("/events/%s?after=%d&wait=%s", name, after, hold)}))
}

// hold holds until the event is set or pulsed.
func (c *client) hold(ctx context.Context, name, hold string) {
	c.note(ctx, operation{thing: event, key: name, verb: "hold"},
		request{method: "GET", path: fmt.Sprintf("/events/%s?wait=%s", name, hold)})
}

func (c *client) seen(a answer, ok bool) (standing, bool) {
	if !ok || a.status >= 400 {
		return standing{}, false
	}
	var e shownEvent
	c.decode(a, &e)
	return e.standing(), true
}

// list visits every future there is.
func (c *client) list(ctx context.Context) iter.Seq[*shownFuture] {
	return func(yield func(*shownFuture) bool) {
		for cursor := ""; ; {
			a, is := c.call(ctx, request{method: "GET", path: "/futures?limit=200&cursor=" + url.QueryEscape(cursor)})
			var page struct {
				Futures []*shownFuture
				Next    string `json:"next_cursor"`
			}
			if is != answered || a.status != http.StatusOK {
				c.accuse("the list of futures: %d %.200s", a.status, a.body)
				return
			}
			c.decode(a, &page)
			for _, f := range page.Futures {
				if !yield(f) {
					return
				}
			}
			if cursor = page.Next; cursor == "" {
				return
			}
		}
	}
}
