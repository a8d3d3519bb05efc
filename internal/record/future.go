package record

import "time"

// Kind says what settles a future.
type Kind uint8

// The kinds of the wire contract, in its order. The numbers are on disk: never reuse one.
const (
	KindFetch   Kind = 1 // the server runs an HTTP request
	KindPromise Kind = 2 // somebody settles it from outside
	KindTimer   Kind = 3 // a time settles it
	KindWait    Kind = 4 // a wait expression settles it
)

// State is where a future stands. Pending and running change; the other three are final.
type State uint8

// The states of the wire contract. The numbers are on disk: never reuse one.
const (
	StatePending   State = 1
	StateRunning   State = 2 // only a fetch is ever running
	StateSucceeded State = 3
	StateFailed    State = 4
	StateCancelled State = 5
)

// Settled reports whether s is final.
func (s State) Settled() bool { return s >= StateSucceeded }

// Reason says why a pending future is not running.
type Reason uint8

// The reasons of the wire contract. The numbers are on disk: never reuse one.
const (
	ReasonNone        Reason = 0
	ReasonDelayed     Reason = 1 // its delay or not_before has not passed
	ReasonQueued      Reason = 2 // it waits for a free worker
	ReasonRateLimited Reason = 3
	ReasonCircuitOpen Reason = 4
	ReasonBackoff     Reason = 5 // an attempt failed; the next one is due at NextAttemptAt
	ReasonWaiting     Reason = 6 // its `after` is not satisfied
)

// Label is one key and value given by the caller, for filtering lists.
type Label struct{ Key, Value string }

// Future is the fact of one future. It is immutable (see the package comment).
type Future struct {
	ID     string
	Kind   Kind
	State  State
	Reason Reason

	Interrupted uint8 // times in a row that the server died while an attempt was under way

	Version uint64 // grows by one with each change; the ETag

	CreatedAt     Time
	StartedAt     Time // of the first attempt
	SettledAt     Time
	ExpiresAt     Time // SettledAt + TTL; when it is forgotten. 0 while its callback is pending
	NextAttemptAt Time // when Reason is delayed or backoff
	DeadlineAt    Time // when a future that is not settled fails with deadline (promise: timeout); 0 for never
	DueAt         Time // of a timer: when it succeeds

	Terms    *Terms        // nil: nothing of the kind was said
	TTL      time.Duration // how long it is kept once settled
	Request  Packed        // of a fetch
	Attempts []Attempt     // of a fetch, ended ones, oldest first
	Result   *Result       // nil until settled, and when there is none
	Failure  *Failure      // nil unless failed or cancelled

	Callback *Callback // nil: none was asked for
	Wait     *Wait     // of a wait, and of a fetch until it may start; nil: it waits for nothing
}

// Terms are what may be said of a future when it is submitted, and never changes. Of most nothing is said: kept apart,
// it takes no memory of those. The methods of Future that are named like its fields read it.
type Terms struct {
	Labels   []Label // sorted by key
	Sets     string  // event to set when it succeeds; empty for none
	LimitKey string  // of a fetch; empty: the host of its URL
	Group    string  // id of the group that it is a member of; empty for none
}

// terms are those of f, for reading.
func (f *Future) terms() *Terms {
	if f.Terms == nil {
		return &noTerms
	}
	return f.Terms
}

var noTerms Terms

// Labels are sorted by key.
func (f *Future) Labels() []Label { return f.terms().Labels }

// Sets is the event to set when f succeeds; empty for none.
func (f *Future) Sets() string { return f.terms().Sets }

// LimitKey is that of a fetch as it was submitted; empty: the host of its URL.
func (f *Future) LimitKey() string { return f.terms().LimitKey }

// Group is the id of the group that f is a member of; empty for none.
func (f *Future) Group() string { return f.terms().Group }

// Wait is what a future waits for.
type Wait struct {
	For    []byte // the expression (JSON)
	Leaves []Leaf // of a wait whose expression was decided: its decided leaves, first decided first
}

// Text is the expression; nil where nothing is waited for.
func (w *Wait) Text() []byte {
	if w == nil {
		return nil
	}
	return w.For
}
