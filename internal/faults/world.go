package faults

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
)

// world is a server with its target and its clients, from the first life to the last.
type world struct {
	t       testing.TB
	home    *home
	target  *target
	history *history
	stories *stories

	mu      sync.Mutex
	life    *life         // the one that is ready; nil while there is none
	changed chan struct{} // closed when life has changed
	lives   int
	orders  []*order
	charges []string
}

// newWorld has no life yet. It ends with the test.
func newWorld(t testing.TB, binary string, flags ...string) *world {
	t.Helper()
	w := &world{
		t: t, home: newHome(t, binary, flags...), target: newTarget(), history: newHistory(), stories: newStories(),
		changed: make(chan struct{}),
	}
	t.Cleanup(w.target.end)
	return w
}

// live begins the next life and returns when it is ready. The one before must be over.
func (w *world) live(ctx context.Context, prefix ...string) *life {
	w.t.Helper()
	l := w.home.start(w.t, prefix...)
	w.mu.Lock()
	w.lives++
	w.mu.Unlock()
	if err := l.ready(ctx); err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.life = l
	close(w.changed)
	w.changed = make(chan struct{})
	return l
}

// enter returns the life that is ready, waiting for one if need be; nil when ctx ends before.
func (w *world) enter(ctx context.Context) *life {
	for {
		w.mu.Lock()
		l, changed := w.life, w.changed
		w.mu.Unlock()
		if l != nil && l.alive() && ctx.Err() == nil {
			return l
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// age is how many lives have begun.
func (w *world) age() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lives
}

// accuse notes a fault that needs no further proof.
func (w *world) accuse(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.charges = append(w.charges, fmt.Sprintf(format, args...))
}

// accused is what was noted so far.
func (w *world) accused() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.charges)
}

// order is something that was asked of the server, and must be done once it was acknowledged.
type order struct {
	path, method string // of a fetch; a timer has neither
	repeats      bool   // the target may be asked more than once
	batch        string // the label that it shares with the others of its submit; "" when it was submitted alone
	life         int    // in which it was submitted

	id string // as acknowledged; "" when no answer came
}

// place adds what was asked for. The ids are filled in when they are known.
func (w *world) place(orders ...*order) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.orders = append(w.orders, orders...)
}

// acknowledge fills in an id.
func (w *world) acknowledge(o *order, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	o.id = id
}

// placed is a copy of the orders so far.
func (w *world) placed() []order {
	w.mu.Lock()
	defer w.mu.Unlock()
	copies := make([]order, len(w.orders))
	for i, o := range w.orders {
		copies[i] = *o
	}
	return copies
}

// recent is a random one of the last orders that were acknowledged; false when there is none.
func (w *world) recent(chance func(int) int) (order, bool) {
	const last = 100
	w.mu.Lock()
	defer w.mu.Unlock()
	for range 10 {
		if n := len(w.orders); n > 0 {
			if o := w.orders[n-1-chance(min(n, last))]; o.id != "" {
				return *o, true
			}
		}
	}
	return order{}, false
}
