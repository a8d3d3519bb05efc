package fetch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// Options are the settings of a Fetcher. All are needed but Log and Observe.
type Options struct {
	WorkersMax int    // attempts in flight at once, ≥ 1
	Guard      *Guard // of this Fetcher alone
	UserAgent  string // "awaitd/VERSION"; the caller's own header wins
	Bodies     Bodies

	// Done receives the one outcome of each launched attempt, on a worker. It must not block: the worker waits.
	Done func(*record.Outcome)
	// Rand gives 64 random bits, for jitter and span ids. Called by several goroutines.
	Rand func() uint64
	// Now reads the clock. Called by several goroutines.
	Now func() time.Time
	// Compose makes the message of a callback about a settled future. Called by several goroutines. nil: no job is a
	// callback.
	Compose func(f *record.Future) (Message, error)
	// Log is nil for silence. It never sees a query, a header or a body.
	Log *slog.Logger
	// Observe is nil or told of each attempt: "succeeded" or the failure type, and how long it took.
	Observe func(outcome string, took time.Duration)
}

func (o *Options) validate() error {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, errors.New("fetch: "+what))
		}
	}
	need(o.WorkersMax >= 1, "at least one worker is needed")
	need(o.Guard != nil, "no guard given")
	need(o.UserAgent != "", "no user agent given")
	need(o.Bodies != nil, "no store for bodies given")
	need(o.Done != nil, "no receiver of outcomes given")
	need(o.Rand != nil, "no source of random bits given")
	need(o.Now != nil, "no clock given")
	return errors.Join(faults...)
}

// Job asks for one attempt.
type Job struct {
	ID         string         // of the future; one attempt per id is in flight at most
	N          int            // of the attempt, from 1
	Request    record.Packed  // opened by the worker: the loop need not
	Callback   *record.Future // settled: the job is to tell of it; nil: it is an ordinary fetch
	DeadlineAt time.Time      // of the future; zero for none
}

// Fetcher carries attempts out on a fixed set of workers. Launch, Abort and Close may be called by any goroutine.
type Fetcher struct {
	options Options
	log     *slog.Logger
	exit    *exit
	jobs    chan *flight
	workers sync.WaitGroup

	mu      sync.Mutex
	flights map[string]*flight // launched, no outcome yet
	closed  bool
}

// flight is one launched attempt.
type flight struct {
	job    Job
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// New starts the workers. Close ends them.
func New(o Options) (*Fetcher, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	f := &Fetcher{
		options: o,
		log:     o.Log,
		jobs:    make(chan *flight, o.WorkersMax),
		flights: make(map[string]*flight, o.WorkersMax),
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	f.exit = newExit(o.Guard, o.WorkersMax)
	for range o.WorkersMax {
		f.workers.Go(f.work)
	}
	return f, nil
}

// Launch starts an attempt and returns at once. At most WorkersMax may be in flight, from Launch to Done, and one
// per id: the caller holds the queue. Breaking that panics, since a dropped attempt would be a future that never
// settles. After Close the attempt ends as cancelled before Launch returns.
func (f *Fetcher) Launch(job Job) {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		f.refuseLaunch(job)
		return
	}
	defer f.mu.Unlock()
	if _, ok := f.flights[job.ID]; ok {
		panic(fmt.Sprintf("fetch: an attempt of %s is in flight already", job.ID))
	}
	fl := &flight{job: job}
	// Without a parent: registering with one that all attempts share costs a microsecond. Close knows the flights.
	fl.ctx, fl.cancel = context.WithCancelCause(context.Background())
	select {
	case f.jobs <- fl:
		f.flights[job.ID] = fl
	default:
		fl.cancel(nil)
		panic(fmt.Sprintf("fetch: more than %d attempts launched", f.options.WorkersMax))
	}
}

// refuseLaunch ends an attempt that came too late. Nothing was sent, so another server, or this one started
// again, may make it.
func (f *Fetcher) refuseLaunch(job Job) {
	fl := &flight{job: job, ctx: context.Background(), cancel: func(error) {}}
	f.finish(job, f.options.Now(), newAttempt(f, fl).failed(nil, failClosing), 0)
}

// Abort ends the attempt of a future that is in flight; its outcome is cancelled unless it was decided already.
// It does not wait. An unknown id is ignored: the attempt may just have ended.
func (f *Fetcher) Abort(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl, ok := f.flights[id]; ok {
		fl.cancel(failAborted)
	}
}

// Close lets the attempts in flight end; when ctx is done first, it cancels them and returns its error. In both
// cases each has had its outcome and all workers and connections are gone when Close returns.
func (f *Fetcher) Close(ctx context.Context) error {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		close(f.jobs)
	}
	f.mu.Unlock()
	stop := context.AfterFunc(ctx, f.cancelAll)
	f.workers.Wait()
	late := !stop()
	f.exit.transport.CloseIdleConnections() // and dials that go on without a request
	if late {
		return fmt.Errorf("fetch: attempts cancelled at the end of the grace time: %w", context.Cause(ctx))
	}
	return nil
}

func (f *Fetcher) cancelAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fl := range f.flights { // no order is seen: each ends for itself
		fl.cancel(failClosing)
	}
}

// work is one worker.
func (f *Fetcher) work() {
	for fl := range f.jobs {
		start := f.options.Now()
		e, status := f.attempt(fl)
		fl.cancel(nil)
		f.mu.Lock()
		delete(f.flights, fl.job.ID) // before Done, which may launch the next attempt
		f.mu.Unlock()
		f.finish(fl.job, start, e, status)
	}
}

// attempt runs one, and outlives its panic: the others in this process must not pay for it.
func (f *Fetcher) attempt(fl *flight) (e ending, status int) {
	defer func() {
		if p := recover(); p != nil {
			f.logPanic(fl.job.ID, p)
			e = ending{failure: failPanic}
		}
	}()
	a := newAttempt(f, fl)
	e = a.run()
	if refusal := a.verdict.refusal.Load(); refusal != nil && e.failure == failDenied {
		f.log.Warn("egress denied", "future", fl.job.ID, "reason", refusal.Reason)
	} else if refusal := a.verdict.reported.Load(); refusal != nil {
		f.log.Warn("egress would be denied", "future", fl.job.ID, "reason", refusal.Reason)
	}
	return e, a.status
}

// logPanic leaves the value of a panic out unless the runtime made it: others may hold a URL.
func (f *Fetcher) logPanic(id string, p any) {
	what := fmt.Sprintf("%T", p)
	var fault runtime.Error
	if err, ok := p.(error); ok && errors.As(err, &fault) {
		what = fault.Error()
	}
	f.log.Error("panic in an attempt", "future", id, "panic", what, "stack", string(debug.Stack()))
}

// finish reports one outcome.
func (f *Fetcher) finish(job Job, start time.Time, e ending, status int) {
	took := max(0, f.options.Now().Sub(start))
	out := &record.Outcome{
		ID:         job.ID,
		Attempt:    record.Attempt{N: job.N, At: record.TimeOf(start), Duration: took, Status: status},
		Result:     e.result,
		Retry:      e.retry,
		RetryAfter: e.wait,
	}
	outcome := "succeeded"
	if e.failure != nil {
		out.Attempt.Failure, out.Ours = e.failure.record(), e.failure.ours()
		outcome = string(e.failure.kind)
	}
	if f.options.Observe != nil {
		f.options.Observe(outcome, took)
	}
	f.options.Done(out)
}
