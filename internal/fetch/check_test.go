package fetch

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/google/go-cmp/cmp"
)

func TestTheDefaultsOfTheContractPass(t *testing.T) {
	if faults := Check(request("http://example.com/")); len(faults) != 0 {
		t.Error(faults)
	}
}

// The goal: each field has its bound, both edges, and each fault points at the field.
func TestEachFieldHasItsBounds(t *testing.T) {
	const day = 24 * time.Hour
	status := func(from, to int) []record.StatusRange { return []record.StatusRange{{From: from, To: to}} }
	for _, c := range []struct {
		name    string
		change  func(*record.Request)
		pointer string // of the one fault; empty for none
	}{
		{"url", func(r *record.Request) { r.URL = "ftp://x/" }, "/url"},
		{"method", method("TRACE"), "/method"},
		{"header", header("host", "x"), "/headers/host"},
		{"timeout 0", within(0), "/timeout"},
		{"timeout below 0", within(-1), "/timeout"},
		{"timeout least", within(1), ""},
		{"timeout most", within(TimeoutMax), ""},
		{"timeout beyond", within(TimeoutMax + 1), "/timeout"},
		{"attempts 0", func(r *record.Request) { r.Retry.AttemptsMax = 0 }, "/retry/max_attempts"},
		{"attempts 1", func(r *record.Request) { r.Retry.AttemptsMax = 1 }, ""},
		{"attempts most", func(r *record.Request) { r.Retry.AttemptsMax = AttemptsMax }, ""},
		{"attempts beyond", func(r *record.Request) { r.Retry.AttemptsMax = AttemptsMax + 1 }, "/retry/max_attempts"},
		{"backoff 0", func(r *record.Request) { r.Retry.BackoffMin = 0 }, "/retry/min_backoff"},
		{"backoff least", func(r *record.Request) { r.Retry.BackoffMin = BackoffLeast }, ""},
		{"backoff most", func(r *record.Request) { r.Retry.BackoffMin, r.Retry.BackoffMax = day, day }, ""},
		{"backoff beyond", func(r *record.Request) { r.Retry.BackoffMax = BackoffMost + 1 }, "/retry/max_backoff"},
		{"backoff crossed", func(r *record.Request) { r.Retry.BackoffMax = 499 * time.Millisecond }, "/retry/max_backoff"},
		{"on_status empty", func(r *record.Request) { r.Retry.OnStatus = nil }, ""},
		{"on_status low", func(r *record.Request) { r.Retry.OnStatus = status(99, 100) }, "/retry/on_status/0"},
		{"on_status edges", func(r *record.Request) { r.Retry.OnStatus = status(100, 999) }, ""},
		{"on_status high", func(r *record.Request) { r.Retry.OnStatus = status(999, 1000) }, "/retry/on_status/0"},
		{"on_status crossed", func(r *record.Request) {
			r.Retry.OnStatus = append(status(500, 500), status(300, 200)...)
		}, "/retry/on_status/1"},
		{"on_status many", func(r *record.Request) {
			r.Retry.OnStatus = slices.Repeat(status(500, 500), StatusRangesMax+1)
		}, "/retry/on_status"},
		{"accept_status empty", func(r *record.Request) { r.AcceptStatus = nil }, "/accept_status"},
		{"accept_status bad", accept(0, 0), "/accept_status/0"},
		{"redirects below 0", redirects(-1), "/max_redirects"},
		{"redirects 0", redirects(0), ""},
		{"redirects most", redirects(RedirectsMax), ""},
		{"redirects beyond", redirects(RedirectsMax + 1), "/max_redirects"},
		{"max_bytes 0", bytesMax(0), "/max_bytes"},
		{"max_bytes 1", bytesMax(1), ""},
		{"redact", func(r *record.Request) { r.Redact = []string{"X-Key", "X Key"} }, "/redact/1"},
		{"redact many", func(r *record.Request) { r.Redact = slices.Repeat([]string{"X"}, RedactMax+1) }, "/redact"},
	} {
		faults := Check(request("http://example.com/", c.change))
		var pointers []string
		for _, f := range faults {
			pointers = append(pointers, f.Pointer)
			if !strings.HasSuffix(f.Detail, ".") {
				t.Errorf("%s: %q is no sentence", c.name, f.Detail)
			}
		}
		var want []string
		if c.pointer != "" {
			want = []string{c.pointer}
		}
		if d := cmp.Diff(want, pointers); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

func TestAllFaultsAreReportedTogether(t *testing.T) {
	faults := Check(&record.Request{Headers: lines("te", "x")})
	var pointers []string
	for _, f := range faults {
		pointers = append(pointers, f.Pointer)
	}
	want := []string{
		"/url", "/method", "/headers/te", "/timeout", "/retry/max_attempts", "/retry/min_backoff", "/accept_status",
		"/max_bytes",
	}
	if d := cmp.Diff(want, pointers); d != "" {
		t.Error(d)
	}
}

func TestStatusRangesAreReadInThreeForms(t *testing.T) {
	for text, want := range map[string]record.StatusRange{
		"503": {From: 503, To: 503}, "5xx": {From: 500, To: 599}, "2XX": {From: 200, To: 299},
		"500-599": {From: 500, To: 599}, "100-999": {From: 100, To: 999}, "9xx": {From: 900, To: 999},
		"404-404": {From: 404, To: 404},
	} {
		if got, err := ParseStatusRange(text); err != nil || got != want {
			t.Errorf("%s: %v %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "5", "50", "5000", "0xx", "xxx", "5x", "5xxx", "099", "000", "599-500", "500-", "-500", "500-5xx", "5xx-599",
		"500-599-600", "+500", " 500", "500 ", "٥٠٠", "5yy", "-5xx", "50x",
	} {
		if got, err := ParseStatusRange(text); err == nil {
			t.Errorf("%q became %v", text, got)
		}
	}
}
