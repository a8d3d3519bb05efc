package server

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/loop"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// All faults of the options come at once, and what may be left out is filled in.
func TestOptionsAreCheckedTogetherAndFilledIn(t *testing.T) {
	_, err := New(Options{WaitMax: -1, BodyBytesMax: -1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"kernel", "bodies", "metrics", "WaitMax", "BodyBytesMax"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v lacks %s", err, part)
		}
	}
	h := newHouse(t)
	if h.server.WaitMax != time.Minute || h.server.BodyBytesMax != 16<<20 || h.server.Ready() != nil ||
		h.server.Admit(&url.URL{}) != nil || h.server.Now().IsZero() {
		t.Errorf("options %+v", h.server.Options)
	}
	quiet, err := New(Options{Kernel: h.kernel, Bodies: h.store, Console: page{}, Metrics: prometheus.NewRegistry()})
	if err != nil || quiet.Log.Enabled(t.Context(), slog.LevelError) {
		t.Errorf("a server without a log: %v", err)
	}
	if _, err := New(Options{Kernel: h.kernel, Bodies: h.store, Console: page{}, Metrics: h.registry}); err == nil {
		t.Error("two servers with one registry")
	}
}

// The server that is handed out has the bounds that the design asks for.
func TestTheHTTPServerIsBounded(t *testing.T) {
	h := newHouse(t)
	s := h.server.HTTPServer()
	if s.ReadHeaderTimeout != 5*time.Second || s.IdleTimeout != 120*time.Second || s.MaxHeaderBytes != 32<<10 ||
		s.WriteTimeout != 0 || s.ReadTimeout != 0 || s.HTTP2.MaxConcurrentStreams != 4096 {
		t.Errorf("%+v", s)
	}
	s.ErrorLog.Print("net/http complains")
	if log := h.log.String(); !strings.Contains(log, "net/http complains") || !strings.Contains(log, "level=WARN") {
		t.Errorf("log: %s", log)
	}
}

// HTTP/2 without TLS is served on the same port, and holds answers there too.
func TestCleartextHTTP2IsServed(t *testing.T) {
	h := newHouse(t)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	h.client = &http.Client{Transport: spec.Transport(t, transport)}
	held := h.background(1, "GET", "/events/a?wait=20s", "")
	h.want(200, h.post("/events/a/set", "over two"))
	if r := h.want(200, <-held); r.text("payload.text") != "over two" {
		t.Errorf("answer: %s", r.body)
	}
	resp, err := (&http.Client{Transport: transport}).Get(h.url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.ProtoMajor != 2 {
		t.Errorf("served over %s", resp.Proto)
	}
	h.wantProblem(413, "body-too-large", h.post("/events/a/set", strings.Repeat("x", api.PayloadBytesMax+1)))
}

// Ready is a promise about work, healthy one about the loop.
func TestReadinessSaysWhyNotOnlyInTheLog(t *testing.T) {
	fault := errors.New("the disk is gone")
	h := newHouse(t, plans{options: func(o *Options) { o.Ready = func() error { return fault } }})
	r := h.wantProblem(503, "not-ready", h.get("/readyz"))
	if r.header.Get("Retry-After") == "" || strings.Contains(r.body, "disk") || !strings.Contains(h.log.String(), "disk") {
		t.Errorf("answer: %v %s", r.header, r.body)
	}
	h.want(200, h.get("/healthz"))
}

// Requests are counted by route and never by path; the metrics pass the linter, and native histograms are offered.
func TestMetricsAreByRouteAndNeverByPath(t *testing.T) {
	h := newHouse(t)
	h.get("/futures/nobody")
	h.get("/futures/somebody")
	h.get("/nowhere/else")
	h.do("DELETE", "/loop", "")
	if err := testutil.GatherAndCompare(h.registry, strings.NewReader(`
# HELP awaitd_http_requests_total HTTP requests answered, by route and status.
# TYPE awaitd_http_requests_total counter
awaitd_http_requests_total{code="404",route="GET /futures/{id}"} 2
awaitd_http_requests_total{code="404",route="none"} 1
awaitd_http_requests_total{code="405",route="none"} 1
`), "awaitd_http_requests_total"); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(h.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
	text := h.want(200, h.get("/metrics"))
	if !strings.Contains(text.body, `awaitd_http_request_seconds_count{route="GET /futures/{id}"} 2`) ||
		!strings.HasPrefix(text.header.Get("Content-Type"), "text/plain") {
		t.Errorf("%s\n%.2000s", text.header.Get("Content-Type"), text.body)
	}
	open := h.want(200, h.get("/metrics", "Accept: application/openmetrics-text"))
	if !strings.HasSuffix(open.body, "# EOF\n") {
		t.Error("no OpenMetrics")
	}
	native := h.plainlyWith("/metrics",
		"Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	if !strings.HasPrefix(native.header.Get("Content-Type"), "application/vnd.google.protobuf") {
		t.Errorf("no protobuf: %s", native.header.Get("Content-Type"))
	}
}

func (h *house) plainlyWith(path string, headers ...string) reply {
	h.t.Helper()
	r, err := h.send(h.t.Context(), h.plain, "GET", path, "", headers...)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// The contract that is served is the one that is in the binary, and is not sent to who has it.
func TestTheContractIsServedOnce(t *testing.T) {
	h := newHouse(t)
	for path, want := range map[string][]byte{"/openapi.yaml": api.OpenAPIYAML(), "/openapi.json": api.OpenAPIJSON()} {
		r := h.want(200, h.get(path))
		if r.body != string(want) {
			t.Errorf("%s differs from the file", path)
		}
		h.want(304, h.get(path, "If-None-Match: "+r.header.Get("ETag")))
		h.want(200, h.get(path, `If-None-Match: "other"`))
	}
}

// Each problem has a page, for people and for programs, and the list leads to all of them.
func TestEveryProblemHasAPage(t *testing.T) {
	h := newHouse(t)
	list := h.want(200, h.get("/problems", "Accept: text/html,application/xhtml+xml,*/*;q=0.8"))
	plain := h.want(200, h.get("/problems"))
	var all []api.ProblemPage
	if err := json.Unmarshal([]byte(h.want(200, h.get("/problems", "Accept: application/json")).body), &all); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(api.ProblemPages(), all); d != "" {
		t.Error(d)
	}
	for _, p := range all {
		path := "/problems/" + string(p.Code)
		if !strings.Contains(list.body, `href="`+path+`"`) || !strings.Contains(plain.body, string(p.Code)) {
			t.Errorf("the list lacks %s", p.Code)
		}
		page := h.want(200, h.get(path, "Accept: text/html"))
		if !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") || !strings.Contains(page.body, "<h1>") {
			t.Errorf("%s is no page: %.200s", path, page.body)
		}
		if r := h.want(200, h.get(path, "Accept: application/json")); r.text("description") != p.Description {
			t.Errorf("%s: %s", path, r.body)
		}
		if r := h.want(200, h.get(path)); !strings.Contains(r.body, p.Description) {
			t.Errorf("%s: %s", path, r.body)
		}
	}
	h.wantProblem(404, "not-found", h.get("/problems/nothing"))
	h.wantProblem(404, "not-found", h.get("/problems/..%2Ffutures"))
}

// The console is at / and below /console/; a file that it does not have is a problem like every other.
func TestTheConsoleIsServed(t *testing.T) {
	h := newHouse(t)
	for path, media := range pageTypes {
		if r := h.want(200, h.get(path)); r.header.Get("Content-Type") != media {
			t.Errorf("%s: headers %v", path, r.header)
		}
		h.want(304, h.get(path, `If-None-Match: "x"`))
	}
	h.wantProblem(404, "not-found", h.get("/console/nothing.js"))
	h.wantProblem(405, "method-not-allowed", h.post("/console/app.js", "{}"))
}

// The pages of problems need no script, and their links lead on.
func TestTheProblemPagesNeedNoScriptAndLeadOn(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/problems", "/problems/busy"} {
		r := h.want(200, h.get(path, "Accept: text/html"))
		policy := r.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") {
			t.Errorf("policy %q", policy)
		}
		for _, no := range []string{"<script", "http-equiv", "src=", "style="} {
			if strings.Contains(r.body, no) {
				t.Errorf("the page has %s", no)
			}
		}
		for _, part := range strings.Split(r.body, `href="`)[1:] {
			next, _, _ := strings.Cut(part, `"`)
			h.want(200, h.get(next))
		}
	}
}

