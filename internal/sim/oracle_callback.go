package sim

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// A future that is settled and whose callback is pending goes on like a fetch: it waits for its turn, under the key of
// its receiver, attempts are made, and made again. Until that is over all of it is known without the store, nobody can
// take its id, and it is not forgotten.

// The rules of callbacks, as they are published.
const (
	callbackTime    = 3 * 24 * time.Hour // from the end of its future until it is given up
	deliveryTimeout = 20 * time.Second
)

// callbackJob is added to the id of a future to name the attempt to deliver its callback.
const callbackJob = "/callback"

// job is the name of the next attempt of f.
func job(f *record.Future) string {
	if f.CallbackPending() {
		return f.ID + callbackJob
	}
	return f.ID
}

// over reports whether nothing comes of f any more.
func over(f *record.Future) bool { return f.State.Settled() && !f.CallbackPending() }

// carried is what the callback of f counts towards PendingBytesMax: all that its caller gave, until it is done.
func carried(f *record.Future) int64 {
	if over(f) {
		return 0
	}
	return f.Callback.Bytes()
}

// callBack begins with the callback of f, which has just been settled. One that was not asked for when its future ends
// as it did is over.
func (o *Oracle) callBack(f *record.Future) *record.Future {
	switch {
	case f.Callback == nil:
		return f
	case !slices.Contains(f.Callback.On, f.State):
		return o.putCallback(f, func(c *record.Callback) { c.State = record.CallbackSkipped })
	}
	f = o.putCallback(f, func(c *record.Callback) { c.State = record.CallbackPending })
	o.enlist(f, nil)
	o.meetCallback(f)
	if _, flies := o.flights[job(f)]; !flies { // that of an earlier future with this id
		o.enqueue(f)
	}
	return f
}

// putCallback replaces what was known of a callback. With the end of it what it carried is forgotten, and its future is
// kept for what is left of its ttl.
func (o *Oracle) putCallback(f *record.Future, edit func(*record.Callback)) *record.Future {
	one, c := *f, *f.Callback
	one.Callback, one.ExpiresAt = &c, 0
	if edit(&c); c.State != record.CallbackPending {
		c.DoneAt, c.NextAttemptAt, c.Headers = o.Now, 0, nil
		c.URL, _, _ = strings.Cut(c.URL, "?")
		one.ExpiresAt = max(one.SettledAt.Add(one.TTL), o.Now)
	}
	return o.put(&one)
}

// endCallback is the end of a callback that was pending.
func (o *Oracle) endCallback(f *record.Future, edit func(*record.Callback)) {
	o.meet(f.ID, 0)
	o.putCallback(f, edit)
	o.delist(f)
}

// meetCallback makes the appointment of f: the next attempt to deliver its callback, or the time to give it up.
func (o *Oracle) meetCallback(f *record.Future) {
	end := f.SettledAt.Add(callbackTime)
	o.enter("future "+f.ID, soonest(f.Callback.NextAttemptAt, end), func() {
		f := o.futures[f.ID]
		if end <= o.Now {
			o.recall(f)
			o.endCallback(f, func(c *record.Callback) { c.State = record.CallbackFailed })
			return
		}
		f = o.putCallback(f, func(c *record.Callback) { c.NextAttemptAt = 0 })
		o.meetCallback(f)
		o.enqueue(f)
	})
}

// recall aborts the attempt to deliver the callback of f, if there is one under way. Its outcome says nothing any more.
func (o *Oracle) recall(f *record.Future) {
	if fl, flies := o.flights[job(f)]; flies {
		fl.recalled = true
		o.flights[job(f)] = fl
		o.effects = append(o.effects, Effect{Does: Aborts, ID: job(f)})
	}
}

// deliver makes an attempt to deliver the callback of f, which changes nothing that is known of it: a server that dies
// meanwhile leaves it to the next one.
func (o *Oracle) deliver(f *record.Future) {
	c := f.Callback
	request := record.Request{
		Method: http.MethodPost, URL: c.URL, Headers: c.Headers, Timeout: deliveryTimeout, Traceparent: c.Traceparent,
		AcceptStatus: []record.StatusRange{{From: 200, To: 299}},
	}
	o.effects = append(o.effects, Effect{
		Does: Launches, ID: job(f), N: c.Attempts + 1, Request: request.Pack(), Tells: f,
		DeadlineAt: f.SettledAt.Add(callbackTime),
	})
}

// delivered takes what one attempt to deliver the callback of f brought home. Of one id there is never more than one
// under way: if it was recalled, a later future with this id has waited for it.
func (o *Oracle) delivered(f *record.Future, c *record.Outcome, recalled bool) {
	failure := c.Attempt.Failure
	if f == nil || !f.CallbackPending() {
		return
	}
	if recalled || failure != nil && failure.Type == record.FailCancelled { // one that was cut does not count
		o.enqueue(f)
		return
	}
	count := func(one *record.Callback) {
		one.Attempts++
		one.LastStatus, one.LastFailure = c.Attempt.Status, failure
		switch {
		case failure == nil:
			one.State = record.CallbackDelivered
		case !c.Retry:
			one.State = record.CallbackFailed
		default:
			one.NextAttemptAt = o.Now.Add(c.RetryAfter)
		}
	}
	if failure == nil || !c.Retry {
		o.endCallback(f, count)
		return
	}
	o.meetCallback(o.putCallback(f, count))
}

// restoreCallback is what a new server does with a callback that is pending, after all futures that are not settled. An
// attempt that was under way is made again.
func (o *Oracle) restoreCallback(f *record.Future) {
	if !f.CallbackPending() {
		return
	}
	o.enlist(f, nil)
	o.meetCallback(f)
	if f.Callback.NextAttemptAt == 0 {
		o.enqueue(f)
	}
}
