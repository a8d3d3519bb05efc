package server

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/go-json-experiment/json"
)

// newFetch turns a submitted fetch into the future to be created, every default filled in. Its id is left out.
func (s *Server) newFetch(q *api.FetchRequest, traceparent string) (record.NewFuture, error) {
	n := record.NewFuture{
		Kind: record.KindFetch, Labels: labelsOf(q.Labels), TTL: ttlOf(q.TTL), Sets: q.Sets, Group: q.Group,
	}
	n.LimitKey, n.Limit = limitOf(q.Limit)
	var err error
	if n.For, err = s.expression(placeOf(q)); err != nil {
		return n, err
	}
	faults := s.schedule(&n, q)
	r := s.request(q)
	r.Traceparent = traceparent
	for _, f := range fetch.Check(r) {
		faults = append(faults, api.FieldError{Pointer: f.Pointer, Detail: f.Detail})
	}
	if r.BodyBytesMax > s.BodyBytesMax {
		faults = append(faults, api.FieldError{
			Pointer: "/max_bytes", Detail: fmt.Sprintf("This server takes at most %d bytes of an answer.", s.BodyBytesMax),
		})
	}
	if len(faults) > 0 {
		return n, api.InvalidRequest(faults...)
	}
	if err := s.canonical(r); err != nil {
		return n, err
	}
	n.Request = r.Pack()
	n.Callback, err = s.callback(q.Callback, traceparent)
	return n, err
}

// placeOf is what a fetch waits for and joins.
func placeOf(q *api.FetchRequest) place { return place{waits: "/after", expr: q.After, group: q.Group} }

// expression is that of a place as a future keeps it; nil for none.
func (s *Server) expression(at place) ([]byte, error) {
	if at.expr == nil {
		return nil, nil
	}
	if err := s.near(at); err != nil {
		return nil, err
	}
	text, err := json.Marshal(at.expr)
	if err != nil {
		return nil, fmt.Errorf("keep an expression: %w", err)
	}
	return text, nil
}

// schedule says when the fetch may start and when it must be settled. Without a deadline it has the default after the
// start that was asked for.
func (s *Server) schedule(n *record.NewFuture, q *api.FetchRequest) (faults []api.FieldError) {
	now := s.Now()
	fault := func(pointer, detail string) {
		faults = append(faults, api.FieldError{Pointer: pointer, Detail: detail})
	}
	start := now
	switch {
	case q.Delay != nil:
		n.Delay = time.Duration(*q.Delay)
		start = now.Add(n.Delay)
	case q.NotBefore != nil:
		n.At = record.TimeOf(q.NotBefore.Time)
		start = later(now, q.NotBefore.Time)
		if start.Sub(now) > api.DurationMax {
			fault("/not_before", tooFar)
		}
	}
	switch d := q.Deadline; {
	case d == nil && n.At != 0:
		n.Until = record.TimeOf(start.Add(api.DefaultDeadline))
	case d == nil:
		n.Timeout = n.Delay + api.DefaultDeadline
	case !d.At.After(now) && d.In == 0:
		fault("/deadline", momentPassed)
	case !d.At.IsZero():
		n.Until = record.TimeOf(d.At.Time)
		if d.At.Sub(now) > api.DurationMax {
			fault("/deadline", tooFar)
		} else if !d.At.After(start) {
			fault("/deadline", deadlineEarly)
		}
	default:
		n.Timeout = time.Duration(d.In)
		if !now.Add(n.Timeout).After(start) {
			fault("/deadline", deadlineEarly)
		}
	}
	return faults
}

