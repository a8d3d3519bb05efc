package await

import (
	"github.com/awaitd/awaitd/internal/events"
	"github.com/awaitd/awaitd/internal/record"
)

// EventAnswer is an event as a change left it, and how many waits that change decided.
type EventAnswer struct {
	Event *record.Event
	Woken int
}

// changeEvent does what a caller asks of a named event, within the bound on names.
func (s *State) changeEvent(c *record.EventChange) (EventAnswer, error) {
	counts := c.Op == record.EventSet || c.Op == record.EventPulse
	switch {
	case s.events.Known(c.Name):
	case !counts:
		return EventAnswer{Event: s.events.Look(c.Name)}, nil
	case s.events.Len() >= s.limits.EventsMax:
		return EventAnswer{}, ErrTooManyEvents
	}
	return s.flag(c), nil
}

// flag does one operation on a named event, and makes the flag fall when its ttl has passed.
func (s *State) flag(c *record.EventChange) EventAnswer {
	before := s.decided
	e := s.events.Get(c.Name)
	switch c.Op {
	case record.EventSet:
		s.events.Set(c.Name, c.Payload, c.TTL, s.at)
		s.tally.eventSets.Inc()
	case record.EventPulse:
		s.events.Pulse(c.Name, c.Payload, s.at)
		s.tally.eventSets.Inc()
	case record.EventClear:
		s.events.Clear(e)
	case record.EventDelete:
		s.events.Delete(e)
	}
	s.fallAt(e, e.Fact().ExpiresAt)
	return EventAnswer{Event: e.Fact(), Woken: int(s.decided - before)}
}

// fallAt makes the flag of e fall at that time, and at no other. Zero: never.
func (s *State) fallAt(e *events.Event, at record.Time) {
	if e.Expiry != zeroTimer {
		s.due.Cancel(e.Expiry)
		e.Expiry = zeroTimer
	}
	if at != 0 {
		e.Expiry = s.due.Insert(onWheel(at), fall{e})
	}
}

// fall lowers a flag whose ttl has passed.
type fall struct{ event *events.Event }

func (f fall) due(s *State) {
	f.event.Expiry = zeroTimer
	s.events.Clear(f.event)
}
