package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/store"
	"github.com/google/go-cmp/cmp"
)

// Every field of a submitted fetch reaches the attempt, in the form in which it is stored.
func TestEveryFieldOfAFetchReachesTheAttempt(t *testing.T) {
	h := newHouse(t)
	r := h.want(202, h.post("/fetch", `{
		"url":"HTTPS://Target.Test:8443/hang?q=ü","method":"POST","json":{ "a" : 1.0 },
		"headers":{"x-tag":["b","a"],"ACCEPT":"text/html","authorization":"Bearer abc","X-Key":"secret"},
		"timeout":"5s","deadline":"2h","delay":0,
		"retry":{"max_attempts":7,"min_backoff":0.25,"max_backoff":"1m","on_status":["408","5xx"],"non_idempotent":true},
		"accept_status":["2xx","404"],"max_redirects":0,"max_bytes":1000,
		"labels":{"b":"2","a":"ä"},"redact":["x-key"],"ttl":"1h","sets":"done/1"}`,
		"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))
	h.started(1)
	want := &record.Request{
		Method: "POST", URL: "https://target.test:8443/hang?q=%C3%BC",
		Headers: []record.Header{
			{Name: "Accept", Values: []string{"text/html"}},
			{Name: "Authorization", Values: []string{"Bearer abc"}},
			{Name: "Content-Type", Values: []string{"application/json"}},
			{Name: "X-Key", Values: []string{"secret"}},
			{Name: "X-Tag", Values: []string{"b", "a"}},
		},
		Body: []byte(`{ "a" : 1.0 }`), Timeout: 5 * time.Second,
		Retry: record.Retry{
			AttemptsMax: 7, BackoffMin: 250 * time.Millisecond, BackoffMax: time.Minute,
			OnStatus: []record.StatusRange{{From: 408, To: 408}, {From: 500, To: 599}}, NonIdempotent: true,
		},
		AcceptStatus: []record.StatusRange{{From: 200, To: 299}, {From: 404, To: 404}},
		BodyBytesMax: 1000, Redact: []string{"X-Key"},
		Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	}
	job := h.targets.last()
	if d := cmp.Diff(want, job.Request.Open()); d != "" {
		t.Errorf("request (-want +got):\n%s", d)
	}
	created, err := time.Parse(time.RFC3339, r.text("created_at"))
	if err != nil || !job.DeadlineAt.Equal(created.Add(2*time.Hour)) {
		t.Errorf("deadline %v, created %v", job.DeadlineAt, created)
	}
	want3 := map[string]any{
		"Accept": []any{"text/html"}, "Authorization": []any{"[redacted]"}, "Content-Type": []any{"application/json"},
		"X-Key": []any{"[redacted]"}, "X-Tag": []any{"b", "a"},
	}
	if d := cmp.Diff(want3, r.at("request.headers")); d != "" {
		t.Errorf("shown headers (-want +got):\n%s", d)
	}
	if d := cmp.Diff(map[string]any{"a": "ä", "b": "2"}, r.at("labels")); d != "" {
		t.Error(d)
	}

	// Success sets the event, with the id as its payload; what the request said is forgotten, its labels are not.
	h.targets.release(r.text("id"))
	settled := h.want(200, h.get("/futures/"+r.text("id")+"?wait=5s"))
	if settled.at("request.headers") != nil || settled.at("labels") == nil {
		t.Errorf("settled: %s", settled.body)
	}
	expires, err := time.Parse(time.RFC3339, settled.text("expires_at"))
	at, err2 := time.Parse(time.RFC3339, settled.text("settled_at"))
	if err != nil || err2 != nil || expires.Sub(at) != time.Hour {
		t.Errorf("kept from %v to %v", at, expires)
	}
	if got := h.want(200, h.get("/events/done%2F1?wait=5s")).text("payload.text"); got != r.text("id") {
		t.Errorf("payload %q", got)
	}
}

// started returns when so many attempts were launched.
func (h *house) started(n int) {
	h.t.Helper()
	for {
		h.targets.mu.Lock()
		launched := len(h.targets.jobs)
		h.targets.mu.Unlock()
		if launched >= n {
			return
		}
		h.parked(0) // a turn of the loop
	}
}

// The defaults are those that the contract names.
func TestAFetchThatSaysOnlyItsURLGetsTheDefaults(t *testing.T) {
	h := newHouse(t)
	h.want(202, h.post("/fetch", `{"url":"https://target.test/hang"}`))
	h.started(1)
	want := &record.Request{
		Method: "GET", URL: "https://target.test/hang", Timeout: 30 * time.Second,
		Retry: record.Retry{
			AttemptsMax: 4, BackoffMin: 500 * time.Millisecond, BackoffMax: 30 * time.Second,
			OnStatus: []record.StatusRange{{From: 429, To: 429}, {From: 500, To: 599}},
		},
		AcceptStatus: []record.StatusRange{{From: 200, To: 299}}, RedirectsMax: 5, BodyBytesMax: 16 << 20,
	}
	if d := cmp.Diff(want, h.targets.last().Request.Open()); d != "" {
		t.Errorf("request (-want +got):\n%s", d)
	}
}

// The three forms of a body arrive byte for byte; only JSON brings a type of its own, unless the caller named one.
func TestABodyArrivesAsItWasGiven(t *testing.T) {
	h := newHouse(t)
	for i, c := range []struct{ fields, body, contentType string }{
		{`"body":"häh\n"`, "häh\n", ""},
		{`"json":[1, 2.50]`, "[1, 2.50]", "application/json"},
		{`"json":null`, "null", "application/json"},
		{`"json":1,"headers":{"content-TYPE":"application/vnd.api+json"}`, "1", "application/vnd.api+json"},
		{`"base64":"AP8="`, "\x00\xff", ""},
	} {
		h.want(202, h.post("/fetch", `{"url":"https://target.test/hang","method":"PUT",`+c.fields+`}`))
		h.started(i + 1)
		got := h.targets.last().Request.Open()
		contentType := ""
		for _, header := range got.Headers {
			if header.Name == "Content-Type" {
				contentType = header.Values[0]
			}
		}
		if string(got.Body) != c.body || contentType != c.contentType {
			t.Errorf("%s: body %q of type %q", c.fields, got.Body, contentType)
		}
	}
	h.wantProblem(400, "invalid-request", h.post("/fetch", `{"url":"https://target.test/","body":"a","json":1}`))
}

// A fetch that may start only later has its default budget from then on, or it would expire before it began.
func TestTheDefaultDeadlineCountsFromTheStart(t *testing.T) {
	h := newHouse(t)
	for _, field := range []string{
		`"delay":"5h"`, `"not_before":"` + time.Now().Add(5*time.Hour).UTC().Format(time.RFC3339Nano) + `"`,
	} {
		r := h.want(202, h.post("/fetch", `{"url":"https://target.test/ok",`+field+`}`))
		if r.text("state") != "pending" || r.text("reason") != "delayed" {
			t.Errorf("%s: %s", field, r.body)
		}
		start, err := time.Parse(time.RFC3339, r.text("next_attempt_at"))
		deadline, err2 := time.Parse(time.RFC3339, r.text("deadline_at"))
		if d := deadline.Sub(start); err != nil || err2 != nil || (d-time.Hour).Abs() > time.Second {
			t.Errorf("%s: starts %v, deadline %v", field, start, deadline)
		}
	}
	r := h.want(202, h.post("/fetch", `{"url":"https://target.test/hang","not_before":"2001-01-01T00:00:00Z"}`))
	if r.text("reason") != "queued" {
		t.Errorf("a start in the past: %s", r.body)
	}
	moment := time.Now().Add(3 * time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
	r = h.want(202, h.post("/fetch", `{"url":"https://target.test/hang","deadline":"`+moment+`"}`))
	if got := r.text("deadline_at"); got != moment {
		t.Errorf("deadline %s, want %s", got, moment)
	}
}

// A target that can never be reached is refused at submit, with one text; why is in the log.
func TestATargetThatIsNotAllowedIs403AndCreatesNothing(t *testing.T) {
	h := newHouse(t, plans{options: func(o *Options) {
		o.Admit = func(u *url.URL) error {
			if u.Hostname() == "10.0.0.1" {
				return &fetch.Refusal{Reason: "10.0.0.1 is one of ours"}
			}
			return nil
		}
	}})
	r := h.wantProblem(403, "egress-denied", h.post("/fetch", `{"url":"http://10.0.0.1/?q=s3cret"}`))
	if r.text("errors.0.pointer") != "/url" || strings.Contains(r.body, "ours") {
		t.Errorf("refusal: %s", r.body)
	}
	r = h.wantProblem(403, "egress-denied", h.post("/fetch?url=http://10.0.0.1/", ""))
	if r.text("errors.0.parameter") != "url" {
		t.Errorf("refusal: %s", r.body)
	}
	r = h.wantProblem(403, "egress-denied",
		h.post("/fetch/batch", `{"fetches":[{"url":"https://target.test/ok"},{"url":"http://10.0.0.1/"}]}`))
	if r.text("errors.0.pointer") != "/fetches/1/url" {
		t.Errorf("refusal: %s", r.body)
	}
	if log := h.log.String(); !strings.Contains(log, "one of ours") || strings.Contains(log, "s3cret") {
		t.Errorf("log: %s", log)
	}
	h.wantNothing()
}

// The operator's bound on bodies is a bound on max_bytes, and the default where it is lower.
func TestMaxBytesIsBoundedByTheServer(t *testing.T) {
	h := newHouse(t, plans{options: func(o *Options) { o.BodyBytesMax = 1000 }})
	r := h.wantProblem(400, "invalid-request", h.post("/fetch", `{"url":"https://target.test/ok","max_bytes":1001}`))
	if r.text("errors.0.pointer") != "/max_bytes" {
		t.Errorf("refusal: %s", r.body)
	}
	h.want(202, h.post("/fetch", `{"url":"https://target.test/hang"}`))
	h.started(1)
	if got := h.targets.last().Request.Open().BodyBytesMax; got != 1000 {
		t.Errorf("default max_bytes %d, want 1000", got)
	}
}

// A trace context that breaks the rules is as good as none (Trace Context, 3.2.2.3); it refuses nobody's request.
func TestOnlyAWellFormedTraceparentIsKept(t *testing.T) {
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	r := httptest.NewRequest("POST", "/fetch", nil)
	for value, want := range map[string]string{
		good: good,
		"":   "",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01": "",
		"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01": "",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01": "",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01": "",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7":    "",
		good + "-extra": "",
	} {
		r.Header["Traceparent"] = []string{value}
		if got := traceparentOf(r); got != want {
			t.Errorf("%q: kept %q", value, got)
		}
	}
	r.Header["Traceparent"] = []string{good, good}
	if got := traceparentOf(r); got != "" {
		t.Errorf("two of them: kept %q", got)
	}
}

// The ids of a batch sort in its order, and those of the next batch after them, also when the clock goes back.
func TestIDsSortInTheOrderInWhichTheyWereTaken(t *testing.T) {
	made := newIDs(strings.NewReader(strings.Repeat("chance", 1_000_000)))
	now := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	var all []string
	for _, at := range []time.Time{now, now.Add(time.Millisecond), now.Add(-time.Hour), now.Add(time.Second)} {
		taken, err := made.take("fut_", at, 1000)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, taken...)
	}
	if !slices.IsSorted(all) || len(slices.Compact(all)) != 4000 {
		t.Error("the ids are not sorted, or not all different")
	}
	if _, err := newIDs(strings.NewReader("")).take("fut_", now, 1); err == nil {
		t.Error("an id without chance")
	}
}

// A server whose chance has run dry says that the fault is its own.
func TestWithoutEntropyASubmitIs500(t *testing.T) {
	h := newHouse(t, plans{options: func(o *Options) { o.Entropy = strings.NewReader("") }})
	r := h.wantProblem(500, "internal", h.post("/fetch", creators["/fetch"]))
	if strings.Contains(r.body, "EOF") || !strings.Contains(h.log.String(), "make an id") {
		t.Errorf("the fault is shown, or not logged: %s", r.body)
	}
	h.wantNothing()
}

// Ten thousand fetches in one request come back in order and are all found again.
func TestABatchOfTenThousandIsAnsweredInItsOrder(t *testing.T) {
	h := newHouse(t)
	var body strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&body, `,{"url":"https://target.test/ok?n=%d"}`, i)
	}
	r := h.want(202, h.post("/fetch/batch", `{"fetches":[`+body.String()[1:]+`]}`))
	futures, _ := r.at("futures").([]any)
	if len(futures) != 10_000 {
		t.Fatalf("%d futures", len(futures))
	}
	previous := ""
	for i, f := range futures {
		f := f.(map[string]any)
		if want := fmt.Sprintf("https://target.test/ok?n=%d", i); f["request"].(map[string]any)["url"] != want {
			t.Fatalf("future %d is for %v", i, f["request"])
		}
		if id := f["id"].(string); id <= previous {
			t.Fatalf("id %s after %s", id, previous)
		} else {
			previous = id
		}
	}
	last := h.get("/futures/" + previous + "?wait=20s")
	for tries := 1; last.status == 202 && tries < 30; tries++ { // ten thousand fetches take their time
		last = h.get("/futures/" + previous + "?wait=20s")
	}
	h.want(200, last)
}

