package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// still is a disk that does not move: a sync waits until the spell is lifted. A test can then see what happens while
// one commit is under way, however long it looks.
const still = syncs + ":delay_enter=3600s"

// ask makes a request that must be answered with the status, and reads the answer.
func ask(t *testing.T, c *client, method, path, body string, status int) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a, err := c.exchange(ctx, request{method, path, jsonType, body, ""})
	if err != nil || a.status != status {
		t.Fatalf("%s %s: %d %v %.300s", method, path, a.status, err, a.body)
	}
	return a.body
}

// loopState is what is read of GET /loop.
type loopState struct {
	Inbox struct {
		Requests    int
		RequestsMax int `json:"requests_max"`
	}
	Commit struct {
		InFlight bool `json:"in_flight"`
	}
	Waiters int
}

func loopOf(t *testing.T, c *client) (l loopState) {
	t.Helper()
	if err := json.Unmarshal(ask(t, c, "GET", "/loop", "", http.StatusOK), &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// untilSet waits for an event, again if a wait runs out, and hands over the answer that shows it set, or none.
func untilSet(t *testing.T, c *client, path string) <-chan answer {
	promised := make(chan answer, 1)
	go func() {
		for {
			a := <-c.later(t.Context(), "GET", path)
			var e shownEvent
			if json.Unmarshal(a.body, &e) != nil || e.Set || a.status != http.StatusAccepted {
				promised <- a
				return
			}
		}
	}()
	return promised
}

// While the disk stands still, who asks for health or for what is settled is answered; who asked for a change is not,
// and nobody sees it: neither what is being written nor what was done since. When the disk moves again, all are.
func TestWhileTheDiskStandsStillReadsGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, binary, "--data-dir", t.TempDir())
	l := w.live(t.Context())
	c := newClient(w, 0)
	defer c.http.CloseIdleConnections()
	ask(t, c, "POST", "/futures", `{"kind":"promise","id":"settled"}`, http.StatusCreated)
	ask(t, c, "POST", "/futures/settled/resolve", `{"value":1}`, http.StatusOK)
	ask(t, c, "POST", "/futures", `{"kind":"promise","id":"other"}`, http.StatusCreated)
	waiter := untilSet(t, c, "/events/go?wait=60s")
	eventually(t, func() bool { return loopOf(t, c).Waiters == 1 }, "the wait is not held")

	spell := l.cast(t, still)
	setter := c.later(t.Context(), "POST", "/events/go/set")
	eventually(t, func() bool { return loopOf(t, c).Commit.InFlight }, "no commit is under way")
	before := loopOf(t, c).Inbox.Requests
	canceller := c.later(t.Context(), "POST", "/futures/other/cancel")
	eventually(t, func() bool { return loopOf(t, c).Inbox.Requests > before }, "the cancel does not arrive")
	readers := []<-chan answer{
		c.later(t.Context(), "GET", "/futures/other"), c.later(t.Context(), "GET", "/futures/other?wait=1ms"),
		c.later(t.Context(), "GET", "/events/go"),
	}
	for range 20 {
		for _, path := range []string{
			"/healthz", "/readyz", "/metrics", "/futures/settled", "/futures/settled/result", "/futures", "/events",
		} {
			ask(t, c, "GET", path, "", http.StatusOK)
		}
	}
	select {
	case <-setter:
		t.Fatal("the set was answered before it was durable")
	case <-waiter:
		t.Fatal("the wait was answered with a set that was not durable")
	case <-canceller:
		t.Fatal("the cancel was answered before it was durable")
	default:
	}
	for _, reader := range readers {
		select {
		case a := <-reader:
			if a.status != http.StatusAccepted {
				t.Fatalf("a reader was told what was not durable: %d %s", a.status, a.body)
			}
		default:
		}
	}
	spell.lift()
	if a := <-canceller; a.status != http.StatusOK {
		t.Errorf("the cancel was answered %d %s", a.status, a.body)
	}
	for name, promised := range map[string]<-chan answer{"set": setter, "wait": waiter} {
		var e shownEvent
		if a := <-promised; json.Unmarshal(a.body, &e) != nil || e.standing() != (standing{true, 1, ""}) {
			t.Errorf("the %s was answered %d %s", name, a.status, a.body)
		}
	}
}

// slowSync makes each sync of the disk last 200 ms longer.
const slowSync = syncs + ":delay_enter=200ms"

