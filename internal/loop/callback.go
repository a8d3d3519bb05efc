package loop

// DoneCallback names a callback of a future, to remove it.
type DoneCallback[T any] struct {
	waiter Waiter
	future *Future[T]
	fn     func(*Future[T])
}

// AddDoneCallback schedules fn for the turn after the one in which the future settles; for the next turn if it is
// done already. Callbacks and tasks that wait run in the order in which they came.
func (f *Future[T]) AddDoneCallback(fn func(*Future[T])) *DoneCallback[T] {
	f.loop.own("Future.AddDoneCallback")
	c := &DoneCallback[T]{future: f, fn: fn}
	w := (*callbackWaker[T])(c)
	c.waiter.Owner = w
	if f.state != pending {
		w.Wake()
	} else {
		f.waiters.Add(&c.waiter)
	}
	return c
}

// RemoveDoneCallback takes a callback back and reports whether it could: false means that the future is done, or that
// the callback belongs to another.
func (f *Future[T]) RemoveDoneCallback(c *DoneCallback[T]) bool {
	f.loop.own("Future.RemoveDoneCallback")
	return f.waiters.Remove(&c.waiter)
}

// callbackWaker is a DoneCallback as the loop sees it.
type callbackWaker[T any] DoneCallback[T]

func (c *callbackWaker[T]) Wake()        { c.future.loop.schedule(c) }
func (c *callbackWaker[T]) Run()         { c.fn(c.future) }
func (c *callbackWaker[T]) Name() string { return nameOfFunc(c.fn) }
