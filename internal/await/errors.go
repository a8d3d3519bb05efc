package await

import (
	"errors"
	"fmt"

	"github.com/awaitd/awaitd/internal/record"
)

// The callers' mistakes and the bounds they may meet. The door maps each to one problem code, but for ErrLost, to which
// it has no answer. Each verb may return ErrEnded, and nothing was done; one that changes something also ErrLost.
var (
	ErrBusy            = errors.New("await: too many requests are waiting for their turn")
	ErrDraining        = errors.New("await: the server is shutting down")
	ErrEnded           = errors.New("await: the kernel has ended")
	ErrLost            = errors.New("await: the kernel has ended, and the command may be done or not")
	ErrTooManyFutures  = errors.New("await: too many futures are pending")
	ErrFuturesTooLarge = errors.New("await: the requests of pending futures take too many bytes")
	ErrTooManyEvents   = errors.New("await: too many events are remembered or waited for")
	ErrEventsTooLarge  = errors.New("await: the payloads of events take too many bytes")
	ErrTooManyWaiters  = errors.New("await: too many waits are held")
	ErrTooManyLeaves   = errors.New("await: the waits that are held have too many leaves")
	ErrNotSettleable   = errors.New("await: only a promise can be settled from outside")
	ErrKeyReused       = errors.New("await: the idempotency key was used for another request")
	ErrNotSettled      = errors.New("await: the future is still pending")
)

// UnknownFutureError names a future that does not exist, or no more.
type UnknownFutureError struct{ ID string }

func (e *UnknownFutureError) Error() string { return fmt.Sprintf("await: there is no future %s", e.ID) }

// IDTakenError names an id that a future has already.
type IDTakenError struct{ ID string }

func (e *IDTakenError) Error() string {
	return fmt.Sprintf("await: there is a future %s already", e.ID)
}

// SettledError carries the future that cannot be settled again, or not so.
type SettledError struct{ Future *record.Future }

func (e *SettledError) Error() string {
	return fmt.Sprintf("await: the future %s is settled already", e.Future.ID)
}

// RefusedError carries the future that stands in the way, as it was when it did. It wraps ErrNotSettleable or
// ErrNotSettled.
type RefusedError struct {
	View   View
	Reason error
}

func (e *RefusedError) Error() string { return fmt.Sprintf("%v: %s", e.Reason, e.View.ID) }

func (e *RefusedError) Unwrap() error { return e.Reason }

// errCold says that apply does not know a future: it is settled and only in the store, or unknown.
var errCold = errors.New("await: not in memory")

// errAgain says that a settled future is not in the store yet; it is once this answer has been released.
var errAgain = errors.New("await: not committed yet")
