package loop

import "fmt"

// Awaitable is what a task can await: asyncio's __await__. Write your own by building Await from the Await of others;
// it runs in the task that calls it. Await must be called by a task and may suspend it.
type Awaitable[T any] interface {
	Await() (T, error)
}

// Waitable is a future of any type, for those who care only whether it is done: Future and Task implement it, and
// whatever embeds one.
type Waitable interface {
	Done() bool
	Cancelled() bool
	Cancel() bool
	Exception() error
	base() *futureBase
}

type futureState uint8

const (
	pending futureState = iota
	finished
	cancelled
)

// futureBase is a future without its value.
type futureBase struct {
	loop    *Loop
	waiters Waiters      // tasks, done callbacks and combinators, in order of arrival
	owner   futureOwner  // who alone settles and cancels it; nil means anybody
	err     error        // once it is done
	lost    *lostFailure // to be reported if nobody ever asks for err; nil if there is none
	state   futureState
}

// futureOwner is what stands behind a future that cannot be settled from outside.
type futureOwner interface {
	cancel() bool
}

// Future is an outcome that is not there yet. It settles once: with a value, an exception, or by being cancelled.
type Future[T any] struct {
	futureBase
	value T
}

// CreateFuture makes a future that waits for SetResult, SetException or Cancel.
func CreateFuture[T any](l *Loop) *Future[T] {
	l.own("CreateFuture")
	return &Future[T]{futureBase: futureBase{loop: l}}
}

// SetResult settles the future with a value. Everybody who waits is scheduled for the next turn. It returns
// ErrInvalidState if the future is done, or belongs to a task or another one who settles it.
func (f *Future[T]) SetResult(value T) error {
	f.loop.own("Future.SetResult")
	if err := f.mayBeSettled(); err != nil {
		return err
	}
	f.succeed(value)
	return nil
}

// SetException settles the future with an error, which must not be nil. See SetResult. An exception that nobody ever
// asks for goes to the exception handler when the future is garbage.
func (f *Future[T]) SetException(err error) error {
	f.loop.own("Future.SetException")
	if err == nil {
		return fmt.Errorf("%w: an exception must not be nil", ErrInvalidState)
	}
	if err := f.mayBeSettled(); err != nil {
		return err
	}
	f.fail(err)
	return nil
}

// Await suspends the task that calls it until the future is done, and returns what Result then returns. It does not
// suspend if the future is done already. If the task is cancelled meanwhile, so is the future. It panics outside a
// task.
func (f *Future[T]) Await() (T, error) {
	if f.state == pending {
		co, err := f.join()
		if err == nil {
			err = co.back(co.yield(struct{}{}))
			co.awaiting = nil
		}
		if err != nil {
			var none T
			return none, err
		}
	}
	f.lost.found()
	return f.value, f.err
}

// Result is the value or the exception: ErrCancelled if the future was cancelled, ErrInvalidState if it is not done.
func (f *Future[T]) Result() (T, error) {
	f.loop.own("Future.Result")
	if f.state == pending {
		return f.value, fmt.Errorf("%w: the future is not done", ErrInvalidState)
	}
	f.lost.found()
	return f.value, f.err
}

func (f *Future[T]) future() *Future[T] { return f }

func (f *Future[T]) succeed(value T) {
	f.value = value
	f.settle(finished, nil)
}

// copyFrom settles f as other was settled.
func (f *Future[T]) copyFrom(other *Future[T]) {
	other.lost.found()
	switch {
	case other.state == cancelled:
		f.settle(cancelled, ErrCancelled)
	case other.err != nil:
		f.fail(other.err)
	default:
		f.succeed(other.value)
	}
}

// Done reports whether the future has settled.
func (b *futureBase) Done() bool {
	b.loop.own("Future.Done")
	return b.state != pending
}

// Cancelled reports whether the future was cancelled.
func (b *futureBase) Cancelled() bool {
	b.loop.own("Future.Cancelled")
	return b.state == cancelled
}

// Exception is nil if the future has a value, and otherwise the error that Result returns.
func (b *futureBase) Exception() error {
	b.loop.own("Future.Exception")
	if b.state == pending {
		return fmt.Errorf("%w: the future is not done", ErrInvalidState)
	}
	b.lost.found()
	return b.err
}

// Cancel cancels the future and schedules everybody who waits. It reports whether it did; false means that the future
// is done. A future with a task or other work behind it only asks that work to end, and settles when that has
// ended, perhaps with a value after all.
func (b *futureBase) Cancel() bool {
	b.loop.own("Future.Cancel")
	return b.requestCancel()
}

func (b *futureBase) requestCancel() bool {
	if b.state != pending {
		return false
	}
	if b.owner != nil {
		return b.owner.cancel()
	}
	b.settle(cancelled, ErrCancelled)
	return true
}

// Loop is the loop the future lives on.
func (b *futureBase) Loop() *Loop { return b.loop }

func (b *futureBase) base() *futureBase { return b }

func (b *futureBase) mayBeSettled() error {
	if b.state != pending {
		return fmt.Errorf("%w: the future is done", ErrInvalidState)
	}
	if b.owner != nil {
		return fmt.Errorf("%w: the future is settled by what it belongs to", ErrInvalidState)
	}
	return nil
}

func (b *futureBase) fail(err error) {
	b.lost = newLostFailure(b, err)
	b.settle(finished, err)
}

// settle is the only way to be done.
func (b *futureBase) settle(state futureState, err error) {
	b.state, b.err = state, err
	b.waiters.Wake()
}

// join makes the current task wait for the future. If the task was asked to end while it ran, the future is cancelled
// in its place.
func (b *futureBase) join() (*coroutine, error) {
	b.loop.own("Await")
	t := b.loop.taskFor("Await")
	if b == t.future {
		return nil, fmt.Errorf("%w: a task cannot await itself", ErrInvalidState)
	}
	co := t.co
	co.awaiting = b
	co.list()
	b.waiters.Add(&co.waiter)
	if t.mustCancel && b.requestCancel() {
		t.mustCancel = false
	}
	return co, nil
}

// EnsureFuture gives the future behind an awaitable, and starts a task for one that has none. It panics if the future
// belongs to another loop.
func EnsureFuture[T any](l *Loop, aw Awaitable[T]) *Future[T] {
	if own, ok := aw.(interface{ future() *Future[T] }); ok {
		f := own.future()
		if f.loop != l {
			panic("loop: the future belongs to another loop")
		}
		return f
	}
	return CreateTask(l, aw.Await).future()
}