// With the real fetcher a real answer of a real server comes back, retried once because the first was no good.
func TestARealServerIsFetchedThroughTheDoor(t *testing.T) {
	var asked atomic.Int32
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"method":%q,"tag":%q}`, r.Method, r.Header.Get("X-Tag"))
	}))
	defer target.Close()
	h := newHouse(t, plans{fetcher: realFetcher})
	r := h.want(200, h.post("/fetch?wait=20s", `{"url":"`+target.URL+`/","method":"DELETE","headers":{"X-Tag":"a"},
		"retry":{"min_backoff":"1ms","max_backoff":"1ms"}}`))
	if r.text("result.json.method") != "DELETE" || r.text("result.json.tag") != "a" || r.count("attempts") != 2 {
		t.Errorf("answer: %s", r.body)
	}
	if asked.Load() != 2 {
		t.Errorf("the target was asked %d times", asked.Load())
	}
}

type realBodies struct{ *store.Store }

func (b realBodies) Create() (fetch.BodyWriter, error) { return b.NewBody() }

func realFetcher(h *house) await.Fetcher {
	guard, err := fetch.NewGuard(fetch.GuardOptions{
		AllowTargets: []string{"127.0.0.1/32"}, DeniedTargets: []netip.AddrPort{},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	var n atomic.Uint64
	f, err := fetch.New(fetch.Options{
		WorkersMax: 8, Guard: guard, UserAgent: "awaitd/test", Bodies: realBodies{h.store},
		Done: func(o *record.Outcome) { h.kernel.Outcome(o) },
		Rand: func() uint64 { return n.Add(0x9e3779b97f4a7c15) }, Now: time.Now,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		if err := f.Close(h.t.Context()); err != nil && h.t.Context().Err() == nil {
			h.t.Error(err)
		}
	})
	return f
}

// As many futures as the server takes, and one more.
func TestTooManyFuturesIs429AndCreatesNothingMore(t *testing.T) {
	h := newHouse(t, plans{limits: func(l *await.Limits) { l.FuturesPendingMax = 2 }})
	h.submit("/hang")
	h.want(201, h.post("/futures", `{"kind":"promise","id":"p"}`))
	for _, path := range []string{"/fetch", "/fetch/batch", "/futures"} {
		r := h.wantProblem(429, "too-many-futures", h.post(path, creators[path]))
		if r.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
	if got := h.get("/futures").count("futures"); got != 2 {
		t.Errorf("%d futures, want 2", got)
	}
}

// Once a fetch is created that is the answer, even where its end cannot be waited for.
func TestASubmitThatCannotBeHeldIsStillAnswered(t *testing.T) {
	h := newHouse(t, plans{limits: func(l *await.Limits) { l.WaitersMax = 1 }})
	held := h.background(1, "GET", "/events/a?wait=20s", "")
	r := h.want(202, h.post("/fetch?wait=20s", `{"url":"https://target.test/hang"}`))
	if r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	h.wantProblem(429, "too-many-waiters", h.get("/futures/"+r.text("id")+"?wait=20s"))
	h.wantProblem(429, "too-many-waiters", h.get("/futures/"+r.text("id")+"/result?wait=20s"))
	h.wantProblem(429, "too-many-waiters", h.get("/events/b?wait=20s"))
	h.wantProblem(429, "too-many-waiters", h.get("/wait?all=b"))
	h.wantProblem(429, "too-many-waiters", h.post("/wait", `{"for":"event:b"}`))
	h.want(200, h.post("/events/a/set", ""))
	h.want(200, <-held)
}

// The bounds on bytes and leaves have the codes of those on numbers, and say which it is.
func TestBytesAndLeavesAreBoundedToo(t *testing.T) {
	h := newHouse(t, plans{limits: func(l *await.Limits) {
		l.PendingBytesMax, l.EventBytesMax, l.WaitLeavesHeldMax = 999, 999, 2
	}})
	long := strings.Repeat("x", 1_000)
	for _, refused := range []struct {
		code, says string
		reply
	}{
		{"too-many-futures", "bytes", h.post("/fetch", `{"url":"https://target.test/hang","body":"`+long+`"}`)},
		{"too-many-events", "payloads", h.post("/events/a/set", long)},
		{"too-many-waiters", "wait for", h.get("/wait?all=a,b,c")},
	} {
		r := h.wantProblem(429, refused.code, refused.reply)
		if r.header.Get("Retry-After") == "" || !strings.Contains(r.text("detail"), refused.says) {
			t.Errorf("%v %s", r.header, r.body)
		}
	}
	h.wantNothing()
	h.submit("/hang")
	h.want(200, h.post("/events/a/set", "short"))
	h.want(202, h.get("/wait?all=b,c&timeout=1ms"))
	h.want(202, h.get("/wait?all=b,c,d&timeout=0"))
}
