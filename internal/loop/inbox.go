package loop

import (
	"sync"
	"sync/atomic"
)

// inbox is how other goroutines reach the loop: a slice behind the only mutex of this package, which the loop swaps
// for an empty one. The flag lets a turn without remote work pass the lock by.
type inbox struct {
	remote atomic.Bool // the queue is not empty
	mu     sync.Mutex
	closed bool
	queue  []Runner
	bed    bed
}

// post queues r and wakes the loop if it sleeps. Any goroutine.
func (in *inbox) post(r Runner) error {
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		return ErrClosed
	}
	in.queue = append(in.queue, r)
	first := len(in.queue) == 1
	if first {
		in.remote.Store(true)
	}
	in.mu.Unlock()
	if first {
		in.bed.wake()
	}
	return nil
}

// swap gives an empty buffer and takes what was posted, in order.
func (in *inbox) swap(empty []Runner) []Runner {
	in.mu.Lock()
	posted := in.queue
	in.queue = empty
	in.remote.Store(false)
	in.mu.Unlock()
	return posted
}

// close refuses whatever is posted from now on and drops what was.
func (in *inbox) close() {
	in.mu.Lock()
	in.closed = true
	in.queue = nil
	in.remote.Store(false)
	in.mu.Unlock()
}

// bed is where the loop sleeps. Of all who want to wake a sleeper exactly one wins the flag and sends one token, so no
// token is ever left over to wake the next sleep.
type bed struct {
	sleeping atomic.Bool
	token    chan struct{} // one slot
}

// lieDown announces that the loop is about to sleep: whoever has work from now on must wake it.
func (b *bed) lieDown() { b.sleeping.Store(true) }

// sleep returns when somebody has called wake since lieDown.
func (b *bed) sleep() { <-b.token }

// getUp ends a sleep that did not happen, or takes the token of the one who was faster.
func (b *bed) getUp() {
	if !b.sleeping.CompareAndSwap(true, false) {
		<-b.token
	}
}

// wake ends the sleep, if there is one. Any goroutine.
func (b *bed) wake() {
	if b.sleeping.Load() && b.sleeping.CompareAndSwap(true, false) {
		b.token <- struct{}{}
	}
}
