package loop

import (
	"sync"
	"sync/atomic"
)

// inbox is how other goroutines reach the loop: a slice behind the only mutex of this package, which the loop swaps
// for an empty one, and the state below, which lets a turn without remote work pass the lock by.
type inbox struct {
	state  atomic.Uint32
	token  chan struct{} // one slot: wakes the loop
	mu     sync.Mutex
	closed bool
	queue  []Runner
}

const (
	inboxEmpty  = iota // nothing is posted and the loop is awake
	inboxPosted        // the queue is not empty
	inboxAsleep        // nothing is posted and the loop sleeps, or is about to
)

// post queues r and wakes the loop if it sleeps. Any goroutine.
func (in *inbox) post(r Runner) error {
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		return ErrClosed
	}
	in.queue = append(in.queue, r)
	asleep := len(in.queue) == 1 && in.state.Swap(inboxPosted) == inboxAsleep
	in.mu.Unlock()
	if asleep {
		in.token <- struct{}{}
	}
	return nil
}

// posted reports whether swap would bring anything.
func (in *inbox) posted() bool { return in.state.Load() == inboxPosted }

// swap gives an empty buffer and takes what was posted, in order.
func (in *inbox) swap(empty []Runner) []Runner {
	in.mu.Lock()
	posted := in.queue
	in.queue = empty
	in.state.Store(inboxEmpty)
	in.mu.Unlock()
	return posted
}

// close refuses whatever is posted from now on and drops what was.
func (in *inbox) close() {
	in.mu.Lock()
	in.closed = true
	in.queue = nil
	in.state.Store(inboxEmpty)
	in.mu.Unlock()
}

// The loop sleeps in three steps, so that nothing posted before, between or after them is slept through. Of all who
// want to wake it exactly one changes the state from asleep, and that one sends the token: none is ever left over.

// lieDown announces that the loop is about to sleep, and reports false if it must not.
func (in *inbox) lieDown() bool { return in.state.CompareAndSwap(inboxEmpty, inboxAsleep) }

// sleep returns when somebody has woken the loop since lieDown.
func (in *inbox) sleep() { <-in.token }

// getUp ends a sleep that did not happen, or takes the token of the one who was faster.
func (in *inbox) getUp() {
	if !in.state.CompareAndSwap(inboxAsleep, inboxEmpty) {
		<-in.token
	}
}

// wake ends the sleep, if there is one. Any goroutine.
func (in *inbox) wake() {
	if in.asleep() && in.state.CompareAndSwap(inboxAsleep, inboxEmpty) {
		in.token <- struct{}{}
	}
}

func (in *inbox) asleep() bool { return in.state.Load() == inboxAsleep }
