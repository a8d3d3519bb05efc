package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/awaitd/awaitd/internal/record"
)

// receivers are hosts, one of them that of fetches, too, and one of them written in two ways.
var receivers = []string{"one.example", "hook.example", "hook.example:443"}

// drawCallback draws one as the door writes it down.
func drawCallback(t *rapid.T) *record.Callback {
	all := []record.State{record.StateSucceeded, record.StateFailed, record.StateCancelled}
	c := &record.Callback{
		URL: "https://" + oneOf(t, "receiver", receivers...) + "/hook?query", Traceparent: "trace",
		On: oneOf(t, "on", all, all, all[:1], all[1:]),
	}
	if chance(t, "headers", 50) {
		c.Headers = []record.Header{{Name: "Authorization", Values: []string{"secret"}}}
	}
	return c
}

// pauses are those between the attempts to deliver a callback, as they are published.
var pauses = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour,
	12 * time.Hour,
}

// drawDelivery is what comes of an attempt to deliver a callback: a 2xx is delivery, a 410 ends it, and so does a
// receiver that must not be reached.
func (w *world) drawDelivery(a attempt) *record.Outcome {
	t := w.T
	o := &record.Outcome{ID: a.id, Attempt: record.Attempt{N: a.n, At: w.now(), Duration: time.Millisecond}}
	status := func(code int) {
		o.Attempt.Status = code
		o.Attempt.Failure = &record.Failure{Type: record.FailHTTPStatus, Message: fmt.Sprintf("It said %d.", code)}
		o.Result = &record.Result{Status: code}
	}
	how := oneOf(t, "delivers", "it", "it", "500", "404", "nothing", "nothing", "410", "denied", "ours", "cut")
	switch how {
	case "it":
		o.Attempt.Status = 204
		o.Result = &record.Result{Status: 204}
	case "500":
		status(500)
	case "404":
		status(404)
	case "410":
		status(410)
	case "nothing":
		o.Attempt.Failure = &record.Failure{Type: record.FailConnect, Message: "It did not answer."}
	case "ours":
		o.Ours, o.Attempt.Failure = true, &record.Failure{Type: record.FailProtocol, Message: "It could not be composed."}
	case "denied":
		o.Attempt.Failure = &record.Failure{Type: record.FailEgressDenied, Message: "It must not be reached."}
	default:
		o.Attempt.Failure = &record.Failure{Type: record.FailCancelled, Message: "The server ends."}
	}
	if slices.Contains([]string{"500", "404", "nothing", "ours"}, how) && a.n <= len(pauses) {
		o.Retry, o.RetryAfter = true, oneOf(t, "pause", pauses[a.n-1], ms(t, "short", 0, 15))
	}
	return o
}

// asked is a request of a callback without what the fetcher is told beside it: a callback has a policy of its own.
func asked(p record.Packed) record.Packed {
	r := *p.Open()
	r.Retry, r.BodyBytesMax = record.Retry{}, 0
	return r.Pack()
}

var callbackWords = [...]string{"waiting", "pending", "delivered", "failed", "skipped"}

// sawCallbacks notes what came of the callbacks of the futures as they were when the turn began.
func (w *world) sawCallbacks(before map[string]*record.Future) {
	for id, was := range before {
		switch f := w.oracle.futures[id]; {
		case slices.Contains(w.oracle.dropped, id) && was.CallbackPending():
			w.seen.saw("a callback was deleted with its future")
		case f == nil || f.Callback == nil || was.Callback == nil || f.CreatedAt != was.CreatedAt:
		case was.CallbackPending():
			w.sawDelivery(was, f)
		case f.Callback.State != was.Callback.State:
			kind := [...]string{"", "fetch", "promise", "timer", "wait"}[f.Kind]
			w.seen.saw(fmt.Sprintf("the callback of a %s is %s", kind, callbackWords[f.Callback.State]))
		}
	}
	for _, f := range w.oracle.futures {
		if f.CallbackPending() && w.oracle.flights[job(f)].recalled {
			w.seen.saw("a callback waits for one that was recalled")
		}
	}
}

// sawDelivery notes what became of a callback that was pending.
func (w *world) sawDelivery(was, is *record.Future) {
	tried := is.Callback.Attempts > was.Callback.Attempts
	switch is.Callback.State {
	case record.CallbackPending:
		if tried {
			w.seen.saw("a callback is tried again")
		}
		return
	case record.CallbackDelivered:
		w.seen.saw("a callback was delivered")
		if was.SettledAt < record.TimeOf(w.origin) {
			w.seen.saw("a callback was delivered by another server")
		}
	case record.CallbackFailed:
		if tried {
			w.seen.saw("a callback failed for good")
		} else {
			w.seen.saw("a callback was given up")
		}
	}
	if is.ExpiresAt > is.SettledAt.Add(is.TTL) {
		w.seen.saw("a callback was over after the ttl of its future")
	}
}

// sawDeath notes what a death does to deliveries: those that are under way, and those whose end was not durable.
func (w *world) sawDeath(underWay []attempt) {
	w.interrupted = map[attempt]bool{}
	for _, a := range underWay {
		if strings.HasSuffix(a.id, callbackJob) {
			w.interrupted[a] = true
			w.seen.saw("a delivery was interrupted by a death")
		}
	}
	for id, f := range w.oracle.futures {
		if over(f) && w.oracle.Stored.Futures[id].CallbackPending() {
			w.seen.saw("the end of a callback was lost with its commit")
		}
	}
}
