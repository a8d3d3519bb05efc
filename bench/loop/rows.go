package main

// timesPeers is how many times faster than a peer every row of time has to be.
const timesPeers = 8

// row is one operation, as the Go benchmark and as the peers call it.
type row struct {
	name  string
	bench string // without "Benchmark"
	peer  string // a function of asyncio_bench.py; "" if the peers have nothing like it
	wall  bool   // what counts is wall time
	free  bool   // must not allocate
}

var rows = []row{
	{name: "call_soon, 1000 a turn", bench: "CallSoon", peer: "call_soon", free: true},
	{name: "call_soon, a fresh closure each", bench: "CallSoonClosure", peer: "call_soon_closure"},
	{name: "call_soon, one a turn", bench: "CallSoonChain", peer: "call_soon_chain", free: true},
	{name: "call_soon_threadsafe, 1 producer", bench: "Threadsafe1", peer: "threadsafe_1"},
	{name: "call_soon_threadsafe, 8 producers", bench: "Threadsafe8", peer: "threadsafe_8"},
	{name: "call_soon_threadsafe, 64 producers", bench: "Threadsafe64", peer: "threadsafe_64"},
	{name: "round trip from another goroutine (wall)", bench: "RoundTrip", peer: "round_trip", wall: true},
	{name: "task switch (sleep(0))", bench: "TaskSwitch", peer: "task_switch", free: true},
	{name: "await a finished future", bench: "AwaitDoneFuture", peer: "await_done_future", free: true},
	{name: "await a scheduled future", bench: "AwaitScheduledFuture", peer: "await_scheduled_future"},
	{name: "create_task + run", bench: "CreateTask", peer: "create_task"},
	{name: "create_task + await, one by one", bench: "CreateTaskAndAwait", peer: "create_task_and_await"},
	{name: "gather of 1000 futures", bench: "Gather1000Futures", peer: "gather_1000_futures"},
	{name: "gather of 1000 tasks", bench: "Gather1000Tasks", peer: "gather_1000_tasks"},
	{name: "run_until_complete", bench: "RunUntilComplete", peer: "run_until_complete"},
	{name: "event.set wakes 1000 tasks", bench: "EventSetWakes1000", peer: "event_set_wakes_1000"},
	{name: "timer insert + cancel at 1 M", bench: "TimerInsertCancelAt1M", peer: "timer_insert_cancel_at_1m", free: true},
	{name: "timer insert + fire, 1 M", bench: "TimerInsertFire", peer: "timer_insert_fire"},
	{name: "call_later + cancel", bench: "CallLaterCancel", free: true},
	{name: "sleep on virtual time", bench: "VirtualSleep", free: true},
}

// gate holds a row against the bare thing, measured in the same process.
type gate struct {
	name  string
	bench string
	limit string
	wall  bool
	most  float64 // bench / limit
}

var gates = []gate{
	{"call_soon / slice append-and-call", "CallSoon", "LimitSliceAppendAndCall", false, 3},
	{"threadsafe round trip / channel ping-pong (wall)", "RoundTrip", "LimitChannelPingPong", true, 1.6},
	{"task switch / raw iter.Pull pair", "TaskSwitch", "LimitPullPair", false, 2},
	{"create_task / go f()", "CreateTask", "LimitGo", false, 1},
	{"timer insert+cancel at 1 M / AfterFunc+Stop", "TimerInsertCancelAt1M", "LimitAfterFuncStopAt1M", false, 0.1},
}

// weight is the memory of one object.
type weight struct {
	name  string
	bench string
	peer  string
	most  float64 // bytes; 0 means no gate
}

var weights = []weight{
	{"pending future", "BytesFuture", "future_bytes", 0},
	{"parked waiter of an event (peers: a task in event.wait)", "BytesWaiter", "waiter_bytes", 200},
	{"suspended task", "BytesSuspendedTask", "suspended_task_bytes", 3277},
	{"timer", "BytesTimer", "timer_bytes", 0},
}