// On a slow disk one commit serves all who came while the last one was under way: one after the other these calls would
// take minutes. Until all of them are answered, everybody else is: who asks for health, reads, or waits.
func TestOnASlowDiskOneCommitServesManyAndReadsGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, binary, "--data-dir", t.TempDir())
	l := w.live(t.Context())
	c := newClient(w, 0)
	defer c.http.CloseIdleConnections()
	ask(t, c, "POST", "/futures", `{"kind":"promise","id":"settled"}`, http.StatusCreated)
	ask(t, c, "POST", "/futures/settled/resolve", `{"value":1}`, http.StatusOK)
	ask(t, c, "POST", "/futures", `{"kind":"promise","id":"pending"}`, http.StatusCreated)
	waiter := c.later(t.Context(), "GET", "/events/flood?after=0&wait=60s")
	eventually(t, func() bool { return loopOf(t, c).Waiters == 1 }, "the wait is not held")

	l.cast(t, slowSync)
	f := pour(t, w.home.address, "/events/flood/pulse", 5*streams)
	rounds := 0
	for deadline := time.Now().Add(patience); !over(f.end); rounds++ {
		for _, path := range []string{"/healthz", "/readyz", "/metrics", "/loop", "/futures/settled", "/futures"} {
			ask(t, c, "GET", path, "", http.StatusOK)
		}
		for _, path := range []string{"/futures/pending", "/futures/pending?wait=1ms", "/events/quiet?wait=1ms"} {
			ask(t, c, "GET", path, "", http.StatusAccepted)
		}
		if time.Now().After(deadline) {
			t.Fatalf("of %d calls %d were answered", f.total, f.taken.Load())
		}
	}
	var e shownEvent
	if a := <-waiter; json.Unmarshal(a.body, &e) != nil || a.status != http.StatusOK || e.Generation == 0 {
		t.Errorf("the wait was answered %d %s", a.status, a.body)
	}
	l.kill()
	w.live(t.Context())
	text := ask(t, c, "GET", "/events/flood", "", http.StatusAccepted)
	taken, cut := f.taken.Load(), f.cut.Load()
	if err := json.Unmarshal(text, &e); err != nil || e.Generation != uint64(f.total) || taken+cut != f.total {
		t.Errorf("of %d pulses %d were acknowledged and %d cut, the event is %s", f.total, taken, cut, text)
	}
	t.Logf("%d rounds of reads while %d calls were served", rounds, f.total)
}

// While the disk stands still, no more calls are taken than the inbox has places for; the others are refused at once
// and change nothing. Those that were taken survive.
func TestMoreThanTheInboxHoldsIsRefusedAndTheRestSurvives(t *testing.T) {
	t.Parallel()
	w := newWorld(t, binary, "--data-dir", t.TempDir())
	l := w.live(t.Context())
	c := newClient(w, 0)
	defer c.http.CloseIdleConnections()
	places := loopOf(t, c).Inbox.RequestsMax
	spell := l.cast(t, still)
	f := pour(t, w.home.address, "/events/flood/pulse", places+5*streams)
	tooMany := f.total - int64(places)
	eventually(t, func() bool { return f.refused.Load() >= tooMany }, "the inbox does not fill")
	ask(t, c, "GET", "/healthz", "", http.StatusOK)
	if n := f.taken.Load() + f.cut.Load(); n > 0 {
		t.Errorf("%d calls were answered, or cut, before they were durable", n)
	}
	spell.lift()
	select {
	case <-f.end:
	case <-time.After(patience):
		t.Fatalf("of %d calls %d were taken, %d refused, and %d cut", f.total, f.taken.Load(), f.refused.Load(), f.cut.Load())
	}
	l.kill()
	w.live(t.Context())
	text := ask(t, c, "GET", "/events/flood", "", http.StatusAccepted)
	var e shownEvent
	served := f.taken.Load() + f.cut.Load() // so many answers at once: on a slow machine some come too late to go out
	if err := json.Unmarshal(text, &e); err != nil || e.Generation != uint64(served) {
		t.Errorf("%d pulses were served, the event is %s", served, text)
	}
	if got := fmt.Sprint(served, f.refused.Load()); got != fmt.Sprint(places, tooMany) {
		t.Errorf("served and refused: %s, want %d and %d", got, places, tooMany)
	}
	t.Logf("%d answers were cut", f.cut.Load())
}
