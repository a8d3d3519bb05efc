// Command flaky is a target to try awaitd on: slow, and not to be relied upon.
//
//	go run ./examples/flaky [ADDR]      (127.0.0.1:9090)
//
// GET /item/N answers {"item":N,"tries":K} after 50 to 400 ms. Every third item fails the first two times with 503,
// every seventh keeps the caller waiting for 2 s the first time. POST /echo sends the body back. GET /count says how
// often each item has been asked for. POST /chat/MODEL answers like a model: quick after 0.1 s, slow after 30 s, busy
// with 429 the first time.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

func main() {
	addr := "127.0.0.1:9090"
	if len(os.Args) > 1 {
		addr = os.Args[1]
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("flaky target on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, newTarget()))
}

// target counts how often each item was asked for.
type target struct {
	http.ServeMux
	mu    sync.Mutex
	tries map[int]int
	busy  int // how often the busy model was asked
}

func newTarget() *target {
	t := &target{tries: map[int]int{}}
	t.HandleFunc("GET /item/{n}", t.item)
	t.HandleFunc("POST /echo", echo)
	t.HandleFunc("GET /count", t.count)
	t.HandleFunc("POST /chat/{model}", t.chat)
	return t
}

func (t *target) item(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil {
		http.Error(w, "an item is a number", http.StatusNotFound)
		return
	}
	t.mu.Lock()
	t.tries[n]++
	tries := t.tries[n]
	t.mu.Unlock()
	delay := time.Duration(50+n*37%350) * time.Millisecond
	if n%7 == 0 && tries == 1 {
		delay = 2 * time.Second
	}
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return
	}
	if n%3 == 0 && tries <= 2 {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	answer(w, map[string]int{"item": n, "tries": tries})
}

func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	_, _ = io.Copy(w, io.LimitReader(r.Body, 1<<20))
}

func (t *target) chat(w http.ResponseWriter, r *http.Request) {
	model := r.PathValue("model")
	thought := map[string]time.Duration{"quick": 100 * time.Millisecond, "slow": 30 * time.Second, "busy": 0}
	after, known := thought[model]
	if !known {
		http.Error(w, "there is no such model", http.StatusNotFound)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body) // else nobody notices that the caller goes
	select {
	case <-time.After(after):
	case <-r.Context().Done():
		return
	}
	if model == "busy" && t.first() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many requests", http.StatusTooManyRequests)
		return
	}
	answer(w, map[string]string{"model": model, "text": "42"})
}

// first reports whether the busy model is asked for the first time.
func (t *target) first() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy++
	return t.busy == 1
}

func (t *target) count(w http.ResponseWriter, _ *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	answer(w, t.tries)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
