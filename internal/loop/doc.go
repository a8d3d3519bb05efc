// Package loop is the event loop: asyncio's vocabulary and semantics in Go, on one goroutine that owns all state.
//
// Words mean what they mean in Python's asyncio: a Loop runs callbacks in turns, a Future settles once, a Task is a
// coroutine that suspends in Await, an Event wakes everybody who waits. The loop knows no HTTP, no names, no disk.
//
// # One turn
//
// As in CPython's _run_once: what other goroutines sent and what is due by now joins the ready queue; then exactly
// what was ready at that moment runs, in order. What those callbacks schedule waits for the next turn. The clock is
// read at most once per turn, and only if there are timers or somebody asks. A loop with nothing to do sleeps.
//
// # Who may call what
//
// Everything is loop-only unless its comment says otherwise: it may be called by a callback or a task of this loop,
// or by whoever prepares the loop before it runs. From any other goroutine exactly these may be used:
// Loop.CallSoonThreadsafe, Loop.ScheduleThreadsafe, Call, Loop.Closed, Loop.Done, Loop.Running, Loop.Debug and
// Loop.Stats. In debug mode (Options.Debug) anything else panics when a foreign goroutine uses it, with a message that
// names the method. Without it nobody checks, as in asyncio: run your tests in debug mode.
//
// # Extending it
//
// Embed *Loop in a type of your own. What changes the loop's behaviour is given to it, as Go has no overriding: the
// hook at the end of each turn (Options.AfterTurn), the task factory (Loop.SetTaskFactory), the exception handler
// (Loop.SetExceptionHandler), the clock (Options.Clock), and any Runner, Waker or Awaitable you write.
package loop
