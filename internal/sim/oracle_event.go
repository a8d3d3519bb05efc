package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

// Event is the event of that name as it is now. One that was never set, or was forgotten, is unset.
func (o *Oracle) Event(name string) *record.Event {
	if e := o.events[name]; e != nil {
		return e
	}
	return &record.Event{Name: name}
}

// names are those that count towards EventsMax: of events that are remembered, and of those that are needed.
func (o *Oracle) names() map[string]bool {
	names := o.needed()
	for name := range o.events {
		names[name] = true
	}
	return names
}

// needed are the events that somebody waits for, or that a future is to set.
func (o *Oracle) needed() map[string]bool {
	names := map[string]bool{}
	for _, w := range o.waits {
		w.addNames(names)
	}
	for _, f := range o.futures {
		if f.Sets() != "" && !f.State.Settled() {
			names[f.Sets()] = true
		}
	}
	return names
}

// idleSince is since when an event is down and nobody needs it; false when that is not so.
func (o *Oracle) idleSince(name string) (record.Time, bool) {
	e := o.events[name]
	if e == nil || e.Set || o.needed()[name] {
		return 0, false
	}
	return max(e.SetAt, e.ClearedAt, o.left[name]), true
}

func (o *Oracle) forgetEvent(name string) {
	delete(o.events, name)
	o.Changes++
	o.fade(name)
}

// addNames adds the events that w would wait for.
func (w *Wait) addNames(names map[string]bool) {
	for _, l := range w.leaves {
		if l.Expr.Op == api.OpEvent && l.Outcome == Pending {
			names[l.Expr.Ref] = true
		}
	}
}

// changeEvent does one operation on a named event.
func (o *Oracle) changeEvent(c *record.EventChange) Answer {
	raises := c.Op == record.EventSet || c.Op == record.EventPulse
	more := c.Payload.Bytes() - o.Event(c.Name).Payload.Bytes()
	switch names := o.names(); {
	case raises && !names[c.Name] && len(names) >= o.Limits.EventsMax:
		return Answer{Refusal: TooManyEvents}
	case raises && more > 0 && o.payloadBytes()+more > o.Limits.EventBytesMax:
		return Answer{Refusal: EventsTooLarge}
	}
	woken := 0
	switch {
	case raises:
		woken = o.raise(c.Name, c.Payload, c.Op == record.EventSet, c.TTL)
	case c.Op == record.EventClear:
		o.lower(c.Name)
	case o.events[c.Name] != nil:
		o.forgetEvent(c.Name)
	}
	return Answer{Event: o.Event(c.Name), Woken: woken}
}

// payloadBytes are those that count towards EventBytesMax.
func (o *Oracle) payloadBytes() (n int64) {
	for _, e := range o.events {
		n += e.Payload.Bytes()
	}
	return n
}

// raise counts a generation and wakes who waits; set raises the flag too, until the ttl has passed if there is one.
func (o *Oracle) raise(name string, p *record.Payload, set bool, ttl time.Duration) (woken int) {
	e := *o.Event(name)
	e.Generation++
	e.Version++
	e.SetAt, e.ClearedAt, e.Payload, e.Serial = o.Now, 0, p, o.count()
	if set {
		e.Set, e.ExpiresAt = true, 0
	}
	if set && ttl > 0 {
		e.ExpiresAt = o.Now.Add(ttl)
	}
	o.events[name] = &e
	o.Changes++
	woken = o.eventRaised(&e)
	o.counts[countOf(api.OpEvent, name)]++
	o.fade(name)
	return woken
}

// lower takes the flag down, if it is up. What was counted stays.
func (o *Oracle) lower(name string) {
	if e := *o.Event(name); e.Set {
		e.Set, e.ExpiresAt, e.ClearedAt = false, 0, o.Now
		e.Version++
		o.events[name] = &e
		o.Changes++
	}
	o.fade(name)
}

// fade makes the appointment of an event: the end of its ttl, or, when it is down, a look at it when it may have been
// idle for long. Nothing else happens to it by itself.
func (o *Oracle) fade(name string) {
	at := o.Event(name).ExpiresAt
	if e := o.events[name]; e != nil && !e.Set {
		since, idle := o.idleSince(name)
		if !idle {
			since = o.Now
		}
		at = since.Add(o.Limits.EventTTL)
	}
	o.enter("event "+name, at, func() {
		since, idle := o.idleSince(name)
		switch {
		case idle && since.Add(o.Limits.EventTTL) <= o.Now:
			o.forgetEvent(name)
		case o.events[name].Set:
			o.lower(name)
		default:
			o.fade(name)
		}
	})
}

// EventNames are the events that there are a fact of, in order.
func (o *Oracle) EventNames() []string { return slices.Sorted(maps.Keys(o.events)) }
