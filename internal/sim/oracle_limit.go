package sim

import (
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// The rules of circuits and of what is remembered of a key, as they are published.
const (
	streakMax     = 10
	shareOf       = 20
	windowSeconds = 10
	pauseLeast    = 5 * time.Second
	pauseMost     = time.Minute
	rampFirst     = 2
	rampMost      = 32
	keyIdle       = time.Minute
)

// key is a limit key, with its fetches that wait for their turn. Ragged once one left without being started: a place
// may then be told too large. The worlds stay below 64 starts in a period and 100 retries in ten seconds, where
// counting is exact and no budget is missing.
type key struct {
	name     string
	settings record.LimitSettings
	starts   []record.Time // all that its rate counts
	circuit  record.Circuit
	judged   []judgement // since the circuit got into its state
	era      int         // states that the circuit has been in
	slots    int         // attempts at one time while it comes back; 0: as many as one likes
	ids      []string
	ragged   bool
	restsAt  record.Time // since when nobody needs it; 0: somebody does
	meetsAt  record.Time // its appointment; 0: none
	host     string      // for a place at which it waits; empty: for none
	wokenBy  string      // the host whose place it got, until it has had its turn; empty: none
}

// judgement is an outcome that says something of the target.
type judgement struct {
	at  record.Time
	bad bool
}

// flight is an attempt under way: of which key, at which host, and in which era of its circuit it began.
type flight struct {
	key      string
	host     string
	era      int
	at       record.Time
	recalled bool // a delivery that nobody wants any more
}

// keyOf is the key of a fetch, or of a receiver: those do not share the keys of fetches.
func keyOf(f *record.Future) string {
	switch {
	case f.CallbackPending():
		return "callback:" + hostFor(f)
	case f.LimitKey() != "":
		return f.LimitKey()
	}
	return hostFor(f)
}

// hostFor is the host that the next attempt of f goes to.
func hostFor(f *record.Future) string {
	if f.CallbackPending() {
		return hostOf(f.Callback.URL)
	}
	return hostOf(f.Request.URL())
}

// hostOf is the host of a URL, with its port unless that is the one of its scheme. The test writes none but https, and
// no addresses.
func hostOf(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		panic(err) // the test writes no such URL
	}
	return strings.TrimSuffix(u.Host, ":443")
}

// key is the key of that name, remembered or new.
func (o *Oracle) key(name string) *key {
	k := o.limits[name]
	if k == nil {
		k = &key{name: name}
		o.limits[name] = k
	}
	return k
}

// enlist makes a fetch, or a callback, one of its key. What it asks of the key holds for all of them from now on.
func (o *Oracle) enlist(f *record.Future, asks *record.LimitSettings) {
	k := o.key(keyOf(f))
	if asks != nil {
		k.settings = *asks
	}
	o.tend(k)
}

// enqueue puts a fetch or a callback behind the others of its key. A key that had nothing to start waits until all
// others had a turn.
func (o *Oracle) enqueue(f *record.Future) {
	k := o.key(keyOf(f))
	k.ids = append(k.ids, f.ID)
	o.tend(k)
}

// delist is for a fetch that has settled, or whose callback was pending until now.
func (o *Oracle) delist(f *record.Future) {
	k := o.limits[keyOf(f)]
	if at := slices.Index(k.ids, f.ID); at >= 0 {
		k.ids = slices.Delete(k.ids, at, at+1)
		k.ragged = len(k.ids) > 0
	}
	o.tend(k)
}

// leftAlone reports whether f waits for a target that is left alone.
func (o *Oracle) leftAlone(f *record.Future) bool {
	return o.Place(f.ID).Number > 0 && o.limits[keyOf(f)].circuit.State != record.CircuitClosed
}

// flying is how many attempts of k are under way, and how many of them began in the present era of its circuit.
func (o *Oracle) flying(k *key) (all, now int) {
	for _, fl := range o.flights {
		if fl.key == k.name {
			all++
			now += boolean(fl.era == k.era)
		}
	}
	return all, now
}

// needsKey reports whether somebody needs k: a fetch that has not settled, a callback that is pending, or an attempt
// under way.
func (o *Oracle) needsKey(k *key) bool {
	for _, f := range o.futures {
		needs := f.Kind == record.KindFetch && !f.State.Settled() || f.CallbackPending()
		if needs && keyOf(f) == k.name {
			return true
		}
	}
	all, _ := o.flying(k)
	return all > 0
}

