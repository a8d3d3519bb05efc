package sim

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/awaitd/awaitd/internal/record"
)

// Limits are the bounds of the contract that the state can meet.
type Limits struct {
	FuturesPendingMax, WaitersMax, WaitLeavesHeldMax, EventsMax, GroupsMax int
	WorkersMax, HostAttemptsMax                                            int
	PendingBytesMax, EventBytesMax                                         int64
	TTLDefault, EventTTL                                                   time.Duration
}

// Refusal is why a command was refused; empty when it was not.
type Refusal string

// The refusals of the contract.
const (
	TooManyFutures  Refusal = "too many futures"
	FuturesTooLarge Refusal = "futures too large"
	TooManyEvents   Refusal = "too many events"
	EventsTooLarge  Refusal = "events too large"
	TooManyWaiters  Refusal = "too many waiters"
	TooManyLeaves   Refusal = "too many leaves"
	IDTaken         Refusal = "id taken"
	UnknownFuture   Refusal = "unknown future"
	AlreadySettled  Refusal = "already settled"
	NotSettleable   Refusal = "not settleable"
	NotSettled      Refusal = "not settled"
	KeyReused       Refusal = "key reused"
	Cyclic          Refusal = "cyclic wait"
	TooManyGroups   Refusal = "too many groups"
	UnknownGroup    Refusal = "unknown group"
	GroupClosed     Refusal = "group closed"
	NotDurable      Refusal = "not durable yet" // the caller is not told: the verb asks again
)

// Answer is what the caller of a command is told.
type Answer struct {
	Refusal Refusal
	Futures []*record.Future // created, cancelled, settled; or the one that stands in the way
	Place   Place            // of the one that stands in the way
	Again   []string         // what the same request created before
	Missing []string         // futures that it waits for, and that only the store can know: nothing has happened
	Event   *record.Event
	Woken   int
	Group   *record.Group // or the one that is closed
}

// Effect is what a turn does to the world once it is durable.
type Effect struct {
	Does       Does
	ID         string // of the future, or the name of the delivery of its callback
	N          int    // of the attempt to launch, and what it is to send until when
	Request    record.Packed
	Tells      *record.Future // what is to be delivered; nil: it is no callback
	DeadlineAt record.Time
	Wait       *Wait // answered, or told; or the stream that is over
	Leaf       *Leaf // that it is told of
	Talk       *Talk // where its conversation stands then
	Changes    int   // what must be durable before
}

// Does is the kind of an Effect.
type Does int

// The kinds of effects.
const (
	Launches    Does = iota // an attempt begins
	Aborts                  // the attempt under way ends; its outcome still comes
	CancelsRest             // a further command: cancel this future
	Wakes                   // a held wait is answered, or a stream is over
	Tells                   // a stream
)

// Snapshot is the state at the end of a turn, as a commit makes it durable.
type Snapshot struct {
	Futures map[string]*record.Future
	Events  map[string]*record.Event
	Keys    map[string]*record.Key
	Limits  map[string]*record.Limit
	Groups  map[string]*record.Group
	Leaves  map[string][]record.Leaf // that are decided, of futures that wait
	Counts  map[string]int           // see Oracle.counts
	Serial  uint64                   // see Oracle.serial
	At      record.Time              // of the turn
	Changes int
}

// Oracle is the specification: all that a server knows, and what each command does to it. Facts are immutable, as
// everywhere; their Version is not kept here.
type Oracle struct {
	Limits   Limits
	Now      record.Time
	Draining bool
	Changes  int            // how many there have been: each new fact is one
	Touched  map[string]int // Changes at the last change of each future
	Stored   Snapshot       // what is durable

	futures   map[string]*record.Future // all that are not forgotten
	events    map[string]*record.Event
	keys      map[string]*record.Key
	left      map[string]record.Time // events: when somebody last stopped to wait for it, or to be about to set it
	limits    map[string]*key
	bounds    map[string]*record.Limit // their facts
	changed   []*key                   // whose facts have, since the last snapshot
	restoring bool                     // keys have not got back what is stored of them
	turns     []string                 // keys that may start something; the one whose turn it is comes first
	parked    []*key                   // keys that could, if their host had a place; longest waiting first
	dropped   []string                 // futures that are known only until that is durable
	flights   map[string]flight        // attempts under way, by name: their outcome has not come
	orphans   []string                 // their attempts were under way when the server before this one died
	waits     []*Wait                  // held, oldest first
	groups    map[string]*record.Group
	members   map[string][]string // of groups: those that are pending, in the order in which they joined
	counts    map[string]int      // how often each event was set or pulsed, and each group decided: ever
	cascade   []func()            // what is to come of what was decided, or closed
	book      []appointment
	entries   int    // in the book so far
	serial    uint64 // of the last set or pulse
	effects   []Effect
}

