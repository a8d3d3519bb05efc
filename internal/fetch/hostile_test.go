package fetch

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// nowhere keeps no body.
type nowhere struct{}

func (nowhere) Create() (BodyWriter, error)  { return nowhere{}, nil }
func (nowhere) Write(p []byte) (int, error)  { return len(p), nil }
func (nowhere) Commit() (record.Body, error) { return record.Body{}, nil }
func (nowhere) Discard()                     {}

// stepping is a target that stops after each piece of 4 KiB until it is let go on.
type stepping struct {
	start, more string
	wrote, goOn chan struct{}
	serving     atomic.Int64 // connections
}

func (s *stepping) serve(conn net.Conn) {
	s.serving.Add(1)
	defer s.serving.Add(-1)
	if _, complete := readRequest(conn); !complete {
		return
	}
	piece := bytes.Repeat([]byte(s.more), 1+4096/len(s.more))
	for text := []byte(s.start); ; text = piece {
		if _, err := conn.Write(text); err != nil {
			return
		}
		s.wrote <- struct{}{}
		<-s.goOn
	}
}

// The goal: besides the body it may keep, an attempt holds at most 256 KiB, at whatever moment of whatever answer.
// What is held is what a garbage collection at that moment leaves.
func TestAHostileTargetMakesUsHoldLittle(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	var distinct strings.Builder
	for i := range 800 {
		fmt.Fprintf(&distinct, "%x:\r\n", i)
	}
	for name, answer := range map[string][2]string{
		"body":            {"HTTP/1.1 200 OK\r\n\r\n", "x"},
		"chunks":          {chunked, "1\r\nx\r\n"},
		"extensions":      {chunked + "1;", "x"},
		"trailers":        {chunked + "0\r\n", "X-A: b\r\n"},
		"headers":         {"HTTP/1.1 200 OK\r\n", "a:\r\n"},
		"many headers":    {"HTTP/1.1 200 OK\r\n", distinct.String()},
		"folded":          {"HTTP/1.1 200 OK\r\nX-A: b\r\n", " c\r\n"},
		"one header":      {"HTTP/1.1 200 OK\r\nX-A: ", "b"},
		"status":          {"HTTP/1.1 200 ", "x"},
		"interim":         {"", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"},
		"spaced interim":  {"HTTP/1.1   103 E\r\n\r\nHTTP/1.1 200 OK\r\n", "a:\r\n"},
		"interim headers": {"HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\n", "a:\r\n"},
		"refused, body":   {"HTTP/1.1 503 Busy\r\n\r\n", "x"},
		"redirect, body":  {"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", "x"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, &GuardOptions{Resolver: dns("example.com", "93.184.216.34")}, func(o *Options) {
				o.Bodies, o.WorkersMax = nowhere{}, 1
			})
			s := &stepping{
				start: answer[0], more: answer[1], wrote: make(chan struct{}, 1), goOn: make(chan struct{}, 1),
			}
			r.onPipes(s.serve)
			before := held()
			r.Launch(Job{ID: "fut_1", N: 1, Request: request("http://example.com/", bytesMax(1<<30)).Pack()})
			most := int64(0)
			for n := range 64 { // 256 KiB, more than anything but a body may have
				synctest.Wait()
				if s.serving.Load() == 0 {
					break
				}
				<-s.wrote
				if n%4 == 3 {
					most = max(most, held()-before)
				}
				s.goOn <- struct{}{}
			}
			r.Abort("fut_1")
			<-r.outcomes
			for s.serving.Load() > 0 { // it stands before or after a piece
				select {
				case s.goOn <- struct{}{}:
				default:
				}
				select {
				case <-s.wrote:
				default:
				}
				synctest.Wait()
			}
			if most > 256<<10 {
				t.Errorf("%s: %d KiB are held", name, most>>10)
			}
		})
	}
}

// held is how much memory is in use once what is not is gone.
func held() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The goal: a body that nobody wants, of a redirect or before another attempt, holds no worker: not by its length, not
// by coming slowly.
func TestAnUnwantedBodyIsNotAwaited(t *testing.T) {
	var sent atomic.Int64
	flood := func(start string) func(net.Conn) {
		return func(conn net.Conn) {
			_, complete := readRequest(conn)
			for piece := []byte(start); complete && sent.Load() < 1<<20; piece = make([]byte, 1024) {
				n, err := conn.Write(piece)
				sent.Add(int64(n))
				complete = err == nil
			}
		}
	}
	for name, body := range map[string]func(start string) func(net.Conn){
		"dripping": func(start string) func(net.Conn) { return drip(start, "x", 100*time.Millisecond, 100_000) },
		"silent":   func(start string) func(net.Conn) { return drip(start, "x", time.Hour, 1) },
		"endless":  flood,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, &GuardOptions{Resolver: dns("example.com", "93.184.216.34")})
			d := r.onPipes(nil)
			var dials atomic.Int64
			d.serve = func(conn net.Conn) {
				if dials.Add(1) == 1 {
					body("HTTP/1.1 302 Found\r\nLocation: /end\r\n\r\n")(conn)
					return
				}
				body("HTTP/1.1 503 Busy\r\n\r\n")(conn)
			}
			out := r.fetch(t, request("http://example.com/"))
			wantFailure(t, out, record.FailHTTPStatus)
			if !out.Retry || dials.Load() != 2 || out.Attempt.Duration > 2*drainTimeMax {
				t.Errorf("%s: retry %v, %d connections, after %v", name, out.Retry, dials.Load(), out.Attempt.Duration)
			}
			time.Sleep(2 * time.Hour) // the target notices
		})
	}
	if got := sent.Load(); got < drainBytesMax || got > 2*(drainBytesMax+8<<10) {
		t.Errorf("of two endless bodies %d bytes were read", got)
	}
}

