package server

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/loop"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/sequence"
	"github.com/awaitd/awaitd/internal/store"
	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
)

// house is a whole service in the process of a test: kernel, store in memory, the server on a loopback port, and
// targets that answer as their URLs say. Every answer is held against the contract.
type house struct {
	t        *testing.T
	kernel   *await.Kernel
	store    *store.Store
	registry *prometheus.Registry
	server   *Server
	targets  *targets
	log      *logbook
	url      string
	client   *http.Client // its answers are checked
	plain    *http.Client // its answers are not
	ended    chan error
}

// logbook is a log that a test can read.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *logbook) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *logbook) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// plans are what a test may want otherwise.
type plans struct {
	options func(*Options)
	limits  func(*await.Limits)
	fetcher func(h *house) await.Fetcher
	bodies  Bodies
	http2   bool // its clients speak cleartext HTTP/2
}

func newHouse(t *testing.T, given ...plans) *house {
	t.Helper()
	var p plans
	if len(given) > 0 {
		p = given[0]
	}
	h := &house{
		t: t, store: store.OpenMemory(), registry: prometheus.NewRegistry(), log: &logbook{}, ended: make(chan error, 1),
	}
	h.targets = &targets{house: h, hanging: map[string]fetch.Job{}}
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h.buildKernel(p, log)
	o := Options{Kernel: h.kernel, Bodies: h.store, Metrics: h.registry, Log: log, Console: page{}}
	if p.bodies != nil {
		o.Bodies = p.bodies
	}
	if p.options != nil {
		p.options(&o)
	}
	var err error
	if h.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	h.serve(p.http2)
	return h
}

