package loop

import (
	"context"
	"runtime"
	"runtime/debug"
)

// executor runs blocking functions on goroutines of their own. It and discard are the only places where this package
// starts any.
type executor struct {
	working int // goroutines
	queued  int
	max     int
	queue   fifo[*jobCore]
	idle    Waiters         // who waits until nothing works
	ctx     context.Context // of all functions; ends when the loop is closed
	end     context.CancelFunc
}

// jobCore is a function in the executor without its value.
type jobCore struct {
	self jobSelf
	ctx  context.Context
	end  context.CancelFunc
	gone bool // cancelled: if it is still queued it never starts
}

type jobSelf interface {
	Runner // settles the future, on the loop
	work() // calls the function, on a goroutine
}

type job[T any] struct {
	Future[T]
	core jobCore
	fn   func(context.Context) (T, error)
	back answer[T]
}

// RunInExecutor calls fn on a goroutine, for what blocks: files, sockets, long computations. At most
// Options.ExecutorMax run at a time, the others queue in order. To cancel the future takes fn out of the queue, or ends
// the context that fn was given; the future is cancelled at once, but fn keeps its goroutine until it returns. fn must
// not touch the loop but by what any goroutine may use. A panic is the future's exception, a *PanicError.
func RunInExecutor[T any](l *Loop, fn func(ctx context.Context) (T, error)) *Future[T] {
	l.ownOpen("RunInExecutor")
	e := &l.executor
	if e.ctx == nil {
		e.open(l.options.ExecutorMax)
	}
	j := &job[T]{fn: fn}
	j.loop, j.owner = l, j
	j.core.self = j
	j.core.ctx, j.core.end = context.WithCancel(e.ctx)
	e.queue.push(&j.core)
	e.queued++
	l.dispatch()
	return &j.Future
}

func (e *executor) open(goroutinesMax int) {
	e.ctx, e.end = context.WithCancel(context.Background())
	e.max = goroutinesMax
	if e.max == 0 {
		e.max = min(32, runtime.GOMAXPROCS(0)+4)
	}
}

func (e *executor) close() {
	if e.end != nil {
		e.end()
	}
	e.queue, e.queued = fifo[*jobCore]{}, 0
}

// dispatch starts what there is room for.
func (l *Loop) dispatch() {
	e := &l.executor
	for e.working < e.max && e.queued > 0 {
		c := e.queue.pop()
		e.queued--
		if c.gone {
			continue
		}
		e.working++
		go func() {
			defer func() { _ = l.inbox.post(c.self) }() // a closed loop waits for nobody
			c.self.work()
		}()
	}
}

// work runs on a goroutine of its own and always leaves an answer.
func (j *job[T]) work() {
	j.back.err = ErrGoexit
	defer func() {
		if v := recover(); v != nil {
			j.back.err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	j.back.value, j.back.err = j.fn(j.core.ctx)
}

// Run takes the answer, on the loop.
func (j *job[T]) Run() {
	e := &j.loop.executor
	e.working--
	j.core.end()
	switch {
	case j.state != pending: // cancelled; nobody wants the answer
	case j.back.err != nil:
		j.fail(j.back.err)
	default:
		j.succeed(j.back.value)
	}
	j.loop.dispatch()
	if e.working == 0 {
		e.idle.Wake()
	}
}

// Name is what the function is called.
func (j *job[T]) Name() string { return nameOfFunc(j.fn) }

func (j *job[T]) cancel() bool {
	j.core.end()
	j.core.gone = true
	j.settle(cancelled, ErrCancelled)
	return true
}

// discard ends a coroutine that was left by Goexit. To stop it ends the goroutine that does, too, so that is one that
// has nothing else to do.
func (l *Loop) discard(co *coroutine) { go co.stop() }

// fifo is a queue whose front leaves in constant time.
type fifo[T any] struct {
	items []T
	front int
}

func (q *fifo[T]) len() int { return len(q.items) - q.front }

func (q *fifo[T]) push(item T) { q.items = append(q.items, item) }

func (q *fifo[T]) pop() T {
	var none T
	item := q.items[q.front]
	q.items[q.front] = none
	q.front++
	if q.front > len(q.items)/2 {
		n := copy(q.items, q.items[q.front:])
		clear(q.items[n:])
		q.items, q.front = q.items[:n], 0
	}
	return item
}
