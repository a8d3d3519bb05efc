package fetch

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/hashicorp/go-retryablehttp"
	"golang.org/x/net/http/httpguts"
)

// attempt is one try of one fetch. It lives on one worker; sent and verdict are also written by net/http.
type attempt struct {
	f       *Fetcher
	job     Job
	asked   *record.Request // by the job
	ctx     context.Context
	cancel  context.CancelCauseFunc
	client  retryablehttp.Client
	sent    atomic.Bool // the headers of a request may have left
	verdict verdict
	status  int     // of the last answer
	message Message // of a callback

	waits atomic.Bool // for the headers of an answer
	conn  *headConn   // of the last request
}

// ending is how an attempt went.
type ending struct {
	result  *record.Result // the answer; nil when another attempt follows
	failure *failure       // nil for an acceptable answer
	retry   bool
	wait    time.Duration
}

func newAttempt(f *Fetcher, fl *flight) *attempt {
	a := &attempt{f: f, job: fl.job, asked: fl.job.Request.Open(), cancel: fl.cancel}
	a.ctx = context.WithValue(fl.ctx, verdictKey{}, &a.verdict)
	a.ctx = httptrace.WithClientTrace(a.ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if conn, ok := info.Conn.(*headConn); ok {
				conn.asks.Store(a)
				a.conn = conn
			}
		},
		// Complete headers leave only after this hook: before it, no target can have acted.
		WroteHeaders: func() { a.sent.Store(true) },
	})
	a.client.HTTPClient = f.exit.client
	a.client.RetryMax = 0 // one attempt per call: the loop holds the wait
	a.client.RetryWaitMin = a.asked.Retry.BackoffMin
	a.client.RetryWaitMax = a.asked.Retry.BackoffMax
	a.client.CheckRetry = a.checkRetry
	a.client.Backoff = a.backoff
	a.client.ErrorHandler = retryablehttp.PassthroughErrorHandler // the default one eats the last answer
	a.client.Logger = nil                                         // it would log queries
	return a
}

// run carries the attempt out within the request's timeout and the job's deadline.
func (a *attempt) run() ending {
	limit, cause := a.asked.Timeout, failTime
	if !a.job.DeadlineAt.IsZero() {
		if left := a.job.DeadlineAt.Sub(a.f.options.Now()); left <= limit {
			limit, cause = left, failDeadline
		}
	}
	if limit <= 0 {
		a.cancel(cause)
	}
	timer := time.AfterFunc(limit, func() { a.cancel(cause) })
	defer timer.Stop()
	resp, err := a.follow()
	if err != nil {
		return a.failed(resp, err)
	}
	return a.answered(resp)
}

// follow makes the request and those that redirects ask for, and gives the last answer, unread.
func (a *attempt) follow() (*http.Response, error) {
	r := a.asked
	c, faults := check(r)
	if len(faults) > 0 {
		// The door let it pass under other rules, or another server did. Fail closed.
		return nil, failRequest
	}
	if err := a.compose(); err != nil {
		return nil, err
	}
	h := &hop{target: c.target, method: r.Method, headers: c.headers, body: r.Body, home: true}
	if a.job.Callback != nil {
		h.body = a.message.Body
	}
	for followed := 0; ; followed++ {
		resp, err := a.exchange(h)
		if err != nil || r.RedirectsMax == 0 || !isRedirect(resp) {
			return resp, err
		}
		next, err := h.next(resp)
		if err == nil && followed == r.RedirectsMax {
			err = failRedirect("There were more redirects than max_redirects allows.")
		}
		if err != nil && record.Has(r.AcceptStatus, resp.StatusCode) {
			return resp, nil
		}
		drain(resp)
		if err != nil {
			return nil, err
		}
		h = next
	}
}

// exchange sends one request and gives the answer up to its headers.
func (a *attempt) exchange(h *hop) (*http.Response, error) {
	guard := a.f.options.Guard
	if err := guard.weigh(a.ctx, guard.admit(h.target)); err != nil {
		return nil, err
	}
	if err := context.Cause(a.ctx); err != nil {
		return nil, err
	}
	req := &retryablehttp.Request{Request: a.request(h)}
	if len(h.body) > 0 {
		if err := req.SetBody(h.body); err != nil {
			return nil, err
		}
	}
	a.waits.Store(true)
	resp, err := a.client.Do(req)
	a.waits.Store(false)
	if err != nil {
		return nil, err
	}
	a.status = resp.StatusCode
	showLocation(resp.Header)
	if resp.StatusCode == http.StatusSwitchingProtocols {
		_ = resp.Body.Close() // at once: it outlives every deadline
		return nil, failSwitch
	}
	return resp, nil
}

