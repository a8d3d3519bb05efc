package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/google/go-cmp/cmp"
)

// The goal: one whole exchange, as sent and as kept.
func TestAnExchangeIsSentAndKeptAsGiven(t *testing.T) {
	received := make(chan string, 1)
	target := rawTarget(t, func(conn net.Conn) {
		head, _ := readRequest(conn)
		payload := make([]byte, 7)
		_, _ = io.ReadFull(conn, payload)
		received <- head + string(payload)
		_, _ = conn.Write([]byte("HTTP/1.1 201 Created\r\nx-b: 1\r\nContent-Length: 2\r\nX-A: 2\r\n\r\nok"))
	})
	r := newRig(t, nil)
	out := r.attempt(t, request(target.url+"path?q=1", method("PUT"), body("payload"),
		header("X-Two", "b", "a"), header("Accept", "text/plain")), 3)
	wantSuccess(t, out, "ok")
	want := "PUT /path?q=1 HTTP/1.1\r\nHost: " + strings.Trim(target.url, "htp:/") + "\r\nUser-Agent: awaitd/test\r\n" +
		"Content-Length: 7\r\nAccept: text/plain\r\nX-Two: b\r\nX-Two: a\r\n\r\npayload"
	if d := cmp.Diff(want, <-received); d != "" {
		t.Error(d)
	}
	if out.Attempt.N != 3 || out.Attempt.Status != 201 || out.Attempt.At == 0 || out.Attempt.Duration <= 0 {
		t.Errorf("%+v", out.Attempt)
	}
	headers := []record.Header{
		{Name: "Content-Length", Values: []string{"2"}},
		{Name: "X-A", Values: []string{"2"}},
		{Name: "X-B", Values: []string{"1"}},
	}
	wantResult := &record.Result{Status: 201, Headers: headers, Body: record.Body{Bytes: 2, Inline: []byte("ok")}}
	if d := cmp.Diff(wantResult, out.Result); d != "" {
		t.Error(d)
	}
}

func TestACallersUserAgentWins(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.UserAgent())) })
	r := newRig(t, nil)
	wantSuccess(t, r.fetch(t, request(s.URL)), "awaitd/test")
	wantSuccess(t, r.fetch(t, request(s.URL, header("User-Agent", "mine"))), "mine")
}

// The goal: while another attempt follows, nothing is left in the store; the last answer is kept.
func TestTheAnswerIsKeptOnlyWhenNoAttemptFollows(t *testing.T) {
	target := rawTarget(t, answers("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy"))
	r := newRig(t, nil)
	out := r.attempt(t, request(target.url), 3)
	wantFailure(t, out, record.FailHTTPStatus)
	if !out.Retry || out.RetryAfter < 7*time.Second || out.RetryAfter > 7500*time.Millisecond || out.Result != nil {
		t.Errorf("third of four: %+v", out)
	}
	if r.bodies.created.Load() != 0 {
		t.Error("a body that nobody will refer to was stored")
	}
	out = r.attempt(t, request(target.url), 4)
	wantFailure(t, out, record.FailHTTPStatus)
	if out.Retry || out.Result == nil || string(out.Result.Body.Inline) != "busy" || out.Result.Status != 503 {
		t.Errorf("last: %+v", out)
	}
	if out.Attempt.Failure.Message != "The target answered 503." {
		t.Error(out.Attempt.Failure.Message)
	}
}

// counting is a target that counts the requests whose headers it has read completely: what it might execute.
type counting struct {
	*raw
	executed atomic.Int64
}

func countingTarget(t *testing.T, respond func(n int64, conn net.Conn) bool) *counting {
	c := &counting{}
	c.raw = rawTarget(t, func(conn net.Conn) {
		for {
			head, complete := readRequest(conn)
			if !complete {
				return
			}
			if strings.Contains(head, "Content-Length: 7") {
				_, _ = io.ReadFull(conn, make([]byte, 7))
			}
			if !respond(c.executed.Add(1), conn) {
				return
			}
		}
	})
	return c
}

