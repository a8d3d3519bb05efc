package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/awaitd/awaitd/internal/await"
)

// someGroup is the id of no group.
const someGroup = "grp_01JD8Q2V9GZ5W0M4T7R1X3K6BC"

// lists are the calls that do not pass the loop.
func lists(method, path string) bool {
	return method == "GET" && slices.Contains([]string{"/futures", "/groups", "/events"}, path)
}

// calls are one valid request for each endpoint that asks for a key.
var calls = []struct{ method, path, body string }{
	{"POST", "/fetch", `{"url":"https://target.test/ok"}`},
	{"POST", "/fetch/batch", `{"fetches":[{"url":"https://target.test/ok"}]}`},
	{"GET", "/futures", ""},
	{"POST", "/futures", `{"kind":"promise"}`},
	{"GET", "/futures/p", ""},
	{"DELETE", "/futures/p", ""},
	{"GET", "/futures/p/result", ""},
	{"POST", "/futures/p/cancel", ""},
	{"POST", "/futures/p/resolve", `{"value":1}`},
	{"POST", "/futures/p/reject", `{"message":"no"}`},
	{"GET", "/groups", ""},
	{"POST", "/groups", ""},
	{"GET", "/groups/" + someGroup, ""},
	{"POST", "/groups/" + someGroup + "/cancel", ""},
	{"POST", "/groups/" + someGroup + "/renew", ""},
	{"GET", "/events", ""},
	{"GET", "/events/a", ""},
	{"DELETE", "/events/a", ""},
	{"POST", "/events/a/set", ""},
	{"POST", "/events/a/pulse", ""},
	{"POST", "/events/a/clear", ""},
	{"GET", "/wait?all=a", ""},
	{"POST", "/wait", `{"for":"event:a"}`},
	{"GET", "/limits", ""},
	{"GET", "/loop", ""},
}

// A key is asked for wherever it is not expressly left out, and nothing is told to who has none.
func TestEveryCallButTheOpenOnesNeedsAKey(t *testing.T) {
	keys, err := ReadKeys(strings.NewReader("ci:" + sumOf("awk_secret")))
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, plans{options: func(o *Options) { o.Keys = keys }})
	for _, c := range calls {
		r := h.wantProblem(401, "unauthorized", h.do(c.method, c.path, c.body))
		if got := r.header.Get("WWW-Authenticate"); got != `Bearer realm="awaitd"` {
			t.Errorf("%s %s: challenge %q", c.method, c.path, got)
		}
	}
	for _, path := range []string{
		"/", "/healthz", "/readyz", "/metrics", "/problems", "/problems/busy", "/openapi.yaml", "/openapi.json",
		"/.well-known/webhook-keys",
	} {
		h.want(200, h.get(path))
	}
	// Nothing happened: the caller with the key finds an empty house.
	key := "Authorization: Bearer awk_secret"
	if r := h.want(200, h.get("/futures", key)); r.count("futures") != 0 {
		t.Errorf("created without a key: %s", r.body)
	}
	for _, wrong := range []string{
		"Bearer awk_wrong", "Bearer ", "Bearer", "Basic awk_secret", "awk_secret", "Bearer awk_secret, Bearer awk_secret",
	} {
		r := h.wantProblem(401, "unauthorized", h.get("/futures", "Authorization: "+wrong))
		if got := r.header.Get("WWW-Authenticate"); !strings.Contains(got, "invalid_token") {
			t.Errorf("%q: challenge %q", wrong, got)
		}
	}
	h.wantProblem(401, "unauthorized", h.get("/futures", key, key))
	h.want(200, h.get("/futures", "Authorization: bearer awk_secret"))
	if log := h.log.String(); strings.Contains(log, "awk_") || !strings.Contains(log, "caller=ci") {
		t.Error("the log has a key in it, or not who called")
	}
}

// When the inbox is full every call that needs the loop says so, and when to come back; nothing queues up behind it.
func TestAFullInboxIsAnAnswerEverywhere(t *testing.T) {
	h := newHouse(t, plans{limits: func(l *await.Limits) { l.InboxMax = 1 }})
	release := h.block()
	defer release()
	gone, leave := context.WithCancel(context.Background())
	leave()
	if _, err := h.kernel.Future(gone, "somebody"); err != context.Canceled { // it leaves, but its question has the place
		t.Fatal(err)
	}
	for _, c := range calls {
		r := h.do(c.method, c.path, c.body)
		if lists(c.method, c.path) {
			h.want(200, r) // lists do not pass the loop
			continue
		}
		h.wantProblem(429, "busy", r)
		if r.header.Get("Retry-After") != "1" {
			t.Errorf("%s %s: Retry-After %q", c.method, c.path, r.header.Get("Retry-After"))
		}
	}
}

// block stops the loop until the function it returns is called.
func (h *house) block() (release func()) {
	h.t.Helper()
	standing, blocked := make(chan struct{}), make(chan struct{})
	if err := h.kernel.CallSoonThreadsafe(func() { close(blocked); <-standing }); err != nil {
		h.t.Fatal(err)
	}
	<-blocked
	return func() { close(standing) }
}

