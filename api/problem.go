package api

// Code names a problem. Codes are stable: callers switch on them.
type Code string

// The codes of all problems, each with its page in the catalogue.
const (
	CodeMalformedJSON         Code = "malformed-json"
	CodeInvalidRequest        Code = "invalid-request"
	CodeIdempotencyKeyInvalid Code = "idempotency-key-invalid"
	CodeUnauthorized          Code = "unauthorized"
	CodeEgressDenied          Code = "egress-denied"
	CodeCrossOrigin           Code = "cross-origin"
	CodeNotFound              Code = "not-found"
	CodeUnknownFuture         Code = "unknown-future"
	CodeUnknownGroup          Code = "unknown-group"
	CodeMethodNotAllowed      Code = "method-not-allowed"
	CodeAlreadySettled        Code = "already-settled"
	CodeNotSettleable         Code = "not-settleable"
	CodeNotSettled            Code = "not-settled"
	CodeIDTaken               Code = "id-taken"
	CodeCyclicWait            Code = "cyclic-wait"
	CodeGroupClosed           Code = "group-closed"
	CodePreconditionFailed    Code = "precondition-failed"
	CodeBodyTooLarge          Code = "body-too-large"
	CodeUnsupportedMediaType  Code = "unsupported-media-type"
	CodeRangeNotSatisfiable   Code = "range-not-satisfiable"
	CodeIdempotencyMismatch   Code = "idempotency-mismatch"
	CodeResultUnavailable     Code = "result-unavailable"
	CodeBusy                  Code = "busy"
	CodeTooManyFutures        Code = "too-many-futures"
	CodeTooManyWaiters        Code = "too-many-waiters"
	CodeTooManyEvents         Code = "too-many-events"
	CodeTooManyGroups         Code = "too-many-groups"
	CodeInternal              Code = "internal"
	CodeDraining              Code = "draining"
	CodeNotReady              Code = "not-ready"
	CodeStalled               Code = "stalled"
	CodeStorageFull           Code = "storage-full"
)

// ProblemMediaType is the Content-Type of a Problem.
const ProblemMediaType = "application/problem+json"

// Problem is the body of every answer with a status from 400 on (RFC 9457).
type Problem struct {
	Type   string       `json:"type"` // the path of the problem's page on this server
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail"` // what is wrong with this request
	Code   Code         `json:"code"`
	Errors []FieldError `json:"errors,omitzero"`
	Future *Future      `json:"future,omitzero"` // the future that stands in the way
}

// NewProblem is the problem code with its type, title and status from the catalogue. An empty detail stands for
// the title. It panics when the catalogue does not have code.
func NewProblem(code Code, detail string, errors ...FieldError) *Problem {
	page, ok := ProblemPageOf(code)
	if !ok {
		panic("api: no problem " + string(code) + " in the catalogue")
	}
	if detail == "" {
		detail = page.Title + "."
	}
	return &Problem{
		Type: "/problems/" + string(code), Title: page.Title, Status: page.Status, Detail: detail, Code: code,
		Errors: errors,
	}
}

// InvalidRequest is the problem of a request with bad parts, which must be at least one.
func InvalidRequest(errors ...FieldError) *Problem {
	detail := "Several parts of the request are not as they should be."
	if len(errors) == 1 {
		detail = errors[0].Error()
	}
	return NewProblem(CodeInvalidRequest, detail, errors...)
}

// Error is the code and the detail.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// ProblemPage is GET /problems/{slug}: what a problem means and what to do about it.
type ProblemPage struct {
	Code        Code   `json:"code"`
	Title       string `json:"title"`
	Status      int    `json:"status"`
	Description string `json:"description"` // sentences of plain text
}

// Health is the answer of GET /healthz and /readyz when all is well.
type Health struct {
	Status string `json:"status"` // "ok"
}
