package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/awaitd/awaitd/bench/process"
)

// way is one way to be parked.
type way struct {
	name         string
	method, path string
	body         any
	promise      bool   // there must be a promise
	wake         string // posted to when all are parked
}

var ways = []way{
	{name: "GET /events/{name}?wait=", method: "GET", path: "/events/bench?wait=30m", wake: "/events/bench/set"},
	{
		name: "GET /futures/{id}?wait=", method: "GET", path: "/futures/bench?wait=30m", promise: true,
		wake: "/futures/bench/cancel",
	},
	{
		name: "POST /wait", method: "POST", path: "/wait",
		body: map[string]any{"for": "event:bench", "timeout": "30m"}, wake: "/events/bench/set",
	},
}

// bare is the way to be parked on a handler that does nothing.
var bare = way{name: "a handler that does nothing", method: "GET", path: "/", wake: "/"}

func (w way) begin(p *process.Server) error {
	if !w.promise {
		return nil
	}
	return p.Call("POST", "/futures", map[string]string{"kind": "promise", "id": "bench"}, nil)
}

// hold parks callers, has meanwhile look, and wakes them.
func (b *bench) hold(p *process.Server, w way, meanwhile func() error) error {
	fault := make(chan error, b.parked)
	for range b.parked {
		go func() { fault <- p.Call(w.method, w.path, w.body, nil) }()
	}
	if err := until(p, "awaitd_waiters", b.parked); err != nil {
		return err
	}
	if err := meanwhile(); err != nil {
		return err
	}
	if err := p.Call("POST", w.wake, nil, nil); err != nil {
		return err
	}
	for range b.parked {
		if err := <-fault; err != nil {
			return err
		}
	}
	return nil
}

// measureGrowth measures by how much a fresh process grows.
func (b *bench) measureGrowth(w way) func(*process.Server) error {
	return func(p *process.Server) error {
		if err := w.begin(p); err != nil {
			return err
		}
		before, err := p.Resident()
		if err != nil {
			return err
		}
		return b.hold(p, w, func() error {
			during, err := p.Resident()
			b.add(w, "memory each", during-before)
			return err
		})
	}
}

// measureAlive measures what is alive.
func (b *bench) measureAlive(w way) func(*process.Server) error {
	return func(p *process.Server) error {
		if err := w.begin(p); err != nil {
			return err
		}
		before, err := collected(p)
		if err != nil {
			return err
		}
		return b.hold(p, w, func() error {
			during, err := collected(p)
			b.add(w, "heap alive each", during[heap]-before[heap])
			b.add(w, "stack each", during[stack]-before[stack])
			return err
		})
	}
}

func (b *bench) add(w way, what string, bytes float64) {
	b.table.Add(fmt.Sprintf("%d callers, %s, %s", b.parked, w.name, what), "KiB", bytes/1024/float64(b.parked))
}

// What a process says of its memory, as the metrics of Go are called.
const (
	collections = "go_gc_duration_seconds_count"
	goal        = "go_memstats_next_gc_bytes" // of the heap: then it is collected
	heap        = "go_memstats_heap_alloc_bytes"
	stack       = "go_memstats_stack_inuse_bytes"
)

// collected is what is left after a collection that began after now. Near its beginning nothing but these questions
// makes garbage: what comes while it runs is taken for alive.
func collected(p *process.Server) (map[string]float64, error) {
	refused := strings.Repeat(" ", 512<<10)
	first := -1.0
	for {
		found, err := p.Gauges(collections, goal, heap, stack)
		if err != nil {
			return nil, err
		}
		if first < 0 {
			first = found[collections]
		}
		switch {
		case found[collections] >= first+2:
			time.Sleep(500 * time.Millisecond) // until the garbage is swept away, too
			return p.Gauges(heap, stack)
		case found[goal]-found[heap] > 4<<20:
			_ = p.Call("POST", "/wait", refused, nil) // which leaves it behind
		default:
			time.Sleep(5 * time.Millisecond)
		}
	}
}
