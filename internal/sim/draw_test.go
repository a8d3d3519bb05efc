package sim

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/oklog/ulid/v2"
	"pgregory.net/rapid"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/store"
)

// Few ids, names and hosts, so that operations collide.
var (
	promiseIDs = []string{"p", "q", "r"}
	eventNames = []string{"a", "b", "c", "limit:k:closed"}
	hosts      = []string{"one.example", "two.example", "three.example"}
	labels     = []record.Label{{Key: "k", Value: "1"}, {Key: "k", Value: "2"}}
)

// die draws a number below n, each as likely as the others: rapid's own draws prefer small numbers by far, so that what
// takes several steps would hardly ever come to its end.
func die(n int) *rapid.Generator[int] {
	coin := rapid.Bool()
	return rapid.Custom(func(t *rapid.T) (drawn int) {
		for range bits.Len(uint(n-1)) + 2 {
			drawn *= 2
			if coin.Draw(t, "") {
				drawn++
			}
		}
		return drawn % n
	})
}

func oneOf[T any](t *rapid.T, label string, from ...T) T { return from[die(len(from)).Draw(t, label)] }

func chance(t *rapid.T, label string, percent int) bool {
	return die(100).Draw(t, label) >= 100-percent // so that what is simpler is no
}

func ms(t *rapid.T, label string, from, to int) time.Duration {
	return time.Duration(rapid.IntRange(from, to).Draw(t, label)) * time.Millisecond
}

// drawLimits draws the bounds that the oracle knows; others are out of reach.
func drawLimits(t *rapid.T) await.Limits {
	l := await.DefaultLimits()
	l.InboxMax = oneOf(t, "InboxMax", 100, 100, 4)
	l.FuturesPendingMax = oneOf(t, "FuturesPendingMax", 100, 10, 6)
	l.PendingBytesMax = oneOf[int64](t, "PendingBytesMax", 1<<20, 1<<20, 700)
	l.WaitersMax = oneOf(t, "WaitersMax", 100, 2)
	l.WaitLeavesHeldMax = oneOf(t, "WaitLeavesHeldMax", 1000, 1000, 5)
	l.EventsMax = oneOf(t, "EventsMax", 100, 3)
	l.GroupsMax = oneOf(t, "GroupsMax", 100, 100, 2)
	l.EventBytesMax = oneOf[int64](t, "EventBytesMax", 1<<20, 1<<20, 60)
	l.WorkersMax = oneOf(t, "WorkersMax", 2, 1, 3)
	l.HostAttemptsMax = oneOf(t, "HostAttemptsMax", 100, 100, 1)
	l.TTLDefault = oneOf(t, "TTLDefault", time.Hour, 30*time.Millisecond)
	l.EventTTL = oneOf(t, "EventTTL", time.Hour, 15*time.Millisecond)
	return l
}

// newID is an id as the door makes it. It tells its time and, in its last bytes, its number.
func (w *world) newID() string {
	id := "fut_" + w.newULID()
	w.ids = append(w.ids, id)
	return id
}

func (w *world) newGroupID() string {
	id := "grp_" + w.newULID()
	w.groups = append(w.groups, id)
	return id
}

func (w *world) newULID() string {
	w.made++
	var u ulid.ULID
	_ = u.SetTime(uint64(w.now()))
	u[14], u[15] = byte(w.made>>8), byte(w.made)
	return u.String()
}

// name is an id in a few letters.
func name(id string) string {
	if of, callback := strings.CutSuffix(id, callbackJob); callback {
		return name(of) + callbackJob
	}
	if u, err := ulid.Parse(strings.TrimPrefix(strings.TrimPrefix(id, "fut_"), "grp_")); err == nil {
		return fmt.Sprintf("%c%d", id[0], int(u[14])<<8|int(u[15]))
	}
	return id
}

// nobody is an id that no future ever has.
const nobody = "nobody"

// anyID is likely to be that of a future, and a recent one.
func (w *world) anyID() string {
	ids := append(slices.Clone(promiseIDs), promiseIDs...)
	ids = append(ids, w.ids[max(0, len(w.ids)-6):]...)
	return oneOf(w.T, "id", append(ids, nobody)...)
}

// meanwhile is what may happen to what the slow read is about: it comes into being, or to its end.
func (w *world) meanwhile() *call {
	id := oneOf(w.T, "meanwhile", append(w.slow.about, nobody)...)
	f := w.oracle.Known(id)
	switch {
	case f == nil && slices.Contains(promiseIDs, id):
		return w.submit(&record.Submit{Futures: []record.NewFuture{{ID: id, Kind: record.KindPromise}}})
	case f != nil && !f.State.Settled() && f.Kind == record.KindPromise:
		return w.settle(&record.Settle{ID: id, Value: []byte("1")})
	case f != nil && !f.State.Settled():
		return w.cancel(id)
	}
	return w.drawChange()
}

