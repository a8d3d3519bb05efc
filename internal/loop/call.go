package loop

import (
	"context"
	"runtime/debug"
)

// Call runs fn on the loop and brings its value home: the way for any other goroutine to ask the loop something. The
// value travels through a channel, so a caller who left early leaves it behind. The end of ctx ends the waiting, not
// fn, which may still run. It returns ErrClosed when the loop is closed before fn ran, and a *PanicError when fn
// panicked. It blocks its goroutine, and so for ever on the loop itself, which only the debug mode notices. Any
// goroutine but the loop's.
func Call[T any](ctx context.Context, l *Loop, fn func() T) (T, error) {
	var none T
	if l.debug() && l.owner.Load() == goroutineID() {
		panic("loop: Call was used on the loop itself, where it would wait for ever; call the function instead")
	}
	c := &call[T]{fn: fn, home: make(chan answer[T], 1)}
	if err := l.inbox.post(c); err != nil {
		return none, err
	}
	select {
	case a := <-c.home:
		return a.value, a.err
	case <-ctx.Done():
		return none, ctx.Err()
	case <-l.done:
	}
	select {
	case a := <-c.home: // it ran just before the loop was closed
		return a.value, a.err
	default:
		return none, ErrClosed
	}
}

type call[T any] struct {
	fn   func() T
	home chan answer[T]
}

type answer[T any] struct {
	value T
	err   error
}

// Run always answers: whoever waits at home would wait for ever otherwise.
func (c *call[T]) Run() {
	a := answer[T]{err: ErrGoexit}
	defer func() {
		if v := recover(); v != nil {
			a.err = &PanicError{Value: v, Stack: debug.Stack()}
		}
		c.home <- a
	}()
	a.value = c.fn()
	a.err = nil
}

// Name is what the function is called.
func (c *call[T]) Name() string { return nameOfFunc(c.fn) }
