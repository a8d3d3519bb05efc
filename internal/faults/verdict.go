package faults

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// verdict reads back everything that was ever touched, waits for what was ordered, and tells every fault there is:
// none, if the server kept its word. The target must be calm, the clients at home and the last life alive.
func (w *world) verdict(ctx context.Context) (faults []string) {
	ends := w.readBack(ctx, 0, true)
	faults = append(faults, w.accused()...)
	faults = append(faults, linearizable(w.history)...)
	faults = append(faults, w.stories.faults...)
	for _, s := range w.submissions {
		for _, o := range s.orders {
			faults = append(faults, w.judge(o, ends[o.id], w.lives-s.life)...)
		}
	}
	c := newClient(w, 0)
	defer c.http.CloseIdleConnections()
	return append(faults, c.census(ctx, ends)...)
}

const readers = 8

// readBack reads, as calls like all others, what the history has touched since its operation number from, as it stands;
// fetches to their end, if that is asked for. Some take a minute, in which clients would order more than can be done:
// they must be at home then. It returns how those stand; nil for those that are gone.
func (w *world) readBack(ctx context.Context, from int, toTheEnd bool) (ends map[string]*shownFuture) {
	var mu sync.Mutex
	var all sync.WaitGroup
	ends = map[string]*shownFuture{}
	work := make(chan operation)
	for i := range readers {
		all.Go(func() {
			c := newClient(w, 1000+i)
			defer c.http.CloseIdleConnections()
			for o := range work {
				f := c.readAgain(ctx, o, toTheEnd)
				mu.Lock()
				ends[o.key] = f
				mu.Unlock()
			}
		})
	}
	for _, o := range w.history.touched(from) {
		work <- o
	}
	close(work)
	all.Wait()
	return ends
}

// readAgain reads the thing of an operation; to the end, if it is an order and that is asked for.
func (c *client) readAgain(ctx context.Context, o operation, toTheEnd bool) *shownFuture {
	if o.thing == event {
		c.look(ctx, o.key)
		return nil
	}
	hold := ""
	if toTheEnd && o.thing == fetch {
		hold = "60s"
	}
	f, ok := c.read(ctx, o.thing, o.key, hold)
	if !ok {
		c.accuse("%s %s cannot be read back", o.thing, o.key)
	}
	return f
}

// judge holds an order against its end, after that many deaths of the server since its submit. The end is nil when it
// was deleted, which is for the history to judge.
func (w *world) judge(o *order, end *shownFuture, deaths int) (faults []string) {
	asked := w.target.count(o.path)
	if o.method == http.MethodPost && !o.repeats && asked > 1 {
		faults = append(faults, fmt.Sprintf("POST %s was made %d times", o.path, asked))
	}
	if o.id == "" || end == nil {
		return faults
	}
	how := end.State
	if end.Error != nil {
		how = end.Error.Type
	}
	w.ends[how]++
	name := fmt.Sprintf("%s %s %s (%s)", end.Kind, o.method, o.path, o.id)
	switch {
	case !end.settled():
		return append(faults, fmt.Sprintf("%s is stuck: %s", name, end.State))
	case end.State == "succeeded" && o.path == "" && end.SettledAt < end.DueAt:
		return append(faults, fmt.Sprintf("%s was due at %s and settled at %s", name, end.DueAt, end.SettledAt))
	case end.State == "succeeded" && o.path != "" && asked == 0:
		return append(faults, name+" succeeded, and nobody asked the target")
	case end.State == "succeeded" && o.path != "":
		_, body := truth(o.path)
		if end.Result == nil || end.Result.body != brief(string(body)) {
			faults = append(faults, fmt.Sprintf("%s brought %s", name, end.ending()))
		}
	case end.State == "failed" && end.Error.Message == notStored && w.diskFails:
	case end.State == "failed" && !o.mayFail(end.Error.Type, deaths):
		return append(faults, fmt.Sprintf("%s failed: %s %s", name, end.Error.Type, end.Error.Message))
	}
	return faults
}

// notStored is why a fetch fails whose answer came when the disk took nothing, and that must not be made again.
const notStored = "The answer could not be stored."

// mayFail reports whether an order may have failed so, with that many deaths of the server after its submit.
func (o *order) mayFail(kind string, deaths int) bool {
	once := o.method == http.MethodPost && !o.repeats
	switch kind {
	case "outcome_unknown":
		return once && deaths >= 1
	case "quarantined":
		return deaths >= 2
	case "http_status":
		return once && moodOf(o.path) == flaky
	case "protocol", "connect":
		return once && moodOf(o.path) == cut
	default:
		return false
	}
}

// census counts what there is: each order once, batches whole, events set by fetches exactly when they succeeded.
func (c *client) census(ctx context.Context, ends map[string]*shownFuture) (faults []string) {
	there, urls := map[string]bool{}, map[string]int{}
	for f := range c.list(ctx) {
		there[f.ID] = true
		if f.Request != nil {
			urls[strings.TrimPrefix(f.Request.URL, c.target.URL)]++
		}
	}
	for _, s := range c.submissions {
		var made []bool
		for _, o := range s.orders {
			deleted := o.id != "" && ends[o.id] == nil
			switch {
			case urls[o.path] > 1 && o.path != "":
				faults = append(faults, fmt.Sprintf("%s was submitted once and is there %d times", o.path, urls[o.path]))
			case o.id != "" && there[o.id] == deleted:
				faults = append(faults, fmt.Sprintf("%s: listed %v, deleted %v", o.id, there[o.id], deleted))
			}
			if !deleted {
				made = append(made, urls[o.path] > 0)
			}
			if o.path != "" && o.id != "" && !deleted {
				faults = append(faults, c.doneRight(ctx, o, ends[o.id].State)...)
			}
		}
		if slices.Contains(made, true) && slices.Contains(made, false) {
			faults = append(faults, fmt.Sprintf("batch %s was made in part: %v", s.batch, made))
		}
	}
	return faults
}

// doneRight holds the event that a fetch sets against how the fetch ended.
func (c *client) doneRight(ctx context.Context, o *order, state string) []string {
	want := standing{}
	if state == "succeeded" {
		want = standing{true, 1, o.id}
	}
	if got, ok := c.look(ctx, doneEvent(o.path)); !ok || got != want {
		return []string{fmt.Sprintf("the fetch of %s %s, its event is %s", o.path, state, got)}
	}
	return nil
}
