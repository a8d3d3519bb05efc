package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/fetch/cases"
	"github.com/awaitd/awaitd/internal/record"
)

// casesLeast is how many cases the file must not fall below.
const casesLeast = 800

// The goal: of everything in the file of cases, no refused address is dialled, each outcome is the one written beside
// it, what is refused as submitted asks no DNS, and no attempt follows a refusal. Proxies in the environment change
// nothing. TestCasesOnAWire of internal/app does the same with real sockets.
func TestCases(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, "http://10.99.99.99:3128")
	}
	file, err := cases.Read("testdata/cases.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < casesLeast {
		t.Fatalf("the file lost cases: %d, want at least %d", len(file.Cases), casesLeast)
	}
	certificate, err := file.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range file.Cases {
		w := &caseWorld{T: t, file: file, dns: file.NewDNS(), certificate: certificate, rigs: map[string]*rig{}}
		for _, s := range c.Steps {
			w.run(c.Name, s)
		}
		for _, r := range w.rigs { // their order does not matter
			if err := r.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}
	}
}

// caseWorld is where one case happens: its DNS, and the fetchers of its policies over pipes.
type caseWorld struct {
	*testing.T
	file        *cases.File
	dns         *cases.DNS
	certificate tls.Certificate
	rigs        map[string]*rig

	mu      sync.Mutex
	reached []netip.AddrPort
}

// LookupNetIP answers as the file says.
func (w *caseWorld) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	answer, known := w.dns.Next(host, "ip")
	if !known {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return answer, nil
}

func (w *caseWorld) rig(policy string) *rig {
	if r := w.rigs[policy]; r != nil {
		return r
	}
	r := newRig(w.T, &GuardOptions{AllowTargets: w.file.Policies[policy], Resolver: w}, func(o *Options) {
		o.Compose = func(*record.Future) (Message, error) { return Message{Body: []byte("{}")}, nil }
	})
	r.exit.dialer.connect = w.connect
	r.exit.dialer.roots = x509.NewCertPool()
	r.exit.dialer.roots.AddCert(w.certificate.Leaf)
	w.rigs[policy] = r
	return r
}

// connect checks as the socket would, writes down what is reached, and plays the server there.
func (w *caseWorld) connect(_ context.Context, address string, check control) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Err: err}
	}
	network := "tcp4"
	if to.Addr().Is6() {
		network = "tcp6"
	}
	if err := check(network, address, nil); err != nil {
		return nil, &net.OpError{Op: "dial", Err: err}
	}
	w.mu.Lock()
	w.reached = append(w.reached, to)
	w.mu.Unlock()
	here, there := net.Pipe()
	at := arrived{there, net.TCPAddrFromAddrPort(to)}
	go func() {
		if to.Port() == 443 {
			serveConn(tls.Server(at, &tls.Config{Certificates: []tls.Certificate{w.certificate}}), cases.Target)
		} else {
			serveConn(at, cases.Target)
		}
	}()
	return here, nil
}

// arrived is the server's end of a pipe that says where it is.
type arrived struct {
	net.Conn
	at net.Addr
}

func (a arrived) LocalAddr() net.Addr { return a.at }

