package fetch

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// hook is a callback to a URL, with a header of the caller's that tries to be ours.
func hook(url string) *record.Callback {
	return &record.Callback{URL: url, Traceparent: parent, Headers: []record.Header{
		{Name: "Authorization", Values: []string{"Bearer secret"}}, {Name: "Content-Type", Values: []string{"text/plain"}},
	}}
}

// composes answers with a message that tells which future it is about.
func composes(o *Options) {
	o.Compose = func(f *record.Future) (Message, error) {
		return Message{[]byte(f.ID), []record.Header{
			{Name: "Webhook-Id", Values: []string{"msg_" + f.ID}}, {Name: "Content-Type", Values: []string{"application/json"}},
		}}, nil
	}
}

func (r *rig) deliver(t testing.TB, c *record.Callback, n int) *record.Outcome {
	t.Helper()
	r.Launch(Job{ID: r.id(), N: n, Request: CallbackRequest(c).Pack(), Callback: &record.Future{ID: "fut_1"}})
	return <-r.outcomes
}

// A callback is a POST of its message, with the caller's headers but for those that are ours, in the submitter's trace.
// Of the answer only the status is kept.
func TestACallbackIsDelivered(t *testing.T) {
	received := make(chan *http.Request, 1)
	target := serve(t, func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		req.Header.Set("Body", string(body))
		received <- req
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte(strings.Repeat("x", 1<<20)))
	})
	r := newRig(t, nil, composes)
	out := r.deliver(t, hook(target.URL+"/hook?token=1"), 1)
	if out.Attempt.Failure != nil || out.Attempt.Status != 202 || out.Result != nil || out.Retry {
		t.Errorf("outcome %+v", out)
	}
	got := <-received
	if got.Method != "POST" || got.URL.String() != "/hook?token=1" || got.Header.Get("Body") != "fut_1" {
		t.Errorf("%s %s: %q", got.Method, got.URL, got.Header.Get("Body"))
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer secret", "Content-Type": "application/json", "Webhook-Id": "msg_fut_1",
		"Idempotency-Key": "", "User-Agent": "awaitd/test",
	} {
		if got.Header.Get(name) != want || len(got.Header.Values(name)) > 1 {
			t.Errorf("%s: %q, want %q", name, got.Header.Values(name), want)
		}
	}
	if trace := got.Header.Get("Traceparent"); trace == parent || !strings.HasPrefix(trace, parent[:36]) {
		t.Errorf("trace %q", trace)
	}
	if r.bodies.created.Load() != 0 {
		t.Error("the answer to a callback was stored")
	}
}

// Only a 2xx is delivery. 410 ends it, a refusal of the guard too; whatever else goes wrong is tried again until the
// pauses are used up, a redirect as well, which is not followed.
func TestWhatBecomesOfACallback(t *testing.T) {
	target := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/moved" {
			t.Error("a redirect was followed")
		}
		w.Header().Set("Location", "/moved")
		status := map[string]int{"/204": 204, "/302": 302, "/307": 307, "/400": 400, "/404": 404, "/410": 410, "/500": 500}
		w.WriteHeader(status[req.URL.Path])
	})
	r := newRig(t, nil, composes)
	last := 1 + len(CallbackPauses)
	for _, c := range []struct {
		path  string
		n     int
		kind  record.FailureType
		retry bool
	}{
		{"/204", 1, "", false},
		{"/302", 1, record.FailHTTPStatus, true},
		{"/307", 2, record.FailHTTPStatus, true},
		{"/400", 1, record.FailHTTPStatus, true},
		{"/404", 8, record.FailHTTPStatus, true},
		{"/410", 1, record.FailHTTPStatus, false},
		{"/500", 1, record.FailHTTPStatus, true},
		{"/500", last - 1, record.FailHTTPStatus, true},
		{"/500", last, record.FailHTTPStatus, false},
	} {
		out := r.deliver(t, hook(target.URL+c.path), c.n)
		kind := record.FailureType("")
		if out.Attempt.Failure != nil {
			kind = out.Attempt.Failure.Type
		}
		if kind != c.kind || out.Retry != c.retry {
			t.Errorf("%s, attempt %d: %s, retry %v", c.path, c.n, kind, out.Retry)
		}
		if pause := out.RetryAfter; out.Retry &&
			(pause < CallbackPauses[c.n-1] || pause > CallbackPauses[c.n-1]*11/10) {
			t.Errorf("%s, attempt %d: pause %v", c.path, c.n, pause)
		}
	}
	denied := r.deliver(t, hook("http://127.0.0.2/"), 1)
	wantFailure(t, denied, record.FailEgressDenied)
	if denied.Retry {
		t.Error("a refused receiver is tried again")
	}
	forged := hook(target.URL + "/204")
	forged.Headers = []record.Header{{Name: "Webhook-Signature", Values: []string{"v1,mine"}}}
	if out := r.deliver(t, forged, 1); out.Attempt.Failure == nil || out.Retry {
		t.Errorf("a callback with a signature of the caller's: %+v", out)
	}
	refused := rawTarget(t, func(conn net.Conn) { _ = conn.Close() })
	if out := r.deliver(t, hook(refused.url), 1); out.Attempt.Failure == nil || !out.Retry {
		t.Errorf("a receiver that breaks off: %+v", out)
	}
}

// A message that cannot be composed is no reason to give up: its body may be readable again.
func TestACallbackThatCannotBeComposedIsTriedAgain(t *testing.T) {
	r := newRig(t, nil, func(o *Options) {
		o.Compose = func(*record.Future) (Message, error) { return Message{}, errors.New("planted") }
	})
	out := r.deliver(t, hook("http://127.0.0.1:1/"), 1)
	wantFailure(t, out, record.FailProtocol)
	if !out.Retry || !strings.Contains(r.log.String(), "planted") {
		t.Errorf("outcome %+v, log %s", out, r.log)
	}
}

// What is asked of a callback always passes the rules for a fetch, which are applied to it anew at each attempt.
func TestACallbackKeepsTheRulesForAFetch(t *testing.T) {
	if faults := Check(CallbackRequest(&record.Callback{URL: "https://a.example/hook"})); faults != nil {
		t.Errorf("faults: %v", faults)
	}
	sum := time.Duration(0)
	for _, pause := range CallbackPauses {
		sum += pause * 11 / 10
	}
	if sum > 36*time.Hour {
		t.Errorf("the pauses take %v", sum)
	}
}