// After the kernel's end nobody waits for an answer that cannot come.
func TestAnEndedKernelIs503Everywhere(t *testing.T) {
	h := newHouse(t)
	h.stop()
	for _, c := range calls {
		r := h.do(c.method, c.path, c.body)
		if lists(c.method, c.path) {
			h.want(200, r)
			continue
		}
		h.wantProblem(503, "draining", r)
		if r.header.Get("Retry-After") == "" {
			t.Errorf("%s %s: no Retry-After", c.method, c.path)
		}
	}
	h.wantProblem(503, "stalled", h.get("/healthz"))
}

// trap is a context in which a handler panics as soon as it asks who calls.
type trap struct{ context.Context }

func (c trap) Value(key any) any {
	if _, ok := key.(principalKey); ok {
		panic("planted")
	}
	return c.Context.Value(key)
}

// A panic costs one request: it is answered, logged once with its stack, and the server goes on.
func TestAPanicInAnyHandlerIsThatRequestsOwn500(t *testing.T) {
	h := newHouse(t)
	for _, c := range calls {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.server.ServeHTTP(w, r.WithContext(trap{r.Context()}))
		if w.Code != 500 || strings.Contains(w.Body.String(), "planted") {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
		if err := spec.CheckResponse(c.method, c.path, w.Code, w.Result().Header, w.Body.Bytes()); err != nil {
			t.Error(err)
		}
	}
	log := h.log.String()
	if n := strings.Count(log, "a handler panicked"); n != len(calls) {
		t.Errorf("%d panics are logged, want %d", n, len(calls))
	}
	if !strings.Contains(log, "planted") || !strings.Contains(log, "everywhere_test.go") {
		t.Error("the log does not say what panicked and where")
	}
	h.want(200, h.get("/loop"))
}

// A panic after the first byte cannot become a 500: the connection is cut, so that the caller sees half an answer as
// what it is.
func TestAPanicAfterTheHeaderCutsTheConnection(t *testing.T) {
	h := newHouse(t)
	half := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		panic("planted")
	}
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("recovered %v, want http.ErrAbortHandler", got)
		}
		if !strings.Contains(h.log.String(), "planted") {
			t.Error("it is not logged")
		}
	}()
	x := newExchange(httptest.NewRecorder(), h.server.tally.nowhere)
	h.server.observe(x, httptest.NewRequest("GET", "/", nil), half)
	t.Error("it returned")
}

// Whether a command is done that was under way when the kernel ended, nobody knows: no answer says so, and a 503 would
// promise that it is not.
func TestWhatMayBeDoneIsNotAnswered(t *testing.T) {
	h := newHouse(t)
	w := httptest.NewRecorder()
	defer func() {
		if got := recover(); got != http.ErrAbortHandler || w.Body.Len() > 0 {
			t.Errorf("recovered %v, want http.ErrAbortHandler; answered %s", got, w.Body)
		}
	}()
	x := newExchange(w, h.server.tally.nowhere)
	h.server.fail(x, httptest.NewRequest("POST", "/events/a/set", nil), fmt.Errorf("set: %w", await.ErrLost))
	t.Error("it returned")
}

// HEAD is GET without its body, everywhere.
func TestHEADIsAnsweredWhereverGETIs(t *testing.T) {
	h := newHouse(t)
	h.want(201, h.post("/futures", `{"kind":"promise","id":"p"}`))
	h.want(200, h.post("/futures/p/resolve", `{"value":1}`))
	for _, e := range h.server.endpoints() {
		if e.method != "GET" {
			continue
		}
		id := "p"
		if strings.HasPrefix(e.path, "/groups") {
			id = someGroup
		}
		path := strings.NewReplacer("{id}", id, "{name}", "a", "{slug}", "busy", "*", "app.js").Replace(e.path)
		if path == "/wait" {
			path = "/wait?any=a,sleep:0s"
		}
		get, head := h.get(path), h.do("HEAD", path, "")
		if head.status != get.status || head.body != "" || head.header.Get("Content-Type") != get.header.Get("Content-Type") {
			t.Errorf("%s: HEAD is %d %q %q, GET is %d %q", path, head.status, head.header.Get("Content-Type"), head.body,
				get.status, get.header.Get("Content-Type"))
		}
	}
}

// Each answer says that it is not to be sniffed, kept or framed, the refusals too.
func TestEveryAnswerCarriesTheSecurityHeaders(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{
		"/", "/futures", "/nowhere", "/futures/p", "/problems/busy", "/openapi.json", "/healthz",
	} {
		r := h.get(path)
		if r.header.Get("X-Content-Type-Options") != "nosniff" || r.header.Get("Cache-Control") == "" ||
			!strings.HasPrefix(r.header.Get("Content-Security-Policy"), "default-src 'none'") ||
			r.header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%s: %v", path, r.header)
		}
	}
}