// appointment is something that happens at a time. Among those of one moment, what was entered first happens first;
// what was entered for a moment that had passed counts as entered for that moment.
type appointment struct {
	of     string // at most one of each
	at     record.Time
	entry  int
	happen func()
}

// NewOracle is a server at that time, on a store that holds this.
func NewOracle(l Limits, stored Snapshot, now record.Time) *Oracle {
	o := &Oracle{
		Limits: l, Now: now, Stored: stored, Changes: stored.Changes, Touched: map[string]int{},
		futures: maps.Clone(stored.Futures), events: maps.Clone(stored.Events), keys: maps.Clone(stored.Keys),
		flights: map[string]flight{}, left: map[string]record.Time{}, limits: map[string]*key{},
		bounds: maps.Clone(stored.Limits), restoring: true,
		groups: maps.Clone(stored.Groups), members: map[string][]string{}, counts: maps.Clone(stored.Counts),
		serial: stored.Serial,
	}
	o.restoreGroups()
	for _, f := range oldestFirst(stored.Futures) {
		o.restore(f)
	}
	for _, f := range oldestFirst(stored.Futures) {
		o.restoreCallback(f)
	}
	for _, name := range slices.Sorted(maps.Keys(o.events)) {
		o.fade(name)
	}
	o.resume()
	o.restoreKeys()
	return o
}

// count is the next serial: above all others, although they be forgotten.
func (o *Oracle) count() uint64 {
	o.serial = max(o.serial+1, uint64(o.Now)<<20)
	return o.serial
}

// restore is what a new server does with a future that it finds: everything goes on, by wall time.
func (o *Oracle) restore(f *record.Future) {
	if f.Kind == record.KindFetch && !f.State.Settled() {
		o.enlist(f, nil)
	}
	switch {
	case f.State.Settled():
	case rests(f):
		o.meet(f.ID, f.DeadlineAt)
	case f.State == record.StateRunning:
		o.meet(f.ID, f.DeadlineAt)
		o.orphans = append(o.orphans, f.ID)
	case f.Kind == record.KindTimer:
		o.meet(f.ID, f.DueAt)
	case f.NextAttemptAt != 0:
		o.meet(f.ID, soonest(f.NextAttemptAt, f.DeadlineAt))
	case f.Kind == record.KindFetch:
		o.meet(f.ID, f.DeadlineAt)
		o.enqueue(f)
	default:
		o.meet(f.ID, f.DeadlineAt)
	}
}

// oldestFirst is the order in time. Within a millisecond ids that the server made, which tell their order, come before
// chosen ones.
func oldestFirst(futures map[string]*record.Future) []*record.Future {
	return slices.SortedFunc(maps.Values(futures), func(a, b *record.Future) int {
		switch {
		case bornAt(a) != bornAt(b):
			return int(bornAt(a) - bornAt(b))
		case (a.Kind == record.KindPromise) != (b.Kind == record.KindPromise):
			return int(boolean(a.Kind == record.KindPromise) - boolean(b.Kind == record.KindPromise))
		}
		return strings.Compare(a.ID, b.ID)
	})
}

