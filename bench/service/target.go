package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
)

// target answers every request with its own path and counts them.
type target struct {
	*httptest.Server
	mu     sync.Mutex
	counts map[string]int
}

func newTarget() *target {
	t := &target{counts: map[string]int{}}
	t.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.mu.Lock()
		t.counts[r.URL.Path]++
		t.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"path":%q}`, r.URL.Path)
	}))
	return t
}

func (t *target) close() { t.Server.Close() }

// onceEach demands that each of n paths below prefix was asked for exactly once.
func (t *target) onceEach(prefix string, n int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range n {
		if got := t.counts[fmt.Sprintf("%s/%d", prefix, i)]; got != 1 {
			return fmt.Errorf("%s/%d was asked for %d times", prefix, i, got)
		}
	}
	clear(t.counts)
	return nil
}
