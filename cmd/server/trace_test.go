package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
)

// The goal: each attempt says which program makes it, and continues the submitter's trace with a span of its own.
func TestAttemptsSayWhoTheyAreAndContinueTheTrace(t *testing.T) {
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	seen := make(chan http.Header, 10)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen <- r.Header; len(seen) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer target.Close()
	p := begin(t, t.TempDir())
	fetch := fmt.Sprintf(`{"url":%q,"retry":{"min_backoff":"1ms","max_backoff":"1ms"}}`, target.URL)
	status, body := p.call("POST", "/fetch", fetch, "Traceparent", "00-"+trace+"-"+parent+"-01", "Prefer", "wait=30")
	if status != 200 || read(t, body).State != "succeeded" {
		t.Fatalf("%d %s", status, body)
	}
	version, err := exec.Command("awaitd", "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	agent := "awaitd/" + strings.Fields(string(version))[1]
	spans := map[string]bool{parent: true}
	for n := range 2 {
		h := <-seen
		parts := strings.Split(h.Get("Traceparent"), "-")
		if h.Get("User-Agent") != agent || len(parts) != 4 || parts[1] != trace || parts[3] != "01" || spans[parts[2]] {
			t.Errorf("attempt %d: %s, %s; want %s, and a new span of %s", n+1, h.Get("User-Agent"), parts, agent, trace)
			continue
		}
		spans[parts[2]] = true
	}
}
