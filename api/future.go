package api

import "github.com/go-json-experiment/json/jsontext"

// Kind says what settles a future.
type Kind string

// The kinds of futures.
const (
	KindFetch   Kind = "fetch"   // the server runs an HTTP request
	KindPromise Kind = "promise" // somebody settles it from outside
	KindTimer   Kind = "timer"   // a time settles it
	KindWait    Kind = "wait"    // a wait expression settles it
)

// State is where a future stands.
type State string

// The states of a future. The last three are final.
const (
	StatePending   State = "pending"
	StateRunning   State = "running" // only a fetch
	StateSucceeded State = "succeeded"
	StateFailed    State = "failed"
	StateCancelled State = "cancelled"
)

// Settled reports whether s is final.
func (s State) Settled() bool { return s == StateSucceeded || s == StateFailed || s == StateCancelled }

// Reason says why a pending future is not running.
type Reason string

// The reasons of a pending future.
const (
	ReasonDelayed     Reason = "delayed"      // its delay or not_before has not passed
	ReasonQueued      Reason = "queued"       // it waits for a free worker
	ReasonRateLimited Reason = "rate_limited" // its limit
	ReasonCircuitOpen Reason = "circuit_open" // its target kept failing
	ReasonBackoff     Reason = "backoff"      // an attempt failed, the next is due at next_attempt_at
	ReasonWaiting     Reason = "waiting"      // for its after
)

// Future is a future as every answer shows it. Pointers without omitzero are null on the wire when nil.
type Future struct {
	ID            string            `json:"id"`
	Kind          Kind              `json:"kind"`
	State         State             `json:"state"`
	Version       uint64            `json:"version"` // grows by one with each change; the ETag is it in quotes
	CreatedAt     Time              `json:"created_at"`
	StartedAt     *Time             `json:"started_at"` // of the first attempt
	SettledAt     *Time             `json:"settled_at"`
	ExpiresAt     *Time             `json:"expires_at"`           // nil until settled and its callback is done
	DeadlineAt    *Time             `json:"deadline_at,omitzero"` // when it fails if not settled by then
	DueAt         *Time             `json:"due_at,omitzero"`      // of a timer
	Labels        map[string]string `json:"labels"`
	Reason        *Reason           `json:"reason"` // why it is pending and not running
	QueuePosition *int              `json:"queue_position,omitzero"`
	NextAttemptAt *Time             `json:"next_attempt_at"`
	Attempts      []Attempt         `json:"attempts"`       // ended ones, oldest first
	Group         string            `json:"group,omitzero"` // id
	Request       *RequestView      `json:"request,omitzero"`
	For           *Expr             `json:"for,omitzero"`   // of a wait
	After         *Expr             `json:"after,omitzero"` // of a fetch that waits for it
	Result        *Result           `json:"result"`
	Error         *FutureError      `json:"error"`
	Callback      *CallbackView     `json:"callback,omitzero"`
	Links         FutureLinks       `json:"links"`
}

// Attempt is one try of a fetch that ended.
type Attempt struct {
	N          int          `json:"n"` // from 1
	At         Time         `json:"at"`
	DurationMS float64      `json:"duration_ms"`
	Status     *int         `json:"status"` // nil when no answer came
	Error      *FutureError `json:"error"`  // nil when an answer came whole, whatever its status
}

// RequestView is the request of a fetch as it may be shown: without body, with secrets redacted.
type RequestView struct {
	Method  string             `json:"method"`
	URL     string             `json:"url"`
	Headers map[string]Strings `json:"headers,omitzero"`
}

// Redacted stands in RequestView for the value of a header that must not be shown.
const Redacted = "[redacted]"

