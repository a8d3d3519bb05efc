package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// What one server answered the next one knows: promises, events and timers as they were, and a fetch that was under
// way is made again.
func TestTheNextServerGoesOn(t *testing.T) {
	arrived := make(chan bool, 8)
	var asked atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			arrived <- true
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "at last")
	}))
	defer target.Close()
	o := options()
	o.Memory, o.Sync, o.DataDir, o.Grace = false, true, t.TempDir(), time.Millisecond

	first := launch(t, o)
	var fetched, timer future
	first.call("POST", "/fetch?url="+target.URL, "", &fetched, 202)
	<-arrived
	first.call("POST", "/futures", `{"kind":"promise","id":"p"}`, nil, 201)
	first.call("POST", "/futures", `{"kind":"promise","id":"kept"}`, nil, 201)
	first.call("POST", "/futures/kept/resolve", `{"value":{"a":1}}`, nil, 200)
	first.call("POST", "/futures", `{"kind":"timer","after":"1ms"}`, &timer, 201)
	first.call("POST", "/events/e/set", `{"sha":"4f2a"}`, nil, 200)

	second := first.next(o)
	var got future
	second.call("GET", "/futures/"+fetched.ID+"?wait=1h", "", &got, 200)
	if got.State != "succeeded" || asked.Load() != 2 {
		t.Errorf("the fetch: %+v, the target was asked %d times", got, asked.Load())
	}
	second.call("GET", "/futures/"+timer.ID+"?wait=1h", "", &got, 200)
	if got.State != "succeeded" {
		t.Errorf("the timer: %+v", got)
	}
	second.call("GET", "/futures/kept", "", &got, 200)
	if got.State != "succeeded" || string(got.Result.JSON) != `{"a":1}` {
		t.Errorf("the resolved promise: %+v", got)
	}
	second.call("POST", "/futures", `{"kind":"promise","id":"kept"}`, nil, 409)
	second.call("POST", "/futures/p/resolve", `{"value":2}`, &got, 200)
	var e struct {
		Set        bool
		Generation int
		Payload    struct{ JSON struct{ Sha string } }
	}
	second.call("GET", "/events/e", "", &e, 200)
	if !e.Set || e.Generation != 1 || e.Payload.JSON.Sha != "4f2a" {
		t.Errorf("the event: %+v", e)
	}
}

// next ends a server and starts another with the same options.
func (r *running) next(o Options) *running {
	r.Helper()
	r.stop()
	if err := <-r.ended; err != nil {
		r.Fatal(err)
	}
	r.ended <- nil // for the clean-up
	return launch(r.T, o)
}

// Whatever comes back within the grace time counts, also what comes together and at the last moment: an ordered end
// loses no outcome, of which there are more than one commit takes.
func TestAnOrderedEndLosesNoOutcome(t *testing.T) {
	const posts = 40
	arrived, release := make(chan bool, posts), make(chan bool)
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- true
		<-release
	}))
	t.Cleanup(target.Close) // after the last server
	o := options()
	o.Memory, o.Sync, o.DataDir, o.HostConcurrency = false, true, t.TempDir(), posts
	r := launch(t, o)
	ids := make([]string, posts)
	for i := range ids {
		var f future
		r.call("POST", "/fetch", `{"method":"POST","url":"`+target.URL+`"}`, &f, 202)
		ids[i] = f.ID
	}
	for range posts {
		<-arrived
	}
	time.AfterFunc(time.Millisecond, func() { close(release) })
	r = r.next(o)
	for _, id := range ids {
		var f future
		if r.call("GET", "/futures/"+id, "", &f, 200); f.State != "succeeded" {
			t.Errorf("%s: %+v", id, f)
		}
	}
}

// What the end of the grace time cuts is made again, however often: only a death of the server is held against it.
func TestWhatTheGraceTimeCutsIsMadeAgain(t *testing.T) {
	const gets, ends = 20, 4
	arrived := make(chan bool, gets*(ends+1))
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- true
		<-r.Context().Done()
	}))
	t.Cleanup(target.Close) // after the last server
	o := options()
	o.Memory, o.Sync, o.DataDir, o.HostConcurrency, o.Grace = false, true, t.TempDir(), gets, time.Millisecond
	r := launch(t, o)
	for range gets {
		r.call("POST", "/fetch?url="+target.URL, "", nil, 202)
	}
	for range ends {
		for n := range gets {
			select {
			case <-arrived:
			case <-time.After(time.Minute):
				t.Fatalf("%d of %d are made", n, gets)
			}
		}
		r = r.next(o)
	}
	var failed struct{ Futures []future }
	if r.call("GET", "/futures?state=failed", "", &failed, 200); len(failed.Futures) > 0 {
		t.Errorf("%d failed, such as %+v", len(failed.Futures), failed.Futures[0])
	}
}

// Until a server has recovered it is alive and not ready, and says so to everybody.
func TestTheGateIsShutUntilRecovered(t *testing.T) {
	g := gate{next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })}
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
	if w := ask("/healthz"); w.Code != 200 {
		t.Errorf("/healthz: %d", w.Code)
	}
	for _, path := range []string{"/readyz", "/futures"} {
		w := ask(path)
		media := w.Header().Get("Content-Type")
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || media != "application/problem+json" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
	g.open.Store(true)
	if w := ask("/readyz"); w.Code != http.StatusTeapot {
		t.Errorf("open: %d", w.Code)
	}
}
