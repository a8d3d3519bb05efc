package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/google/go-cmp/cmp"
)

func TestAllMissingSettingsAreReportedTogether(t *testing.T) {
	_, err := New(Options{})
	if err == nil || len(strings.Split(err.Error(), "\n")) != 7 {
		t.Errorf("%v", err)
	}
}

// holding is a target that says when a request arrived and answers when it is let.
func holding(t *testing.T) (target *raw, arrived chan struct{}, let chan struct{}) {
	arrived, let = make(chan struct{}, 100), make(chan struct{})
	target = rawTarget(t, func(conn net.Conn) {
		if _, complete := readRequest(conn); complete {
			arrived <- struct{}{}
			<-let
			_, _ = conn.Write([]byte(ok))
		}
	})
	return target, arrived, let
}

func TestAnAbortEndsAnAttemptAsCancelled(t *testing.T) {
	target, arrived, let := holding(t)
	defer close(let)
	r := newRig(t, nil)
	r.Launch(Job{ID: "fut_1", N: 1, Request: request(target.url).Pack()})
	<-arrived
	r.Abort("fut_2") // unknown: nothing happens
	r.Abort("fut_1")
	r.Abort("fut_1")
	out := <-r.outcomes
	wantFailure(t, out, record.FailCancelled)
	if out.ID != "fut_1" || out.Retry {
		t.Errorf("%+v", out)
	}
	r.Abort("fut_1") // it is over: nothing happens
	if len(r.outcomes) != 0 {
		t.Error("a second outcome")
	}
}

// The goal: an attempt that is aborted before a worker took it up connects nowhere.
func TestAnAbortBeforeTheStartConnectsNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &GuardOptions{Resolver: dns("example.com", "93.184.216.34")})
		d := r.onPipes(nil)
		r.Launch(Job{ID: "fut_1", N: 1, Request: request("http://example.com/").Pack()})
		r.Abort("fut_1")
		out := <-r.outcomes
		synctest.Wait()
		if f := out.Attempt.Failure; f.Type != record.FailCancelled && len(d.addresses()) == 0 {
			t.Errorf("%+v without a connection", f)
		}
		fl := &flight{job: Job{ID: "fut_2", N: 1, Request: request("http://example.com/").Pack()}}
		fl.ctx, fl.cancel = context.WithCancelCause(t.Context())
		fl.cancel(failAborted)
		before := len(d.addresses())
		if e, _ := r.Fetcher.attempt(fl); e.failure != failAborted || len(d.addresses()) != before {
			t.Errorf("%+v, dialled %v", e.failure, d.addresses())
		}
	})
}

func TestLaunchingTooManyOrOneTwicePanics(t *testing.T) {
	target, arrived, let := holding(t)
	r := newRig(t, nil, func(o *Options) { o.WorkersMax = 1 })
	panics := func(what string, job Job) {
		t.Helper()
		defer func() {
			if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), what) {
				t.Errorf("panic %v, want one about %q", p, what)
			}
		}()
		r.Launch(job)
	}
	r.Launch(Job{ID: "fut_1", N: 1, Request: request(target.url).Pack()})
	<-arrived
	panics("in flight already", Job{ID: "fut_1", N: 2, Request: request(target.url).Pack()})
	r.Launch(Job{ID: "fut_2", N: 1, Request: request(target.url).Pack()}) // waits in the channel: one beyond the promise
	panics("more than 1 attempts", Job{ID: "fut_3", N: 1, Request: request(target.url).Pack()})
	close(let)
	wantSuccess(t, <-r.outcomes, "ok")
	wantSuccess(t, <-r.outcomes, "ok")
}

// The goal: Done may launch the next attempt of the same future at once.
func TestDoneMayLaunchTheNextAttempt(t *testing.T) {
	target := rawTarget(t, answers("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"))
	var r *rig
	last := make(chan *record.Outcome, 1)
	r = newRig(t, nil, func(o *Options) {
		o.WorkersMax = 1
		o.Done = func(out *record.Outcome) {
			if out.Retry {
				r.Launch(Job{ID: out.ID, N: out.Attempt.N + 1, Request: request(target.url).Pack()})
				return
			}
			last <- out
		}
	})
	r.Launch(Job{ID: "fut_1", N: 1, Request: request(target.url).Pack()})
	if out := <-last; out.Attempt.N != 4 {
		t.Errorf("the last of 4 attempts was %d", out.Attempt.N)
	}
}

func TestCloseWaitsForWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &GuardOptions{Resolver: dns("example.com", "93.184.216.34")})
		r.onPipes(drip("", ok, 5*time.Second, 1))
		r.Launch(Job{ID: "fut_1", N: 1, Request: request("http://example.com/").Pack()})
		grace, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if err := r.Close(grace); err != nil || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		wantSuccess(t, <-r.outcomes, "ok")
	})
}

