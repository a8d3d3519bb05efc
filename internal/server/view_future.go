package server

import (
	"slices"
	"strconv"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
)

// The words of the wire for what is a number in a fact.
var (
	kindWords = map[record.Kind]api.Kind{
		record.KindFetch: api.KindFetch, record.KindPromise: api.KindPromise,
		record.KindTimer: api.KindTimer, record.KindWait: api.KindWait,
	}
	stateWords = map[record.State]api.State{
		record.StatePending: api.StatePending, record.StateRunning: api.StateRunning,
		record.StateSucceeded: api.StateSucceeded, record.StateFailed: api.StateFailed,
		record.StateCancelled: api.StateCancelled,
	}
	reasonWords = map[record.Reason]api.Reason{
		record.ReasonDelayed: api.ReasonDelayed, record.ReasonQueued: api.ReasonQueued,
		record.ReasonRateLimited: api.ReasonRateLimited, record.ReasonCircuitOpen: api.ReasonCircuitOpen,
		record.ReasonBackoff: api.ReasonBackoff, record.ReasonWaiting: api.ReasonWaiting,
	}
)

// redacted are the headers whose values are never shown, besides those that a request lists.
var redacted = []string{"Authorization", "Cookie", "Proxy-Authorization"}

func timeOf(t record.Time) *api.Time { return api.Time{Time: t.Time()}.Pointer() }

// etagOf is that of one future as it is shown. Why one waits for its turn, and until when, moves without a new version.
func etagOf(f *record.Future) string {
	tag := idOfVersion(f)
	switch f.Reason {
	case record.ReasonRateLimited, record.ReasonCircuitOpen, record.ReasonBackoff:
		tag += "-" + string(reasonWords[f.Reason]) + "-" + strconv.FormatInt(int64(f.NextAttemptAt), 36)
	}
	return `"` + tag + `"`
}

// idOfVersion is version and time of creation: a promise that was forgotten may come again under its id.
func idOfVersion(f *record.Future) string {
	return strconv.FormatUint(f.Version, 10) + "-" + strconv.FormatInt(int64(f.CreatedAt), 36)
}

func pathOf(id string) string { return "/futures/" + id } // no character of an id needs an escape in a path

// future shows one future.
func (v *view) future(of await.View) *api.Future {
	f := of.Future
	shown := &api.Future{
		ID:            f.ID,
		Kind:          kindWords[f.Kind],
		State:         stateWords[f.State],
		Version:       f.Version,
		CreatedAt:     api.Time{Time: f.CreatedAt.Time()},
		StartedAt:     timeOf(f.StartedAt),
		SettledAt:     timeOf(f.SettledAt),
		ExpiresAt:     timeOf(f.ExpiresAt),
		DeadlineAt:    timeOf(f.DeadlineAt),
		DueAt:         timeOf(f.DueAt),
		Labels:        map[string]string{},
		NextAttemptAt: timeOf(f.NextAttemptAt),
		Attempts:      make([]api.Attempt, 0, len(f.Attempts)),
		Group:         f.Group(),
		Request:       requestOf(f.Request.Open()),
		For:           v.waitsFor(f, record.KindWait),
		After:         v.waitsFor(f, record.KindFetch),
		Result:        v.result(f),
		Error:         failureOf(f.Failure),
		Callback:      callbackOf(f.Callback),
		Links:         linksOf(f),
	}
	for _, l := range f.Labels() {
		shown.Labels[l.Key] = l.Value
	}
	for _, a := range f.Attempts {
		shown.Attempts = append(shown.Attempts, attemptOf(a))
	}
	if reason, ok := reasonWords[f.Reason]; ok {
		shown.Reason = &reason
	}
	if of.Queue > 0 {
		shown.QueuePosition = &of.Queue
	}
	return shown
}

func linksOf(f *record.Future) api.FutureLinks {
	self := pathOf(f.ID)
	links := api.FutureLinks{
		Self: self, Wait: self + "?wait=25s", Result: self + "/result", Cancel: self + "/cancel",
	}
	if f.Kind == record.KindPromise {
		links.Resolve, links.Reject = self+"/resolve", self+"/reject"
	}
	return links
}

func failureOf(f *record.Failure) *api.FutureError {
	if f == nil {
		return nil
	}
	return &api.FutureError{Type: api.ErrorType(f.Type), Message: f.Message}
}

func attemptOf(a record.Attempt) api.Attempt {
	shown := api.Attempt{
		N: a.N, At: api.Time{Time: a.At.Time()}, DurationMS: milliseconds(a.Duration), Error: failureOf(a.Failure),
	}
	if a.Status != 0 {
		shown.Status = &a.Status
	}
	// The contract: an answer that came whole is no error of the attempt, whatever its status.
	if a.Failure != nil && a.Failure.Type == record.FailHTTPStatus {
		shown.Error = nil
	}
	return shown
}

// milliseconds are shown to the microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func requestOf(r *record.Request) *api.RequestView {
	if r == nil {
		return nil
	}
	shown := &api.RequestView{Method: r.Method, URL: r.URL}
	if len(r.Headers) > 0 {
		shown.Headers = make(map[string]api.Strings, len(r.Headers))
	}
	for _, h := range r.Headers {
		values := api.Strings(h.Values)
		if slices.Contains(redacted, h.Name) || slices.Contains(r.Redact, h.Name) {
			values = api.Strings{api.Redacted}
		}
		shown.Headers[h.Name] = values
	}
	return shown
}

// result shows what a future brought home, as far as there is room.
func (v *view) result(f *record.Future) *api.Result {
	switch r := f.Result; {
	case f.Wait != nil && f.Wait.Leaves != nil:
		return v.decided(f)
	case r == nil:
		return nil
	case f.Kind == record.KindFetch:
		return v.fetched(r)
	default:
		s := v.value(r.Body.Inline)
		return &api.Result{JSON: s.json, Truncated: s.truncated}
	}
}

func (v *view) fetched(r *record.Result) *api.Result {
	shown := &api.Result{Status: &r.Status, Headers: map[string]api.Strings{}, Bytes: &r.Body.Bytes}
	contentType, size := "", int64(0)
	for _, h := range r.Headers {
		if h.Name == "Content-Type" {
			contentType = h.Values[0]
		}
		for _, value := range h.Values {
			size += int64(len(h.Name) + len(value))
		}
	}
	if size > v.room {
		shown.Truncated = true
		return shown
	}
	v.room -= size
	for _, h := range r.Headers {
		shown.Headers[h.Name] = api.Strings(h.Values)
	}
	body, ok := v.read(r.Body)
	if !ok {
		shown.Truncated = true
		return shown
	}
	s := v.show(contentType, body)
	shown.JSON, shown.Text, shown.Base64, shown.Truncated = s.json, s.text, s.base64, s.truncated
	return shown
}
