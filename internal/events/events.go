// Package events keeps the named flags and knows who waits on them.
//
// An event exists without being created: a name that was never set is an unset event of generation 0. Everything
// here is for the loop only.
package events

import (
	"time"

	"github.com/awaitd/awaitd/internal/loop"
	"github.com/awaitd/awaitd/internal/record"
)

// Registry holds every event that is remembered, waited for or reserved. How many that may be, and when one that is
// idle is forgotten, is for the caller to say.
type Registry struct {
	byName  map[string]*Event
	bytes   int64 // of all payloads
	changed []*Event
	serial  uint64 // of the last set or pulse of any
}

// NewRegistry has no events.
func NewRegistry() *Registry { return &Registry{byName: map[string]*Event{}} }

// Event is one named flag with the sleepers it wakes.
type Event struct {
	// Expiry is kept for the caller, who owns the clock: what makes the flag fall when its ttl has passed, or the event be
	// forgotten when it has been idle for long.
	Expiry loop.WheelHandle

	name     string
	fact     *record.Event // nil: never set, or forgotten
	waiters  loop.Waiters
	left     record.Time // when a sleeper or a reservation left last, unwoken
	reserved int
	changed  bool
}

// Name is what the event is called.
func (e *Event) Name() string { return e.name }

// Fact is the event as it is now; never nil, an event that was never set has a zero fact.
func (e *Event) Fact() *record.Event {
	if e.fact == nil {
		return &record.Event{Name: e.name}
	}
	return e.fact
}

// Waiting is how many sleepers wait for the next set or pulse.
func (e *Event) Waiting() int { return e.waiters.Len() }

// Wait puts w to sleep until the next set or pulse. Who still wants more after it was woken waits again.
func (e *Event) Wait(w *loop.Waiter) { e.waiters.Add(w) }

// Leave takes w out of the sleepers and forgets a name that nobody needs any more. Constant time.
func (r *Registry) Leave(e *Event, w *loop.Waiter, at record.Time) {
	e.waiters.Remove(w)
	e.left = at
	r.release(e)
}

// Reserve keeps room for a name that will be set some time. Unreserve undoes it, once for each time.
func (r *Registry) Reserve(name string) { r.Get(name).reserved++ }

// Reserved reports whether somebody is to set that name.
func (r *Registry) Reserved(name string) bool {
	return r.byName[name] != nil && r.byName[name].reserved > 0
}

// Unreserve undoes one Reserve.
func (r *Registry) Unreserve(name string, at record.Time) {
	e := r.byName[name]
	e.reserved--
	e.left = at
	r.release(e)
}

// Idle reports whether nobody would miss e: it is down, nobody waits for it and nobody is to set it. since is from when
// on that has been so, if nothing else was the case in between.
func (e *Event) Idle() (since record.Time, idle bool) {
	if e.fact == nil || e.fact.Set || e.waiters.Len() > 0 || e.reserved > 0 {
		return 0, false
	}
	return max(e.fact.SetAt, e.fact.ClearedAt, e.left), true
}

func (r *Registry) release(e *Event) {
	if e.fact == nil && e.waiters.Len() == 0 && e.reserved == 0 && r.byName[e.name] == e {
		delete(r.byName, e.name)
	}
}

// Look is the fact of the event of that name, without making room for it.
func (r *Registry) Look(name string) *record.Event {
	if fact := r.Last(name); fact != nil {
		return fact
	}
	return &record.Event{Name: name}
}

// Last is the fact of the event of that name; nil when it was never set, or forgotten.
func (r *Registry) Last(name string) *record.Event {
	if e := r.byName[name]; e != nil {
		return e.fact
	}
	return nil
}

// Known reports whether the name is remembered, waited for or reserved already.
func (r *Registry) Known(name string) bool { return r.byName[name] != nil }

// Get finds the event of that name, or makes room for it.
func (r *Registry) Get(name string) *Event {
	e := r.byName[name]
	if e == nil {
		e = &Event{name: name}
		r.byName[name] = e
	}
	return e
}

