package sim

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// CancelOf is the answer to cancelling f as it is, nil if there is none. One that is pending is then cancelled.
func CancelOf(f *record.Future) Answer {
	switch {
	case f == nil:
		return Answer{Refusal: UnknownFuture}
	case f.State.Settled() && f.State != record.StateCancelled:
		return Answer{Refusal: AlreadySettled, Futures: []*record.Future{f}}
	}
	return Answer{Futures: []*record.Future{f}}
}

// SettleOf is the answer to settling f as it is, nil if there is none. A promise that is pending is then settled. The
// same outcome again is the same answer again.
func SettleOf(f *record.Future, c *record.Settle) Answer {
	if f == nil {
		return Answer{Refusal: UnknownFuture}
	}
	if f.Kind != record.KindPromise {
		return Answer{Refusal: NotSettleable, Futures: []*record.Future{f}}
	}
	resolved := f.State == record.StateSucceeded && c.Failure == nil && string(f.Result.Body.Inline) == string(c.Value)
	rejected := f.State == record.StateFailed && c.Failure != nil && *f.Failure == *c.Failure
	if f.State.Settled() && !resolved && !rejected {
		return Answer{Refusal: AlreadySettled, Futures: []*record.Future{f}}
	}
	return Answer{Futures: []*record.Future{f}}
}

// submit creates all or none, and under one key only once: whoever comes again with the same request hears what it
// created.
func (o *Oracle) submit(c *record.Submit, read map[string]*record.Future) Answer {
	if again, refused := o.used(c.Key); refused != "" || again != nil {
		return Answer{Refusal: refused, Again: again}
	}
	a := o.createAll(c, read)
	if a.Refusal == "" && a.Missing == nil {
		var ids []string
		for _, f := range a.Futures {
			ids = append(ids, f.ID)
		}
		o.use(c.Key, c.KeyTTL, ids)
	}
	return a
}

// used is what the same request created under the key, if there is one.
func (o *Oracle) used(key *record.Key) (again []string, refused Refusal) {
	if key == nil || o.keys[key.Name] == nil || o.keys[key.Name].ExpiresAt <= o.Now {
		return nil, ""
	}
	if string(o.keys[key.Name].Fingerprint) != string(key.Fingerprint) {
		return nil, KeyReused
	}
	return o.keys[key.Name].Futures, ""
}

// use remembers what was created under the key, if there is one.
func (o *Oracle) use(key *record.Key, ttl time.Duration, ids []string) {
	if key != nil {
		o.keys[key.Name] = &record.Key{
			Name: key.Name, Fingerprint: key.Fingerprint, ExpiresAt: o.Now.Add(ttl), Futures: ids,
		}
	}
}

// createAll creates all or none.
func (o *Oracle) createAll(c *record.Submit, read map[string]*record.Future) Answer {
	pending, bytes, ids := len(c.Futures), int64(0), map[string]bool{}
	for _, f := range o.futures {
		pending += boolean(!over(f))
		bytes += carried(f)
		if !f.State.Settled() {
			bytes += kept(f.Request, f.Labels(), f.Wait.Text())
		}
	}
	for _, n := range c.Futures {
		bytes += kept(n.Request, n.Labels, n.For) + n.Callback.Bytes()
	}
	switch {
	case pending > o.Limits.FuturesPendingMax:
		return Answer{Refusal: TooManyFutures}
	case bytes > o.Limits.PendingBytesMax:
		return Answer{Refusal: FuturesTooLarge}
	}
	names := o.names()
	before := len(names)
	for _, n := range c.Futures {
		if n.Sets != "" {
			names[n.Sets] = true
		}
	}
	if len(names) > before && len(names) > o.Limits.EventsMax {
		return Answer{Refusal: TooManyEvents}
	}
	for _, n := range c.Futures {
		if ids[n.ID] {
			return Answer{Refusal: IDTaken}
		}
		ids[n.ID] = true
		if refused := o.free(n.ID); refused != "" {
			return Answer{Refusal: refused}
		}
	}
	if a := o.mayJoin(c); a.Refusal != "" {
		return a
	}
	exprs := expressions(c)
	a := o.mayWait(c, exprs, read)
	if a.Refusal != "" || a.Missing != nil {
		return a
	}
	for i := range c.Futures {
		f := o.create(&c.Futures[i])
		o.join(f)
		if exprs[i] != nil {
			o.attend(f, exprs[i], nil, read)
		}
	}
	o.follow()
	for i := range c.Futures {
		a.Futures = append(a.Futures, o.futures[c.Futures[i].ID])
	}
	return a
}

// kept is what a pending future counts towards PendingBytesMax.
func kept(r record.Packed, labels []record.Label, expr []byte) int64 {
	n := len(r) + len(expr)
	for _, l := range labels {
		n += len(l.Key + l.Value)
	}
	return int64(n)
}

