package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/awaitd/awaitd/internal/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// options are those of the command line's defaults, on a free port, with targets on this machine allowed, and with time
// for a machine that is busy.
func options() Options {
	return Options{
		Addr: "127.0.0.1:0", AllowTarget: []string{"127.0.0.1/32"}, Workers: 64, MaxWait: time.Hour, MaxBody: 1 << 20,
		MaxPending: 100_000, MaxPendingBytes: 1 << 30, MaxMemory: 1 << 30, MaxWaiters: 10_000,
		Memory: true, FutureTTL: time.Hour, EventTTL: time.Hour, IdempotencyTTL: time.Hour, Grace: 10 * time.Second,
		LogFormat: "auto", Version: "test",
	}
}

// running is a server at work, with a client of its own.
type running struct {
	*testing.T
	url    string
	client *http.Client
	stop   context.CancelFunc // begins the drain
	ended  chan error
}

func launch(t *testing.T, o Options) *running {
	t.Helper()
	a, err := New(o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return launchApp(t, a)
}

func launchApp(t *testing.T, a *App) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &running{
		T: t, url: "http://" + a.Addr().String(), stop: stop, ended: make(chan error, 1),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 10_000}},
	}
	go func() { r.ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		r.stop()
		if err := <-r.ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		r.client.CloseIdleConnections()
	})
	r.untilReady()
	return r
}

// untilReady returns when the server has recovered: before, it answers 503 to everything, as it must.
func (r *running) untilReady() {
	r.Helper()
	for range 100_000 {
		resp, err := r.client.Get(r.url + "/readyz")
		if err != nil {
			r.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
		runtime.Gosched()
	}
	r.Fatal("the server does not become ready")
}

// call makes a request, demands one of the statuses, and decodes a JSON answer into out.
func (r *running) call(method, path, body string, out any, statuses ...int) *http.Response {
	r.Helper()
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.Errorf("%s %s: %v", method, path, err)
		return &http.Response{}
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Errorf("%s %s: %v", method, path, err)
	}
	ok := false
	for _, s := range statuses {
		ok = ok || s == resp.StatusCode
	}
	if !ok {
		r.Errorf("%s %s: %s, want %v: %.300s", method, path, resp.Status, statuses, text)
	} else if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			r.Errorf("%s %s: %v in %.300s", method, path, err, text)
		}
	}
	return resp
}

type future struct {
	ID     string
	State  string
	Result *struct{ JSON json.RawMessage }
	Error  *struct{ Type string }
}

// counting is a target that answers with the path and remembers how often each was asked for.
func counting(t *testing.T) (url string, counts func() map[string]int) {
	t.Helper()
	var mu sync.Mutex
	seen := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.URL.Path]++
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, "%q", r.URL.Path)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(seen)
	}
}

// The main job at size: ten thousand fetches of a real server through the API, all settled right, none made twice.
func TestTenThousandFetchesEachOnce(t *testing.T) {
	const fetches, batch = 10_000, 500
	target, counts := counting(t)
	r := launch(t, options())
	var all sync.WaitGroup
	for from := 0; from < fetches; from += batch {
		all.Go(func() {
			var items, ids []string
			for i := from; i < from+batch; i++ {
				items = append(items, fmt.Sprintf(`{"url":"%s/%d"}`, target, i))
			}
			var made struct{ Futures []future }
			r.call("POST", "/fetch/batch", `{"fetches":[`+strings.Join(items, ",")+`]}`, &made, 202)
			for _, f := range made.Futures {
				ids = append(ids, `"`+f.ID+`"`)
			}
			var answer struct {
				Outcome string
				Done    []struct{ Future future }
			}
			r.call("POST", "/wait", `{"for":{"all":[`+strings.Join(ids, ",")+`]},"timeout":"1h"}`, &answer, 200)
			if answer.Outcome != "satisfied" || len(answer.Done) != batch {
				t.Errorf("batch %d: %s with %d done", from, answer.Outcome, len(answer.Done))
				return
			}
			brought := map[string]string{}
			for _, leaf := range answer.Done {
				brought[leaf.Future.ID] = string(leaf.Future.Result.JSON)
			}
			for i, f := range made.Futures {
				if want := fmt.Sprintf(`"/%d"`, from+i); brought[f.ID] != want {
					t.Errorf("fetch %d brought %q", from+i, brought[f.ID])
				}
			}
		})
	}
	all.Wait()
	seen := counts()
	if len(seen) != fetches {
		t.Errorf("the target saw %d paths", len(seen))
	}
	for path, n := range seen {
		if n != 1 {
			t.Errorf("%s was asked for %d times", path, n)
		}
	}
}

