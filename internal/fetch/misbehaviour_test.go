package fetch

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/google/go-cmp/cmp"
)

// endless writes start, then more until the other side is gone; or 32 MiB, to spare the machine when nobody cuts it.
func endless(start, more string) func(net.Conn) {
	chunk := []byte(strings.Repeat(more, 1+4096/len(more)))
	return func(conn net.Conn) {
		if _, ok := readRequest(conn); !ok {
			return
		}
		_, err := conn.Write([]byte(start))
		for sent := 0; err == nil && sent < 32<<20; sent += len(chunk) {
			_, err = conn.Write(chunk)
		}
	}
}

// The goal: whatever a target sends without end, the attempt ends, keeps no more than its bound, and says why.
func TestWhatNeverEndsIsCut(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct {
		name        string
		start, more string
		want        record.FailureType
		final       bool
	}{
		{"body until close", "HTTP/1.1 200 OK\r\n\r\n", "x", record.FailTooLarge, true},
		{"body of a length", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "x", record.FailTooLarge, true},
		{"chunks", chunked, "8\r\n12345678\r\n", record.FailTooLarge, true},
		{"chunks of one byte", chunked, "1\r\nx\r\n", record.FailTooLarge, true},
		{"a chunk's extension", chunked + "1;", "x", record.FailProtocol, false},
		{"a chunk's length", chunked, "0", record.FailProtocol, false},
		{"trailers", chunked + "0\r\n", "X-A: b\r\n", record.FailProtocol, false},
		{"headers", "HTTP/1.1 200 OK\r\n", "X-A: b\r\n", record.FailProtocol, true},
		{"one header", "HTTP/1.1 200 OK\r\nX-A: ", "b", record.FailProtocol, false},
		{"the status line", "HTTP/1.1 200 ", "x", record.FailProtocol, false},
		{"garbage", "", "x", record.FailProtocol, false},
		{"100 Continue", "", "HTTP/1.1 100 Continue\r\n\r\n", record.FailProtocol, true},
		{"103 Early Hints", "", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", record.FailProtocol, true},
	} {
		const most = 64 << 10
		target := rawTarget(t, endless(c.start, c.more))
		r := newRig(t, nil)
		out := r.fetch(t, request(target.url, bytesMax(most)))
		if f := out.Attempt.Failure; f == nil || f.Type != c.want {
			t.Errorf("%s: failure %+v, want %s", c.name, f, c.want)
			continue
		}
		if out.Result != nil || r.bodies.largest.Load() > most || r.bodies.committed.Load() != 0 {
			t.Errorf("%s: kept %v, %d bytes written", c.name, out.Result, r.bodies.largest.Load())
		}
		if r.bodies.created.Load() != r.bodies.discarded.Load() {
			t.Errorf("%s: %d bodies begun, %d discarded", c.name, r.bodies.created.Load(), r.bodies.discarded.Load())
		}
		if out.Retry == c.final {
			t.Errorf("%s: retry %v", c.name, out.Retry)
		}
	}
}

// The goal: max_bytes is exact.
func TestABodyOfExactlyTheBoundPasses(t *testing.T) {
	for _, framing := range []string{
		"Content-Length: 10\r\n\r\n0123456789", "\r\n0123456789",
		"Transfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n",
	} {
		target := rawTarget(t, answers("HTTP/1.1 200 OK\r\n"+framing))
		wantSuccess(t, newRig(t, nil).fetch(t, request(target.url, bytesMax(10))), "0123456789")
		out := newRig(t, nil).fetch(t, request(target.url, bytesMax(9)))
		wantFailure(t, out, record.FailTooLarge)
		if out.Retry || out.Result != nil || out.Attempt.Status != 200 {
			t.Errorf("%+v", out)
		}
	}
}

// The goal: nobody waits for a body that says by itself that it is too large.
func TestABodyThatSaysItIsTooLargeIsNotAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &GuardOptions{Resolver: dns("example.com", "93.184.216.34")})
		r.onPipes(drip("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", "", time.Hour, 1))
		out := r.fetch(t, request("http://example.com/", bytesMax(10)))
		wantFailure(t, out, record.FailTooLarge)
		if out.Attempt.Duration != 0 {
			t.Errorf("after %v", out.Attempt.Duration)
		}
		time.Sleep(2 * time.Hour)
	})
}