const (
	momentPassed  = "Give a moment to come; this one has passed."
	tooFar        = "Give a moment at most ten years from now."
	deadlineEarly = "Give a deadline after the start: the fetch could never be made."
)

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// request is what is sent, with the defaults of the contract. Names and URL are as the caller wrote them.
func (s *Server) request(q *api.FetchRequest) *record.Request {
	r := &record.Request{
		Method: "GET", URL: q.URL, Body: bodyOf(q), Timeout: api.DefaultTimeout,
		Retry: record.Retry{
			AttemptsMax: api.DefaultAttempts, BackoffMin: api.DefaultBackoffMin, BackoffMax: api.DefaultBackoffMax,
			OnStatus: []record.StatusRange{{From: 429, To: 429}, {From: 500, To: 599}},
		},
		AcceptStatus: []record.StatusRange{{From: 200, To: 299}},
		RedirectsMax: api.DefaultRedirects,
		BodyBytesMax: min(api.DefaultBodyBytesMax, s.BodyBytesMax),
	}
	if q.Method != "" {
		r.Method = q.Method
	}
	r.Headers = headersOf(q.Headers)
	if q.JSON != nil && !slices.ContainsFunc(r.Headers, isContentType) {
		r.Headers = append(r.Headers, record.Header{Name: "Content-Type", Values: []string{"application/json"}})
	}
	if q.Timeout != nil {
		r.Timeout = time.Duration(*q.Timeout)
	}
	retry(&r.Retry, q.Retry)
	if q.AcceptStatus != nil {
		r.AcceptStatus = statuses(q.AcceptStatus)
	}
	if q.MaxRedirects != nil {
		r.RedirectsMax = *q.MaxRedirects
	}
	if q.MaxBytes != nil {
		r.BodyBytesMax = *q.MaxBytes
	}
	for _, name := range q.Redact {
		r.Redact = append(r.Redact, textproto.CanonicalMIMEHeaderKey(name))
	}
	return r
}

// headersOf is headers in the order of their names, which are as the caller wrote them.
func headersOf(given map[string]api.Strings) (headers []record.Header) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		headers = append(headers, record.Header{Name: name, Values: given[name]})
	}
	return headers
}

func isContentType(h record.Header) bool { return strings.EqualFold(h.Name, "Content-Type") }

func bodyOf(q *api.FetchRequest) []byte {
	switch {
	case q.Body != nil:
		return []byte(*q.Body)
	case q.JSON != nil:
		return q.JSON
	default:
		return q.Base64
	}
}

func retry(r *record.Retry, q *api.Retry) {
	if q == nil {
		return
	}
	if q.MaxAttempts != nil {
		r.AttemptsMax = *q.MaxAttempts
	}
	if q.MinBackoff != nil {
		r.BackoffMin = time.Duration(*q.MinBackoff)
	}
	if q.MaxBackoff != nil {
		r.BackoffMax = time.Duration(*q.MaxBackoff)
	}
	if q.OnStatus != nil {
		r.OnStatus = statuses(q.OnStatus)
	}
	r.NonIdempotent = q.NonIdempotent
}

// statuses reads what Check of the request has found good.
func statuses(list []string) []record.StatusRange {
	ranges := make([]record.StatusRange, len(list))
	for i, text := range list {
		ranges[i], _ = fetch.ParseStatusRange(text) // a fault would leave 0 to 0, which fetch.Check refuses
	}
	return ranges
}

// canonical gives a checked request the form in which it is stored, and asks whether its target may ever be reached.
func (s *Server) canonical(r *record.Request) error {
	u, err := fetch.CheckURL(r.URL)
	if err != nil {
		return api.InvalidRequest(api.FieldError{Pointer: "/url", Detail: err.Error()})
	}
	if err := s.Admit(u); err != nil {
		reason := err.Error()
		if refusal, ok := errors.AsType[*fetch.Refusal](err); ok {
			reason = refusal.Reason
		}
		s.Log.Info("a target was refused at submit", "reason", reason)
		return api.NewProblem(api.CodeEgressDenied, "The rules of this server do not allow the target.",
			api.FieldError{Pointer: "/url", Detail: "The target is not allowed."})
	}
	r.URL = u.String()
	r.Headers, _ = fetch.CheckHeaders(r.Headers) // no faults: fetch.Check has found them good
	return nil
}

func labelsOf(labels map[string]string) []record.Label {
	var sorted []record.Label
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		sorted = append(sorted, record.Label{Key: key, Value: labels[key]})
	}
	return sorted
}

// ttlOf is 0 when the caller left the default to the server. Who wants nothing kept gets the shortest time there is.
func ttlOf(ttl *api.Duration) time.Duration {
	if ttl == nil {
		return 0
	}
	return max(time.Duration(*ttl), time.Millisecond)
}

// traceparentOf is the W3C trace context of r if it is well-formed; else the caller has none (Trace Context, 3.2.2.3).
func traceparentOf(r *http.Request) string {
	values := r.Header.Values("Traceparent")
	if len(values) != 1 {
		return ""
	}
	parts := strings.Split(values[0], "-")
	if len(parts) != 4 || parts[0] != "00" || !hexadecimal(parts[1], 32) || !hexadecimal(parts[2], 16) ||
		!hexadecimal(parts[3], 2) || strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return ""
	}
	return values[0]
}

func hexadecimal(text string, length int) bool {
	return len(text) == length && strings.Trim(text, "0123456789abcdef") == ""
}
