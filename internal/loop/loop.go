package loop

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Runner is what a loop runs. Things that are scheduled often run themselves: they need no closure.
type Runner interface{ Run() }

// Func is a function as a Runner.
type Func func()

// Run calls f.
func (f Func) Run() { f() }

// timerTick is the resolution of a loop's timers.
const timerTick = time.Millisecond

// Options are the settings of a Loop. The zero value is a good loop.
type Options struct {
	// Clock is the loop's time; nil means NewClock(), the machine's.
	Clock Clock

	// Debug checks that loop-only methods are called on the loop, and times every callback by the loop's clock. It
	// costs about a microsecond a call.
	Debug bool

	// SlowCallback is how long a callback may take before it is counted and reported as slow. 0 means 100 ms, and 50 ms
	// in debug mode. Outside debug mode callbacks are not timed one by one: a callback is noticed by a heartbeat of a
	// quarter of this on the machine's clock, so one that takes 1.25 times as long is noticed for certain, one that
	// takes less than this never.
	SlowCallback time.Duration

	// OnSlow is told on the loop of each slow callback: its name and about how long it took. nil means a warning to
	// slog.Default().
	OnSlow func(name string, took time.Duration)

	// OnException is told on the loop of what nobody else handles; nil means an error to slog.Default(). See
	// Loop.SetExceptionHandler.
	OnException ExceptionHandler

	// AfterTurn is called on the loop at the end of each turn, after its callbacks; what it schedules runs in the next
	// turn. nil means none.
	AfterTurn func(Turn)

	// TimeTurns fills in Turn.Began and Turn.Took, for two readings of the clock in each turn.
	TimeTurns bool

	// IdleCoroutinesMax is how many coroutines are kept for reuse, at about 3 KB each. 0 means 1024, less than 0 none.
	IdleCoroutinesMax int

	// ExecutorMax is how many goroutines RunInExecutor uses at most. 0 means 4 more than there are processors, but not
	// more than 32.
	ExecutorMax int
}

// Turn is what AfterTurn is told of the turn that ends.
type Turn struct {
	Callbacks int           // how many ran
	Began     time.Duration // Now of this turn; zero unless Options.TimeTurns
	Took      time.Duration // from Began until now; zero unless Options.TimeTurns
}

// Loop is an event loop. One goroutine at a time runs it and owns everything that lives on it; the methods that other
// goroutines may use say so.
type Loop struct {
	inbox inbox

	ready     []Runner // what the next turn runs; nil where it was cancelled
	batch     []Runner // what this turn runs
	cursor    int      // the first of the batch that has not begun
	readySeq  uint64   // number of ready[0] among all that was ever scheduled; the batch is numbered up to it
	readyGone int      // how many of ready were cancelled
	batchGone int
	spare     []Runner // an empty buffer for the inbox
	calm      int      // how many turns in a row a large buffer was hardly used

	wheel Wheel[Runner]
	due   []uint32     // timers that became due in this turn
	onDue func(uint32) // timerDue, made once

	clock    Clock
	now      time.Duration
	nowKnown bool // now was read in this turn
	pause    Pause

	current     *taskCore // nil while a callback runs
	tasks       int       // that are not done
	suspended   coroutineList
	taskIDs     uint64
	taskFactory TaskFactory
	idle        []*coroutine // the last one is the warmest
	executor    executor

	strict    atomic.Uint32 // strictDebug, strictClosed: loop-only methods must be looked at closely
	owner     atomic.Uint64 // in debug mode the goroutine that may use the loop; 0 while it does not run
	home      uint64        // in debug mode the goroutine that runs the loop; 0 means not known yet
	beats     atomic.Uint32 // of the heart
	beat      uint32        // the last one heard
	heart     *heart        // nil unless the loop is on the machine's clock
	running   atomic.Bool
	stopping  bool
	done      chan struct{} // closed by Close
	options   Options
	exception ExceptionHandler
	turns     uint64
	callbacks uint64
	slow      uint64
	stats     stats
}

