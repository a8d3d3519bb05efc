package fetch

import (
	"strconv"
	"time"

	"github.com/awaitd/awaitd/internal/record"
	"golang.org/x/net/http/httpguts"
)

// Bounds of one fetch. They are part of the wire contract; a request beyond one is refused, never clipped.
const (
	URLBytesMax     = 8192
	HeadersMax      = 100 // header lines: each value of a name counts
	HeaderBytesMax  = 16 << 10
	AttemptsMax     = 20
	TimeoutMax      = 15 * time.Minute // of one attempt
	BackoffLeast    = time.Millisecond // the smallest min_backoff: zero would be a loop without pause
	BackoffMost     = 24 * time.Hour   // the largest max_backoff
	RedirectsMax    = 20
	StatusRangesMax = 100 // entries of on_status and of accept_status
	RedactMax       = 100 // names
)

// Fault is one thing wrong with a fetch as submitted. Pointer is a JSON pointer (RFC 6901) relative to the fetch
// object; Detail is a sentence for the caller that repeats nothing of a header's value or of a URL.
type Fault struct{ Pointer, Detail string }

// Check reports every fault of r, in the order of the wire contract's fields; none means that r may be stored.
// It looks nothing up. The names in r.Headers may be in the caller's spelling and order: CheckHeaders gives the
// form to store. Whether the target is allowed is another question, see Guard.Admit.
func Check(r *record.Request) []Fault {
	_, faults := check(r)
	return faults
}

// sentence is an error whose text is shown to the caller as it stands.
type sentence string

func (s sentence) Error() string { return string(s) }

// checked is what the static stage learned about a request: the parts in the form in which they are sent.
type checked struct {
	target  target
	headers []record.Header
}

func check(r *record.Request) (checked, []Fault) {
	var c checked
	var faults []Fault
	add := func(pointer, detail string) { faults = append(faults, Fault{pointer, detail}) }

	t, err := parseTarget(r.URL)
	if err != nil {
		add("/url", err.Error())
	}
	c.target = t
	if err := CheckMethod(r.Method); err != nil {
		add("/method", err.Error())
	}
	headers, wrong := CheckHeaders(r.Headers)
	c.headers, faults = headers, append(faults, wrong...)
	if r.Timeout <= 0 || r.Timeout > TimeoutMax {
		add("/timeout", "The time of one attempt is more than 0 and at most 15m.")
	}
	checkRetry(&r.Retry, add)
	checkStatuses("/accept_status", r.AcceptStatus, add)
	if len(r.AcceptStatus) == 0 {
		add("/accept_status", "At least one status must be acceptable.")
	}
	if r.RedirectsMax < 0 || r.RedirectsMax > RedirectsMax {
		add("/max_redirects", "The number of redirects followed is 0 to 20.")
	}
	if r.BodyBytesMax < 1 {
		add("/max_bytes", "The bound for the body is at least 1.")
	}
	checkRedact(r.Redact, add)
	return c, faults
}

func checkRetry(r *record.Retry, add func(pointer, detail string)) {
	if r.AttemptsMax < 1 || r.AttemptsMax > AttemptsMax {
		add("/retry/max_attempts", "The number of attempts is 1 to 20.")
	}
	if r.BackoffMin < BackoffLeast || r.BackoffMin > BackoffMost {
		add("/retry/min_backoff", "The shortest wait is 1ms to 24h.")
	}
	switch {
	case r.BackoffMax > BackoffMost:
		add("/retry/max_backoff", "The longest wait is at most 24h.")
	case r.BackoffMax < r.BackoffMin:
		add("/retry/max_backoff", "The longest wait is at least as long as min_backoff.")
	}
	checkStatuses("/retry/on_status", r.OnStatus, add)
}

func checkStatuses(pointer string, ranges []record.StatusRange, add func(pointer, detail string)) {
	if len(ranges) > StatusRangesMax {
		add(pointer, "At most 100 status ranges.")
		return
	}
	for i, r := range ranges {
		if r.From < statusLeast || r.To > statusMost || r.From > r.To {
			add(pointer+"/"+strconv.Itoa(i), "A status lies between 100 and 999, the lower one first.")
		}
	}
}

func checkRedact(names []string, add func(pointer, detail string)) {
	if len(names) > RedactMax {
		add("/redact", "At most 100 names.")
		return
	}
	for i, name := range names {
		if !httpguts.ValidHeaderFieldName(name) {
			add("/redact/"+strconv.Itoa(i), "This is not the name of a header.")
		}
	}
}
