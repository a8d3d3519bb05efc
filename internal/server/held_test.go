package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// planted is a wall clock that does what is planted in it, once, in the middle of what comes before a wait.
type planted struct{ does atomic.Pointer[func()] }

func (p *planted) now() time.Time {
	if does := p.does.Swap(nil); does != nil {
		(*does)()
	}
	return time.Now()
}

func (p *planted) plant(does func()) { p.does.Store(&does) }

// plantedHouse has such a clock, and clients that speak HTTP/2.
func plantedHouse(t *testing.T) (*house, *planted) {
	p := &planted{}
	return newHouse(t, plans{http2: true, options: func(o *Options) { o.Now = p.now }}), p
}

// untilSoon waits for a moment, which is compared with the clock before anything waits.
const untilSoon = `{"for":{"any":["event:a","until:2030-01-01T00:00:00Z"]}}`

// A panic before the wait begins is that of its request, whichever goroutine it happened on.
func TestAPanicBeforeTheWaitStaysWithItsRequest(t *testing.T) {
	h, clock := plantedHouse(t)
	clock.plant(func() { panic("planted") })
	h.wantProblem(500, "internal", h.post("/wait", untilSoon))
	if !strings.Contains(h.log.String(), "planted") {
		t.Error("it is not logged")
	}

	clock.plant(func() { panic(http.ErrAbortHandler) })
	if _, err := h.send(t.Context(), h.plain, "POST", "/wait", untilSoon); err == nil {
		t.Error("it was answered")
	}
	if n := h.answered("499"); n != 1 {
		t.Errorf("%v requests were cut", n)
	}

	held := h.background(1, "POST", "/wait", untilSoon)
	h.want(200, h.post("/events/a/set", ""))
	h.want(200, <-held)
}

// What net/http is to catch reaches the goroutine that it gave the request.
func TestAnAbortBeforeTheWaitReachesTheGoroutineOfTheRequest(t *testing.T) {
	h, clock := plantedHouse(t)
	clock.plant(func() { panic(http.ErrAbortHandler) })
	r := httptest.NewRequest("POST", "/wait", strings.NewReader(untilSoon))
	r.Header.Set("Content-Type", "application/json")
	r.ProtoMajor, r.ProtoMinor = 2, 0
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("recovered %v, want http.ErrAbortHandler", got)
		}
	}()
	h.server.ServeHTTP(httptest.NewRecorder(), r)
	t.Error("it returned")
}

// Who leaves before its wait has begun is not waited for, and leaves nothing behind.
func TestACallerWhoLeavesBeforeItsWaitLeavesNothing(t *testing.T) {
	h, clock := plantedHouse(t)
	ctx, leave := context.WithCancel(t.Context())
	var release func()
	clock.plant(func() { release = h.block(); leave() })
	if _, err := h.send(ctx, h.plain, "POST", "/wait", untilSoon); err == nil {
		t.Error("it was answered")
	}
	for h.answered("499") == 0 { // although the loop stands still
		runtime.Gosched()
	}
	release()
	h.abandoned()
}

// Who leaves while it is held, too, in whatever way it is held.
func TestACallerWhoLeavesWhileItIsHeldLeavesNothing(t *testing.T) {
	h := newHouse(t, plans{http2: true})
	h.promises("p")
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/events/a?wait=50s", ""},
		{"GET", "/futures/p?wait=50s", ""},
		{"GET", "/futures/p/result?wait=50s", ""},
		{"GET", "/wait?any=a,future:p", ""},
		{"POST", "/wait", `{"for":{"any":["event:a","future:p"]}}`},
	} {
		h.leave(c.method, c.path, c.body)
		h.abandoned()
	}
}

// abandoned fails the test unless nobody is held, and no name is kept for those who were.
func (h *house) abandoned() {
	h.t.Helper()
	h.parked(0)
	in, err := h.kernel.Inspect(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	if in.Events != 0 || in.Outstanding != 1 || in.Loop.Timers > 1 { // it counts itself, and the heartbeat
		h.t.Errorf("%d events, %d proposals and %d timers are left", in.Events, in.Outstanding, in.Loop.Timers)
	}
}

// answered is how many requests were, with that status.
func (h *house) answered(code string) (n float64) {
	h.t.Helper()
	families, err := h.registry.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "awaitd_http_requests_total" && l.GetName() == "code" && l.GetValue() == code {
					n += m.GetCounter().GetValue()
				}
			}
		}
	}
	return n
}

// A kernel that ends lets nobody hang. The future of a fetch exists, so that its caller is told of it all the same.
func TestWhoIsHeldIsAnsweredWhenTheKernelEnds(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		h := newHouse(t, plans{http2: http2})
		h.promises("p")
		var held []<-chan reply
		for i, path := range []string{"/events/a?wait=50s", "/futures/p?wait=50s", "/wait?any=a,b"} {
			held = append(held, h.background(i+1, "GET", path, ""))
		}
		fetched := h.background(4, "POST", "/fetch?wait=50s", `{"url":"https://target.test/hang"}`)
		h.stop()
		for _, answer := range held {
			h.wantProblem(503, "draining", <-answer)
		}
		h.want(202, <-fetched)
	}
}

// Whatever of a request is let go while it is held, its conditions are not; and a key is asked for as before.
func TestARequestThatIsHeldKeepsItsConditions(t *testing.T) {
	key, line, err := NewKey("ci", strings.NewReader(strings.Repeat("x", keyBytes)))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ReadKeys(strings.NewReader(line))
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, plans{http2: true, options: func(o *Options) { o.Keys = keys }})
	authorized := "Authorization: Bearer " + key
	h.wantProblem(401, "unauthorized", h.get("/events/a?wait=50s"))
	plain := h.background(1, "GET", "/events/a?wait=50s", "", authorized)
	conditional := h.background(2, "GET", "/events/a?wait=50s", "", authorized, "If-None-Match: *")
	h.want(200, h.post("/events/a/set", "", authorized))
	h.want(200, <-plain)
	h.want(304, <-conditional)
}
