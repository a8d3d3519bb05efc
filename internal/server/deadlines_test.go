package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/loop"
	"github.com/awaitd/awaitd/internal/sequence"
	"github.com/awaitd/awaitd/internal/store"
	"github.com/prometheus/client_golang/prometheus"
)

// A deadline set by a handler must reach the connection through everything that wraps it.
func TestDeadlinesReachTheConnectionThroughTheMiddleware(t *testing.T) {
	h := newHouse(t)
	story := func(w http.ResponseWriter, _ *http.Request) {
		c := http.NewResponseController(w)
		later := time.Now().Add(time.Hour)
		err := errors.Join(c.SetReadDeadline(later), c.SetWriteDeadline(later), c.Flush())
		if err != nil {
			t.Error(err)
		}
	}
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.server.observe(newExchange(w, h.server.tally.nowhere), r, story)
	})
	real := httptest.NewServer(inner)
	defer real.Close()
	resp, err := real.Client().Get(real.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}

// pipes is a listener of connections that live in the bubble of a test, so that time passes for them as it does there.
type pipes struct {
	calls  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.calls:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// inBubble runs a story with a whole service on connections without a network, in virtual time.
func inBubble(t *testing.T, story func(t *testing.T, dial func() *caller)) {
	synctest.Test(t, func(t *testing.T) {
		memory := store.OpenMemory()
		clock := loop.NewClock()
		kernel, err := await.New(await.Options{
			Limits: await.DefaultLimits(), Store: memory, Sequencer: sequence.NewLocal(0), Fetcher: &targets{},
			Clock: clock, Wall: time.Now(),
		})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() { ended <- kernel.Run() }()
		s, err := New(Options{Kernel: kernel, Bodies: memory, Console: page{}, Metrics: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		listener := pipes{make(chan net.Conn), make(chan struct{})}
		server := s.HTTPServer()
		go func() { _ = server.Serve(listener) }()
		var callers []*caller
		story(t, func() *caller {
			ours, theirs := net.Pipe()
			listener.calls <- theirs
			c := &caller{t: t, conn: ours, answers: bufio.NewReader(ours)}
			callers = append(callers, c)
			return c
		})
		for _, c := range callers {
			_ = c.conn.Close()
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := kernel.CallSoonThreadsafe(kernel.Stop); err != nil {
			t.Error(err)
		}
		if err := errors.Join(<-ended, kernel.Close()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second) // net/http lingers that long over a connection that it closes
	})
}

// caller is the far end of one connection, byte by byte.
type caller struct {
	t       *testing.T
	conn    net.Conn
	answers *bufio.Reader
}

func (c *caller) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, strings.ReplaceAll(text, "\n", "\r\n")); err != nil {
		c.t.Errorf("say %q: %v", text, err)
	}
}

// hear reads one answer and returns its status, 0 when the connection ended.
func (c *caller) hear() int {
	c.t.Helper()
	resp, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return 0
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// Who sends half a body and falls silent is told so after ten seconds, and gets no second chance on that connection.
func TestABodyThatStallsIsGivenUp(t *testing.T) {
	inBubble(t, func(t *testing.T, dial func() *caller) {
		c := dial()
		began := time.Now()
		c.say("POST /events/a/set HTTP/1.1\nHost: localhost\nContent-Length: 100\n\nhalf")
		if got := c.hear(); got != 400 {
			t.Errorf("status %d, want 400", got)
		}
		if took := time.Since(began); took != bodyPatience {
			t.Errorf("after %v, want %v", took, bodyPatience)
		}
		if got := c.hear(); got != 0 {
			t.Errorf("the connection goes on with %d", got)
		}
	})
}

// A body that comes slowly but without pause is taken, however long it takes.
func TestASlowBodyIsTaken(t *testing.T) {
	inBubble(t, func(t *testing.T, dial func() *caller) {
		c := dial()
		const pieces = 20
		c.say(fmt.Sprintf("POST /fetch/batch HTTP/1.1\nHost: localhost\nContent-Type: application/json\n"+
			"Content-Length: %d\n\n", pieces*bodyChunkBytes))
		for range pieces {
			time.Sleep(bodyPatience - time.Second)
			c.say(strings.Repeat(" ", bodyChunkBytes))
		}
		if got := c.hear(); got != 400 { // it is nothing but spaces, but all of them were read
			t.Errorf("status %d, want 400", got)
		}
		c.say("GET /healthz HTTP/1.1\nHost: localhost\n\n")
		if got := c.hear(); got != 200 {
			t.Errorf("the connection ended: %d", got)
		}
	})
}

// Who asks and never reads frees its goroutine after ten seconds.
func TestAReaderThatNeverReadsIsCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T, dial func() *caller) {
		c := dial()
		c.say("GET /openapi.json HTTP/1.1\nHost: localhost\n\n")
		time.Sleep(answerPatience + time.Second)
		if _, err := io.Copy(io.Discard, c.conn); err != nil {
			t.Error(err)
		}
		if _, err := c.conn.Write([]byte("x")); err == nil {
			t.Error("the connection is still open")
		}
	})
}