// One set wakes two thousand callers that are parked, each on a connection of its own, and counts them.
func TestOneSetWakesTwoThousand(t *testing.T) {
	const parked = 2000
	r := launch(t, options())
	var woken atomic.Int64
	var all sync.WaitGroup
	for range parked {
		all.Go(func() {
			var e struct{ Set bool }
			r.call("GET", "/events/go?wait=1h", "", &e, 200)
			if e.Set {
				woken.Add(1)
			}
		})
	}
	r.untilWaiting(parked)
	var set struct{ Woken int }
	r.call("POST", "/events/go/set", "", &set, 200)
	all.Wait()
	if set.Woken != parked || woken.Load() != parked {
		t.Errorf("the set says it woke %d, and %d were", set.Woken, woken.Load())
	}
	r.untilWaiting(0)
}

// untilWaiting polls until that many callers are parked. Each look is a request, so it yields to the others.
func (r *running) untilWaiting(want int) {
	r.Helper()
	for range 10_000 {
		var loop struct{ Waiters int }
		r.call("GET", "/loop", "", &loop, 200)
		if loop.Waiters == want {
			return
		}
	}
	r.Fatalf("never were %d callers parked", want)
}

// Draining answers whoever is parked at once, lets a running attempt end, refuses new work meanwhile, and ends.
func TestDrainAnswersTheParkedAndWaitsForTheRunning(t *testing.T) {
	arrived, release := make(chan bool), make(chan bool)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, "late but whole")
	}))
	defer target.Close()
	r := launch(t, options())
	var f future
	r.call("POST", "/fetch?url="+target.URL, "", &f, 202)
	<-arrived
	answers := make(chan int, 2)
	for _, path := range []string{"/events/never?wait=1h", "/futures/" + f.ID + "?wait=1h"} {
		go func() { answers <- r.call("GET", path, "", nil, 202).StatusCode }()
	}
	r.untilWaiting(2)
	r.stop()
	for range 2 {
		if got := <-answers; got != 202 {
			t.Errorf("a parked caller was answered %d", got)
		}
	}
	select {
	case err := <-r.ended:
		t.Fatalf("it ended with an attempt under way: %v", err)
	default:
	}
	close(release)
	if err := <-r.ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	r.ended <- nil // for the clean-up
	if _, err := r.client.Get(r.url + "/healthz"); err == nil {
		t.Error("it still answers")
	}
}

// An attempt that outlasts the grace time is cut, and the server ends all the same.
func TestTheGraceTimeEnds(t *testing.T) {
	arrived := make(chan bool)
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	}))
	defer target.Close()
	o := options()
	o.Grace = time.Millisecond
	r := launch(t, o)
	r.call("POST", "/fetch?url="+target.URL, "", nil, 202)
	<-arrived
	r.stop()
	if err := <-r.ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	r.ended <- nil
}

// With a keys file every call but the open ones needs a key of it.
func TestKeysAreAskedFor(t *testing.T) {
	secret, line, err := server.NewKey("ci", strings.NewReader(strings.Repeat("x", 64)))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte("# who may call\n"+line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := options()
	o.APIKeysFile = file
	r := launch(t, o)
	r.call("GET", "/healthz", "", nil, 200)
	r.call("GET", "/metrics", "", nil, 200)
	if resp := r.call("GET", "/futures", "", nil, 401); resp.Header.Get("WWW-Authenticate") == "" {
		t.Error("a 401 without WWW-Authenticate")
	}
	req, _ := http.NewRequest("GET", r.url+"/futures", nil)
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := r.client.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("with the key: %v, %v", resp, err)
	}
	_ = resp.Body.Close()
}

// A fetch cannot be turned against the server itself, though its address is allowed; only its port by name opens it.
func TestAFetchDoesNotReachTheServerItself(t *testing.T) {
	r := launch(t, options())
	var f future
	resp := r.call("POST", "/fetch?url="+r.url+"/healthz&wait=10s", "", &f, 200, 202, 400, 403)
	if resp.StatusCode == 200 && (f.Error == nil || f.Error.Type != "egress_denied") {
		t.Errorf("the server fetched from itself: %+v", f)
	}
}

// Nothing private is reachable unless it is allowed.
func TestNothingPrivateIsReachableByDefault(t *testing.T) {
	target, counts := counting(t)
	o := options()
	o.AllowTarget = nil
	r := launch(t, o)
	var problem struct{ Code string }
	r.call("POST", "/fetch?url="+target, "", &problem, 400, 403)
	if problem.Code != "egress-denied" || len(counts()) != 0 {
		t.Errorf("code %q, the target saw %v", problem.Code, counts())
	}
}

