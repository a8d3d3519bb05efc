package fetch

import (
	"net/http"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// CallbackTimeout is how long one attempt to deliver a callback may take.
const CallbackTimeout = 20 * time.Second

// CallbackPauses are the pauses between the attempts to deliver a callback, each up to a tenth longer. They are part of
// the wire contract.
var CallbackPauses = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
}

// Message is what a callback sends: its body, and headers that win over those of the caller.
type Message struct {
	Body    []byte
	Headers []record.Header
}

// CallbackRequest is one attempt to deliver c, but for its message: a 2xx is delivery and nothing else is, a redirect
// is not followed.
func CallbackRequest(c *record.Callback) *record.Request {
	return &record.Request{
		Method: http.MethodPost, URL: c.URL, Headers: c.Headers, Timeout: CallbackTimeout, Traceparent: c.Traceparent,
		Retry:        record.Retry{AttemptsMax: 1 + len(CallbackPauses), BackoffMin: BackoffLeast, BackoffMax: BackoffLeast},
		AcceptStatus: []record.StatusRange{{From: 200, To: 299}},
		BodyBytesMax: 1, // it is not kept
	}
}

// compose asks for the message of a callback. It is made anew for each attempt: it carries the time.
func (a *attempt) compose() error {
	if a.job.Callback == nil {
		return nil
	}
	m, err := a.f.options.Compose(a.job.Callback)
	if err != nil {
		a.f.log.Error("a callback could not be composed", "future", a.job.Callback.ID, "error", err)
		return failCompose
	}
	a.message = m
	return nil
}

// decideCallback is decide for a callback: it is tried until it is delivered, with ever longer pauses, unless the
// receiver is gone for good (410) or must not be reached.
func (a *attempt) decideCallback(resp *http.Response, err error) (retry bool, wait time.Duration) {
	final := a.job.N > len(CallbackPauses)
	if err != nil {
		f := a.failureOf(err)
		final = final || f == failDenied || f == failAborted || f == failRequest
	} else {
		final = final || resp.StatusCode == http.StatusGone
	}
	if final {
		return false, 0
	}
	pause := CallbackPauses[a.job.N-1]
	return true, a.between(pause, pause+pause/10)
}
