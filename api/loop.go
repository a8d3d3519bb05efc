package api

// LoopState is GET /loop: what the event loop does right now, and who waits for what.
type LoopState struct {
	Now           Time          `json:"now"`
	UptimeSeconds float64       `json:"uptime_seconds"`
	Turns         uint64        `json:"turns"`
	Callbacks     uint64        `json:"callbacks"` // run since the start
	SlowCallbacks SlowCallbacks `json:"slow_callbacks"`
	LagMS         LoopLag       `json:"lag_ms"`
	Ready         int           `json:"ready"`  // callbacks that run in the next turn
	Timers        int           `json:"timers"` // scheduled
	Tasks         int           `json:"tasks"`  // not done
	Inbox         LoopInbox     `json:"inbox"`
	Futures       LoopFutures   `json:"futures"`
	Workers       LoopWorkers   `json:"workers"`
	Waiters       int           `json:"waiters"` // parked requests
	Events        int           `json:"events"`  // that are remembered
	Commit        LoopCommit    `json:"commit"`
	Waits         []LoopWait    `json:"waits"`     // the oldest LoopWaitsMax, oldest first
	Unawaited     []string      `json:"unawaited"` // ids of futures that nobody waits for, since longest first
}

// The most that LoopState shows.
const (
	LoopWaitsMax     = 100
	LoopLeavesMax    = 100 // of each wait
	LoopUnawaitedMax = 100
)

// SlowCallbacks counts callbacks that held the loop for too long (100 ms, or 50 ms in debug mode).
type SlowCallbacks struct {
	Count  uint64         `json:"count"`
	Recent []SlowCallback `json:"recent"` // newest first
}

// SlowCallback is one of them.
type SlowCallback struct {
	Name   string  `json:"name"`
	TookMS float64 `json:"took_ms"`
	At     Time    `json:"at"`
}

// LoopLag is how late the loop was, in milliseconds, with what was due.
type LoopLag struct {
	Last float64 `json:"last"`
	Max  float64 `json:"max"` // since the start
}

// LoopInbox is the queue of requests that the loop has not taken yet, and its bound.
type LoopInbox struct {
	Requests    int `json:"requests"`
	RequestsMax int `json:"requests_max"`
}

// LoopFutures counts futures that are not settled. Queued ones are pending, too.
type LoopFutures struct {
	Pending int `json:"pending"`
	Running int `json:"running"`
	Queued  int `json:"queued"`
	// Unawaited ones are those that nobody waits for: no call, no future, no group.
	Unawaited int `json:"unawaited"`
}

// LoopWorkers counts the workers that run attempts.
type LoopWorkers struct {
	Busy int `json:"busy"`
	Max  int `json:"max"`
}

// LoopCommit is the state of the commit of the last turn.
type LoopCommit struct {
	InFlight bool    `json:"in_flight"`
	LastMS   float64 `json:"last_ms"`
}

// LoopWait is somebody who waits.
type LoopWait struct {
	Since   Time      `json:"since"`
	Kind    WaitKind  `json:"kind"`
	Future  string    `json:"future,omitzero"` // which future waits, with WaitFuture
	For     *Expr     `json:"for,omitzero"`    // nil: a stream of all futures
	Outcome Outcome   `json:"outcome"`
	Done    int       `json:"done"`            // decided leaves
	Pending int       `json:"pending"`         // the others
	Leaves  []Outcome `json:"leaves"`          // the first LoopLeavesMax, in the order of the expression
	Orphan  bool      `json:"orphan,omitzero"` // only somebody from outside can decide it
}

// WaitKind says who waits.
type WaitKind string

// Who waits.
const (
	WaitHTTP   WaitKind = "http"   // a parked request
	WaitStream WaitKind = "stream" // a stream
	WaitFuture WaitKind = "future" // a future of kind wait, or one with after
)
