package faults

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// operation is one call, as the client that made it saw it.
type operation struct {
	client int
	thing  thing
	key    string // which future or event
	verb   string
	value  string // what the verb is to make of the future, the name of a new promise, or the payload of a set
	after  uint64 // of the waits for an event: the generation that must be passed

	called   time.Duration // since the history began
	returned time.Duration
	reply    reply // what was answered; meaningless when lost
	lost     bool  // no answer came: it may have happened while the server lived, and returned when that was dead
}

// thing is what an operation is about. Each has a specification of its own.
type thing uint8

const (
	promise thing = iota
	fetch
	event
)

func (t thing) String() string { return [...]string{"promise", "fetch", "event"}[t] }

// reply is what of an answer is held against the specification.
type reply struct {
	says string // status, and the code of a problem: "200", "409 already-settled"
	saw  any    // a future as futureState, an event as standing; nil when it is not shown
}

// history is everything that the clients of one world did. Any goroutine.
type history struct {
	began      time.Time
	turnedAway atomic.Int64 // calls that found no server, or one that ends and said that it did nothing

	mu         sync.Mutex
	operations []operation
	answered   int
	mark       int // the number of answers that reached waits for
	passed     chan struct{}
}

func newHistory() *history { return &history{began: time.Now()} }

func (h *history) now() time.Duration { return time.Since(h.began) }

// add notes an operation that is over.
func (h *history) add(o operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, o)
	if o.lost {
		return
	}
	h.answered++
	if h.passed != nil && h.answered >= h.mark {
		close(h.passed)
		h.passed = nil
	}
}

// reached is closed when n more calls have been answered. There is one such wait at a time.
func (h *history) reached(n int) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	passed := make(chan struct{})
	h.mark, h.passed = h.answered+n, passed
	return passed
}

// counts is how many calls were answered, and how many never were.
func (h *history) counts() (answered, lost int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.answered, len(h.operations) - h.answered
}

// byKey is the operations on each thing, and the keys in the order of their first one.
func (h *history) byKey() (keys []string, operations map[string][]operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	operations = map[string][]operation{}
	for _, o := range h.operations {
		key := o.thing.String() + " " + o.key
		if operations[key] == nil {
			keys = append(keys, key)
		}
		operations[key] = append(operations[key], o)
	}
	return keys, operations
}

// touched is one operation for each thing that the operations from that number on are about.
func (h *history) touched(from int) (one []operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := map[operation]bool{}
	for _, o := range h.operations[from:] {
		if is := (operation{thing: o.thing, key: o.key}); !seen[is] {
			seen[is] = true
			one = append(one, is)
		}
	}
	return one
}

// length is how many operations there are.
func (h *history) length() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.operations)
}

// between is the operations of these verbs that were called after one time and answered before another.
func (h *history) between(from, to time.Duration, verbs ...string) (found []operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range h.operations {
		if o.called > from && o.returned < to && !o.lost && o.reply.says < "300" && slices.Contains(verbs, o.verb) {
			found = append(found, o)
		}
	}
	return found
}
