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

// names are those that count towards EventsMax: of events that were set once, and of events that are waited for.
func (o *Oracle) names() map[string]bool {
	names := map[string]bool{}
	for name := range o.events {
		names[name] = true
	}
	for _, w := range o.waits {
		w.addNames(names)
	}
	return names
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
	if names := o.names(); raises && !names[c.Name] && len(names) >= o.Limits.EventsMax {
		return Answer{Refusal: TooManyEvents}
	}
	woken := 0
	switch {
	case raises:
		woken = o.raise(c.Name, c.Payload, c.Op == record.EventSet, c.TTL)
	case c.Op == record.EventClear:
		o.lower(c.Name)
	case o.events[c.Name] != nil:
		delete(o.events, c.Name)
		o.Changes++
		o.fallAt(c.Name, 0)
	}
	return Answer{Event: o.Event(c.Name), Woken: woken}
}

// raise counts a generation and wakes who waits; set raises the flag too, until the ttl has passed if there is one.
func (o *Oracle) raise(name string, p *record.Payload, set bool, ttl time.Duration) (woken int) {
	e := *o.Event(name)
	e.Generation++
	e.Version++
	e.SetAt, e.Payload = o.Now, p
	if set {
		e.Set, e.ExpiresAt = true, 0
	}
	if set && ttl > 0 {
		e.ExpiresAt = o.Now.Add(ttl)
	}
	o.events[name] = &e
	o.Changes++
	woken = o.eventRaised(&e)
	o.fallAt(name, e.ExpiresAt)
	return woken
}

// lower takes the flag down, if it is up. What was counted stays.
func (o *Oracle) lower(name string) {
	if o.events[name] == nil || !o.events[name].Set {
		return
	}
	e := *o.events[name]
	e.Set, e.ExpiresAt = false, 0
	e.Version++
	o.events[name] = &e
	o.Changes++
	o.fallAt(name, 0)
}

// fallAt makes the flag fall at that time and at no other. Zero: never.
func (o *Oracle) fallAt(name string, at record.Time) {
	o.enter("event "+name, at, func() { o.lower(name) })
}

// EventNames are the events that there are a fact of, in order.
func (o *Oracle) EventNames() []string { return slices.Sorted(maps.Keys(o.events)) }