// A held answer outlives every deadline, that of its own body included, and so does the connection after it.
func TestAHeldAnswerOutlivesTheDeadlines(t *testing.T) {
	inBubble(t, func(t *testing.T, dial func() *caller) {
		c := dial()
		body := `{"for":"event:never","timeout":"50s"}`
		request := fmt.Sprintf("POST /wait HTTP/1.1\nHost: localhost\nContent-Type: application/json\n"+
			"Content-Length: %d\n\n%s", len(body), body)
		for range 3 {
			began := time.Now()
			c.say(request)
			if got := c.hear(); got != 202 {
				t.Fatalf("status %d, want 202", got)
			}
			if took := time.Since(began); took != 50*time.Second {
				t.Errorf("held for %v, want 50s", took)
			}
			time.Sleep(IdleTimeMax - time.Second)
		}
		// The write deadline of the answer before has passed; "100 Continue" must not fall under it.
		c.say("POST /events/a/set HTTP/1.1\nHost: localhost\nContent-Length: 1\nExpect: 100-continue\n\n")
		if got := c.hear(); got != 100 {
			t.Fatalf("status %d, want 100", got)
		}
		c.say("x")
		if got := c.hear(); got != 200 {
			t.Errorf("status %d, want 200", got)
		}
		time.Sleep(IdleTimeMax + time.Second)
		if got := c.hear(); got != 0 {
			t.Errorf("an idle connection is kept: %d", got)
		}
	})
}

// A header that comes letter by letter is not waited for.
func TestASlowHeaderIsGivenUp(t *testing.T) {
	inBubble(t, func(t *testing.T, dial func() *caller) {
		c := dial()
		c.say("GET /healthz HTTP/1.1\n")
		time.Sleep(HeaderTimeMax + time.Second)
		if _, err := c.conn.Write([]byte("Host: localhost\r\n\r\n")); err == nil {
			if got := c.hear(); got == 200 {
				t.Error("it was answered")
			}
		}
	})
}

// What is read at one time is bounded, whatever callers claim to send. The place is given back when a body has been
// read.
func TestBodiesBeingReadAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, dial func() *caller) {
		const head = "POST /fetch/batch HTTP/1.1\nHost: localhost\nContent-Type: application/json\n"
		claim := fmt.Sprintf("%sContent-Length: %d\n\n", head, BatchBytesMax)
		for range ReadingBytesMax / BatchBytesMax {
			dial().say(claim)
		}
		synctest.Wait()
		c := dial()
		c.say(head + "Content-Length: 2\n\n{}")
		if got := c.hear(); got != 429 {
			t.Errorf("status %d, want 429", got)
		}
		time.Sleep(bodyPatience + time.Second) // the others are given up
		c = dial()
		c.say(head + "Content-Length: 2\n\n{}")
		if got := c.hear(); got != 400 {
			t.Errorf("status %d, want 400", got)
		}
	})
}

// A body that ends before its end is told apart from one that is too slow, where there is still somebody to tell.
func TestABadlyFramedBodyIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, dial func() *caller) {
		c := dial()
		c.say("POST /events/a/set HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\nnonsense\n")
		if got := c.hear(); got != 400 {
			t.Errorf("status %d, want 400", got)
		}
	})
}
