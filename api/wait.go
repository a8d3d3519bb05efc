package api

// Outcome is the decision about a wait expression or one of its leaves.
type Outcome string

// The outcomes. Once satisfied or failed, always so.
const (
	OutcomePending   Outcome = "pending"
	OutcomeSatisfied Outcome = "satisfied"
	OutcomeFailed    Outcome = "failed"
)

// Results says how much of each future and event a wait's answer shows.
type Results string

// How much to show of each leaf.
const (
	ResultsFull  Results = "full"  // the whole future or event; the default
	ResultsState Results = "state" // only the state of a future, the generation of an event
	ResultsNone  Results = "none"  // only ref, outcome and at
)

// OnDisconnect says what becomes of pending futures when the caller who waits for them leaves.
type OnDisconnect string

// What becomes of them.
const (
	DisconnectKeep   OnDisconnect = "keep"   // they go on; the default
	DisconnectCancel OnDisconnect = "cancel" // those that nobody else waits for are cancelled
)

// WaitRequest is the body of POST /wait.
type WaitRequest struct {
	For          Expr         `json:"for"`
	Timeout      *Duration    `json:"timeout,omitzero"` // how long to hold the answer; the server's --max-wait when nil
	Results      Results      `json:"results,omitzero"`
	CancelRest   bool         `json:"cancel_rest,omitzero"` // once decided, cancel its futures that are still pending
	OnDisconnect OnDisconnect `json:"on_disconnect,omitzero"`
	Cursor       string       `json:"cursor,omitzero"` // of an earlier answer: report as done only what is new
}

// WaitAnswer is the state of a wait: 200 when decided, 202 when pending.
type WaitAnswer struct {
	Outcome Outcome `json:"outcome"`
	Done    []Leaf  `json:"done"`    // decided leaves, failed ones too, in the order in which they were decided
	Pending []Leaf  `json:"pending"` // the others, in the order of the expression
	Cursor  string  `json:"cursor,omitzero"`
}

// Leaf is one event, future, sleep or moment of a wait expression.
type Leaf struct {
	Ref        string  `json:"ref"` // Expr.String of the leaf
	Outcome    Outcome `json:"outcome"`
	At         *Time   `json:"at"`                  // when it was decided; nil while pending
	State      State   `json:"state,omitzero"`      // of a future, with ResultsState
	Generation *uint64 `json:"generation,omitzero"` // of an event, with ResultsState
	Future     *Future `json:"future,omitzero"`     // with ResultsFull
	Event      *Event  `json:"event,omitzero"`      // with ResultsFull
	Group      *Group  `json:"group,omitzero"`      // with ResultsFull
}
