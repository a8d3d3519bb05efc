package loop

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed says that the loop has been closed; what was asked will never run.
	ErrClosed = errors.New("loop: closed")

	// ErrRunning says that the loop is running already.
	ErrRunning = errors.New("loop: already running")

	// ErrStopped says that the loop was stopped before what RunUntilComplete waits for was done.
	ErrStopped = errors.New("loop: stopped before the future was done")

	// ErrCancelled is asyncio's CancelledError: what a cancelled future results in, and what Await returns in a task
	// that was cancelled. A coroutine that returns it, or an error that wraps it, ends its task as cancelled.
	ErrCancelled = errors.New("loop: cancelled")

	// ErrInvalidState is asyncio's InvalidStateError: a future was settled twice, or asked for its result too early.
	ErrInvalidState = errors.New("loop: invalid state")

	// ErrTimeout is asyncio's TimeoutError.
	ErrTimeout = errors.New("loop: timed out")

	// ErrGoexit is the outcome of a task or an executor function that called runtime.Goexit, as testing's FailNow does.
	ErrGoexit = errors.New("loop: runtime.Goexit was called")
)

// PanicError is a panic that was caught: of a callback, a task, or a function in the executor.
type PanicError struct {
	Value any
	Stack []byte // of the goroutine that panicked, as text
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap is the value given to panic, if it was an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
