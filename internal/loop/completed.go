package loop

import "iter"

// AsCompleted runs awaitables at the same time; ranged over by a task, it gives what they came to in the order in
// which they end. To break out of the range leaves the others running. If the task is cancelled the range ends with
// ErrCancelled. An awaitable that has no future behind it is started here, not when the range begins.
func AsCompleted[T any](l *Loop, aws ...Awaitable[T]) iter.Seq2[T, error] {
	l.ownOpen("AsCompleted")
	futures := make([]*Future[T], len(aws))
	for i, aw := range aws {
		futures[i] = EnsureFuture(l, aw)
	}
	return func(give func(T, error) bool) {
		c := &completions[T]{loop: l, left: len(futures)}
		c.watch(futures)
		defer c.leave()
		for ; c.left > 0; c.left-- {
			f, err := c.next()
			if err != nil {
				var none T
				give(none, err)
				return
			}
			if !give(f.Result()) {
				return
			}
		}
	}
}

// completions is one range over AsCompleted.
type completions[T any] struct {
	loop    *Loop
	left    int
	done    fifo[*Future[T]]
	watches []completion[T]
	task    Waiters
}

type completion[T any] struct {
	waiter Waiter
	future *Future[T]
	all    *completions[T]
}

func (c *completions[T]) watch(futures []*Future[T]) {
	c.watches = make([]completion[T], len(futures))
	for i, f := range futures {
		w := &c.watches[i]
		w.future, w.all = f, c
		w.waiter.Owner = w
		if f.state == pending {
			f.waiters.Add(&w.waiter)
		} else {
			w.Wake()
		}
	}
}

// Wake queues one that is done.
func (w *completion[T]) Wake() {
	w.all.done.push(w.future)
	w.all.task.Wake()
}

func (c *completions[T]) next() (*Future[T], error) {
	if c.done.len() == 0 {
		if err := c.loop.park(&c.task, "AsCompleted"); err != nil {
			return nil, err
		}
	}
	return c.done.pop(), nil
}

func (c *completions[T]) leave() {
	for i := range c.watches {
		c.watches[i].waiter.Leave()
	}
}
