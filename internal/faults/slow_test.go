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

// While the disk stands still, who asks for health or for what is settled is answered; who asked for a change is not,
// and nobody sees it. When the disk moves again, all of them are.
func TestWhileTheDiskStandsStillReadsGoOn(t *testing.T) {
	w := newWorld(t, binary, "--data-dir", t.TempDir())
	l := w.live(t.Context())
	c := newClient(w, 0)
	defer c.http.CloseIdleConnections()
	ask(t, c, "POST", "/futures", `{"kind":"promise","id":"settled"}`, http.StatusCreated)
	ask(t, c, "POST", "/futures/settled/resolve", `{"value":1}`, http.StatusOK)
	waiter := c.later(t.Context(), "GET", "/events/go?wait=60s")
	eventually(t, func() bool { return loopOf(t, c).Waiters == 1 }, "the wait is not held")

	spell := l.cast(t, still)
	setter := c.later(t.Context(), "POST", "/events/go/set")
	eventually(t, func() bool { return loopOf(t, c).Commit.InFlight }, "no commit is under way")
	for range 20 {
		for _, path := range []string{
			"/healthz", "/readyz", "/metrics", "/futures/settled", "/futures/settled/result", "/futures", "/events",
		} {
			ask(t, c, "GET", path, "", http.StatusOK)
		}
	}
	select {
	case <-setter:
		t.Error("the set was answered before it was durable")
	case <-waiter:
		t.Error("the wait was answered with a set that was not durable")
	default:
	}
	spell.lift()
	for name, promised := range map[string]<-chan answer{"set": setter, "wait": waiter} {
		var e shownEvent
		if a := <-promised; json.Unmarshal(a.body, &e) != nil || e.standing() != (standing{true, 1, ""}) {
			t.Errorf("the %s was answered %d %s", name, a.status, a.body)
		}
	}
}

// While the disk stands still, no more calls are taken than the inbox has places for; the others are refused at once
// and change nothing. Those that were taken survive.
func TestMoreThanTheInboxHoldsIsRefusedAndTheRestSurvives(t *testing.T) {
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
	if n := f.taken.Load(); n > 0 {
		t.Errorf("%d calls were answered before they were durable", n)
	}
	spell.lift()
	select {
	case <-f.end:
	case <-time.After(patience):
		t.Fatalf("of %d calls %d were taken and %d refused", f.total, f.taken.Load(), f.refused.Load())
	}
	l.kill()
	w.live(t.Context())
	text := ask(t, c, "GET", "/events/flood", "", http.StatusAccepted)
	var e shownEvent
	if err := json.Unmarshal(text, &e); err != nil || e.Generation != uint64(f.taken.Load()) {
		t.Errorf("%d pulses were acknowledged, the event is %s", f.taken.Load(), text)
	}
	if got := fmt.Sprint(f.taken.Load(), f.refused.Load()); got != fmt.Sprint(places, tooMany) {
		t.Errorf("taken and refused: %s, want %d and %d", got, places, tooMany)
	}
}