// run makes one step and holds what happens against the file.
func (w *caseWorld) run(name string, s cases.Step) {
	r := w.rig(s.Policy)
	asked := w.dns.Asked()
	w.reached = nil
	got := w.outcome(r, s.Request)
	if !s.Wanted(got) {
		w.Errorf("line %d, %s: %q, want %s", s.Line, name, got, s.Want)
	} else if s.Called != "" {
		if got := w.called(r, s.Request); got != s.Called {
			w.Errorf("line %d, %s: the callback: %s, want %s", s.Line, name, got, s.Called)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, to := range w.reached {
		if !w.file.May(s, to) {
			w.Errorf("line %d, %s: reached %v", s.Line, name, to)
		}
	}
	if strings.HasPrefix(s.Want, "400") && (w.dns.Asked() != asked || len(w.reached) > 0) {
		w.Errorf("line %d, %s: refused as submitted, and yet the DNS was asked or a target reached", s.Line, name)
	}
}

// outcome submits a body as the door does, and fetches. It gives the outcome as the file would name it, once for each
// pointer at a fault.
func (w *caseWorld) outcome(r *rig, body []byte) []string {
	var q api.FetchRequest
	if err := api.Decode(body, &q); err != nil {
		return pointersOf(err.(*api.Problem).Errors)
	}
	req := w.request(&q)
	var faults []api.FieldError
	for _, f := range Check(req) {
		faults = append(faults, api.FieldError{Pointer: f.Pointer})
	}
	call := callbackIn(&q)
	if call != nil {
		for _, f := range Check(call) {
			faults = append(faults, api.FieldError{Pointer: "/callback" + f.Pointer})
		}
	}
	if len(faults) > 0 {
		return pointersOf(faults)
	}
	if call != nil {
		if u, err := CheckURL(call.URL); err != nil || r.options.Guard.Admit(u) != nil {
			return []string{"denied"}
		}
	}
	u, err := CheckURL(req.URL)
	if err != nil {
		w.Fatalf("%s passed the check and does not pass again: %v", req.URL, err)
	}
	if err := r.options.Guard.Admit(u); err != nil {
		// Whoever gets past the door all the same meets the same guard behind it, before any DNS.
		asked := w.dns.Asked()
		out := r.fetch(w.T, req)
		if f := out.Attempt.Failure; f == nil || f.Type != record.FailEgressDenied || w.dns.Asked() != asked {
			w.Errorf("%s is not admitted, and fetched: %+v", req.URL, out.Attempt)
		}
		return []string{"denied"}
	}
	out := r.fetch(w.T, req)
	for n := 2; out.Retry; n++ {
		if out.Attempt.Failure.Type == record.FailEgressDenied {
			return []string{"denied, and tried again"}
		}
		out = r.attempt(w.T, req, n)
	}
	switch f := out.Attempt.Failure; {
	case f == nil:
		return []string{"ok@" + reachedAt(w.T, out.Result.Body.Inline)}
	case f.Type == record.FailEgressDenied:
		return []string{"denied"}
	default:
		return []string{string(f.Type)}
	}
}

// callbackIn is the request of the callback that q asks for; nil when it asks for none.
func callbackIn(q *api.FetchRequest) *record.Request {
	if q.Callback == nil {
		return nil
	}
	return CallbackRequest(&record.Callback{URL: q.Callback.URL, Headers: headersIn(q.Callback.Headers)})
}

// called makes the first attempt to deliver the callback of a fetch that was fine.
func (w *caseWorld) called(r *rig, body []byte) string {
	var q api.FetchRequest
	if err := api.Decode(body, &q); err != nil {
		w.Fatal(err)
	}
	r.Launch(Job{ID: r.id(), N: 1, Request: callbackIn(&q).Pack(), Callback: &record.Future{ID: "fut_A"}})
	out := <-r.outcomes
	switch f := out.Attempt.Failure; {
	case f == nil:
		return "delivered"
	case f.Type == record.FailEgressDenied && !out.Retry:
		return "denied"
	default:
		return string(f.Type)
	}
}

// headersIn are sorted when they are checked.
func headersIn(given map[string]api.Strings) (headers []record.Header) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		headers = append(headers, record.Header{Name: name, Values: given[name]})
	}
	return headers
}

// request fills in what the file's requests use, as the door does.
func (w *caseWorld) request(q *api.FetchRequest) *record.Request {
	req := request(q.URL)
	if q.Method != "" {
		req.Method = q.Method
	}
	if q.Body != nil {
		req.Body = []byte(*q.Body)
	}
	req.Headers = headersIn(q.Headers)
	if q.MaxRedirects != nil {
		req.RedirectsMax = *q.MaxRedirects
	}
	if q.Retry != nil && q.Retry.MaxAttempts != nil {
		req.Retry.AttemptsMax = *q.Retry.MaxAttempts
	}
	req.Redact = q.Redact
	return req
}

func reachedAt(t *testing.T, body []byte) string {
	var said cases.Reached
	if err := json.Unmarshal(body, &said); err != nil {
		t.Errorf("%q is not the answer of a target", body)
	}
	return said.At
}

func pointersOf(faults []api.FieldError) (names []string) {
	for _, f := range faults {
		names = append(names, "400"+f.Pointer)
	}
	return names
}

// serveConn serves one connection to its end.
func serveConn(conn net.Conn, h http.HandlerFunc) {
	l := &oneConn{conn: make(chan net.Conn, 1), done: make(chan struct{})}
	l.conn <- conn
	s := &http.Server{Handler: h, ErrorLog: quiet, ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			close(l.done)
		}
	}}
	_ = s.Serve(l)
}