func (a *attempt) request(h *hop) *http.Request {
	header := make(http.Header, len(h.headers)+3)
	for _, given := range h.headers {
		header[given.Name] = given.Values
	}
	if _, ok := header["User-Agent"]; !ok {
		header["User-Agent"] = []string{a.f.options.UserAgent}
	}
	if h.home {
		a.addOwn(header, h.method)
	}
	if isNonIdempotent(h.method) {
		hideIdempotencyKeys(header)
	}
	req := new(http.Request).WithContext(a.ctx)
	req.Method, req.URL, req.Host, req.Header = h.method, h.target.url, h.target.url.Host, header
	req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/1.1", 1, 1
	return req
}

// addOwn adds what we tell the origin that the caller chose, and no other; the caller's own headers win.
func (a *attempt) addOwn(header http.Header, method string) {
	r := a.asked
	for _, own := range a.message.Headers {
		header[own.Name] = own.Values
	}
	if _, ok := header["Traceparent"]; !ok && r.Traceparent != "" {
		if trace := continueTrace(r.Traceparent, a.f.options.Rand()); trace != "" {
			header["Traceparent"] = []string{trace}
		}
	}
	if _, ok := header["Idempotency-Key"]; !ok && r.Retry.NonIdempotent && isNonIdempotent(method) {
		header["Idempotency-Key"] = []string{a.job.ID}
	}
}

// isIdempotencyKey names the headers by which net/http takes a POST for repeatable.
func isIdempotencyKey(name string) bool {
	return name == "Idempotency-Key" || name == "X-Idempotency-Key"
}

// hideIdempotencyKeys spells these headers in lower case, which is the same to the target. net/http, which looks
// for the canonical spelling, would by itself send such a POST again when a pooled connection breaks: of two
// sends, three executions. It still repeats one of which it wrote nothing.
func hideIdempotencyKeys(h http.Header) {
	renameHeader(h, "Idempotency-Key", "idempotency-key")
	renameHeader(h, "X-Idempotency-Key", "x-idempotency-key")
}

// answered judges an answer by its status and keeps its body, unless another attempt follows: a body in the
// store that no fact refers to would stay for ever.
func (a *attempt) answered(resp *http.Response) ending {
	var e ending
	if !record.Has(a.asked.AcceptStatus, resp.StatusCode) {
		e.failure = failStatus(resp.StatusCode)
		if e.retry, e.wait = a.decide(resp, nil); e.retry {
			drain(resp)
			return e
		}
	}
	if a.job.Callback != nil {
		drain(resp)
		return e
	}
	body, err := a.keep(resp)
	if err != nil {
		return a.failed(resp, err)
	}
	e.result = &record.Result{Status: resp.StatusCode, Headers: keepHeaders(resp.Header), Body: body}
	return e
}

func (a *attempt) failed(resp *http.Response, err error) ending {
	e := ending{failure: a.failureOf(err)}
	e.retry, e.wait = a.decide(resp, e.failure)
	return e
}

// failureOf names an error. A refusal comes first, whatever else went wrong; then our own failures; then the
// reason for which the context ended, which net/http reports in several ways.
func (a *attempt) failureOf(err error) *failure {
	if a.verdict.refusal.Load() != nil {
		return failDenied
	}
	if f, ok := err.(*failure); ok {
		return a.spelled(f)
	}
	if a.ctx.Err() != nil {
		var cause *failure
		if errors.As(context.Cause(a.ctx), &cause) {
			return a.spelled(cause)
		}
	}
	return exchangeFailure(err)
}

// spelled fills in what a cause set beforehand could not say without a cost to each attempt.
func (a *attempt) spelled(f *failure) *failure {
	if f == failTime {
		return failTimeout(a.asked.Timeout)
	}
	return f
}

// keepHeaders gives the headers of an answer in the stored form: canonical, sorted, as UTF-8.
func keepHeaders(h http.Header) []record.Header {
	kept := make([]record.Header, 0, len(h))
	for name, values := range h {
		if !httpguts.ValidHeaderFieldName(name) {
			continue // net/http lets names with spaces pass
		}
		for i, v := range values {
			if !utf8.ValidString(v) {
				values[i] = latin1(v)
			}
		}
		kept = append(kept, record.Header{Name: name, Values: values})
	}
	slices.SortFunc(kept, func(a, b record.Header) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return kept
}

// latin1 reads bytes as ISO-8859-1, which is what header values were before they were UTF-8 (RFC 9110 5.5).
func latin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}