func (h *house) buildKernel(p plans, log *slog.Logger) {
	limits := await.DefaultLimits()
	limits.WorkersMax = 8
	if p.limits != nil {
		p.limits(&limits)
	}
	var fetcher await.Fetcher = h.targets
	if p.fetcher != nil {
		fetcher = p.fetcher(h)
	}
	clock := loop.NewClock()
	var err error
	h.kernel, err = await.New(await.Options{
		Limits: limits, Store: h.store, Sequencer: sequence.NewLocal(0), Fetcher: fetcher, Clock: clock,
		Wall: time.Now().Add(-clock.Now()), Metrics: h.registry, Log: log,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	go func() { h.ended <- h.kernel.Run() }()
}

func (h *house) serve(http2 bool) {
	listening := httptest.NewUnstartedServer(nil)
	listening.Config = h.server.HTTPServer()
	listening.Start()
	h.url = listening.URL
	transport := &http.Transport{DisableCompression: true}
	if http2 {
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
	h.client = &http.Client{Transport: spec.Transport(h.t, transport)}
	h.plain = &http.Client{Transport: transport}
	h.t.Cleanup(func() {
		transport.CloseIdleConnections()
		listening.Close()
		h.stop()
	})
}

// stop ends the kernel; twice is fine.
func (h *house) stop() {
	if h.kernel.Closed() {
		return
	}
	if err := h.kernel.CallSoonThreadsafe(h.kernel.Stop); err != nil {
		h.t.Error(err)
	}
	if err := <-h.ended; err != nil {
		h.t.Error(err)
	}
	if err := h.kernel.Close(); err != nil {
		h.t.Error(err)
	}
}

// reply is an answer as a test looks at it.
type reply struct {
	status int
	header http.Header
	body   string
	closes bool // the server ends the connection with it
}

// at is the value at a path of the body, such as "result.json.a" or "errors.0.pointer"; nil when there is none.
func (r reply) at(path string) any {
	var value any
	if err := json.Unmarshal([]byte(r.body), &value); err != nil {
		return nil
	}
	for _, name := range strings.Split(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			i := int(name[0] - '0')
			if len(name) != 1 || i < 0 || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

func (r reply) text(path string) string {
	s, _ := r.at(path).(string)
	return s
}

func (r reply) count(path string) int {
	list, _ := r.at(path).([]any)
	return len(list)
}

// do sends one request; headers come as "Name: value". A body that looks like JSON is declared as such.
func (h *house) do(method, path, body string, headers ...string) reply {
	h.t.Helper()
	r, err := h.send(context.Background(), h.client, method, path, body, headers...)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (h *house) send(
	ctx context.Context, client *http.Client, method, path, body string, headers ...string,
) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, h.url+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if strings.HasPrefix(body, "{") {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		if value == "" {
			req.Header.Del(name)
			continue
		}
		req.Header.Add(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(data), resp.Close}, err
}

func (h *house) get(path string, headers ...string) reply {
	h.t.Helper()
	return h.do("GET", path, "", headers...)
}

func (h *house) post(path, body string, headers ...string) reply {
	h.t.Helper()
	return h.do("POST", path, body, headers...)
}

// want fails the test unless r has the status.
func (h *house) want(status int, r reply) reply {
	h.t.Helper()
	if r.status != status {
		h.t.Fatalf("status %d, want %d\n%s", r.status, status, r.body)
	}
	return r
}

// wantProblem fails the test unless r is the problem.
func (h *house) wantProblem(status int, code string, r reply) reply {
	h.t.Helper()
	h.want(status, r)
	if got := r.text("code"); got != code {
		h.t.Fatalf("code %q, want %q\n%s", got, code, r.body)
	}
	return r
}

// wantNothing fails the test if anything was created.
func (h *house) wantNothing() {
	h.t.Helper()
	if r := h.want(200, h.get("/futures")); r.count("futures") != 0 {
		h.t.Errorf("a future was created: %s", r.body)
	}
	if r := h.want(200, h.get("/events")); r.count("events") != 0 {
		h.t.Errorf("an event was set: %s", r.body)
	}
}

// background sends a request that will be held, and returns once n callers are.
func (h *house) background(n int, method, path, body string, headers ...string) <-chan reply {
	h.t.Helper()
	answered := make(chan reply, 1)
	go func() {
		r, err := h.send(context.Background(), h.client, method, path, body, headers...)
		if err != nil {
			h.t.Errorf("%s %s: %v", method, path, err)
		}
		answered <- r
	}()
	h.parked(n)
	return answered
}

// parked returns when so many callers are held.
func (h *house) parked(n int) {
	h.t.Helper()
	for {
		in, err := h.kernel.Inspect(h.t.Context())
		if err != nil {
			h.t.Fatal(err)
		}
		if in.Waiters == n {
			return
		}
		runtime.Gosched()
	}
}

// submit creates a fetch of a target and returns its id.
func (h *house) submit(path string) string {
	h.t.Helper()
	return h.want(202, h.post("/fetch", `{"url":"https://target.test`+path+`"}`)).text("id")
}

// targets is the world behind the service: https://target.test/PATH. /hang hangs until the test lets it go.
type targets struct {
	house *house

	mu      sync.Mutex
	hanging map[string]fetch.Job
	jobs    []fetch.Job
	aborted []string
}

// Launch answers as the path says.
func (w *targets) Launch(job fetch.Job) {
	w.mu.Lock()
	w.jobs = append(w.jobs, job)
	u, _ := url.Parse(job.Request.URL())
	if strings.HasPrefix(u.Path, "/hang") {
		w.hanging[job.ID] = job
		w.mu.Unlock()
		return
	}
	w.mu.Unlock()
	w.house.kernel.Outcome(w.outcome(job, u))
}

// Abort ends a hanging attempt.
func (w *targets) Abort(id string) {
	w.mu.Lock()
	job := w.hanging[id]
	delete(w.hanging, id)
	w.aborted = append(w.aborted, id)
	w.mu.Unlock()
	w.house.kernel.Outcome(failed(job, record.FailCancelled, "The attempt was cancelled."))
}

// release lets a hanging attempt succeed.
func (w *targets) release(id string) {
	w.mu.Lock()
	job, ok := w.hanging[id]
	delete(w.hanging, id)
	w.mu.Unlock()
	if !ok {
		w.house.t.Errorf("%s does not hang", id)
	}
	w.house.kernel.Outcome(w.succeeded(job, 200, "application/json", `{"a":1}`))
}

// last is the latest attempt.
func (w *targets) last() fetch.Job {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.jobs[len(w.jobs)-1]
}

func (w *targets) outcome(job fetch.Job, u *url.URL) *record.Outcome {
	q := u.Query()
	switch u.Path {
	case "/refuse":
		return failed(job, record.FailConnect, "The target refused the connection.")
	case "/503":
		o := w.succeeded(job, 503, "text/plain", "busy")
		o.Attempt.Failure = &record.Failure{Type: record.FailHTTPStatus, Message: "The target answered 503."}
		return o
	case "/again": // fails once with a reason to try again
		if job.N == 1 {
			o := failed(job, record.FailTimeout, "The attempt did not end in time.")
			o.Retry, o.RetryAfter = true, time.Minute
			return o
		}
	}
	contentType, body := "application/json", `{"a":1}`
	if q.Has("type") {
		contentType = q.Get("type")
	}
	if q.Has("body") {
		body = q.Get("body")
	}
	return w.succeeded(job, 200, contentType, body)
}

func (w *targets) succeeded(job fetch.Job, status int, contentType, body string) *record.Outcome {
	bodies, err := w.house.store.NewBody()
	if err != nil {
		panic(err)
	}
	if _, err := io.WriteString(bodies, body); err != nil {
		panic(err)
	}
	kept, err := bodies.Commit()
	if err != nil {
		panic(err)
	}
	headers := []record.Header{{Name: "X-Served-By", Values: []string{"target"}}}
	if contentType != "" {
		headers = append([]record.Header{{Name: "Content-Type", Values: []string{contentType}}}, headers...)
	}
	return &record.Outcome{
		ID: job.ID, Attempt: attemptAt(job, status, nil),
		Result: &record.Result{Status: status, Headers: headers, Body: kept},
	}
}

func failed(job fetch.Job, kind record.FailureType, message string) *record.Outcome {
	return &record.Outcome{ID: job.ID, Attempt: attemptAt(job, 0, &record.Failure{Type: kind, Message: message})}
}

func attemptAt(job fetch.Job, status int, failure *record.Failure) record.Attempt {
	return record.Attempt{
		N: job.N, At: record.TimeOf(time.Now()), Duration: 12300 * time.Microsecond, Status: status, Failure: failure,
	}
}

// page is a console with a file of each type.
type page struct{}

var pageTypes = map[string]string{
	"/": "text/html; charset=utf-8", "/console/stories.html": "text/html; charset=utf-8",
	"/console/app.js": "text/javascript; charset=utf-8", "/console/style.css": "text/css; charset=utf-8",
	"/console/icon.svg": "image/svg+xml", "/console/README.md": "text/markdown; charset=utf-8",
	"/console/LICENSE": "text/plain; charset=utf-8",
}

func (page) Has(path string) bool { return pageTypes[path] != "" }

func (page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"x"`)
	if r.Header.Get("If-None-Match") != "" {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", pageTypes[r.URL.Path])
	_, _ = io.WriteString(w, "<!doctype html>")
}