// blocked is why the n-th of k cannot be started now, and until when at the earliest if that is known; all are its
// attempts under way, present those that began in the present era of its circuit.
func (k *key) blocked(n int, now record.Time, all, present int) (record.Reason, record.Time) {
	switch {
	case k.circuit.State == record.CircuitOpen:
		return record.ReasonCircuitOpen, k.circuit.ProbeAt
	case k.circuit.State == record.CircuitHalfOpen && present > 0:
		return record.ReasonCircuitOpen, 0
	case k.settings.Rate > 0 && k.rateFree(n, now) > now:
		return record.ReasonRateLimited, k.rateFree(n, now)
	case k.settings.Concurrency > 0 && all >= k.settings.Concurrency, k.slots > 0 && present >= k.slots:
		return record.ReasonQueued, 0
	}
	return record.ReasonNone, 0
}

// rateFree is when the n-th start from now on may be made, if only the rate is in its way: starts are made in thought,
// one after the other, each as soon as fewer than the rate count.
func (k *key) rateFree(n int, now record.Time) record.Time {
	made := slices.Clone(k.starts)
	for range n {
		if len(made) >= k.settings.Rate {
			now = max(now, made[len(made)-k.settings.Rate].Add(k.settings.Period))
		}
		made = append(made, now)
	}
	return now
}

// tend puts k among those that take turns, or takes it away, and makes its appointment.
func (o *Oracle) tend(k *key) {
	if o.limits[k.name] != k {
		return
	}
	if k.circuit.State == record.CircuitOpen && k.circuit.ProbeAt <= o.Now {
		k.become(record.CircuitHalfOpen, o.Now)
	}
	k.starts = slices.DeleteFunc(k.starts, func(at record.Time) bool {
		return k.settings.Rate == 0 || at.Add(k.settings.Period) <= o.Now
	})
	reason, until := record.ReasonNone, record.Time(0)
	if len(k.ids) > 0 {
		all, present := o.flying(k)
		reason, until = k.blocked(1, o.Now, all, present)
	}
	switch wants := len(k.ids) > 0 && reason == record.ReasonNone; {
	case !wants:
		o.turns = slices.DeleteFunc(o.turns, func(name string) bool { return name == k.name })
		o.unpark(k)
		o.passOn(k)
	case slices.Contains(o.turns, k.name):
	case k.host != "" && k.host == hostFor(o.futures[k.ids[0]]) && o.full(k.host):
	default:
		o.unpark(k)
		o.turns = append(o.turns, k.name)
	}
	if o.needsKey(k) {
		k.restsAt = 0
	} else {
		if k.restsAt == 0 {
			k.restsAt = o.Now
		}
		if until = o.remembered(k); until <= o.Now {
			o.forgetKey(k)
			return
		}
	}
	o.appoint(k, soonest(until, k.circuit.ProbeAt))
	o.remember(k)
}

// remembered is until when k, which nobody needs, is not forgotten.
func (o *Oracle) remembered(k *key) record.Time {
	until := max(k.restsAt, k.circuit.ProbeAt).Add(keyIdle)
	for _, at := range k.starts {
		until = max(until, at.Add(k.settings.Period))
	}
	return until
}

func (o *Oracle) appoint(k *key, at record.Time) {
	if k.meetsAt == at {
		return
	}
	k.meetsAt = at
	o.enter("key "+k.name, at, func() {
		k.meetsAt = 0
		o.tend(k)
	})
}

// remember makes what must not be lost of k a fact, if it is another than before.
func (o *Oracle) remember(k *key) {
	if o.restoring {
		return // what is stored of it comes last
	}
	fact, before := k.fact(), o.bounds[k.name]
	switch {
	case fact == nil && before == nil:
	case fact == nil:
		delete(o.bounds, k.name)
		o.Changes++
	case before == nil || before.LimitSettings != fact.LimitSettings || before.Circuit != fact.Circuit ||
		len(fact.Starts) > 0 && (len(before.Starts) == 0 || !endsAlike(before.Starts, fact.Starts)):
		o.bounds[k.name] = fact
		o.changed = append(o.changed, k)
		o.Changes++
	}
}

// fact is what must not be lost of k; nil when there is nothing.
func (k *key) fact() *record.Limit {
	if k.settings == (record.LimitSettings{}) && k.circuit == (record.Circuit{}) {
		return nil
	}
	fact := &record.Limit{Key: k.name, LimitSettings: k.settings, Circuit: k.circuit}
	for _, at := range k.starts {
		fact.Starts = append(fact.Starts, record.Starts{At: at, N: 1})
	}
	return fact
}