// free makes room for a future of that id, or says why there is none. One that has expired is forgotten, whether what
// comes of it or not, as soon as its end is durable: until then the caller asks again. One that was deleted has its id
// until that is durable.
func (o *Oracle) free(id string) Refusal {
	f := o.futures[id]
	if f == nil {
		f = o.Stored.Futures[id]
	}
	switch {
	case f == nil:
		return ""
	case f.ExpiresAt == 0 || f.ExpiresAt > o.Now:
		return IDTaken
	case !o.Cold(id):
		return NotDurable
	}
	delete(o.futures, id)
	o.Changes++
	return ""
}

func (o *Oracle) create(n *record.NewFuture) *record.Future {
	f := &record.Future{
		ID: n.ID, Kind: n.Kind, State: record.StatePending, CreatedAt: o.Now, TTL: n.TTL, Terms: n.Terms(),
		Request: n.Request, DeadlineAt: n.Until, Callback: n.Callback,
	}
	if n.TTL == 0 {
		f.TTL = o.Limits.TTLDefault
	}
	if n.Timeout > 0 {
		f.DeadlineAt = o.Now.Add(n.Timeout)
	}
	if n.For != nil {
		f.Wait = &record.Wait{For: n.For}
	}
	begins := max(n.At, o.Now.Add(n.Delay))
	o.futures[f.ID] = f
	if n.Kind == record.KindFetch {
		o.enlist(f, n.Limit)
	}
	switch {
	case n.For != nil && n.Kind == record.KindFetch:
		f.Reason = record.ReasonWaiting
		if begins > o.Now {
			f.NextAttemptAt = begins
		}
		o.meet(f.ID, f.DeadlineAt)
	case n.Kind == record.KindTimer:
		f.DueAt = begins
		o.meet(f.ID, begins)
	case n.Kind == record.KindFetch && begins > o.Now:
		f.Reason, f.NextAttemptAt = record.ReasonDelayed, begins
		o.meet(f.ID, soonest(begins, f.DeadlineAt))
	case n.Kind == record.KindFetch:
		f.Reason = record.ReasonQueued
		o.meet(f.ID, f.DeadlineAt)
		o.enqueue(f)
	default:
		o.meet(f.ID, f.DeadlineAt)
	}
	return o.put(f)
}

// put replaces what was known of a future. The fact must be new.
func (o *Oracle) put(f *record.Future) *record.Future {
	o.Changes++
	o.Touched[f.ID] = o.Changes
	o.futures[f.ID] = f
	return f
}