// The goal: at the end of the grace time what still runs is cancelled, and says that it may be made again – but
// not a POST that may have arrived.
func TestCloseCancelsWhatOutlivesTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &GuardOptions{Resolver: dns("example.com", "93.184.216.34")})
		r.onPipes(func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
		for _, m := range []string{"GET", "POST"} {
			r.Launch(Job{ID: "fut_" + m, N: 1, Request: request("http://example.com/", method(m)).Pack()})
		}
		grace, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		if err := r.Close(grace); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		retry := map[string]bool{}
		for range 2 {
			out := <-r.outcomes
			wantFailure(t, out, record.FailCancelled)
			retry[out.ID] = out.Retry
		}
		if d := cmp.Diff(map[string]bool{"fut_GET": true, "fut_POST": false}, retry); d != "" {
			t.Error(d)
		}
		r.Launch(Job{ID: "fut_late", N: 1, Request: request("http://example.com/", method("POST")).Pack()})
		late := <-r.outcomes
		wantFailure(t, late, record.FailCancelled)
		if !late.Retry || late.Attempt.Duration != 0 {
			t.Errorf("launched after Close: %+v", late)
		}
	})
}

func TestCloseEndsDialsThatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &GuardOptions{Resolver: dns("example.com", "93.184.216.34")})
		ended := make(chan struct{})
		r.exit.dialer.connect = func(ctx context.Context, _ string, _ control) (net.Conn, error) {
			<-ctx.Done()
			close(ended)
			return nil, ctx.Err()
		}
		wantFailure(t, r.fetch(t, request("http://example.com/", within(time.Second))), record.FailTimeout)
		select {
		case <-ended:
			t.Fatal("net/http no longer goes on with a dial that nobody waits for")
		default:
		}
		start := time.Now()
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-ended
		if took := time.Since(start); took != 0 {
			t.Errorf("the dial went on for %v", took)
		}
	})
}

func TestEachAttemptIsObserved(t *testing.T) {
	good := rawTarget(t, answers(ok))
	bad := rawTarget(t, answers("garbage"))
	type seen struct {
		outcome string
		took    bool
	}
	observed := make(chan seen, 10)
	r := newRig(t, nil, func(o *Options) {
		o.Log = nil
		o.Observe = func(outcome string, took time.Duration) { observed <- seen{outcome, took > 0} }
	})
	r.fetch(t, request(good.url))
	r.fetch(t, request(bad.url))
	r.fetch(t, request("http://10.0.0.1/"))
	for _, want := range []string{"succeeded", "protocol", "egress_denied"} {
		if got := <-observed; got.outcome != want || !got.took {
			t.Errorf("%+v, want %s", got, want)
		}
	}
}

// The goal: with everything at once – a flaky target, aborts at random moments, as many in flight as allowed –
// each launched attempt has exactly one outcome.
func TestEachAttemptHasExactlyOneOutcome(t *testing.T) {
	const attempts, workers = 2000, 16
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/reset":
			conn, _, _ := w.(http.Hijacker).Hijack()
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		case "/busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/short":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("x"))
		default:
			_, _ = w.Write([]byte("ok"))
		}
	})
	s.Config.ErrorLog = quiet
	slots := make(chan struct{}, workers)
	var mu sync.Mutex
	outcomes := map[string]int{}
	var all sync.WaitGroup
	r := newRig(t, nil, func(o *Options) {
		o.WorkersMax = workers
		o.Done = func(out *record.Outcome) {
			mu.Lock()
			outcomes[out.ID]++
			mu.Unlock()
			<-slots
			all.Done()
		}
	})
	random := rand.New(rand.NewPCG(3, 4))
	paths := []string{"/", "/", "/reset", "/busy", "/short", "/"}
	for i := range attempts {
		slots <- struct{}{}
		all.Add(1)
		id := fmt.Sprintf("fut_%d", i)
		m := []string{"GET", "POST"}[random.IntN(2)]
		r.Launch(Job{ID: id, N: 1, Request: request(s.URL+paths[random.IntN(len(paths))], method(m), body("x")).Pack()})
		if random.IntN(3) == 0 {
			r.Abort(id)
		}
	}
	all.Wait()
	if len(outcomes) != attempts {
		t.Errorf("%d outcomes of %d attempts", len(outcomes), attempts)
	}
	for id, n := range outcomes {
		if n != 1 {
			t.Errorf("%s has %d outcomes", id, n)
		}
	}
	if made, ended := r.bodies.created.Load(), r.bodies.committed.Load()+r.bodies.discarded.Load(); made != ended {
		t.Errorf("%d bodies begun, %d ended", made, ended)
	}
}