// takeBounds is the facts of keys. Of those that have changed, starts that do not count any more are left out.
func (o *Oracle) takeBounds() map[string]*record.Limit {
	for _, k := range o.changed {
		if o.limits[k.name] == k && o.bounds[k.name] != nil {
			o.bounds[k.name] = k.fact()
		}
	}
	o.changed = nil
	return maps.Clone(o.bounds)
}

// endsAlike reports whether the later fact has no start that the earlier does not have: what has left the count needs
// no new one.
func endsAlike(before, after []record.Starts) bool {
	return len(before) >= len(after) && reflect.DeepEqual(before[len(before)-len(after):], after)
}

func (o *Oracle) forgetKey(k *key) {
	delete(o.limits, k.name)
	o.appoint(k, 0)
	if o.bounds[k.name] != nil {
		delete(o.bounds, k.name)
		o.Changes++
	}
	if k.circuit.State != record.CircuitClosed {
		o.flag(k, record.EventSet)
	}
	if k.circuit.Since != 0 {
		o.flag(k, record.EventDelete)
	}
}

// flag does something to the event that is set while the circuit of k is closed again.
func (o *Oracle) flag(k *key, op record.EventOp) {
	c := &record.EventChange{Name: "limit:" + k.name + ":closed", Op: op}
	if op == record.EventSet {
		c.Payload = &record.Payload{ContentType: "text/plain; charset=utf-8", Data: []byte(k.name)}
	}
	o.changeEvent(c)
}

// land is the end of an attempt, and what it says of the target; false when none of that name was under way.
func (o *Oracle) land(c *record.Outcome) bool {
	fl, ok := o.flights[c.ID]
	if !ok {
		return false
	}
	delete(o.flights, c.ID)
	o.wakeParked(fl.host)
	k := o.key(fl.key)
	before := k.circuit.State
	if bad, says := judge(&c.Attempt); says && !c.Ours && fl.era == k.era {
		k.judged = append(k.judged, judgement{o.Now, bad})
		k.learn(o.Now)
	}
	o.tend(k)
	if closed := k.circuit.State == record.CircuitClosed; closed != (before == record.CircuitClosed) {
		op := record.EventClear
		if closed {
			op = record.EventSet
		}
		o.flag(k, op)
	}
	return true
}

// judge reports whether an attempt was a failure of the target, and whether it says anything of it.
func judge(a *record.Attempt) (bad, says bool) {
	if a.Failure == nil {
		return false, true
	}
	switch a.Failure.Type {
	case record.FailConnect, record.FailDNS, record.FailTLS, record.FailTimeout, record.FailProtocol:
		return true, true
	case record.FailHTTPStatus:
		return a.Status >= 500 || a.Status == http.StatusTooManyRequests, true
	case record.FailRedirect, record.FailTooLarge:
		return false, true
	}
	return false, false
}

// learn changes the circuit after one more judgement.
func (k *key) learn(now record.Time) {
	last := k.judged[len(k.judged)-1]
	streak, all, failed := 0, 0, 0
	for _, j := range k.judged {
		if streak++; !j.bad {
			streak = 0
		}
		if j.at/1000 > now/1000-windowSeconds {
			all++
			failed += boolean(j.bad)
		}
	}
	trips := k.circuit.State == record.CircuitHalfOpen || streak >= streakMax || all >= shareOf && 2*failed >= all
	switch {
	case last.bad && trips:
		k.circuit.Openings++
		pause := pauseLeast
		for range k.circuit.Openings - 1 {
			pause = min(2*pause, pauseMost)
		}
		k.become(record.CircuitOpen, now)
		k.circuit.ProbeAt = now.Add(pause)
	case last.bad:
	case k.circuit.State == record.CircuitHalfOpen:
		k.become(record.CircuitClosed, now)
		k.slots = rampFirst
	case k.slots == rampMost:
		k.slots, k.circuit.Openings = 0, 0
	case k.slots > 0:
		k.slots++
	}
}

func (k *key) become(s record.CircuitState, now record.Time) {
	k.circuit.State, k.circuit.Since, k.circuit.ProbeAt = s, now, 0
	k.era++
	k.slots, k.judged = 0, nil
}

// restoreKeys is what a new server does with the facts of keys that it finds.
func (o *Oracle) restoreKeys() {
	for _, name := range slices.Sorted(maps.Keys(o.bounds)) {
		fact, k := o.bounds[name], o.key(name)
		k.settings, k.circuit = fact.LimitSettings, fact.Circuit
		k.starts = nil
		for _, s := range fact.Starts {
			k.starts = append(k.starts, min(s.At, o.Now)) // the clock may have been set back
		}
		k.circuit.ProbeAt = min(k.circuit.ProbeAt, o.Now.Add(pauseMost))
		if k.circuit.State == record.CircuitClosed && k.circuit.Openings > 0 {
			k.slots = rampFirst
		}
		o.tend(k)
	}
	o.restoring = false
	for _, name := range slices.Sorted(maps.Keys(o.bounds)) {
		o.remember(o.limits[name])
	}
}

