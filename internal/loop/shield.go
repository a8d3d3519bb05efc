package loop

// Shield is a future that ends as aw does, but takes its cancellation upon itself: to cancel it, or the task that
// awaits it, leaves aw running. Keep a reference to what you shield if you want to hear how it ended.
func Shield[T any](l *Loop, aw Awaitable[T]) *Future[T] {
	l.ownOpen("Shield")
	inner := EnsureFuture(l, aw)
	if inner.state != pending {
		return inner
	}
	s := &shield[T]{inner: inner}
	s.loop, s.owner = l, s
	s.waiter.Owner = s
	inner.waiters.Add(&s.waiter)
	return &s.Future
}

type shield[T any] struct {
	Future[T]
	inner  *Future[T]
	waiter Waiter // among those of inner
}

// Wake passes on what inner came to.
func (s *shield[T]) Wake() { s.copyFrom(s.inner) }

func (s *shield[T]) cancel() bool {
	s.waiter.Leave()
	s.settle(cancelled, ErrCancelled)
	return true
}
