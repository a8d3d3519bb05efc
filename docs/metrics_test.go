package docs

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/awaitd/awaitd/internal/app"
	"github.com/awaitd/awaitd/internal/tidy"
)

var helpLine = regexp.MustCompile(`(?m)^# HELP (awaitd_\S+) (.*)$`)

// The page of the metrics has each one of the contract, in the words of the server's own help. Some are there only
// after the first request, the first attempt, which nobody answers, and the first callback.
func TestTheMetricsAreThoseOfTheServer(t *testing.T) {
	listener := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(listener.Close)
	server, err := app.New(app.Options{
		Addr: "127.0.0.1:0", Memory: true, MaxMemory: 1 << 20, AllowTarget: []string{"127.0.0.1/32"}, Workers: 1,
		MaxWait: time.Minute, MaxBody: 1, FutureTTL: 1, EventTTL: 1, IdempotencyTTL: 1,
		MaxPending: 1, MaxPendingBytes: 1000, MaxWaiters: 1,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Run(t.Context()) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	url := "http://" + server.Addr().String()
	read(t, http.MethodPost, url+"/fetch?wait=1m", fmt.Sprintf(`{"url": "http://127.0.0.1:1/",
		"retry": {"max_attempts": 1}, "ttl": "1h", "callback": {"url": %q}}`, listener.URL))
	says := map[string]string{}
	for says["awaitd_callbacks_total"] == "" && t.Context().Err() == nil {
		for _, m := range helpLine.FindAllStringSubmatch(read(t, http.MethodGet, url+"/metrics", ""), -1) {
			says[m[1]] = m[2]
		}
	}
	rows := newTable("metric", "type", "labels", "meaning")
	for _, m := range tidy.Metrics {
		if says[m.Name] == "" {
			t.Errorf("the server says nothing of %s", m.Name)
		}
		rows.row(code(m.Name), m.Type, code(m.Labels...), says[m.Name])
	}
	hold(t, "reference/metrics.md", "metrics", rows.String())
}

// read makes a request and reads the answer, which must be a good one. Until the server is ready it asks again.
func read(t *testing.T, method, url, body string) string {
	t.Helper()
	for t.Context().Err() == nil {
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		switch {
		case err != nil:
			t.Fatal(err)
		case resp.StatusCode == http.StatusOK:
			return string(text)
		case resp.StatusCode != http.StatusServiceUnavailable:
			t.Fatalf("%s %s: %s: %s", method, url, resp.Status, text)
		}
	}
	return ""
}