// Place is where a fetch stands among those of its key, from 1; 0 when it does not wait for its turn, or is a callback
// that does.
type Place struct {
	Number int
	Ragged bool // a larger number may be told

	blocked func(n int) (record.Reason, record.Time) // as the key stood when this was looked up
}

// Place looks for a future among those that wait.
func (o *Oracle) Place(id string) Place {
	for _, k := range o.limits {
		if at := slices.Index(k.ids, id); at >= 0 {
			then, now := *k, o.Now
			then.starts = slices.Clone(k.starts)
			all, present := o.flying(k)
			blocked := func(n int) (record.Reason, record.Time) { return then.blocked(n, now, all, present) }
			if o.futures[id].CallbackPending() {
				return Place{blocked: blocked}
			}
			return Place{at + 1, k.ragged, blocked}
		}
	}
	return Place{}
}

// Allows reports whether number may be told of this place.
func (p Place) Allows(number int) bool { return number == p.Number || p.Ragged && number > p.Number }

// Shown is f as it is told with the place that was told: why it waits is its key's affair, and changes no fact. Of a
// callback is told until when.
func (p Place) Shown(f *record.Future, told int) *record.Future {
	if f == nil || p.blocked == nil {
		return f
	}
	shown := *f
	switch reason, until := p.blocked(max(1, told)); {
	case f.CallbackPending():
		c := *f.Callback
		c.NextAttemptAt = until
		shown.Callback = &c
	case reason != record.ReasonNone:
		shown.Reason, shown.NextAttemptAt = reason, until
	}
	return &shown
}

// startQueued gives free workers the first of each key in turn. One whose host has no place left takes no turns until
// there is one.
func (o *Oracle) startQueued() {
	for len(o.flights) < o.Limits.WorkersMax && len(o.turns) > 0 && !o.Draining {
		k := o.limits[o.turns[0]]
		o.turns = o.turns[1:]
		if host := hostFor(o.futures[k.ids[0]]); o.full(host) {
			k.host = host
			o.parked = append(o.parked, k)
		} else {
			o.startFirst(k)
		}
		o.passOn(k)
	}
}

func (o *Oracle) startFirst(k *key) {
	f := o.futures[k.ids[0]]
	k.ids = k.ids[1:]
	if len(k.ids) == 0 {
		k.ragged = false
	}
	o.flights[job(f)] = flight{key: k.name, host: hostFor(f), era: k.era, at: o.Now}
	if k.settings.Rate > 0 {
		k.starts = append(k.starts, o.Now)
	}
	if f.CallbackPending() {
		o.deliver(f)
	} else {
		o.start(f)
	}
	o.tend(k)
}

// full reports whether a host has as many attempts under way as it may.
func (o *Oracle) full(host string) bool {
	n := 0
	for _, fl := range o.flights {
		n += boolean(fl.host == host)
	}
	return n >= o.Limits.HostAttemptsMax
}

func (o *Oracle) unpark(k *key) {
	k.host = ""
	o.parked = slices.DeleteFunc(o.parked, func(one *key) bool { return one == k })
}

// wakeParked gives a key its turn that waits for a place at a host, the one that has waited longest, if there is one.
func (o *Oracle) wakeParked(host string) {
	i := slices.IndexFunc(o.parked, func(k *key) bool { return k.host == host })
	if i < 0 || o.full(host) {
		return
	}
	k := o.parked[i]
	o.unpark(k)
	k.wokenBy = host
	o.turns = append(o.turns, k.name)
}

// passOn is for a key that has had its turn, or needs none any more: the host that gave it a place may have one more.
func (o *Oracle) passOn(k *key) {
	if host := k.wokenBy; host != "" {
		k.wokenBy = ""
		o.wakeParked(host)
	}
}

// start makes an attempt of f, a fetch.
func (o *Oracle) start(was *record.Future) {
	f := *was
	f.State, f.Reason, f.NextAttemptAt = record.StateRunning, record.ReasonNone, 0
	if f.StartedAt == 0 {
		f.StartedAt = o.Now
	}
	o.put(&f)
	o.effects = append(o.effects, Effect{
		Does: Launches, ID: f.ID, N: len(f.Attempts) + 1, Request: f.Request, DeadlineAt: f.DeadlineAt,
	})
}