// The goal: net/http sends a request with an Idempotency-Key again by itself when a pooled connection breaks. For a
// POST it must not: one attempt is one execution, with any spelling of the key, with a body and without.
func TestAPostIsExecutedOnceThoughItsPooledConnectionBreaks(t *testing.T) {
	for _, m := range []string{"POST", "PATCH"} {
		for _, payload := range []string{"", "payload"} {
			for _, key := range []func(*record.Request){
				nonIdempotent, header("Idempotency-Key", "k"), header("X-Idempotency-Key", "k"), func(*record.Request) {},
			} {
				target := countingTarget(t, func(n int64, conn net.Conn) bool {
					if n == 1 {
						_, _ = conn.Write([]byte(ok))
					}
					return n == 1 // the second is read and not answered
				})
				r := newRig(t, nil)
				wantSuccess(t, r.fetch(t, request(target.url)), "ok")
				req := request(target.url, method(m), body(payload), key)
				out := r.fetch(t, req)
				wantFailure(t, out, record.FailProtocol)
				if got := target.executed.Load(); got != 2 {
					t.Errorf("%s %q: %d executions of two attempts", m, payload, got)
				}
				if out.Retry != req.Retry.NonIdempotent {
					t.Errorf("%s %q: retry %v, asked for %v", m, payload, out.Retry, req.Retry.NonIdempotent)
				}
			}
		}
	}
}

// The goal: the key is sent only when the caller allowed repeating, is the future's id unless the caller chose
// one, and is the same in each attempt.
func TestTheIdempotencyKeyIsSentOnlyWhenAsked(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%v", r.Header.Values("Idempotency-Key"))
	})
	r := newRig(t, nil)
	send := func(n int, req *record.Request) *record.Outcome {
		r.Launch(Job{ID: "fut_1", N: n, Request: req.Pack()})
		return <-r.outcomes
	}
	wantSuccess(t, send(1, request(s.URL, method("POST"))), "[]")
	wantSuccess(t, send(1, request(s.URL, method("POST"), nonIdempotent)), "[fut_1]")
	wantSuccess(t, send(2, request(s.URL, method("PATCH"), nonIdempotent)), "[fut_1]")
	wantSuccess(t, send(1, request(s.URL, method("POST"), nonIdempotent, header("Idempotency-Key", "k"))), "[k]")
	wantSuccess(t, send(1, request(s.URL, method("GET"), nonIdempotent)), "[]")
	wantSuccess(t, send(1, request(s.URL, method("PUT"), header("Idempotency-Key", "k"))), "[k]")
}

