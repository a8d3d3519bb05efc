package faults

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// The moods of the target: the first part of the path says which.
const (
	quick = "quick" // answers at once
	slow  = "slow"  // answers when slowBy others have asked after it
	flaky = "flaky" // says 503 to the first two askers
	cut   = "cut"   // drops the first asker without an answer
	large = "large" // answers at once with largeBytes
	hang  = "hang"  // does not answer before the target is calm
)

const (
	slowBy     = 20
	largeBytes = 150 << 10 // more than lies in a record
)

// target is what the fetches ask. What it does depends on the path and on who asked before, not on time; it counts
// how often each path was asked for.
type target struct {
	*httptest.Server
	calm chan struct{} // closed when it shall answer everybody at once

	mu      sync.Mutex
	asked   map[string]int
	slow    []chan struct{}
	arrived map[string]chan struct{} // closed when the path is asked for
}

func newTarget() *target {
	g := &target{calm: make(chan struct{}), asked: map[string]int{}, arrived: map[string]chan struct{}{}}
	g.Server = httptest.NewServer(g)
	return g
}

// ServeHTTP counts, is in its mood, and answers.
func (g *target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, wait := g.ask(r.URL.Path)
	mood := moodOf(r.URL.Path)
	if wait != nil {
		select {
		case <-wait:
		case <-g.calm:
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case mood == flaky && n <= 2:
		http.Error(w, "not now", http.StatusServiceUnavailable)
	case mood == cut && n == 1:
		panic(http.ErrAbortHandler)
	default:
		contentType, body := truth(r.URL.Path)
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body)
	}
}

// ask counts an asker: how many have asked for the path, and what this one must wait for, nil for nothing.
func (g *target) ask(path string) (n int, wait chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked[path]++
	if c := g.arrived[path]; c != nil && g.asked[path] == 1 {
		close(c)
	}
	switch moodOf(path) {
	case slow:
		wait = make(chan struct{})
		g.slow = append(g.slow, wait)
	case hang:
		wait = make(chan struct{})
	}
	if len(g.slow) > slowBy {
		close(g.slow[0])
		g.slow = g.slow[1:]
	}
	return g.asked[path], wait
}

// end lets everybody go who is held, and ends the target.
func (g *target) end() {
	g.soothe()
	g.Close()
}

// soothe makes the target answer everybody at once from now on.
func (g *target) soothe() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.calm:
	default:
		close(g.calm)
	}
}

// count is how often the path was asked for.
func (g *target) count(path string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked[path]
}

// arrival is closed when the path has been asked for.
func (g *target) arrival(path string) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.arrived[path]
	if c == nil {
		c = make(chan struct{})
		g.arrived[path] = c
		if g.asked[path] > 0 {
			close(c)
		}
	}
	return c
}

func moodOf(path string) string {
	mood, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return mood
}

// truth is what the target answers in the end.
func truth(path string) (contentType string, body []byte) {
	if moodOf(path) != large {
		return "application/json", fmt.Appendf(nil, "%q", path)
	}
	line := []byte(path + "\n")
	return "text/plain", bytes.Repeat(line, largeBytes/len(line)+1)
}
