package record

import (
	"encoding/hex"
	"slices"
	"time"
)

// What most requests say is written as a number: a future that waits takes a third of the memory less so. All of it is
// on disk: it may grow, and never changes.

// usual is a request with the defaults of the first version of the API.
var usual = Request{
	Method: "GET", Timeout: 30 * time.Second,
	Retry: Retry{
		AttemptsMax: 4, BackoffMin: 500 * time.Millisecond, BackoffMax: 30 * time.Second,
		OnStatus: []StatusRange{{From: 429, To: 429}, {From: 500, To: 599}},
	},
	AcceptStatus: []StatusRange{{From: 200, To: 299}}, RedirectsMax: 5, BodyBytesMax: 16 << 20,
}

// usually says in which fields a request is as usual.
type usually uint64

const (
	usualMethod usually = 1 << iota
	usualTimeout
	usualRetry
	usualAccept
	usualRedirects
	usualBytes
	usualEnd // of those that this version knows
)

func (r *Request) usual() (as usually) {
	note := func(which usually, same bool) {
		if same {
			as |= which
		}
	}
	note(usualMethod, r.Method == usual.Method)
	note(usualTimeout, r.Timeout == usual.Timeout)
	note(usualRetry, r.Retry.equal(&usual.Retry))
	note(usualAccept, slices.Equal(r.AcceptStatus, usual.AcceptStatus))
	note(usualRedirects, r.RedirectsMax == usual.RedirectsMax)
	note(usualBytes, r.BodyBytesMax == usual.BodyBytesMax)
	return as
}

func (r *Retry) equal(to *Retry) bool {
	return r.AttemptsMax == to.AttemptsMax && r.BackoffMin == to.BackoffMin && r.BackoffMax == to.BackoffMax &&
		slices.Equal(r.OnStatus, to.OnStatus) && r.NonIdempotent == to.NonIdempotent
}

// takeUsual fills in what is as usual; false when a newer version knows of more.
func (r *Request) takeUsual(as usually) (known bool) {
	if as&usualMethod != 0 {
		r.Method = usual.Method
	}
	if as&usualTimeout != 0 {
		r.Timeout = usual.Timeout
	}
	if as&usualRetry != 0 {
		r.Retry = usual.Retry
	}
	if as&usualAccept != 0 {
		r.AcceptStatus = usual.AcceptStatus
	}
	if as&usualRedirects != 0 {
		r.RedirectsMax = usual.RedirectsMax
	}
	if as&usualBytes != 0 {
		r.BodyBytesMax = usual.BodyBytesMax
	}
	return as < usualEnd
}

// headerNames are the names of usual headers, by number from 1.
var headerNames = [...]string{
	1: "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Content-Disposition",
	"Content-Encoding", "Content-Language", "Content-Length", "Content-Location", "Content-Type", "Cookie", "Date", "Etag",
	"Expires", "From", "Idempotency-Key", "If-Match", "If-Modified-Since", "If-None-Match", "If-Unmodified-Since",
	"Last-Modified", "Link", "Location", "Origin", "Pragma", "Prefer", "Range", "Referer", "Retry-After", "Server",
	"Signature", "Signature-Input", "Tracestate", "User-Agent", "Vary", "Via", "X-Api-Key", "X-Correlation-Id",
	"X-Forwarded-For", "X-Request-Id",
}

var headerNumbers = func() map[string]uint64 {
	numbers := map[string]uint64{}
	for n, name := range headerNames {
		if n > 0 {
			numbers[name] = uint64(n)
		}
	}
	return numbers
}()

// trace is the ids and the flags of a traceparent of version 00 (W3C Trace Context, section 3.2.2) as bytes: 16, 8, 1.
type trace []byte

const traceBytes = 16 + 8 + 1

// traceOf is t without its hex; false when that does not give t back, to the letter.
func traceOf(t string) (raw [traceBytes]byte, ok bool) {
	if len(t) != traceText {
		return raw, false
	}
	digits := append(append(append(make([]byte, 0, 2*traceBytes), t[3:35]...), t[36:52]...), t[53:]...)
	if _, err := hex.Decode(raw[:], digits); err != nil {
		return raw, false
	}
	return raw, string(trace(raw[:]).append(make([]byte, 0, traceText))) == t
}

// traceText is the length of a traceparent.
const traceText = len("00-") + 2*16 + len("-") + 2*8 + len("-") + 2*1

func (t trace) append(b []byte) []byte {
	b = hex.AppendEncode(append(b, "00-"...), t[:16])
	b = hex.AppendEncode(append(b, '-'), t[16:24])
	return hex.AppendEncode(append(b, '-'), t[24:])
}

func (t trace) String() string { return string(t.append(make([]byte, 0, traceText))) }