// Len is how many names are remembered, waited for or reserved.
func (r *Registry) Len() int { return len(r.byName) }

// Bytes is how many bytes all payloads take.
func (r *Registry) Bytes() int64 { return r.bytes }

// Restore puts a stored event back, before the first turn.
func (r *Registry) Restore(fact *record.Event) {
	r.Get(fact.Name).fact = fact
	r.bytes += fact.Payload.Bytes()
	r.Counted(fact.Serial)
}

// Count is the next serial, for something that happens at that time.
func (r *Registry) Count(at record.Time) uint64 {
	r.serial = max(r.serial+1, uint64(at)*serialsAMillisecond)
	return r.serial
}

// Counted says that a serial was given by the last server.
func (r *Registry) Counted(serial uint64) { r.serial = max(r.serial, serial) }

// Serial is that of the last set or pulse of any event. Later ones have higher serials.
func (r *Registry) Serial() uint64 { return r.serial }

// serialsAMillisecond is how many sets one millisecond has serials for. A serial is counted from its time, so that it
// grows over restarts too, even when the event with the last one was forgotten.
const serialsAMillisecond = 1 << 20

// Time is when what has this serial happened.
func Time(serial uint64) record.Time { return record.Time(serial / serialsAMillisecond) }

// Set raises the flag, counts a generation and wakes everybody who waits, in the order they came. With a ttl > 0
// the fact says when the flag is to fall; making it fall is the caller's affair.
func (r *Registry) Set(name string, p *record.Payload, ttl time.Duration, at record.Time) *Event {
	e := r.Get(name)
	fact := r.next(e, p, at)
	fact.Set = true
	fact.ExpiresAt = 0
	if ttl > 0 {
		fact.ExpiresAt = at.Add(ttl)
	}
	r.put(e, fact)
	e.waiters.Wake()
	return e
}

// Pulse counts a generation and wakes everybody who waits now; the flag stays as it was.
func (r *Registry) Pulse(name string, p *record.Payload, at record.Time) *Event {
	e := r.Get(name)
	r.put(e, r.next(e, p, at))
	e.waiters.Wake()
	return e
}

// next is the fact of e one generation on.
func (r *Registry) next(e *Event, p *record.Payload, at record.Time) *record.Event {
	fact := *e.Fact()
	fact.Serial = r.Count(at)
	fact.Generation++
	fact.Version++
	fact.SetAt = at
	fact.ClearedAt = 0
	fact.Payload = p
	return &fact
}

// Clear lowers the flag. Who was woken stays woken; generation and payload of the last set stay. It changes
// nothing when the flag is down.
func (r *Registry) Clear(e *Event, at record.Time) {
	if e.fact == nil || !e.fact.Set {
		return
	}
	fact := *e.fact
	fact.Set = false
	fact.Version++
	fact.ExpiresAt = 0
	fact.ClearedAt = at
	r.put(e, &fact)
}

// Delete forgets the event: its next set is generation 1 again. Sleepers sleep on.
func (r *Registry) Delete(e *Event) {
	if e.fact != nil {
		r.put(e, nil)
	}
	r.release(e)
}

func (r *Registry) put(e *Event, fact *record.Event) {
	r.bytes -= e.Fact().Payload.Bytes()
	e.fact = fact
	r.bytes += e.Fact().Payload.Bytes()
	if !e.changed {
		e.changed = true
		r.changed = append(r.changed, e)
	}
}

// Changed reports whether something has changed since the last call of TakeChanges.
func (r *Registry) Changed() bool { return len(r.changed) > 0 }

// TakeChanges returns what changed since the last call, in the order of the first change of each.
func (r *Registry) TakeChanges() []record.EventFact {
	if len(r.changed) == 0 {
		return nil
	}
	facts := make([]record.EventFact, len(r.changed))
	for i, e := range r.changed {
		e.changed = false
		facts[i] = record.EventFact{Name: e.name, Is: e.fact}
	}
	r.changed = r.changed[:0]
	return facts
}