// New makes a loop that does not run yet. It panics if options make no sense.
func New(options Options) *Loop {
	if options.SlowCallback < 0 || options.ExecutorMax < 0 {
		panic(fmt.Sprintf("loop: New: negative option in %+v", options))
	}
	l := &Loop{options: options, clock: options.Clock, exception: options.OnException, done: make(chan struct{})}
	if l.clock == nil {
		l.clock = NewClock()
	}
	l.inbox.token = make(chan struct{}, 1)
	l.pause.inbox = &l.inbox
	l.wheel.init(timerTick, max(l.clock.Now(), 0))
	l.onDue = l.timerDue
	if _, ok := l.clock.(*machineClock); ok {
		l.heart = newHeart(l)
	}
	l.SetDebug(options.Debug)
	return l
}

// Now is the time on the loop's clock, read at most once in a turn: a callback that schedules two timers of the same
// delay gets two timers of the same moment.
func (l *Loop) Now() time.Duration {
	if l.nowKnown {
		return l.now
	}
	l.now = l.clock.Now()
	l.nowKnown = l.running.Load()
	return l.now
}

// RunForever runs turns until Stop. It returns ErrRunning if the loop runs already, ErrClosed if it is closed.
func (l *Loop) RunForever() error {
	if !l.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer l.leave()
	if l.isClosed() {
		return ErrClosed
	}
	l.enter()
	for {
		l.turn()
		if l.stopping {
			return nil
		}
	}
}

func (l *Loop) enter() {
	l.nowKnown = false
	l.adoptBack()
	if l.heart != nil {
		l.heart.start()
	}
}

// leave runs also when a callback ended the goroutine with runtime.Goexit: what is left of its turn is kept for the
// next run.
func (l *Loop) leave() {
	if l.cursor < len(l.batch) {
		rest := l.batch[l.cursor:]
		l.readySeq -= uint64(len(rest))
		l.readyGone += l.batchGone
		l.ready = append(append([]Runner(nil), rest...), l.ready...)
		l.endBatch()
	}
	if l.heart != nil {
		l.heart.stop()
	}
	l.owner.Store(0)
	l.home = 0
	l.stopping = false
	l.nowKnown = false
	l.running.Store(false)
}

// Stop ends RunForever after this turn. Called before it, RunForever runs one turn without waiting for anything.
func (l *Loop) Stop() {
	l.own("Stop")
	l.stopping = true
}

// Running reports whether a goroutine runs the loop. Any goroutine.
func (l *Loop) Running() bool { return l.running.Load() }

// Close ends the loop for good: what is scheduled never runs, ErrClosed is all that other goroutines hear, and the
// contexts of functions in the executor end. Tasks that are not done are ended here and now: their Await returns an
// error that is both ErrCancelled and ErrClosed, and those that had not begun never do. Close returns ErrRunning
// while the loop runs, and nil if it was closed before. Use it on the goroutine that ran the loop, or after that one
// has ended.
func (l *Loop) Close() error {
	if !l.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer l.running.Store(false)
	if l.isClosed() {
		return nil
	}
	l.inbox.close()
	defer l.bury()
	l.closeCoroutines()
	return nil
}

// bury is the end of Close, also when a task ended its goroutine.
func (l *Loop) bury() {
	l.strict.Or(strictClosed)
	l.executor.close()
	l.ready, l.batch, l.spare, l.due = nil, nil, nil, nil
	l.cursor = 0
	l.wheel = Wheel[Runner]{}
	l.wheel.init(timerTick, 0)
	l.publish()
	close(l.done)
}

// Done is closed when the loop is. Any goroutine.
func (l *Loop) Done() <-chan struct{} { return l.done }

// Closed reports whether Close has ended the loop. Any goroutine.
func (l *Loop) Closed() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

func (l *Loop) isClosed() bool { return l.strict.Load()&strictClosed != 0 }

// CallSoonThreadsafe is CallSoon from any goroutine. It wakes the loop if it sleeps, never blocks, and what one
// goroutine sends arrives in order. ErrClosed says that fn will not run.
func (l *Loop) CallSoonThreadsafe(fn func()) error { return l.inbox.post(Func(fn)) }

// ScheduleThreadsafe is Schedule from any goroutine.
func (l *Loop) ScheduleThreadsafe(r Runner) error { return l.inbox.post(r) }