// bornAt is when the server made the id of a future, or when the future with a chosen id was created.
func bornAt(f *record.Future) record.Time {
	if f.Kind == record.KindPromise {
		return f.CreatedAt
	}
	return record.Time(ulid.MustParse(strings.TrimPrefix(f.ID, "fut_")).Time())
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Known is the future of that id as it is now; nil when there is none, or no more. What has expired is forgotten,
// but not before its end is durable.
func (o *Oracle) Known(id string) *record.Future {
	f := o.futures[id]
	if f != nil && o.Cold(id) && f.ExpiresAt <= o.Now {
		return nil
	}
	return f
}

// Cold reports whether all that is known of that id is in the store: nothing is, or it is settled for good.
func (o *Oracle) Cold(id string) bool {
	f := o.futures[id]
	return f == nil || over(f) && o.Stored.Futures[id] == f
}

// Snapshot is what a commit that begins now makes durable.
func (o *Oracle) Snapshot() Snapshot {
	futures := maps.Clone(o.futures)
	for _, id := range o.dropped {
		delete(futures, id)
	}
	return Snapshot{
		futures, maps.Clone(o.events), maps.Clone(o.keys), o.takeBounds(), maps.Clone(o.groups),
		o.decidedLeaves(), maps.Clone(o.counts), o.serial, o.Now, o.Changes,
	}
}

// Durable says that a commit of s has ended. What had expired by its time and was in the store before is swept.
func (o *Oracle) Durable(s Snapshot) (swept []string) {
	for _, f := range oldestFirst(s.Futures) {
		if over(f) && f.ExpiresAt <= s.At && o.Stored.Futures[f.ID] == f {
			swept = append(swept, f.ID)
			delete(s.Futures, f.ID)
			if o.futures[f.ID] == f {
				delete(o.futures, f.ID)
			}
		}
	}
	o.dropped = slices.DeleteFunc(o.dropped, func(id string) bool {
		if o.Touched[id] > s.Changes {
			return false
		}
		delete(o.futures, id)
		return true
	})
	for name, k := range s.Keys {
		if k.ExpiresAt <= s.At && o.Stored.Keys[name] == k {
			delete(s.Keys, name)
			if o.keys[name] == k {
				delete(o.keys, name)
			}
		}
	}
	o.Stored = s
	return swept
}

// TakeEffects returns what has been set in motion since it was last called, in order.
func (o *Oracle) TakeEffects() []Effect {
	taken := o.effects
	o.effects = nil
	for i := range taken {
		taken[i].Changes = o.Changes
	}
	return taken
}

// Advance lets time pass: everything due happens, one after the other, then what comes of that, and so on while that
// makes more due; then free workers start what queues.
func (o *Oracle) Advance(at record.Time) {
	o.Now = max(o.Now, at)
	o.follow()
	for fired := true; fired; {
		fired = false
		before := o.entries
		for i := o.nextInBook(before); i >= 0 && o.book[i].at <= o.Now; i = o.nextInBook(before) {
			a := o.book[i]
			o.book = slices.Delete(o.book, i, i+1)
			a.happen()
			fired = true
		}
		o.follow()
	}
	o.startQueued()
	o.report()
}

// NextDue is when something happens next; false when nothing will.
func (o *Oracle) NextDue() (at record.Time, ok bool) {
	if i := o.nextInBook(o.entries); i >= 0 {
		return o.book[i].at, true
	}
	return 0, false
}

// nextInBook is where in the book the next appointment stands, of the first so many entries; -1: there is none. The
// book is in order of entry.
func (o *Oracle) nextInBook(entries int) int {
	next := -1
	for i, a := range o.book {
		if a.entry <= entries && (next < 0 || a.at < o.book[next].at) {
			next = i
		}
	}
	return next
}

// enter makes an appointment instead of the one that there was. Zero makes none.
func (o *Oracle) enter(of string, at record.Time, happen func()) {
	o.book = slices.DeleteFunc(o.book, func(a appointment) bool { return a.of == of })
	if at != 0 {
		o.entries++
		o.book = append(o.book, appointment{of, max(at, o.Now), o.entries, happen})
	}
}

// Apply does what a command asks. read is what its caller has read from the store.
func (o *Oracle) Apply(c record.Command, read map[string]*record.Future) Answer {
	var a Answer
	switch c := c.(type) {
	case *record.Submit:
		a = o.submit(c, read)
	case *record.Outcome:
		o.outcome(c)
	case *record.Cancel:
		a = CancelOf(o.Known(c.ID))
		if f := o.Known(c.ID); f != nil && !f.State.Settled() {
			a.Futures = []*record.Future{o.cancel(f)}
		}
	case *record.Settle:
		a = SettleOf(o.Known(c.ID), c)
		if a.Refusal == NotSettleable {
			a.Place = o.Place(c.ID)
		}
		if f := o.Known(c.ID); f != nil && f.Kind == record.KindPromise && !f.State.Settled() {
			a.Futures = []*record.Future{o.settlePromise(f, c)}
		}
	case *record.Delete:
		a = o.forget(c.ID)
	case *record.EventChange:
		a = o.changeEvent(c)
	case *record.CreateGroup:
		a = o.makeGroup(c)
	case *record.CancelGroup:
		a = o.cancelGroup(c)
	case *record.RenewGroup:
		a = o.renewGroup(c)
	case *record.Restart:
		o.restart()
	}
	o.follow()
	o.startQueued()
	o.report()
	return a
}

// Census is how many there are of each.
type Census struct{ Pending, Running, Queued, Events, Waiters, Timers, Unawaited int }

// Census counts.
func (o *Oracle) Census() Census {
	c := Census{
		Running: len(o.flights), Events: len(o.names()), Waiters: len(o.Callers()), Timers: len(o.book),
	}
	for _, f := range o.futures {
		c.Pending += boolean(!f.State.Settled())
		c.Unawaited += boolean(!f.State.Settled() && !o.awaited(f.ID))
	}
	for _, k := range o.limits {
		c.Queued += len(k.ids)
	}
	return c
}