// A page that cannot be made is a fault of the server's.
func TestABrokenPageIsAnError(t *testing.T) {
	h := newHouse(t)
	if err := h.server.pages.write(nil, "problem.html", 7); err == nil {
		t.Error("no error")
	}
}

// Slow callbacks are shown newest first, and of the waits as many as have a bounded number of leaves.
func TestTheLoopShowsSlowCallbacksAndABoundedNumberOfWaits(t *testing.T) {
	in := &await.Inspection{
		Now: 1_000, Uptime: time.Minute, Loop: loop.Stats{Turns: 7}, SlowCount: 2, LagMax: 1500 * time.Microsecond,
		Slow: []await.SlowCallback{{Name: "old", Took: time.Second, At: 1}, {Name: "new", Took: time.Minute, At: 2}},
		Waits: []await.HeldWait{
			{For: &api.Expr{}, Pending: 9_000}, {For: &api.Expr{}, Pending: 1_000}, {For: &api.Expr{}, Done: 1},
		},
		Loose: []string{"p"},
	}
	got := loopOf(in)
	want := []api.SlowCallback{
		{Name: "new", TookMS: 60_000, At: api.Time{Time: record.Time(2).Time()}},
		{Name: "old", TookMS: 1_000, At: api.Time{Time: record.Time(1).Time()}},
	}
	if d := cmp.Diff(want, got.SlowCallbacks.Recent); d != "" {
		t.Error(d)
	}
	if got.LagMS.Max != 1.5 || got.Turns != 7 || len(got.Waits) != 2 {
		t.Errorf("%+v", got)
	}
}

// An answer that cannot be encoded is a fault of the server's, a problem that cannot be is still a problem.
func TestWhatCannotBeEncodedIsAFault(t *testing.T) {
	if _, err := encode(func() {}); err == nil {
		t.Error("a function was encoded")
	}
	if err := answer(nil, 200, make(chan int)); err == nil {
		t.Error("a channel was answered")
	}
	h := newHouse(t)
	broken := api.NewProblem(api.CodeNotSettled, "")
	broken.Future = &api.Future{Result: &api.Result{JSON: jsontext.Value("{")}}
	w := httptest.NewRecorder()
	h.server.refuse(w, httptest.NewRequest("GET", "/", nil), broken)
	if err := spec.CheckResponse("GET", "/loop", w.Code, w.Result().Header, w.Body.Bytes()); w.Code != 500 || err != nil {
		t.Errorf("%d %s: %v", w.Code, w.Body, err)
	}
}
