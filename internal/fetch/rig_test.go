package fetch

import (
	"bytes"
	"context"
	"io"
	"log"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/awaitd/awaitd/internal/record"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // net/http tells it what targets send unasked
	goleak.VerifyTestMain(m)
}

// memory keeps bodies in memory and counts what became of them.
type memory struct {
	created, committed, discarded atomic.Int64
	largest                       atomic.Int64 // bytes ever written to one body
	failCreate, failWrite         error
	failCommit                    error
}

func (m *memory) Create() (BodyWriter, error) {
	if m.failCreate != nil {
		return nil, m.failCreate
	}
	m.created.Add(1)
	return &memoryBody{of: m}, nil
}

type memoryBody struct {
	of *memory
	bytes.Buffer
}

func (b *memoryBody) Write(p []byte) (int, error) {
	if b.of.failWrite != nil {
		return 0, b.of.failWrite
	}
	n, err := b.Buffer.Write(p)
	if size := int64(b.Len()); size > b.of.largest.Load() {
		b.of.largest.Store(size)
	}
	return n, err
}

func (b *memoryBody) Commit() (record.Body, error) {
	b.of.committed.Add(1)
	if b.of.failCommit != nil {
		return record.Body{}, b.of.failCommit
	}
	return record.Body{Bytes: int64(b.Len()), Inline: b.Bytes()}, nil
}

func (b *memoryBody) Discard() { b.of.discarded.Add(1) }

// names is a resolver of a test: each look-up of a name gives its next answer, the last one for ever.
type names struct {
	mu      sync.Mutex
	answers map[string][]answer
	asked   []string
}

type answer struct {
	addrs []string
	err   error
}

// logged is a log that tests may read.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// rig is a fetcher whose outcomes a test receives.
type rig struct {
	*Fetcher
	outcomes chan *record.Outcome
	bodies   *memory
	log      *logged
	next     atomic.Int64
}

// newRig starts a fetcher that may reach 127.0.0.1, and knows no name, unless the guard's options say otherwise.
func newRig(t testing.TB, g *GuardOptions, change ...func(*Options)) *rig {
	t.Helper()
	if g == nil {
		g = &GuardOptions{AllowTargets: []string{"127.0.0.1/32"}, Resolver: dns()}
	}
	guard, err := NewGuard(*g)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{outcomes: make(chan *record.Outcome, 1000), bodies: &memory{}, log: &logged{}}
	var mu sync.Mutex
	source := rand.New(rand.NewPCG(1, 2))
	o := Options{
		WorkersMax: 4,
		Guard:      guard,
		UserAgent:  "awaitd/test",
		Bodies:     r.bodies,
		Done:       func(out *record.Outcome) { r.outcomes <- out },
		Rand: func() uint64 {
			mu.Lock()
			defer mu.Unlock()
			return source.Uint64()
		},
		Now: time.Now,
		Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&o)
	}
	r.Fetcher, err = New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// fetch makes one attempt and waits for its outcome.
func (r *rig) fetch(t testing.TB, req *record.Request) *record.Outcome {
	t.Helper()
	return r.attempt(t, req, 1)
}

func (r *rig) attempt(t testing.TB, req *record.Request, n int) *record.Outcome {
	t.Helper()
	job := Job{ID: r.id(), N: n}
	if req != nil {
		job.Request = req.Pack()
	}
	r.Launch(job)
	return <-r.outcomes
}

func (r *rig) id() string {
	return "fut_" + string(rune('A'+r.next.Add(1)%26)) + time.Duration(r.next.Load()).String()
}

// request is a plain GET with the defaults of the wire contract.
func request(url string, change ...func(*record.Request)) *record.Request {
	r := &record.Request{
		Method:  "GET",
		URL:     url,
		Timeout: 30 * time.Second,
		Retry: record.Retry{
			AttemptsMax: 4, BackoffMin: 500 * time.Millisecond, BackoffMax: 30 * time.Second,
			OnStatus: []record.StatusRange{{From: 429, To: 429}, {From: 500, To: 599}},
		},
		AcceptStatus: []record.StatusRange{{From: 200, To: 299}},
		RedirectsMax: 5,
		BodyBytesMax: 1 << 20,
	}
	for _, c := range change {
		c(r)
	}
	return r
}

func method(m string) func(*record.Request) { return func(r *record.Request) { r.Method = m } }

func body(b string) func(*record.Request) { return func(r *record.Request) { r.Body = []byte(b) } }

func header(name string, values ...string) func(*record.Request) {
	return func(r *record.Request) { r.Headers = append(r.Headers, record.Header{Name: name, Values: values}) }
}

func within(d time.Duration) func(*record.Request) { return func(r *record.Request) { r.Timeout = d } }