func soonest(a, b record.Time) record.Time {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// meet makes a future's appointment: its deadline, its time, or its next attempt, whichever is sooner.
func (o *Oracle) meet(id string, at record.Time) {
	o.enter("future "+id, at, func() {
		f := *o.futures[id]
		switch {
		case f.DeadlineAt != 0 && f.DeadlineAt <= o.Now && f.Kind != record.KindFetch:
			o.settle(&f, record.StateFailed, nil, record.FailTimeout)
		case f.DeadlineAt != 0 && f.DeadlineAt <= o.Now && o.leftAlone(&f):
			o.settle(&f, record.StateFailed, nil, record.FailCircuitOpen)
		case f.DeadlineAt != 0 && f.DeadlineAt <= o.Now:
			o.settle(&f, record.StateFailed, nil, record.FailDeadline)
		case f.Kind == record.KindTimer:
			null := &record.Result{Body: record.Body{Bytes: 4, Inline: []byte("null")}}
			o.settle(&f, record.StateSucceeded, null, "")
		default:
			f.Reason, f.NextAttemptAt = record.ReasonQueued, 0
			o.put(&f)
			o.meet(id, f.DeadlineAt)
			o.enqueue(&f)
		}
	})
}

// settle ends f, which is a copy of the fact, for good; why is empty when it succeeds. An attempt that is under way is
// aborted, secrets are forgotten, its callback is begun, then everybody who waits is told, then the group, then the
// event is set.
func (o *Oracle) settle(f *record.Future, s record.State, r *record.Result, why record.FailureType) *record.Future {
	if f.State == record.StateRunning {
		o.effects = append(o.effects, Effect{Does: Aborts, ID: f.ID})
		if fl, ok := o.flights[f.ID]; ok {
			f.Attempts = append(slices.Clone(f.Attempts), record.Attempt{
				N: len(f.Attempts) + 1, At: fl.at, Duration: o.Now.Sub(fl.at), Failure: &record.Failure{Type: why},
			})
		}
	}
	var failure *record.Failure
	if why != "" {
		failure = &record.Failure{Type: why}
	}
	return o.end(f, s, r, failure)
}

func (o *Oracle) end(f *record.Future, s record.State, r *record.Result, failure *record.Failure) *record.Future {
	f.State, f.Reason, f.NextAttemptAt = s, record.ReasonNone, 0
	f.SettledAt, f.ExpiresAt = o.Now, o.Now.Add(f.TTL)
	f.Result, f.Failure = r, failure
	if f.Kind == record.KindFetch {
		f.Wait = nil
	}
	if q := f.Request.Open(); q != nil {
		where, _, _ := strings.Cut(q.URL, "?")
		f.Request = (&record.Request{Method: q.Method, URL: where, Traceparent: q.Traceparent}).Pack()
	}
	o.put(f)
	o.stopWaiting(f.ID)
	o.meet(f.ID, 0)
	if f.Kind == record.KindFetch {
		o.delist(f)
	}
	f = o.callBack(f)
	o.futureSettled(f)
	o.part(f)
	if f.Sets() != "" && s == record.StateSucceeded {
		payload := &record.Payload{ContentType: "text/plain; charset=utf-8", Data: []byte(f.ID)}
		o.raise(f.Sets(), payload, true, 0)
	}
	if f.Sets() != "" {
		o.left[f.Sets()] = o.Now
	}
	return f
}

func (o *Oracle) cancel(f *record.Future) *record.Future {
	fact := *f
	return o.settle(&fact, record.StateCancelled, nil, record.FailCancelled)
}

func (o *Oracle) settlePromise(f *record.Future, c *record.Settle) *record.Future {
	fact := *f
	if c.Failure != nil {
		return o.end(&fact, record.StateFailed, nil, c.Failure)
	}
	value := record.Body{Bytes: int64(len(c.Value)), Inline: c.Value}
	return o.end(&fact, record.StateSucceeded, &record.Result{Body: value}, nil)
}

// forget deletes a settled future. One whose end is not durable yet stays; its caller asks again. With a callback that
// is pending it is known until that is durable.
func (o *Oracle) forget(id string) Answer {
	f := o.futures[id]
	switch {
	case f != nil && !f.State.Settled():
		return Answer{Refusal: NotSettled, Futures: []*record.Future{f}, Place: o.Place(id)}
	case f != nil && f.CallbackPending():
		o.recall(f)
		o.endCallback(f, func(c *record.Callback) { c.State = record.CallbackFailed })
		o.dropped = append(o.dropped, id)
	case f != nil && !o.Cold(id):
		return Answer{Refusal: NotDurable}
	case f != nil:
		delete(o.futures, id)
		o.Changes++
	}
	return Answer{}
}

// outcome takes what one attempt brought home. Nobody wants it when its future has settled meanwhile.
func (o *Oracle) outcome(c *record.Outcome) {
	recalled := o.flights[c.ID].recalled
	if !o.land(c) {
		return
	}
	if id, callback := strings.CutSuffix(c.ID, callbackJob); callback {
		o.delivered(o.futures[id], c, recalled)
		return
	}
	if o.futures[c.ID] == nil || o.futures[c.ID].State != record.StateRunning {
		return
	}
	f := *o.futures[c.ID]
	failure := c.Attempt.Failure
	if failure != nil && failure.Type == record.FailCancelled {
		o.cut(&f, c.Retry)
		return
	}
	f.Attempts = append(slices.Clone(f.Attempts), c.Attempt)
	f.Interrupted = 0
	next := o.Now.Add(c.RetryAfter)
	switch {
	case failure == nil:
		o.end(&f, record.StateSucceeded, c.Result, nil)
	case !c.Retry:
		o.end(&f, record.StateFailed, c.Result, failure)
	case f.DeadlineAt != 0 && next >= f.DeadlineAt:
		o.end(&f, record.StateFailed, c.Result, &record.Failure{Type: record.FailDeadline})
	default:
		f.State, f.Reason, f.NextAttemptAt = record.StatePending, record.ReasonBackoff, next
		o.put(&f)
		o.meet(f.ID, next)
	}
}

// cut ends an attempt whose outcome nobody knows; it does not count. The fetch queues again if the target may be
// asked twice.
func (o *Oracle) cut(f *record.Future, allowed bool) {
	q := f.Request.Open()
	idempotent := q.Method != http.MethodPost && q.Method != http.MethodPatch
	if !allowed && !q.Retry.NonIdempotent && !idempotent {
		o.end(f, record.StateFailed, nil, &record.Failure{Type: record.FailOutcomeUnknown})
		return
	}
	f.State, f.Reason = record.StatePending, record.ReasonQueued
	o.put(f)
	o.enqueue(f)
}

// restart decides about the attempts that died with the last server. A fetch that saw two deaths in a row is taken for
// their cause.
func (o *Oracle) restart() {
	for _, id := range o.orphans {
		f := *o.futures[id]
		if f.State.Settled() {
			continue
		}
		if f.Interrupted == 1 {
			o.end(&f, record.StateFailed, nil, &record.Failure{Type: record.FailQuarantined})
			continue
		}
		f.Interrupted++
		o.cut(&f, false)
	}
	o.orphans = nil
}
