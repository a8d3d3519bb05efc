package record

import "time"

// Header is one HTTP header: a canonical name and its values in order.
type Header struct {
	Name   string
	Values []string
}

// StatusRange is an inclusive range of HTTP status codes, such as 500–599 for "5xx".
type StatusRange struct{ From, To int }

// Has reports whether status lies in any of ranges.
func Has(ranges []StatusRange, status int) bool {
	for _, r := range ranges {
		if r.From <= status && status <= r.To {
			return true
		}
	}
	return false
}

// Retry says whether and when an attempt that failed is followed by another.
type Retry struct {
	AttemptsMax   int           // attempts in all, the first included; ≥ 1
	BackoffMin    time.Duration // lower end of the exponential back-off
	BackoffMax    time.Duration // its upper end
	OnStatus      []StatusRange // statuses worth another try
	NonIdempotent bool          // a POST or PATCH may be repeated after its bytes may have been sent
}

// Request is what a fetch future sends, with the caller's options, every default already filled in.
type Request struct {
	Method       string
	URL          string
	Headers      []Header // canonical names, sorted by name, each name once
	Body         []byte
	Timeout      time.Duration // of one attempt
	Retry        Retry
	AcceptStatus []StatusRange // statuses that make the future succeed
	RedirectsMax int           // hops followed; 0 follows none
	BodyBytesMax int64         // answers with more body bytes (as on the wire) fail with too_large
	Redact       []string      // canonical names of headers whose values are never shown
	Traceparent  string        // W3C trace context of the submitter; empty when there was none
}

// Body is the body of an answer. Up to InlineBytesMax it lies in Inline; a longer one lies in the body store
// under Ref.
type Body struct {
	Bytes  int64
	Inline []byte
	Ref    string
}

// Result is what a future that ran to its end brought home. For a fetch: the target's answer. For a promise,
// and for a wait: a JSON value in Body.Inline, with Status 0.
type Result struct {
	Status  int
	Headers []Header
	Body    Body
}

// Failure says why a future failed or was cancelled, or why an attempt did.
type Failure struct {
	Type    FailureType
	Message string // one sentence for the caller: no query, no header, no address that was refused
}

// FailureType is the closed list of the wire contract; new values are a change of the contract.
type FailureType string

// The failure types of the wire contract.
const (
	FailEgressDenied     FailureType = "egress_denied"
	FailDNS              FailureType = "dns"
	FailConnect          FailureType = "connect"
	FailTLS              FailureType = "tls"
	FailTimeout          FailureType = "timeout"
	FailDeadline         FailureType = "deadline"
	FailRedirect         FailureType = "redirect"
	FailTooLarge         FailureType = "too_large"
	FailHTTPStatus       FailureType = "http_status"
	FailProtocol         FailureType = "protocol"
	FailCircuitOpen      FailureType = "circuit_open"
	FailRejected         FailureType = "rejected"
	FailCancelled        FailureType = "cancelled"
	FailDependencyFailed FailureType = "dependency_failed"
	FailOutcomeUnknown   FailureType = "outcome_unknown" // the server died during a request that must not be repeated
	FailQuarantined      FailureType = "quarantined"     // the server died twice in a row during this fetch
)

// Attempt is one try of a fetch, as shown to the caller.
type Attempt struct {
	N        int           // from 1
	At       Time          // when it was started
	Duration time.Duration // until its outcome was known
	Status   int           // 0 when no answer arrived
	Failure  *Failure      // nil when the attempt itself brought an acceptable answer
}