// A server in memory that is full of answers takes no more work, and takes it again when some have been deleted.
func TestMemoryIsBounded(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 320_000))
	}))
	t.Cleanup(target.Close)
	o := options()
	o.MaxMemory = 1 << 20
	r := launch(t, o)
	var kept []string
	for {
		var made struct {
			future
			Code string
		}
		if r.call("POST", "/fetch?wait=1h", `{"url":"`+target.URL+`"}`, &made, 200, 507); made.Code != "" {
			if made.Code != "storage-full" {
				t.Errorf("code %s", made.Code)
			}
			break
		}
		kept = append(kept, made.ID)
		if len(kept) > 3 {
			t.Fatalf("%d answers of 320 kB are kept in 1 MiB", len(kept))
		}
	}
	if len(kept) != 3 {
		t.Errorf("%d answers of 320 kB are kept in 1 MiB", len(kept))
	}
	r.call("DELETE", "/futures/"+kept[0], "", nil, 204)
	r.call("POST", "/fetch?wait=1h", `{"url":"`+target.URL+`"}`, nil, 200)
}

// All faults of the options come together, in the words of the command line.
func TestAllFaultsAreReportedTogether(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("me:no hash\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := Options{Addr: "0.0.0.0", MaxBody: -1, AllowTarget: []string{"10.0.0.0/99", "a b"}, APIKeysFile: keys}
	_, err := New(o, slog.New(slog.DiscardHandler))
	for _, fault := range []string{
		"--addr", "--data-dir", "--workers", "--max-wait", "--max-body", "--max-pending", "--max-waiters",
		"--max-pending-bytes", "--max-memory",
		"--future-ttl", "--event-ttl", "--idempotency-ttl",
		`allow-target "10.0.0.0/99"`, `allow-target "a b"`, keys + ": line 1",
	} {
		if err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("err = %v, does not name %s", err, fault)
		}
	}
	o = options()
	o.APIKeysFile = filepath.Join(t.TempDir(), "none")
	if _, err := New(o, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a keys file that is not there was taken")
	}
}

// An address that others can reach needs keys, or the loud way out.
func TestOnlyLoopbackIsBoundWithoutKeys(t *testing.T) {
	for addr, ok := range map[string]bool{
		"127.0.0.1:0": true, "localhost:0": true, "[::1]:0": true, "127.8.8.8:0": true, "[::ffff:127.0.0.1]:0": true,
		"0.0.0.0:0": false, ":0": false, "[::]:0": false, "192.0.2.1:0": false, "example.com:0": false, "nonsense": false,
	} {
		o := options()
		o.Addr = addr
		if err := o.validateAddr(); (err == nil) != ok {
			t.Errorf("%s: %v", addr, err)
		}
	}
	o := options()
	o.Addr, o.InsecureListen = "0.0.0.0:0", true
	if err := o.validateAddr(); err != nil {
		t.Errorf("--insecure-listen: %v", err)
	}
}

// Sizes are read as people write them.
func TestSizesAreRead(t *testing.T) {
	for text, want := range map[string]Bytes{
		"0": 0, "17": 17, "1b": 1, "1k": 1 << 10, "3KiB": 3 << 10, "16MiB": 16 << 20, "2 GiB": 2 << 30, "1G": 1 << 30,
	} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%s = %d, %v; want %d", text, b, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "1.5MiB", "1TiB", "99999999999999999999", "9999999999GiB"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken for %d", text, b)
		}
	}
}

// A server is asked where it listens, and on loopback where it listens everywhere.
func TestTheHealthCheckAsksThisMachine(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080", "localhost:1": "http://localhost:1", "10.0.0.7:80": "http://10.0.0.7:80",
		"0.0.0.0:81": "http://127.0.0.1:81", ":82": "http://127.0.0.1:82", "[::]:83": "http://127.0.0.1:83",
		"[::1]:84": "http://[::1]:84",
	} {
		if got := URLOn(addr); got != want {
			t.Errorf("%s is asked at %s, want %s", addr, got, want)
		}
	}
}

// Logs are JSON when nobody is at a terminal, and text when that is asked for.
func TestLogsAreJSONUnlessAskedOtherwise(t *testing.T) {
	for format, want := range map[string]string{
		"auto": `"msg":"hello","grace":"10s"`, "json": `"msg":"hello","grace":"10s"`, "text": `msg=hello grace=10s`,
	} {
		file, err := os.Create(filepath.Join(t.TempDir(), "log"))
		if err != nil {
			t.Fatal(err)
		}
		NewLog(Options{LogFormat: format}, file).Info("hello", "grace", 10*time.Second)
		text, _ := os.ReadFile(file.Name())
		_ = file.Close()
		if !strings.Contains(string(text), want) {
			t.Errorf("%s: %s", format, text)
		}
	}
}
