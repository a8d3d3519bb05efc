package loop

import "errors"

// RunUntilComplete runs the loop until aw is done and returns what it came to. What has no future behind it runs as a
// task. It returns ErrRunning or ErrClosed as RunForever does, and ErrStopped if somebody stopped the loop first.
func RunUntilComplete[T any](l *Loop, aw Awaitable[T]) (T, error) {
	var none T
	switch {
	case l.Running():
		return none, ErrRunning
	case l.isClosed():
		return none, ErrClosed
	}
	f := EnsureFuture(l, aw)
	s := &stopper{loop: l}
	s.waiter.Owner = s
	if f.state == pending {
		f.waiters.Add(&s.waiter)
	} else {
		s.Wake()
	}
	defer s.waiter.Leave()
	if err := l.RunForever(); err != nil {
		return none, err
	}
	if f.state == pending {
		return none, ErrStopped
	}
	return f.Result()
}

// stopper stops the loop when a future is done, in the same turn in which that future's other callbacks run.
type stopper struct {
	waiter Waiter
	loop   *Loop
}

func (s *stopper) Wake() { s.loop.schedule(s) }
func (s *stopper) Run()  { s.loop.stopping = true }

// Run is a whole program: it makes a loop, runs main as a task until that is done, cancels the tasks that are left and
// lets them end, waits for the executor, and closes the loop. As asyncio.run.
func Run[T any](options Options, main func(l *Loop) (T, error)) (T, error) {
	l := New(options)
	value, err := RunUntilComplete(l, CreateTask(l, func() (T, error) { return main(l) }))
	_, endErr := RunUntilComplete(l, createTask(l, nil, l.endAll))
	closeErr := l.Close()
	if endErr == nil && closeErr == nil {
		return value, err
	}
	return value, errors.Join(err, endErr, closeErr)
}

// endAll cancels all tasks but the one that runs it, and returns when they and the executor have ended.
func (l *Loop) endAll() (struct{}, error) {
	var others []Waitable
	for _, t := range l.AllTasks() {
		if t.base() != l.current.future {
			t.Cancel()
			others = append(others, t)
		}
	}
	if len(others) > 0 {
		if _, _, err := Wait(l, others, AllCompleted, 0); err != nil {
			return struct{}{}, err
		}
	}
	for l.executor.working > 0 {
		if err := l.park(&l.executor.idle, "Run"); err != nil {
			return struct{}{}, err
		}
	}
	return struct{}{}, nil
}
