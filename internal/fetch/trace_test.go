package fetch

import (
	"net"
	"strings"
	"testing"

	"github.com/awaitd/awaitd/internal/record"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestATraceIsContinuedWithASpanOfOurs(t *testing.T) {
	if got := continueTrace(parent, 0xabc); got != "00-0af7651916cd43dd8448eb211c80319c-0000000000000abc-01" {
		t.Error(got)
	}
	if got := continueTrace(parent, 0); !strings.Contains(got, "-0000000000000001-") {
		t.Errorf("%s has the span id that means none", got)
	}
	for _, bad := range []string{
		"", "x", "01" + parent[2:], parent + "-00", strings.ToUpper(parent), parent[:54],
		"00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		"00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01", parent + "\r\nHost: x",
	} {
		if got := continueTrace(bad, 1); got != "" {
			t.Errorf("%q became %q", bad, got)
		}
	}
}

// The goal: each attempt carries the submitter's trace and a span of its own; a header the caller wrote himself
// wins, and a broken trace is not passed on.
func TestAttemptsCarryTheTrace(t *testing.T) {
	received := make(chan string, 5)
	target := rawTarget(t, func(conn net.Conn) {
		head, _ := readRequest(conn)
		received <- head
		_, _ = conn.Write([]byte(ok))
	})
	r := newRig(t, nil)
	var heads []string
	traced := func(parent string) func(*record.Request) {
		return func(r *record.Request) { r.Traceparent = parent }
	}
	for _, req := range []*record.Request{
		request(target.url, traced(parent)),
		request(target.url, traced(parent)),
		request(target.url, traced(parent), header("Traceparent", "mine")),
		request(target.url, traced("broken")),
		request(target.url),
	} {
		wantSuccess(t, r.fetch(t, req), "ok")
		heads = append(heads, <-received)
	}
	prefix := "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-"
	if !strings.Contains(heads[0], prefix) || !strings.Contains(heads[1], prefix) {
		t.Errorf("no trace in %q or %q", heads[0], heads[1])
	}
	if heads[0] == heads[1] || strings.Contains(heads[0], "b7ad6b7169203331") {
		t.Errorf("the span is not a new one: %q, %q", heads[0], heads[1])
	}
	if !strings.Contains(heads[2], "Traceparent: mine\r\n") {
		t.Errorf("the caller's own is lost: %q", heads[2])
	}
	if strings.Contains(heads[3]+heads[4], "Traceparent") {
		t.Errorf("a trace from nowhere: %q %q", heads[3], heads[4])
	}
}