// The goal: an answer broken off at any byte is a failed attempt, never a shorter success, whether the connection
// is closed or reset.
func TestAnAnswerBrokenOffAnywhereIsAFailedAttempt(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nX-A: b\r\n\r\nhello, world",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n",
	} {
		for _, reset := range []bool{false, true} {
			r := newRig(t, nil)
			cut := make(chan int, 1)
			target := rawTarget(t, func(conn net.Conn) {
				if _, ok := readRequest(conn); !ok {
					return
				}
				_, _ = conn.Write([]byte(text)[:<-cut])
				if reset {
					_ = conn.(*net.TCPConn).SetLinger(0)
				}
			})
			for at := range len(text) {
				cut <- at
				out := r.fetch(t, request(target.url))
				if f := out.Attempt.Failure; f == nil || f.Type != record.FailProtocol || !out.Retry {
					t.Errorf("cut at %d (reset %v): %+v, retry %v", at, reset, f, out.Retry)
				}
			}
			if !reset {
				cut <- len(text)
				wantSuccess(t, r.fetch(t, request(target.url)), "hello, world")
			}
		}
	}
}

// The goal: lengths that lie or contradict each other, as measured for net/http.
func TestLyingLengths(t *testing.T) {
	for _, c := range []struct {
		headers, body string
		want          string // the body of a success; "-" for a protocol failure
	}{
		{"Content-Length: 100\r\n", "short", "-"},
		{"Content-Length: 2\r\n", "longer", "lo"},
		{"Content-Length: 5\r\nContent-Length: 5\r\n", "hello", "hello"},
		{"Content-Length: 5\r\nContent-Length: 6\r\n", "hello!", "-"},
		{"Content-Length: 5, 5\r\n", "hello", "-"},
		{"Content-Length: -1\r\n", "hello", "-"},
		{"Content-Length: +5\r\n", "hello", "-"},
		{"Content-Length: 0x5\r\n", "hello", "-"},
		{"Content-Length: five\r\n", "hello", "-"},
		{"Content-Length: 99999999999999999999\r\n", "hello", "-"},
		{"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", "hello"},
		{"Transfer-Encoding: chunked\r\n", "-5\r\nhello\r\n0\r\n\r\n", "-"},
		{"Transfer-Encoding: chunked\r\n", "zz\r\nhello\r\n0\r\n\r\n", "-"},
		{"Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\nhello\r\n0\r\n\r\n", "-"},
		{"Transfer-Encoding: chunked\r\n", "5\r\nhello!\r\n0\r\n\r\n", "-"},
		{"Transfer-Encoding: gzip, chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", "-"},
		{"Transfer-Encoding: unknown\r\n", "hello", "-"},
		{"Transfer-Encoding : chunked\r\n", "5\r\nhello", "5\r\nhello"}, // another header, by its space
	} {
		target := rawTarget(t, answers("HTTP/1.1 200 OK\r\n"+c.headers+"\r\n"+c.body))
		out := newRig(t, nil).fetch(t, request(target.url))
		switch f := out.Attempt.Failure; {
		case c.want == "-" && (f == nil || f.Type != record.FailProtocol):
			t.Errorf("%q %q: %+v %+v, want a protocol failure", c.headers, c.body, f, out.Result)
		case c.want != "-" && (f != nil || string(out.Result.Body.Inline) != c.want):
			t.Errorf("%q %q: %+v %+v, want %q", c.headers, c.body, f, out.Result, c.want)
		}
	}
}

// The goal: statuses are numbers. Odd ones pass through, what is no number of three digits does not.
func TestOddStatusesAreNumbers(t *testing.T) {
	for text, want := range map[string]int{"000": 0, "099": 99, "600": 600, "999": 999, "299": 299} {
		target := rawTarget(t, answers("HTTP/1.1 "+text+" Odd\r\nContent-Length: 2\r\n\r\nok"))
		out := newRig(t, nil).fetch(t, request(target.url))
		if want == 299 {
			wantSuccess(t, out, "ok")
		} else {
			wantFailure(t, out, record.FailHTTPStatus)
		}
		if out.Result == nil || out.Result.Status != want || out.Attempt.Status != want || out.Retry {
			t.Errorf("%s: %+v", text, out)
		}
	}
	for _, text := range []string{"1000", "20", "abc", "-12", "2 0", ""} {
		target := rawTarget(t, answers("HTTP/1.1 "+text+" Odd\r\nContent-Length: 2\r\n\r\nok"))
		out := newRig(t, nil).fetch(t, request(target.url))
		wantFailure(t, out, record.FailProtocol)
	}
}

func TestWhatIsNotHTTPIsAProtocolFailure(t *testing.T) {
	for _, text := range []string{
		"SSH-2.0-OpenSSH_9\r\n", "<html>", "HTTP/2.0 200 OK\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x00\x01\x02",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\n: empty\r\n\r\n", "ICY 200 OK\r\n\r\n",
	} {
		target := rawTarget(t, answers(text))
		out := newRig(t, nil).fetch(t, request(target.url))
		wantFailure(t, out, record.FailProtocol)
	}
}