// The goal: a POST is tried again only when it provably never left, at each phase of its life.
func TestAPostThatMayHaveArrivedIsNotTriedAgain(t *testing.T) {
	read := func(text string) func(net.Conn) { // the body as well, and then answers
		return func(conn net.Conn) {
			if _, complete := readRequest(conn); complete {
				_, _ = io.ReadFull(conn, make([]byte, len("payload")))
				_, _ = conn.Write([]byte(text))
			}
		}
	}
	for _, c := range []struct {
		name  string
		serve func(net.Conn)
		want  record.FailureType
	}{
		{"closed after the request", read(""), record.FailProtocol},
		{"no answer in time", func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, record.FailTimeout},
		{"503", read("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), record.FailHTTPStatus},
		{"broken answer", read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"), record.FailProtocol},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, &GuardOptions{Resolver: dns("example.com", "93.184.216.34")})
			r.onPipes(c.serve)
			out := r.fetch(t, request("http://example.com/", method("POST"), body("payload")))
			wantFailure(t, out, c.want)
			if out.Retry {
				t.Errorf("%s: tried again after %+v", c.name, out.Attempt.Failure)
			}
			asked := r.fetch(t, request("http://example.com/", method("POST"), body("payload"), nonIdempotent))
			if !asked.Retry {
				t.Errorf("%s: asked to repeat and does not: %+v", c.name, asked.Attempt.Failure)
			}
		})
	}
}

// The goal: the attempt's own time and the future's deadline are told apart, and the shorter one counts.
func TestTimeoutAndDeadlineAreToldApart(t *testing.T) {
	for _, c := range []struct {
		timeout  time.Duration
		deadline time.Duration // from now, 0 for none
		after    time.Duration
		want     record.FailureType
		retry    bool
	}{
		{7 * time.Second, 0, 7 * time.Second, record.FailTimeout, true},
		{7 * time.Second, time.Hour, 7 * time.Second, record.FailTimeout, true},
		{7 * time.Second, 7 * time.Second, 7 * time.Second, record.FailDeadline, false},
		{7 * time.Second, 3 * time.Second, 3 * time.Second, record.FailDeadline, false},
		{7 * time.Second, -time.Second, 0, record.FailDeadline, false},
		{7 * time.Second, 7100 * time.Millisecond, 7 * time.Second, record.FailTimeout, false}, // no time for another
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, &GuardOptions{Resolver: dns("example.com", "93.184.216.34")})
			r.onPipes(func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
			job := Job{ID: "fut_1", N: 1, Request: request("http://example.com/", within(c.timeout)).Pack()}
			if c.deadline != 0 {
				job.DeadlineAt = time.Now().Add(c.deadline)
			}
			r.Launch(job)
			out := <-r.outcomes
			wantFailure(t, out, c.want)
			if out.Attempt.Duration != c.after || out.Retry != c.retry {
				t.Errorf("%v of %v: after %v, retry %v", c.timeout, c.deadline, out.Attempt.Duration, out.Retry)
			}
		})
	}
}

// The goal: the time of an attempt also ends a body under way, and a redirect under way.
func TestTheTimeOfAnAttemptCoversAllOfIt(t *testing.T) {
	slowBody := drip("HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", strings.Repeat("x", 4096), time.Second, 100)
	const hop = "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	slowHop := drip("", hop, time.Second, 1)
	for name, target := range map[string]func(net.Conn){"body": slowBody, "hops": slowHop} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, &GuardOptions{Resolver: dns("example.com", "93.184.216.34")})
			r.onPipes(target)
			out := r.fetch(t, request("http://example.com/", within(2500*time.Millisecond)))
			wantFailure(t, out, record.FailTimeout)
			if out.Attempt.Duration != 2500*time.Millisecond || out.Attempt.Failure.Message !=
				"The attempt did not end within 2.5s." {
				t.Errorf("%s: %+v after %v", name, out.Attempt.Failure, out.Attempt.Duration)
			}
			time.Sleep(time.Minute)
		})
	}
}

// The goal: a store that fails is our fault, logged, told without detail, and leaves nothing behind.
func TestAFailingStoreFailsTheAttempt(t *testing.T) {
	target := rawTarget(t, answers(ok))
	disk := errors.New("disk full at /var/lib/x")
	for name, breakIt := range map[string]func(*memory){
		"create": func(m *memory) { m.failCreate = disk },
		"write":  func(m *memory) { m.failWrite = disk },
		"commit": func(m *memory) { m.failCommit = disk },
	} {
		r := newRig(t, nil)
		breakIt(r.bodies)
		out := r.fetch(t, request(target.url))
		wantFailure(t, out, record.FailProtocol)
		if out.Attempt.Failure.Message != failStore.message || !out.Retry || out.Result != nil || !out.Ours {
			t.Errorf("%s: %+v, retry %v", name, out.Attempt.Failure, out.Retry)
		}
		if !strings.Contains(r.log.String(), "disk full") {
			t.Errorf("%s: not logged: %s", name, r.log)
		}
		ended := r.bodies.committed.Load() + r.bodies.discarded.Load()
		if r.bodies.created.Load() != ended {
			t.Errorf("%s: %d begun, %d ended", name, r.bodies.created.Load(), ended)
		}
	}
}