// awaitedEvents are those that somebody waits for, or will when its read has come home.
func (w *world) awaitedEvents() (names []string) {
	for _, c := range w.calls {
		if c.wait == nil {
			continue
		}
		for _, l := range leavesOf(c.wait.For) {
			if l.Expr.Op == api.OpEvent {
				names = append(names, l.Expr.Ref)
			}
		}
	}
	return names
}

// settledID is likely to be that of a future that is settled and not durable.
func (w *world) settledID() string {
	for _, id := range w.warmIDs() {
		if w.oracle.Known(id).State.Settled() && chance(w.T, "this one", 70) {
			return id
		}
	}
	return w.anyID()
}

// pendingID is that of a future that is pending, if there is one.
func (w *world) pendingID() string {
	var ids []string
	for _, id := range w.warmIDs() {
		if !w.oracle.Known(id).State.Settled() {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return w.anyID()
	}
	return oneOf(w.T, "id", ids...)
}

// settledPromise is likely to be one that was settled by somebody.
func (w *world) settledPromise() string {
	for _, id := range promiseIDs {
		if f := w.oracle.Known(id); f != nil && f.State.Settled() && f.State != record.StateCancelled {
			return id
		}
	}
	return w.anyID()
}

// warmIDs are those that are known without the store.
func (w *world) warmIDs() (ids []string) {
	for _, id := range append(slices.Clone(promiseIDs), w.ids[max(0, len(w.ids)-8):]...) {
		if !w.oracle.Cold(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// waitingIDs are those of futures that wait.
func (w *world) waitingIDs() (ids []string) {
	for _, wait := range w.oracle.Futures() {
		ids = append(ids, wait.Of)
	}
	return ids
}

// idsAtOnce are those of promises that may be asked for with others: who has to wait until the last promise of that id
// is forgotten asks twice; see single. So may who comes after the end of its callback.
func (w *world) idsAtOnce() (ids []string) {
	for _, id := range promiseIDs {
		f := w.oracle.Known(id)
		if f == nil || !f.State.Settled() || f.SettledAt.Add(f.TTL) > w.now() {
			ids = append(ids, id)
		}
	}
	return ids
}

// idsLate are the others.
func (w *world) idsLate() []string {
	atOnce := w.idsAtOnce()
	return slices.DeleteFunc(slices.Clone(promiseIDs), func(id string) bool { return slices.Contains(atOnce, id) })
}

// drawSubmit draws futures, promises of those ids among them.
func (w *world) drawSubmit(ids []string) *call {
	var futures []record.NewFuture
	for range rapid.IntRange(1, 3).Draw(w.T, "futures") {
		futures = append(futures, w.drawFuture(ids))
	}
	c := &record.Submit{Futures: futures}
	if chance(w.T, "key", 20) {
		c.KeyTTL = oneOf(w.T, "key ttl", time.Hour, 10*time.Millisecond)
		c.Key = &record.Key{Name: oneOf(w.T, "key", "k", "l"), Fingerprint: []byte(oneOf(w.T, "fingerprint", "1", "1", "2"))}
	}
	return w.submit(c)
}

func (w *world) drawFuture(ids []string) record.NewFuture {
	t := w.T
	n := w.drawKept()
	kinds := []record.Kind{record.KindFetch, record.KindFetch, record.KindTimer, record.KindPromise, record.KindWait}
	if len(ids) == 0 {
		kinds = kinds[:3]
	}
	switch oneOf(t, "kind", kinds...) {
	case record.KindWait:
		return w.drawWaiting(w.warmIDs())
	case record.KindFetch:
		n.ID, n.Kind = w.newID(), record.KindFetch
		n.Request = drawRequest(t)
		w.drawLimit(&n)
		w.drawBegin(&n)
		w.drawDeadline(&n)
	case record.KindPromise:
		return w.drawPromise(ids)
	default:
		n.ID, n.Kind = w.newID(), record.KindTimer
		if w.drawBegin(&n); n.At == 0 && n.Delay == 0 {
			n.Delay = ms(t, "after", 1, 20)
		}
	}
	return n
}

// drawWaiting draws a future that waits, for futures among these, and for other things.
func (w *world) drawWaiting(ids []string) record.NewFuture {
	t := w.T
	n := w.drawKept()
	n.ID, n.Kind = w.newID(), record.KindWait
	if waits := w.waitingIDs(); len(waits) > 0 && chance(t, "for one that waits", 40) {
		ids = waits
	}
	e, both := api.Expr{}, false
	if chance(t, "both", 20) {
		e, both = w.drawBoth(ids)
	}
	switch {
	case both:
		w.drawDeadline(&n)
	case chance(t, "for long", 25):
		n.Sets, e.Op = "", api.OpAll // for what is decided from outside, one after the other, in any order
		for _, name := range eventNames {
			e.Of = append(e.Of, event(name))
		}
	default:
		w.drawDeadline(&n)
		e = w.drawExpr(oneOf(t, "depth", 0, 0, 1, 1, 2), ids)
	}
	var err error
	if n.For, err = json.Marshal(e); err != nil {
		panic(err)
	}
	if chance(t, "after", 40) {
		n.Kind, n.Request = record.KindFetch, drawRequest(t)
		w.drawLimit(&n)
		w.drawBegin(&n)
	}
	return n
}

// drawLimit draws a key, and what is asked of it.
func (w *world) drawLimit(n *record.NewFuture) {
	t := w.T
	n.LimitKey = oneOf(t, "key", "", "", "k", "l")
	switch oneOf(t, "asks", "nothing", "nothing", "concurrency", "rate", "both") {
	case "concurrency":
		n.Limit = &record.LimitSettings{Concurrency: oneOf(t, "concurrency", 1, 2)}
	case "rate":
		n.Limit = &record.LimitSettings{Rate: oneOf(t, "rate", 1, 2, 3), Period: ms(t, "period", 1, 30)}
	case "both":
		n.Limit = &record.LimitSettings{Concurrency: 1, Rate: 2, Period: oneOf(t, "period", time.Minute, time.Hour)}
	}
}

// drawKept draws what is the same for all kinds.
func (w *world) drawKept() record.NewFuture {
	t := w.T
	n := record.NewFuture{TTL: oneOf(t, "ttl", 0, 0, 20*time.Millisecond, time.Millisecond)}
	if chance(t, "callback", 30) {
		n.Callback = drawCallback(t)
	}
	if chance(t, "labels", 30) {
		n.Labels = []record.Label{oneOf(t, "label", labels...)}
	}
	if chance(t, "sets", 30) {
		n.Sets = oneOf(t, "event", eventNames...)
	}
	if open := w.openGroups(); len(open) > 0 && chance(t, "joins", 40) {
		n.Group = oneOf(t, "group", open...)
	} else if chance(t, "joins any", 3) {
		n.Group = oneOf(t, "group", w.recentGroups()...)
	}
	return n
}

func (w *world) drawPromise(ids []string) record.NewFuture {
	n := w.drawKept()
	n.ID, n.Kind = oneOf(w.T, "id", ids...), record.KindPromise
	w.drawDeadline(&n)
	for _, id := range ids {
		if w.oracle.flights[id+callbackJob].recalled && chance(w.T, "before the last one has landed", 60) {
			n.ID, n.Callback, n.Timeout, n.Until = id, drawCallback(w.T), 0, w.now()
		}
	}
	return n
}

func (w *world) drawBegin(n *record.NewFuture) {
	switch oneOf(w.T, "begins", "at once", "at once", "after", "at") {
	case "after":
		n.Delay = oneOf(w.T, "delay", ms(w.T, "short", 1, 15), ms(w.T, "short", 1, 15), time.Hour)
	case "at":
		n.At = w.now() + record.Time(rapid.IntRange(-3, 15).Draw(w.T, "at"))
	}
}

func (w *world) drawDeadline(n *record.NewFuture) {
	switch oneOf(w.T, "deadline", "none", "none", "timeout", "until") {
	case "timeout":
		n.Timeout = ms(w.T, "timeout", 1, 25)
	case "until":
		n.Until = w.now() + record.Time(rapid.IntRange(-1, 25).Draw(w.T, "until"))
	}
}

func drawRequest(t *rapid.T) record.Packed {
	r := record.Request{
		Method:  oneOf(t, "method", "GET", "POST", "DELETE", "PATCH"),
		URL:     "https://" + oneOf(t, "host", hosts...) + "/path?query",
		Retry:   record.Retry{AttemptsMax: 3, NonIdempotent: chance(t, "non idempotent", 20)},
		Headers: []record.Header{{Name: "Authorization", Values: []string{"secret"}}},
		Body:    []byte("secret"), Timeout: time.Second, Traceparent: "trace",
	}
	return r.Pack()
}

func (w *world) drawSettle(id string) *call {
	c := &record.Settle{ID: id}
	if f := w.oracle.Known(id); f != nil && f.Kind == record.KindPromise && chance(w.T, "again", 50) {
		switch {
		case f.State == record.StateSucceeded:
			c.Value = f.Result.Body.Inline
			return w.settle(c)
		case f.State == record.StateFailed && f.Failure.Type == record.FailRejected:
			c.Failure = f.Failure
			return w.settle(c)
		}
	}
	switch oneOf(w.T, "with", "1", "2", "failure", "other failure") {
	case "1":
		c.Value = []byte("1")
	case "2":
		c.Value = []byte(`"2"`)
	case "failure":
		c.Failure = &record.Failure{Type: record.FailRejected, Message: "No."}
	default:
		c.Failure = &record.Failure{Type: record.FailRejected, Message: "Not at all."}
	}
	return w.settle(c)
}

func (w *world) drawChange() *call {
	c := &record.EventChange{
		Name: oneOf(w.T, "event", append(w.awaitedEvents(), eventNames...)...),
		Op:   oneOf(w.T, "op", record.EventSet, record.EventSet, record.EventPulse, record.EventClear, record.EventDelete),
	}
	if c.Op == record.EventSet && chance(w.T, "falls", 30) {
		c.TTL = ms(w.T, "ttl", 1, 15)
	}
	if (c.Op == record.EventSet || c.Op == record.EventPulse) && chance(w.T, "payload", 30) {
		c.Payload = &record.Payload{ContentType: "text/plain", Data: []byte(oneOf(w.T, "payload", "x", "y"))}
	}
	return w.change(c)
}

// recentIDs are those of futures that may be known, or in the store, or neither.
func (w *world) recentIDs() []string {
	return append(append([]string{nobody}, promiseIDs...), w.ids[max(0, len(w.ids)-6):]...)
}

// drawWait draws a wait for what is known without the store, and for anything if cold.
func (w *world) drawWait(cold bool) *call {
	e, from := (*api.Expr)(nil), (*talk)(nil)
	if chance(w.T, "goes on", 30) {
		e, from = w.drawTalk(cold)
	}
	if e == nil {
		e = w.drawQuestion(cold)
	}
	return w.hold(&Wait{
		For:     e,
		Timeout: oneOf(w.T, "timeout", time.Minute, time.Minute, 0, ms(w.T, "short", 1, 20)),
		// What is to be cancelled is asked for by the loop; see single.
		CancelRest: w.lingering() == nil && chance(w.T, "cancel rest", 30),
		Abandons:   chance(w.T, "abandons", 70),
	}, from)
}

// drawQuestion draws what to wait for.
func (w *world) drawQuestion(cold bool) *api.Expr {
	ids := w.warmIDs()
	if cold {
		ids = w.recentIDs()
	}
	e, both := api.Expr{}, false
	switch {
	case cold && chance(w.T, "with an event", 80):
		e = api.Expr{Op: oneOf(w.T, "op", api.OpAll, api.OpAny), Of: []api.Expr{
			{Op: api.OpFuture, Ref: oneOf(w.T, "future", ids...)}, event(oneOf(w.T, "event", eventNames...)),
		}}
		both = true
	case chance(w.T, "both", 40):
		e, both = w.drawBoth(ids)
	}
	if !both {
		e = w.drawExpr(oneOf(w.T, "depth", 0, 1, 1, 2, 3), ids)
	}
	return &e
}

func (w *world) drawExpr(depth int, ids []string) api.Expr {
	if depth == 0 {
		return w.drawLeaf(ids)
	}
	e := api.Expr{Op: oneOf(w.T, "op", api.OpAll, api.OpAny, api.OpAtLeast, api.OpSettled)}
	parts := 1
	if e.Op != api.OpSettled {
		parts = rapid.IntRange(1, 3).Draw(w.T, "parts")
	}
	for range parts {
		e.Of = append(e.Of, w.drawExpr(depth-oneOf(w.T, "down", 1, min(depth, 2)), ids))
	}
	if e.Op == api.OpAtLeast {
		e.K = rapid.IntRange(1, parts).Draw(w.T, "k")
	}
	return e
}

func (w *world) drawLeaf(ids []string) api.Expr {
	t := w.T
	kinds := []string{"event", "event", "counted", "sleep", "until", "group"}
	if len(ids) > 0 {
		kinds = append(kinds, "future", "future", "future")
	}
	switch oneOf(t, "leaf", kinds...) {
	case "event":
		return api.Expr{Op: api.OpEvent, Ref: oneOf(t, "event", eventNames...)}
	case "counted":
		e := api.Expr{Op: api.OpEvent, Ref: oneOf(t, "event", eventNames...), Times: rapid.Uint64Range(0, 3).Draw(t, "times")}
		if e.Times == 0 || chance(t, "after", 50) {
			after := rapid.Uint64Range(0, 3).Draw(t, "after")
			e.After = &after
		}
		return e
	case "sleep":
		return api.Expr{Op: api.OpSleep, Sleep: oneOf(t, "sleep", ms(t, "short", 0, 15), ms(t, "short", 0, 15), time.Hour)}
	case "group":
		return inGroup(w.anyGroup())
	case "until":
		return api.Expr{Op: api.OpUntil, Until: (w.now() + record.Time(rapid.IntRange(-2, 15).Draw(t, "until"))).Time()}
	}
	return api.Expr{Op: api.OpFuture, Ref: oneOf(t, "future", ids...)}
}

// drawBoth waits for a future and for the event that it sets, or for its group, in either order.
func (w *world) drawBoth(ids []string) (api.Expr, bool) {
	for _, id := range ids {
		f := w.oracle.Known(id)
		if f == nil {
			continue
		}
		var feeds []api.Expr
		if f.Sets() != "" {
			feeds = append(feeds, event(f.Sets()))
		}
		if w.oracle.groups[f.Group()] != nil {
			feeds = append(feeds, inGroup(f.Group()))
		}
		if len(feeds) > 0 {
			both := []api.Expr{{Op: api.OpFuture, Ref: id}, oneOf(w.T, "feeds", feeds...)}
			if chance(w.T, "the other first", 50) {
				slices.Reverse(both)
			}
			return api.Expr{Op: oneOf(w.T, "op", api.OpAll, api.OpAny), Of: both}, true
		}
	}
	return api.Expr{}, false
}

// drawOutcome ends an attempt that is under way.
func (w *world) drawOutcome() {
	t := w.T
	at := die(len(w.attempts)).Draw(t, "attempt")
	a := w.attempts[at]
	w.attempts = slices.Delete(w.attempts, at, at+1)
	if strings.HasSuffix(a.id, callbackJob) {
		w.brings(a, w.drawDelivery(a))
		return
	}
	o := &record.Outcome{ID: a.id, Attempt: record.Attempt{N: a.n, At: w.now(), Duration: time.Millisecond, Status: 200}}
	answer := &record.Result{Status: 200, Body: record.Body{Bytes: 2, Inline: []byte("ok")}}
	switch how := oneOf(t, "brings", "success", "success", "retry", "retry", "failure", "status", "cut"); how {
	case "success":
		o.Result = answer
		w.seen.saw("an attempt succeeded")
	case "cut":
		o.Attempt.Failure = &record.Failure{Type: record.FailCancelled, Message: "The server ends."}
		o.Attempt.Status = 0
		o.Retry = chance(t, "retry", 30)
		w.seen.saw("an attempt was cut")
	default:
		o.Attempt.Failure = &record.Failure{Type: record.FailConnect, Message: "It did not answer."}
		if how == "status" {
			o.Attempt.Failure, o.Result = &record.Failure{Type: record.FailHTTPStatus, Message: "It said 500."}, answer
		}
		w.seen.saw("an attempt failed")
		if o.Retry = how == "retry"; o.Retry {
			o.RetryAfter = ms(t, "retry after", 0, 15)
			w.seen.saw("an attempt is tried again")
		}
	}
	w.brings(a, o)
}

// brings is the end of an attempt.
func (w *world) brings(a attempt, o *record.Outcome) {
	w.note("outcome of %s#%d: %v, retry %v", name(a.id), a.n, o.Attempt.Failure, o.Retry)
	w.outcomes = append(w.outcomes, o)
	w.life.kernel.Outcome(o)
}

func (w *world) drawQuery() record.FutureQuery {
	t := w.T
	q := record.FutureQuery{Limit: oneOf(t, "limit", 100, 2, 1)}
	if chance(t, "by state", 30) {
		q.State = record.State(rapid.IntRange(1, 5).Draw(t, "state"))
	}
	if chance(t, "by kind", 30) {
		q.Kind = record.Kind(rapid.IntRange(1, 4).Draw(t, "kind"))
	}
	if chance(t, "by label", 30) {
		q.Label = &labels[rapid.IntRange(0, 1).Draw(t, "label")]
	}
	if chance(t, "by group", 20) {
		member := store.MemberOf(w.anyGroup())
		q.Label = &member
	}
	return q
}