// The goal: lines are counted anew for each answer of a connection, and for each answer.
func TestEachHeadOfAConnectionIsCounted(t *testing.T) {
	short := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + strings.Repeat("A: b\r\n", headLinesMax/2) + "\r\nok"
	long := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + strings.Repeat("A: b\r\n", headLinesMax) + "\r\nok"
	lines := "HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + strings.Repeat("\r\n", 1500)
	var n atomic.Int64
	target := rawTarget(t, func(conn net.Conn) {
		for {
			if _, complete := readRequest(conn); !complete {
				return
			}
			_, _ = conn.Write([]byte([]string{short, short, lines, short, long}[n.Add(1)-1]))
		}
	})
	r := newRig(t, nil)
	for range 4 {
		if f := r.fetch(t, request(target.url)).Attempt.Failure; f != nil {
			t.Errorf("answer %d: %s", n.Load(), f.Message)
		}
	}
	out := r.fetch(t, request(target.url))
	wantFailure(t, out, record.FailProtocol)
	if out.Retry || out.Attempt.Failure.Message != failHeaders.message || target.dials.Load() != 1 {
		t.Errorf("%+v, retry %v, %d connections", out.Attempt.Failure, out.Retry, target.dials.Load())
	}
}

// breaking is a target that resets each connection for a POST after some bytes of it, or of its answer, and counts the
// POSTs that it has read whole.
type breaking struct {
	*raw
	executed atomic.Int64
	plans    chan [2]int // bytes to read of the next POST, and to write of its answer
}

const breakingHead = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func breakingTarget(t *testing.T, whole int) *breaking {
	b := &breaking{plans: make(chan [2]int, 1)}
	b.raw = rawTarget(t, func(conn net.Conn) {
		first := make([]byte, 4)
		for {
			if _, err := io.ReadFull(conn, first); err != nil {
				return
			}
			if string(first) == "POST" {
				break
			}
			if _, complete := readRequest(conn); !complete {
				return
			}
			_, _ = conn.Write([]byte(breakingHead))
		}
		plan := <-b.plans
		if n, _ := io.ReadFull(conn, make([]byte, plan[0]-len(first))); n+len(first) == whole {
			b.executed.Add(1)
			_, _ = conn.Write([]byte(breakingHead)[:plan[1]])
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
	})
	return b
}

// The goal: a POST runs once at most wherever its connection is reset, in the request or in the answer, on a new
// connection or a pooled one, and is not tried again unless that was asked for.
func TestAPostRunsOnceWhereverItsConnectionBreaks(t *testing.T) {
	probe := make(chan int, 1)
	measure := rawTarget(t, func(conn net.Conn) {
		head, _ := readRequest(conn)
		probe <- len(head) + len("payload")
	})
	req := func(url string) *record.Request {
		return request(url, method("POST"), body("payload"), header("Idempotency-Key", "k"))
	}
	newRig(t, nil).fetch(t, req(measure.url))
	whole := <-probe
	var plans [][2]int
	for n := 4; n < whole; n += 3 {
		plans = append(plans, [2]int{n, 0})
	}
	for n := range len(breakingHead) {
		plans = append(plans, [2]int{whole, n})
	}
	for _, pooled := range []bool{false, true} {
		r := newRig(t, nil)
		for _, plan := range plans {
			target := breakingTarget(t, whole)
			if pooled {
				wantSuccess(t, r.fetch(t, request(target.url)), "ok")
			}
			target.plans <- plan
			out := r.fetch(t, req(target.url))
			wantFailure(t, out, record.FailProtocol)
			want := int64(0)
			if plan[0] == whole {
				want = 1
			}
			if got := target.executed.Load(); got != want || out.Retry {
				t.Errorf("%v of %d (pooled %v): executed %d times, retry %v", plan, whole, pooled, got, out.Retry)
			}
		}
	}
}
