package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// phase is how far an exchange has come when the server is killed.
type phase int

const (
	connected phase = iota // nothing was read
	headRead
	requestRead
	headAnswered
	halfAnswered
	answered
	phases
)

var phaseNames = [...]string{"connected", "head read", "request read", "head answered", "half answered", "answered"}

// deadly is a target that takes the first request of each path to a phase, says so and stands still; later ones it
// answers. It counts the requests that it has read whole: what it might have executed.
type deadly struct {
	url   string
	until phase
	there chan string // paths that have come to the phase

	mu       sync.Mutex
	begun    map[string]bool
	executed map[string]int
	keys     map[string]map[string]bool // idempotency keys seen, by path
}

func deadlyTarget(t *testing.T, until phase) *deadly {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &deadly{
		url: "http://" + l.Addr().String(), until: until, there: make(chan string, 10),
		begun: map[string]bool{}, executed: map[string]int{}, keys: map[string]map[string]bool{},
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer func() { _ = conn.Close() }()
				d.serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait() // the servers are killed first
	})
	return d
}

// hold says that a phase is reached, if it is the one, and stands still until the other side is gone.
func (d *deadly) hold(conn net.Conn, first bool, path string, p phase) bool {
	if !first || d.until != p {
		return false
	}
	d.there <- path
	_, _ = io.Copy(io.Discard, conn)
	return true
}

func (d *deadly) serve(conn net.Conn) {
	if d.until == connected { // which path it is, nobody has read
		d.mu.Lock()
		first := len(d.begun) < len(deeds)
		d.begun[fmt.Sprint(len(d.begun))] = true
		d.mu.Unlock()
		if d.hold(conn, first, "", connected) {
			return
		}
	}
	in := bufio.NewReader(conn)
	req, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	path := req.URL.Path
	d.mu.Lock()
	first := !d.begun[path]
	d.begun[path] = true
	d.mu.Unlock()
	if d.hold(conn, first, path, headRead) {
		return
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return
	}
	d.mu.Lock()
	d.executed[path]++
	if d.keys[path] == nil {
		d.keys[path] = map[string]bool{}
	}
	d.keys[path][req.Header.Get("Idempotency-Key")] = true
	d.mu.Unlock()
	answer := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
	for p, part := range map[phase]string{requestRead: "", headAnswered: answer, halfAnswered: answer + "do"} {
		if first && d.until == p {
			_, _ = io.WriteString(conn, part)
			d.hold(conn, first, path, p)
			return
		}
	}
	_, _ = io.WriteString(conn, answer+"done")
	if first && d.until == answered {
		d.there <- path
	}
}

// deeds are the fetches that are under way when the server is killed.
var deeds = []struct{ path, fetch string }{
	{"/get", `{"url":%q}`},
	{"/put", `{"url":%q,"method":"PUT","body":"x"}`},
	{"/post", `{"url":%q,"method":"POST","body":"x"}`},
	{"/patch", `{"url":%q,"method":"PATCH","body":"x"}`},
	{"/keyed", `{"url":%q,"method":"POST","body":"x","headers":{"Idempotency-Key":"k"}}`},
	{"/repeatable", `{"url":%q,"method":"POST","body":"x","retry":{"non_idempotent":true}}`},
}

// The goal: a server killed at any moment of an exchange goes on when it is started again. What may be repeated is
// made again, a repeatable POST with the same key; a POST or PATCH that may have arrived runs once at most and its
// future says that nobody knows.
func TestAPostRunsOnceThoughTheServerIsKilled(t *testing.T) {
	for p := connected; p < phases; p++ {
		t.Run(strings.ReplaceAll(phaseNames[p], " ", "_"), func(t *testing.T) {
			t.Parallel()
			target := deadlyTarget(t, p)
			dir := t.TempDir()
			first := begin(t, dir)
			ids := map[string]string{}
			for _, deed := range deeds {
				status, body := first.call("POST", "/fetch", fmt.Sprintf(deed.fetch, target.url+deed.path))
				if status != 202 {
					t.Fatalf("%d %s", status, body)
				}
				ids[deed.path] = read(t, body).ID
			}
			for range deeds {
				<-target.there
			}
			first.kill()
			second := begin(t, dir)
			for _, deed := range deeds {
				status, body := second.call("GET", "/futures/"+ids[deed.path]+"?wait=30s", "")
				if status != 200 {
					t.Errorf("%s: %d %s", deed.path, status, body)
					continue
				}
				target.judge(t, deed.path, read(t, body))
			}
		})
	}
}

type told struct {
	ID, State string
	Error     *struct{ Type string }
}

func read(t *testing.T, body string) (f told) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &f); err != nil {
		t.Errorf("%v in %s", err, body)
	}
	return f
}

// judge holds what became of a future against what the target has seen.
func (d *deadly) judge(t *testing.T, path string, f told) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	executed, keys := d.executed[path], len(d.keys[path])
	before := 0 // executions before the kill
	if d.until >= requestRead {
		before = 1
	}
	unknown := f.State == "failed" && f.Error != nil && f.Error.Type == "outcome_unknown"
	switch {
	case d.until == answered && f.State == "succeeded" && executed <= 2:
		// Whether the outcome was on the disk when the server was killed, only that server knew.
	case path == "/get", path == "/put", path == "/repeatable":
		if f.State != "succeeded" || executed != before+1 {
			t.Errorf("%s: %s, executed %d times, want succeeded and %d", path, f.State, executed, before+1)
		}
	case !unknown:
		t.Errorf("%s: %+v, want nobody to know", path, f)
	}
	repeats := path == "/get" || path == "/put" || path == "/repeatable"
	if !repeats && executed != before {
		t.Errorf("%s: executed %d times, want %d", path, executed, before)
	}
	if path == "/repeatable" && (keys != 1 || d.keys[path][""]) {
		t.Errorf("%s: %d different keys: %v", path, keys, d.keys[path])
	}
}
