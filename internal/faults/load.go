package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
)

// epochCalls is after how many answers the clients turn to new futures and events: a key that is used for ever has a
// history that nobody can read.
const epochCalls = 400

// work lets n clients call at random until ctx ends; then finish returns when all have come home.
func (w *world) work(ctx context.Context, n int, seed uint64) (finish func()) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			c := newClient(w, i)
			defer c.http.CloseIdleConnections()
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for n := 0; w.enter(ctx) != nil; n++ {
				// A call that has begun is finished, whatever ends the work: its answer counts.
				call, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
				c.something(call, r, n)
				cancel()
			}
		})
	}
	return all.Wait
}

// something makes one random call, the n-th of its client.
func (c *client) something(ctx context.Context, r *rand.Rand, n int) {
	answered, _ := c.history.counts()
	epoch := max(0, answered/epochCalls-r.IntN(4)/3) // now and then the one before
	switch r.IntN(3) {
	case 0:
		c.promise(ctx, r, fmt.Sprintf("p%d.%d", epoch, r.IntN(8)))
	case 1:
		c.event(ctx, r, fmt.Sprintf("e%d.%d", epoch, r.IntN(4)), fmt.Sprintf("%d.%d", c.number, n))
	default:
		c.ordering(ctx, r, fmt.Sprintf("%d.%d", c.number, n))
	}
}

// promise does something with a promise. Values repeat, so that some settle it again as it is settled already.
func (c *client) promise(ctx context.Context, r *rand.Rand, id string) {
	switch value := fmt.Sprintf("v%d", r.IntN(3)); r.IntN(12) {
	case 0, 1, 2:
		c.create(ctx, id)
	case 3, 4:
		c.resolve(ctx, id, value)
	case 5:
		c.reject(ctx, id, value)
	case 6:
		c.cancel(ctx, promise, id)
	case 7:
		c.forget(ctx, promise, id)
	case 8:
		c.read(ctx, promise, id, "20ms")
	default:
		c.read(ctx, promise, id, "")
	}
}

// event does something with an event. Payloads do not repeat.
func (c *client) event(ctx context.Context, r *rand.Rand, name, payload string) {
	switch r.IntN(12) {
	case 0, 1, 2:
		c.raise(ctx, "set", name, payload)
	case 3, 4:
		c.raise(ctx, "pulse", name, payload)
	case 5, 6:
		c.raise(ctx, "clear", name, "")
	case 7:
		c.forgetEvent(ctx, name)
	case 8:
		c.hold(ctx, name, "20ms")
	case 9:
		if f, ok := c.look(ctx, name); ok {
			c.await(ctx, name, f.generation, "20ms")
		}
	default:
		c.look(ctx, name)
	}
}

// ordering submits fetches and timers, and does something with those there are.
func (c *client) ordering(ctx context.Context, r *rand.Rand, name string) {
	choice := r.IntN(12)
	if s, o, ok := c.recent(r.IntN); ok {
		switch choice {
		case 0:
			c.read(ctx, fetch, o.id, "")
			return
		case 1:
			c.read(ctx, fetch, o.id, "20ms")
			return
		case 2:
			c.cancel(ctx, fetch, o.id)
			return
		case 3:
			c.forget(ctx, fetch, o.id)
			return
		case 4:
			c.repeat(ctx, s, r.IntN(4) == 0)
			return
		}
	}
	s := &submission{life: c.age(), called: c.history.now()}
	if r.IntN(2) == 0 {
		s.key = "key " + name
	}
	switch {
	case choice < 9:
		s.fetch(c.target.URL, c.fetches(r, name, 1))
	case choice < 10:
		s.orders, s.path, s.body = []*order{{}}, "/futures", `{"kind":"timer","after":"20ms"}`
	default:
		s.batch = name
		s.fetch(c.target.URL, c.fetches(r, name, 2+r.IntN(8)))
	}
	c.place(s) // before the call: it may be done though no answer comes
	c.submit(ctx, s)
}