func bytesMax(n int64) func(*record.Request) { return func(r *record.Request) { r.BodyBytesMax = n } }

func redirects(n int) func(*record.Request) { return func(r *record.Request) { r.RedirectsMax = n } }

func nonIdempotent(r *record.Request) { r.Retry.NonIdempotent = true }

func accept(from, to int) func(*record.Request) {
	return func(r *record.Request) { r.AcceptStatus = []record.StatusRange{{From: from, To: to}} }
}

// serve runs a real HTTP server on loopback.
func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// raw is a target on a bare socket: serve gets each connection after the headers of a request were read.
type raw struct {
	url   string
	dials atomic.Int64
}

func rawTarget(t testing.TB, serve func(conn net.Conn)) *raw {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &raw{url: "http://" + l.Addr().String() + "/"}
	var conns sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r.dials.Add(1)
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			conns.Go(func() {
				defer func() { _ = conn.Close() }()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		conns.Wait()
	})
	return r
}

// readRequest reads up to the end of a request's headers and gives them.
func readRequest(conn net.Conn) (string, bool) {
	var got []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(got, []byte("\r\n\r\n")) {
		if _, err := conn.Read(one); err != nil {
			return string(got), false
		}
		got = append(got, one[0])
	}
	return string(got), true
}

// answers writes text after each request and closes the connection after the last byte.
func answers(text string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, ok := readRequest(conn); ok {
			_, _ = conn.Write([]byte(text))
		}
	}
}

// wantFailure checks the type of a failure, and that its message is one clean sentence.
func wantFailure(t testing.TB, out *record.Outcome, want record.FailureType) {
	t.Helper()
	f := out.Attempt.Failure
	if f == nil {
		t.Fatalf("the attempt succeeded (%+v), want failure %s", out.Attempt, want)
	}
	if f.Type != want {
		t.Fatalf("failure %s (%s), want %s", f.Type, f.Message, want)
	}
	if !strings.HasSuffix(f.Message, ".") || strings.Contains(f.Message, "127.0.0.1") {
		t.Errorf("message %q is no sentence or names an address", f.Message)
	}
}

func wantSuccess(t testing.TB, out *record.Outcome, wantBody string) {
	t.Helper()
	if f := out.Attempt.Failure; f != nil {
		t.Fatalf("failure %s: %s", f.Type, f.Message)
	}
	if got := string(out.Result.Body.Inline); got != wantBody {
		t.Fatalf("body %q, want %q", got, wantBody)
	}
	if out.Retry || out.RetryAfter != 0 {
		t.Errorf("a success asks for another attempt: %+v", out)
	}
}

// LookupNetIP answers as written down; a name without answers does not exist.
func (n *names) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, network+" "+host)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	given := n.answers[strings.TrimSuffix(host, ".")]
	if len(given) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(given) > 1 {
		n.answers[strings.TrimSuffix(host, ".")] = given[1:]
	}
	var addrs []netip.Addr
	for _, s := range given[0].addrs {
		addrs = append(addrs, netip.MustParseAddr(s))
	}
	return addrs, given[0].err
}

// dns makes a resolver from names and their one answer each.
func dns(pairs ...string) *names {
	n := &names{answers: map[string][]answer{}}
	for i := 0; i < len(pairs); i += 2 {
		n.answers[pairs[i]] = append(n.answers[pairs[i]], answer{addrs: strings.Fields(pairs[i+1])})
	}
	return n
}

// dialled replaces the sockets of a fetcher: each dial is checked as the socket would, written down, and answered
// by serve over a pipe. A nil serve refuses the connection.
type dialled struct {
	asked atomic.Int64 // to connect, allowed or not
	mu    sync.Mutex
	to    []string
	serve func(net.Conn)
}

func (d *dialled) connect(_ context.Context, address string, check control) (net.Conn, error) {
	d.asked.Add(1)
	network := "tcp4"
	if strings.HasPrefix(address, "[") {
		network = "tcp6"
	}
	if err := check(network, address, nil); err != nil {
		return nil, &net.OpError{Op: "dial", Err: err}
	}
	d.mu.Lock()
	d.to = append(d.to, address)
	d.mu.Unlock()
	if d.serve == nil {
		return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	here, there := net.Pipe()
	go func() {
		defer func() { _ = there.Close() }()
		d.serve(there)
	}()
	return here, nil
}

func (d *dialled) addresses() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.to)
}

// onPipes puts pipes under a fetcher that has launched nothing yet.
func (r *rig) onPipes(serve func(net.Conn)) *dialled {
	d := &dialled{serve: serve}
	r.exit.dialer.connect = d.connect
	return d
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// quiet takes what servers of tests complain about.
var quiet = log.New(io.Discard, "", 0)

// bare is a context that never ends.
var bare = context.Background()