// The goal: a 101, asked for or not, ends at once: its connection outlives every deadline otherwise.
func TestSwitchingProtocolsIsAFailureAndClosedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan error, 1)
		r := newRig(t, &GuardOptions{Resolver: dns("example.com", "93.184.216.34")})
		r.onPipes(func(conn net.Conn) {
			if _, ok := readRequest(conn); !ok {
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"))
			_, err := io.Copy(io.Discard, conn)
			gone <- err
		})
		out := r.fetch(t, request("http://example.com/", accept(100, 299)))
		wantFailure(t, out, record.FailProtocol)
		if out.Retry || out.Attempt.Status != 101 || out.Result != nil || out.Attempt.Duration != 0 {
			t.Errorf("%+v", out)
		}
		<-gone // the target sees its connection closed
	})
}

// The goal: bytes are counted, kept and shown as on the wire; nothing is inflated here.
func TestACompressedBodyStaysCompressed(t *testing.T) {
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	if _, err := w.Write(make([]byte, 10<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	accepted := make(chan string, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		accepted <- r.Header.Get("Accept-Encoding")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	})
	out := newRig(t, nil).fetch(t, request(s.URL, bytesMax(64<<10)))
	wantSuccess(t, out, bomb.String())
	if asked := <-accepted; asked != "" {
		t.Errorf("asked for %q", asked)
	}
	for _, h := range out.Result.Headers {
		if h.Name == "Content-Encoding" && h.Values[0] == "gzip" {
			return
		}
	}
	t.Errorf("Content-Encoding is lost: %v", out.Result.Headers)
}

// The goal: answers without a body have none, whatever their headers say.
func TestAnswersWithoutABody(t *testing.T) {
	for _, c := range []struct{ method, answer string }{
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"},
		{"GET", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 99999999\r\n\r\n"},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"GET", "HTTP/1.1 200 OK\r\n\r\n"},
	} {
		target := rawTarget(t, answers(c.answer))
		r := newRig(t, nil)
		wantSuccess(t, r.fetch(t, request(target.url, method(c.method), accept(200, 399))), "")
		if r.bodies.created.Load() != 0 {
			t.Errorf("%s: a body was begun for nothing", c.answer)
		}
	}
}

// The goal: headers of an answer are stored canonical, sorted, as UTF-8, and in a bounded number.
func TestHeadersOfAnAnswerAreStoredClean(t *testing.T) {
	target := rawTarget(t, answers("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-b: 2\r\nX-A: caf\xe9\r\nX-B: 1\r\n\r\nok"))
	out := newRig(t, nil).fetch(t, request(target.url))
	wantSuccess(t, out, "ok")
	want := []record.Header{
		{Name: "Content-Length", Values: []string{"2"}},
		{Name: "X-A", Values: []string{"café"}},
		{Name: "X-B", Values: []string{"2", "1"}},
	}
	if d := cmp.Diff(want, out.Result.Headers); d != "" {
		t.Error(d)
	}
	for n, fine := range map[int]bool{headLinesMax: true, headLinesMax + 1: false} {
		var b strings.Builder
		for i := range n - 2 { // there are a status and a length, too
			fmt.Fprintf(&b, "H%d: x\r\n", i)
		}
		target := rawTarget(t, answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"+b.String()+"\r\nok"))
		out := newRig(t, nil).fetch(t, request(target.url))
		if fine {
			wantSuccess(t, out, "ok")
		} else if wantFailure(t, out, record.FailProtocol); out.Retry {
			t.Errorf("%d headers are tried again", n)
		}
	}
	if got := keepHeaders(http.Header{"X Y": {"a"}, "X": {"b"}}); len(got) != 1 {
		t.Errorf("a name with a space was kept: %v", got)
	}
}

// The goal: the headers of an answer have room for 64 KiB and no more.
func TestTheHeadersOfAnAnswerAreBounded(t *testing.T) {
	for size, fine := range map[int]bool{AnswerHeaderBytesMax - 100: true, AnswerHeaderBytesMax + 5000: false} {
		long := strings.Repeat("x", size)
		target := rawTarget(t, answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: "+long+"\r\n\r\nok"))
		out := newRig(t, nil).fetch(t, request(target.url))
		if fine {
			wantSuccess(t, out, "ok")
		} else {
			wantFailure(t, out, record.FailProtocol)
		}
	}
}

// drip writes start, then one piece each interval.
func drip(start, piece string, every time.Duration, times int) func(net.Conn) {
	return func(conn net.Conn) {
		if _, ok := readRequest(conn); !ok {
			return
		}
		if _, err := conn.Write([]byte(start)); err != nil {
			return
		}
		for range times {
			time.Sleep(every)
			if _, err := conn.Write([]byte(piece)); err != nil {
				return
			}
		}
	}
}

// The goal: a target cannot hold a worker by being slow. In virtual time, each rule ends the attempt when it says.
func TestSlowTargetsAreCutOff(t *testing.T) {
	const long = 100_000
	kib := strings.Repeat("x", 1<<10)
	for _, c := range []struct {
		name  string
		serve func(net.Conn)
		after time.Duration
		want  record.FailureType // empty for success
	}{
		{"silence", drip("", "", time.Hour, 1), TimeoutMax, record.FailTimeout},
		{
			"a long thought", drip("", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 5*time.Minute, 1),
			5 * time.Minute, "",
		},
		{"a drip of status", drip("H", "H", time.Second, long), HeaderTimeMax, record.FailTimeout},
		{"a drip of headers", drip("HTTP/1.1 200 OK\r\nX: ", "x", time.Second, long), HeaderTimeMax, record.FailTimeout},
		{
			"a drip of 103", drip("", "HTTP/1.1 103 E\r\n\r\n", time.Second, long),
			time.Second + HeaderTimeMax, record.FailTimeout,
		},
		{"a silent body", drip("HTTP/1.1 200 OK\r\n\r\n", "", time.Hour, 1), 20 * time.Second, record.FailTimeout},
		{
			"a silent body of a length", drip("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "", time.Hour, 1),
			20 * time.Second, record.FailTimeout,
		},
		{
			"half a body with the head", drip("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx", "", time.Hour, 1),
			20 * time.Second, record.FailTimeout,
		},
		{"a drip of body", drip("HTTP/1.1 200 OK\r\n\r\n", "x", time.Second, long), 20 * time.Second, record.FailTimeout},
		{
			"a drip of chunks", drip("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", time.Second, long),
			20 * time.Second, record.FailTimeout,
		},
		{
			"slow at first only", drip("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "x", 6*time.Second, 3),
			18 * time.Second, "",
		},
		{"a little too slow", drip("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", kib[:1000],
			1001*time.Millisecond, 100), 20 * time.Second, record.FailTimeout},
		{"just fast enough", drip("HTTP/1.1 200 OK\r\nContent-Length: "+strconv.Itoa(60<<10)+"\r\n\r\n", kib,
			990*time.Millisecond, 60), 59400 * time.Millisecond, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, &GuardOptions{Resolver: dns("example.com", "93.184.216.34")})
			r.onPipes(c.serve)
			out := r.fetch(t, request("http://example.com/", within(TimeoutMax)))
			switch f := out.Attempt.Failure; {
			case c.want == "" && f != nil, c.want != "" && (f == nil || f.Type != c.want || !out.Retry):
				t.Errorf("%s: %+v, retry %v; want %q", c.name, f, out.Retry, c.want)
			case out.Attempt.Duration != c.after:
				t.Errorf("%s: ended after %v, want %v", c.name, out.Attempt.Duration, c.after)
			}
			time.Sleep(2 * time.Hour) // the target notices
		})
	}
}

// The goal: a pool is not the price of failure. One failing target among good ones leaves everybody's connections.
func TestConnectionsArePooledAcrossFailures(t *testing.T) {
	keepAlive := func(text string) func(net.Conn) {
		return func(conn net.Conn) {
			for {
				if _, ok := readRequest(conn); !ok {
					return
				}
				if _, err := conn.Write([]byte(text)); err != nil {
					return
				}
			}
		}
	}
	good := rawTarget(t, keepAlive(ok))
	failing := rawTarget(t, keepAlive("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"))
	broken := rawTarget(t, answers("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"))
	moved := rawTarget(t, keepAlive("HTTP/1.1 302 Moved\r\nLocation: "+good.url+"\r\nContent-Length: 4\r\n\r\ngone"))
	r := newRig(t, nil)
	for n := range 20 {
		wantSuccess(t, r.fetch(t, request(good.url)), "ok")
		wantFailure(t, r.attempt(t, request(failing.url), 1+n%4), record.FailHTTPStatus) // the last one is kept
		wantFailure(t, r.fetch(t, request(broken.url)), record.FailProtocol)
		wantSuccess(t, r.fetch(t, request(moved.url)), "ok")
	}
	for name, target := range map[string]*raw{"good": good, "failing": failing, "moved": moved} {
		if got := target.dials.Load(); got != 1 {
			t.Errorf("%s: %d connections for 20 attempts, want 1", name, got)
		}
	}
	if got := broken.dials.Load(); got != 20 {
		t.Errorf("broken: %d connections for 20 attempts", got)
	}
}