// fetches thinks of n fetches.
func (c *client) fetches(r *rand.Rand, name string, n int) []*order {
	orders := make([]*order, n)
	for i := range orders {
		mood := [...]string{quick, quick, slow, slow, slow, flaky, cut, large}[r.IntN(8)]
		o := &order{path: fmt.Sprintf("/%s/%s.%d", mood, name, i), method: "GET", repeats: true}
		if r.IntN(2) == 0 {
			o.method, o.repeats = "POST", r.IntN(3) == 0
		}
		orders[i] = o
	}
	return orders
}

// fetch makes it a submission of fetches, of several only if it is a batch. Those that the target treats badly
// have a key each: else they open the circuit of their host, and nothing is fetched from there for minutes.
func (s *submission) fetch(target string, orders []*order) {
	items := make([]string, len(orders))
	for i, o := range orders {
		key, _, _ := strings.Cut(o.path[1:], "/")
		if key == cut || key == flaky {
			key = o.path[1:]
		}
		items[i] = fmt.Sprintf(`{"url":%q,"method":%q,"sets":%q,"limit":{"key":%q},`+
			`"retry":{"min_backoff":"5ms","max_backoff":"20ms","non_idempotent":%v}}`,
			target+o.path, o.method, doneEvent(o.path), key, o.method == "POST" && o.repeats)
	}
	s.orders, s.path, s.body = orders, "/fetch", items[0]
	if s.batch != "" {
		s.path, s.body = "/fetch/batch", `{"fetches":[`+strings.Join(items, ",")+`]}`
	}
}

// doneEvent is the event that is set when the fetch of the path has succeeded.
func doneEvent(path string) string { return "done" + strings.ReplaceAll(path, "/", ":") }

// submit submits, and notes what was acknowledged. With a key it tries again when no answer came, as users do.
func (c *client) submit(ctx context.Context, s *submission) {
	q := request{"POST", s.path, jsonType, s.body, s.key}
	a, is := c.call(ctx, q)
	for s.key != "" && is != answered && ctx.Err() == nil {
		a, is = c.call(ctx, q)
	}
	switch {
	case is != answered || refusal(a.status):
	case a.status == http.StatusNotFound && c.acknowledged(s): // repeated when one of them had been deleted
	case a.status < 300:
		c.acknowledge(s, a)
	default:
		c.accuse("POST %s was answered %d %.300s", s.path, a.status, a.body)
	}
}

// repeat submits again what was acknowledged under a key: nothing new comes of it, and nothing at all of another body.
func (c *client) repeat(ctx context.Context, s *submission, other bool) {
	switch {
	case s.key == "":
	case !other:
		c.submit(ctx, s)
	default:
		a, is := c.call(ctx, request{"POST", s.path, jsonType, s.body + " ", s.key})
		if is == answered && !refusal(a.status) && a.status != http.StatusUnprocessableEntity {
			c.accuse("another body under the key of %s was answered %d %.300s", s.path, a.status, a.body)
		}
	}
}

// acknowledge notes which futures a submission has made. Whoever repeats it hears of the same.
func (c *client) acknowledge(s *submission, a answer) {
	made := struct{ Futures []json.RawMessage }{[]json.RawMessage{a.body}}
	if s.batch != "" {
		made.Futures = nil
		c.decode(a, &made)
	}
	if len(made.Futures) != len(s.orders) {
		c.accuse("%d were submitted, the answer has %d: %.300s", len(s.orders), len(made.Futures), a.body)
		return
	}
	for i, text := range made.Futures {
		f := c.future(text, chapter{})
		switch known := c.named(s.orders[i], f.ID); {
		case known == "":
			c.history.add(operation{
				client: c.number, thing: fetch, key: f.ID, verb: "create", called: s.called, returned: c.history.now(),
				reply: reply{"201", futureState{how: pending}},
			})
		case known != f.ID || !a.replayed:
			c.accuse("POST %s with key %q made %s, and repeated (%v) it made %s", s.path, s.key, known, a.replayed, f.ID)
		}
	}
}