// The goal: a record that no door of ours would store is not sent.
func TestARequestThatBreaksTheRulesIsNotSent(t *testing.T) {
	target := rawTarget(t, answers(ok))
	for _, change := range []func(*record.Request){
		method("CONNECT"), header("Host", "evil.example"), header("content-length", "3"), within(time.Hour),
		redirects(1000), func(r *record.Request) { r.URL = "http://user:pw@" + r.URL[len("http://"):] },
	} {
		out := newRig(t, nil).fetch(t, request(target.url, change))
		wantFailure(t, out, record.FailProtocol)
		if out.Retry || out.Attempt.Failure.Message != failRequest.message {
			t.Errorf("%+v", out)
		}
	}
	if got := target.dials.Load(); got != 0 {
		t.Errorf("%d connections", got)
	}
}

// The goal: secrets of a fetch – in its query, headers and body, and what a target says – are in no failure and
// in no line of the log, whatever goes wrong.
func TestSecretsAreInNoFailureAndNoLog(t *testing.T) {
	const canary = "c4n4ry"
	targets := []string{
		"http://127.0.0.1:1/", "http://10.0.0.1/", "http://nowhere.example/", "http://vault.internal/",
		"http://x.example:22/", "not a url " + canary,
	}
	for _, text := range []string{
		"", canary, "HTTP/1.1 " + canary, "HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n", "HTTP/1.1 404 " + canary + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: " + canary + "\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + canary,
		"HTTP/1.1 302 Found\r\nLocation: http://" + canary + ".internal/\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: http://x:" + canary + "@b.example/\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: :" + canary + "\r\n\r\n",
		"HTTP/1.1 101 " + canary + "\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canary + "\r\n\r\n",
		"HTTP/1.1 503 X\r\nRetry-After: " + canary + "\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + "\r\n",
	} {
		targets = append(targets, rawTarget(t, answers(text)).url)
	}
	for _, url := range targets {
		for _, m := range []string{"GET", "POST"} {
			r := newRig(t, nil)
			out := r.fetch(t, request(url+"?token="+canary, method(m), body(canary), header("Authorization", canary),
				header("X-Key", canary), bytesMax(20)))
			if out.Attempt.Failure == nil {
				t.Errorf("%s succeeded", url)
				continue
			}
			// The name of a host is no secret to the operator's log: a redirect may choose it.
			log := strings.ReplaceAll(r.log.String(), canary+".internal", "")
			if strings.Contains(out.Attempt.Failure.Message+log, canary) {
				t.Errorf("%s %.60s: %q, log %q", m, url, out.Attempt.Failure.Message, log)
			}
		}
	}
}

// poison panics with a secret in a place where no error is expected.
type poison struct{ value any }

func (p poison) Create() (BodyWriter, error) { panic(p.value) }

// The goal: a panic costs one attempt, is logged with its stack, and tells no secret; the worker lives on.
func TestAPanicCostsOneAttempt(t *testing.T) {
	target := rawTarget(t, answers(ok))
	for _, value := range []any{"c4n4ry", errors.New("c4n4ry"), error(nilDereference())} {
		r := newRig(t, nil, func(o *Options) { o.WorkersMax, o.Bodies = 1, poison{value} })
		for range 3 {
			out := r.fetch(t, request(target.url))
			wantFailure(t, out, record.FailProtocol)
			if out.Retry || out.Attempt.Failure.Message != failPanic.message {
				t.Errorf("%+v", out)
			}
		}
		log := r.log.String()
		if strings.Count(log, "panic in an attempt") != 3 || !strings.Contains(log, "poison") ||
			strings.Contains(log, "c4n4ry") {
			t.Errorf("log: %s", log)
		}
	}
	r := newRig(t, nil, func(o *Options) { o.WorkersMax = 1 })
	wantFailure(t, r.fetch(t, nil), record.FailProtocol) // no request at all
	wantSuccess(t, r.fetch(t, request(target.url)), "ok")
	if !strings.Contains(r.log.String(), "nil pointer dereference") {
		t.Errorf("the runtime's own words are missing: %s", r.log)
	}
}

func nilDereference() (err error) {
	defer func() { err = recover().(error) }()
	var b *bytes.Buffer
	return b.UnreadByte()
}
