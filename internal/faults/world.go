package faults

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// world is a server with its target and its clients, from the first life to the last.
type world struct {
	t       testing.TB
	home    *home
	target  *target
	history *history
	stories *stories

	diskFails bool // the test makes it: a fetch may fail because its answer cannot be stored

	mu          sync.Mutex
	life        *life         // the one that is ready; nil while there is none
	changed     chan struct{} // closed when life has changed
	lives       int
	submissions []*submission
	charges     []string
	ends        map[string]int // how many orders ended how, for the record
}

// newWorld has no life yet. It ends with the test.
func newWorld(t testing.TB, binary string, flags ...string) *world {
	t.Helper()
	w := &world{
		t: t, home: newHome(t, binary, flags...), target: newTarget(), history: newHistory(), stories: newStories(),
		changed: make(chan struct{}), ends: map[string]int{},
	}
	t.Cleanup(w.target.end)
	return w
}

// live begins the next life and returns when it is ready. The one before must be over.
func (w *world) live(ctx context.Context, prefix ...string) *life {
	w.t.Helper()
	l, err := w.tryToLive(ctx, prefix...)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// tryToLive is live where the server may end before it is ready, which is an error.
func (w *world) tryToLive(ctx context.Context, prefix ...string) (*life, error) {
	w.t.Helper()
	l := w.home.start(w.t, prefix...)
	w.mu.Lock()
	w.lives++
	w.mu.Unlock()
	if err := l.ready(ctx); err != nil {
		return l, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.life = l
	close(w.changed)
	w.changed = make(chan struct{})
	return l, nil
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

// submission is a request for work, of one order or a batch.
type submission struct {
	path, body string
	key        string        // empty: it cannot be repeated
	batch      string        // empty: it is none
	life       int           // in which it was first made
	called     time.Duration // when it was first made
	orders     []*order
}

// order is something that must be done once it was acknowledged.
type order struct {
	path, method string // of a fetch; a timer has neither
	repeats      bool   // the target may be asked more than once
	id           string // as acknowledged; empty when no answer came
}

// place adds a submission. The ids of its orders are filled in when they are known.
func (w *world) place(s *submission) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.submissions = append(w.submissions, s)
}

// named fills in the id of an order and returns the one it had.
func (w *world) named(o *order, id string) (known string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known = o.id
	o.id = id
	return known
}

// acknowledged reports whether the ids of a submission are known.
func (w *world) acknowledged(s *submission) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return s.orders[0].id != ""
}

// recent is a random one of the last orders that were acknowledged; false when there is none.
func (w *world) recent(chance func(int) int) (*submission, order, bool) {
	const last = 50
	w.mu.Lock()
	defer w.mu.Unlock()
	for range 10 {
		n := len(w.submissions)
		if n == 0 {
			break
		}
		s := w.submissions[n-1-chance(min(n, last))]
		if o := s.orders[chance(len(s.orders))]; o.id != "" {
			return s, *o, true
		}
	}
	return nil, order{}, false
}
