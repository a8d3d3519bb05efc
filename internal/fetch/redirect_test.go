package fetch

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/google/go-cmp/cmp"
)

// web is a set of hosts over pipes. Each request is written down and answered by path: /to/STATUS?LOCATION
// redirects, anything else says "end".
type web struct {
	mu   sync.Mutex
	seen []seen
}

type seen struct {
	Host, Line string // host and the request line without its version
	Header     http.Header
	Body       string
}

func (w *web) serve(conn net.Conn) {
	h := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body := make([]byte, 100)
		n, _ := r.Body.Read(body)
		w.mu.Lock()
		w.seen = append(w.seen, seen{r.Host, r.Method + " " + r.RequestURI, r.Header.Clone(), string(body[:n])})
		w.mu.Unlock()
		if status, found := strings.CutPrefix(r.URL.Path, "/to/"); found {
			code, _ := strconv.Atoi(status)
			rw.Header()["Location"] = []string{r.URL.RawQuery}
			rw.WriteHeader(code)
			return
		}
		_, _ = rw.Write([]byte("end"))
	})
	serveConn(conn, h)
}

// oneConn is a listener with one connection, over when that is closed.
type oneConn struct {
	conn chan net.Conn
	done chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

func newWeb(t *testing.T) (*rig, *web, *dialled) {
	r := newRig(t, &GuardOptions{Resolver: dns(
		"a.example", "93.184.216.34", "b.example", "93.184.216.35", "inside.example", "10.0.0.1")})
	w := &web{}
	return r, w, r.onPipes(w.serve)
}

func (w *web) lines() []string {
	var lines []string
	for _, s := range w.seen {
		lines = append(lines, s.Host+" "+s.Line)
	}
	return lines
}

// The goal: the matrix of method, status and origin.
func TestWhichRedirectsAreFollowed(t *testing.T) {
	const here, there = "/end", "http://b.example/end"
	for _, c := range []struct {
		method   string
		status   int
		location string
		want     string // the second request; empty for none
	}{
		{"GET", 301, here, "a.example GET /end"},
		{"GET", 302, there, "b.example GET /end"},
		{"GET", 303, there, "b.example GET /end"},
		{"GET", 307, there, "b.example GET /end"},
		{"GET", 308, here, "a.example GET /end"},
		{"HEAD", 301, there, "b.example HEAD /end"},
		{"HEAD", 302, here, "a.example HEAD /end"},
		{"HEAD", 303, here, "a.example HEAD /end"},
		{"HEAD", 307, here, "a.example HEAD /end"},
		{"HEAD", 308, there, "b.example HEAD /end"},
		{"POST", 301, here, ""},
		{"POST", 302, here, ""},
		{"POST", 303, here, "a.example GET /end"},
		{"POST", 303, there, "b.example GET /end"},
		{"POST", 307, here, "a.example POST /end"},
		{"POST", 308, here, "a.example POST /end"},
		{"POST", 307, there, ""},
		{"POST", 308, there, ""},
		{"POST", 307, "http://a.example:8080/end", ""},
		{"PUT", 307, here, "a.example PUT /end"},
		{"PUT", 301, here, ""},
		{"PUT", 303, there, "b.example GET /end"},
		{"PATCH", 308, here, "a.example PATCH /end"},
		{"PATCH", 302, here, ""},
		{"DELETE", 307, there, ""},
		{"DELETE", 303, here, "a.example GET /end"},
		{"OPTIONS", 302, here, ""},
		{"OPTIONS", 308, here, "a.example OPTIONS /end"},
	} {
		name := fmt.Sprintf("%s %d %s", c.method, c.status, c.location)
		r, w, _ := newWeb(t)
		out := r.fetch(t, request(fmt.Sprintf("http://a.example/to/%d?%s", c.status, c.location), method(c.method),
			body("payload")))
		lines := w.lines()
		if c.want == "" {
			wantFailure(t, out, record.FailRedirect)
			if len(lines) != 1 || out.Attempt.Status != c.status || out.Retry {
				t.Errorf("%s: requests %v, status %d, retry %v", name, lines, out.Attempt.Status, out.Retry)
			}
			continue
		}
		if out.Attempt.Failure != nil || len(lines) != 2 || lines[1] != c.want {
			t.Errorf("%s: %v, failure %+v; want %s", name, lines, out.Attempt.Failure, c.want)
			continue
		}
		wantBody := "payload"
		if c.status == 303 || c.location == there {
			wantBody = ""
		}
		if got := w.seen[1].Body; got != wantBody {
			t.Errorf("%s: body %q went along, want %q", name, got, wantBody)
		}
	}
}

// The goal: nothing of the caller's leaves for another origin – no header at all, whatever its name, no body, no
// trace, no Referer – and nothing comes back when a later hop returns to the first.
func TestAChangeOfOriginLeavesTheCallersThingsBehind(t *testing.T) {
	for _, second := range []string{"http://b.example", "http://a.example:8080"} {
		r, w, _ := newWeb(t)
		back := second + "/to/302?/to/302?http://a.example/end" // there twice, then home again
		out := r.fetch(t, request("http://a.example/to/307?"+back, body("payload"),
			header("Authorization", "s"), header("Cookie", "s"), header("X-Api-Key", "s"), header("Private-Token", "s"),
			header("Accept", "s"), header("User-Agent", "s"), header("Idempotency-Key", "s"),
			func(r *record.Request) { r.Traceparent = parent }))
		wantSuccess(t, out, "end")
		if len(w.seen) != 4 || len(w.seen[0].Header) != 9 || w.seen[0].Body != "payload" {
			t.Fatalf("%+v", w.seen)
		}
		for _, s := range w.seen[1:] {
			want := http.Header{"User-Agent": {"awaitd/test"}}
			if d := cmp.Diff(want, s.Header); d != "" || s.Body != "" {
				t.Errorf("%s %s: body %q, headers %s", s.Host, s.Line, s.Body, d)
			}
		}
	}
}

func TestWithinOneOriginTheCallersThingsGoAlong(t *testing.T) {
	r, w, _ := newWeb(t)
	out := r.fetch(t, request("http://a.example/to/302?http://a.example:80/end", header("X-Api-Key", "s")))
	wantSuccess(t, out, "end")
	if len(w.seen) != 2 || w.seen[1].Header.Get("X-Api-Key") != "s" || w.seen[1].Header.Get("Referer") != "" {
		t.Errorf("%+v", w.seen)
	}
	r, w, _ = newWeb(t)
	out = r.fetch(t, request("http://a.example/to/303?/end", method("POST"), body("{}"), nonIdempotent,
		header("Content-Type", "application/json"), header("Content-Encoding", "x"), header("X-Api-Key", "s"),
		header("Idempotency-Key", "k"), header("X-Idempotency-Key", "k")))
	wantSuccess(t, out, "end")
	if d := cmp.Diff(http.Header{"User-Agent": {"awaitd/test"}, "X-Api-Key": {"s"}}, w.seen[1].Header); d != "" {
		t.Errorf("after 303: %s", d)
	}
}

// The goal: every hop is judged like a first URL, by spelling, name, address and port.
func TestEachHopPassesAllStages(t *testing.T) {
	for location, want := range map[string]record.FailureType{
		"http://127.0.0.1/":              record.FailEgressDenied,
		"http://[::1]/":                  record.FailEgressDenied,
		"http://169.254.169.254/latest/": record.FailEgressDenied,
		"//169.254.169.254/latest/":      record.FailEgressDenied,
		"http://inside.example/":         record.FailEgressDenied,
		"http://localhost/":              record.FailEgressDenied,
		"http://vault.internal/":         record.FailEgressDenied,
		"http://a.example:22/":           record.FailEgressDenied,
		"https://b.example:25/":          record.FailEgressDenied,
		"http://2130706433/":             record.FailRedirect,
		"http://0x7f.1/":                 record.FailRedirect,
		"http://user:pw@b.example/":      record.FailRedirect,
		"file:///etc/passwd":             record.FailRedirect,
		"ftp://b.example/":               record.FailRedirect,
		"javascript:alert(1)":            record.FailRedirect,
		"http://b.example/%zz":           record.FailRedirect,
		"http://b.example:0/":            record.FailRedirect,
		"http://[fe80::1%25eth0]/":       record.FailRedirect,
		`http:\\b.example\`:              record.FailRedirect,
		"http://b.example/\xff":          record.FailRedirect,
		"http:///x":                      record.FailRedirect,
		"/" + strings.Repeat("x", 8192):  record.FailRedirect,
	} {
		target := strings.ReplaceAll("HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", "%s", location)
		r := newRig(t, &GuardOptions{Resolver: dns(
			"a.example", "93.184.216.34", "b.example", "93.184.216.35", "inside.example", "10.0.0.1")})
		d := r.onPipes(answers(target))
		out := r.fetch(t, request("http://a.example/"))
		wantFailure(t, out, want)
		if out.Retry || len(d.addresses()) != 1 {
			t.Errorf("%.50q: retry %v, dialled %v", location, out.Retry, d.addresses())
		}
	}
}

func TestALocationMayBeRelative(t *testing.T) {
	for location, want := range map[string]string{
		"end":                     "a.example GET /dir/end",
		"../end":                  "a.example GET /end",
		"?x=1":                    "a.example GET /dir/to?x=1",
		"//b.example/end":         "b.example GET /end",
		"/end#fragment":           "a.example GET /end",
		"http://B.example/end?ä":  "b.example GET /end?%C3%A4",
		"HTTP://b.example:80/end": "b.example:80 GET /end",
	} {
		r, w, d := newWeb(t)
		first := "HTTP/1.1 302 Found\r\nLocation: " + location + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
		var served atomic.Int64
		d.serve = func(conn net.Conn) {
			if served.Add(1) == 1 {
				answers(first)(conn)
				return
			}
			w.serve(conn)
		}
		out := r.fetch(t, request("http://a.example/dir/to"))
		wantSuccess(t, out, "end")
		if got := w.lines(); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %v, want %s", location, got, want)
		}
	}
}

func TestRedirectsAreCounted(t *testing.T) {
	for _, c := range []struct {
		hops, most int
		want       record.FailureType
	}{
		{1, 1, ""}, {2, 1, record.FailRedirect}, {5, 5, ""}, {6, 5, record.FailRedirect}, {20, RedirectsMax, ""},
	} {
		var hop atomic.Int64
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if n := int(hop.Add(1)); n <= c.hops {
				w.Header().Set("Location", "/"+strconv.Itoa(n))
				w.WriteHeader(http.StatusFound)
				return
			}
			_, _ = w.Write([]byte("end"))
		})
		out := newRig(t, nil).fetch(t, request(s.URL, redirects(c.most)))
		if c.want == "" {
			wantSuccess(t, out, "end")
		} else if wantFailure(t, out, c.want); hop.Load() != int64(c.most+1) {
			t.Errorf("%d requests with max_redirects %d", hop.Load(), c.most)
		}
	}
}

func TestARedirectLoopEnds(t *testing.T) {
	var requests atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.Header().Set("Location", r.URL.Path)
		w.WriteHeader(http.StatusFound)
	})
	wantFailure(t, newRig(t, nil).fetch(t, request(s.URL+"/round")), record.FailRedirect)
	if got := requests.Load(); got != 6 {
		t.Errorf("%d requests with 5 redirects allowed", got)
	}
}

// The goal: without redirects the 3xx is the answer, headers and body as they came, a malformed Location too.
func TestWithoutRedirectsThe3xxIsTheAnswer(t *testing.T) {
	for _, location := range []string{"http://b.example/", "::not a url::", "http://b.example/%zz"} {
		text := "HTTP/1.1 302 Found\r\nLocation: " + location + "\r\nContent-Length: 5\r\n\r\nmoved"
		r := newRig(t, nil)
		target := rawTarget(t, answers(text))
		out := r.fetch(t, request(target.url, redirects(0), accept(300, 399)))
		wantSuccess(t, out, "moved")
		want := []record.Header{
			{Name: "Content-Length", Values: []string{"5"}}, {Name: "Location", Values: []string{location}},
		}
		if d := cmp.Diff(want, out.Result.Headers); d != "" {
			t.Error(d)
		}
		out = r.fetch(t, request(target.url, redirects(0)))
		wantFailure(t, out, record.FailHTTPStatus)
		if out.Result == nil || string(out.Result.Body.Inline) != "moved" || out.Result.Status != 302 || out.Retry {
			t.Errorf("not accepted: %+v", out)
		}
	}
}

// The goal: a redirect that is not followed is the answer when the caller accepts its status.
func TestAnAcceptedRedirectThatIsNotFollowedIsTheAnswer(t *testing.T) {
	r, w, _ := newWeb(t)
	out := r.fetch(t, request("http://a.example/to/302?/end", method("POST"), accept(200, 399)))
	wantSuccess(t, out, "")
	if out.Result.Status != 302 || len(w.seen) != 1 {
		t.Errorf("%+v %v", out.Result, w.lines())
	}
}

func TestThreeHundredsWithoutALocationAreAnswers(t *testing.T) {
	for _, status := range []int{300, 301, 304, 305, 306, 399} {
		target := rawTarget(t, answers(fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", status)))
		out := newRig(t, nil).fetch(t, request(target.url, accept(300, 399)))
		wantSuccess(t, out, "")
		if out.Result.Status != status {
			t.Errorf("%d became %d", status, out.Result.Status)
		}
	}
}

// The goal: what was asked for in secret is not told in the clear.
func TestHTTPSNeverLeadsToHTTP(t *testing.T) {
	r := secure(t, true, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://example.com/end")
		w.WriteHeader(http.StatusFound)
	})
	out := r.fetch(t, request("https://example.com/"))
	wantFailure(t, out, record.FailRedirect)
	if out.Retry || !strings.Contains(out.Attempt.Failure.Message, "https to http") {
		t.Errorf("%+v", out.Attempt.Failure)
	}
}