// Result is what a future brought home. A fetch has Status, Headers, Bytes and exactly one of JSON, Text, Base64
// and Truncated; a promise has JSON or Truncated; a timer has JSON null; a wait has WaitAnswer.
type Result struct {
	Status    *int               `json:"status,omitzero"`
	Headers   map[string]Strings `json:"headers,omitzero"`
	Bytes     *int64             `json:"bytes,omitzero"` // of the body, as on the wire
	JSON      jsontext.Value     `json:"json,omitzero"`
	Text      *string            `json:"text,omitzero"`
	Base64    []byte             `json:"base64,omitzero"`
	Truncated bool               `json:"truncated,omitzero"` // too long to show here: read links.result

	*WaitAnswer
}

// ErrorType says why a future failed. The list is closed: a new value is a change of the contract.
type ErrorType string

// Why a future failed or was cancelled, or why an attempt did.
const (
	ErrorEgressDenied     ErrorType = "egress_denied"
	ErrorDNS              ErrorType = "dns"
	ErrorConnect          ErrorType = "connect"
	ErrorTLS              ErrorType = "tls"
	ErrorTimeout          ErrorType = "timeout"
	ErrorDeadline         ErrorType = "deadline"
	ErrorRedirect         ErrorType = "redirect"
	ErrorTooLarge         ErrorType = "too_large"
	ErrorHTTPStatus       ErrorType = "http_status"
	ErrorProtocol         ErrorType = "protocol"
	ErrorCircuitOpen      ErrorType = "circuit_open"
	ErrorRejected         ErrorType = "rejected"
	ErrorCancelled        ErrorType = "cancelled"
	ErrorDependencyFailed ErrorType = "dependency_failed"
	ErrorOutcomeUnknown   ErrorType = "outcome_unknown"
	ErrorQuarantined      ErrorType = "quarantined"
)

// ErrorTypes is all of them.
func ErrorTypes() []ErrorType {
	return []ErrorType{
		ErrorEgressDenied, ErrorDNS, ErrorConnect, ErrorTLS, ErrorTimeout, ErrorDeadline, ErrorRedirect, ErrorTooLarge,
		ErrorHTTPStatus, ErrorProtocol, ErrorCircuitOpen, ErrorRejected, ErrorCancelled, ErrorDependencyFailed,
		ErrorOutcomeUnknown, ErrorQuarantined,
	}
}

// FutureError says why a future failed, or an attempt did.
type FutureError struct {
	Type    ErrorType `json:"type"`
	Message string    `json:"message"`
}

// FutureLinks are paths on this server, ready to be used as they are.
type FutureLinks struct {
	Self    string `json:"self"`
	Wait    string `json:"wait"`
	Result  string `json:"result"`
	Cancel  string `json:"cancel"`
	Resolve string `json:"resolve,omitzero"` // of a promise
	Reject  string `json:"reject,omitzero"`  // of a promise
}

// FutureRequest is the body of POST /futures. Kind decides which of the others may be set: ID and Timeout for a
// promise; After or At for a timer; For and Timeout for a wait; Group, Labels, TTL and Callback for all.
type FutureRequest struct {
	Kind    Kind              `json:"kind"`
	ID      string            `json:"id,omitzero"`
	Timeout *Duration         `json:"timeout,omitzero"` // fails with timeout when not settled by then
	After   *Duration         `json:"after,omitzero"`
	At      *Time             `json:"at,omitzero"`
	For     *Expr             `json:"for,omitzero"`
	Group   string            `json:"group,omitzero"` // id of the group that it joins
	Labels  map[string]string `json:"labels,omitzero"`
	TTL     *Duration         `json:"ttl,omitzero"` // how long it is kept once settled

	Callback *Callback `json:"callback,omitzero"`
}

// ResolveRequest is the body of POST /futures/{id}/resolve.
type ResolveRequest struct {
	Value jsontext.Value `json:"value"` // any JSON, null too
}

// RejectRequest is the body of POST /futures/{id}/reject.
type RejectRequest struct {
	Message string    `json:"message"`
	Type    ErrorType `json:"type,omitzero"` // ErrorRejected when empty
}
