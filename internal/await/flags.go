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

// changeEvent does what a caller asks of a named event, within the bounds on names and payloads.
func (s *State) changeEvent(c *record.EventChange) (EventAnswer, error) {
	counts := c.Op == record.EventSet || c.Op == record.EventPulse
	known := s.events.Known(c.Name)
	switch more := c.Payload.Bytes() - s.events.Look(c.Name).Payload.Bytes(); {
	case !counts && !known:
		return EventAnswer{Event: s.events.Look(c.Name)}, nil
	case counts && !known && s.events.Len() >= s.limits.EventsMax:
		return EventAnswer{}, ErrTooManyEvents
	case counts && more > 0 && s.events.Bytes()+more > s.limits.EventBytesMax:
		return EventAnswer{}, ErrEventsTooLarge
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
		s.events.Clear(e, s.at)
	case record.EventDelete:
		s.events.Delete(e)
	}
	s.fade(e)
	return EventAnswer{Event: e.Fact(), Woken: int(s.decided - before)}
}

// fade makes e fall when its ttl has passed, or, when it is down, be looked at when it may have been idle for long.
// Nothing else is to happen to it by itself.
func (s *State) fade(e *events.Event) {
	if e.Expiry != zeroTimer {
		s.due.Cancel(e.Expiry)
		e.Expiry = zeroTimer
	}
	at := e.Fact().ExpiresAt
	switch {
	case at != 0:
	case e.Fact().Set || e.Fact().Generation == 0: // it stays as it is, or is not remembered at all
		return
	default:
		since, idle := e.Idle()
		if !idle {
			since = s.at
		}
		at = since.Add(s.limits.EventTTL)
	}
	e.Expiry = s.due.Insert(onWheel(at), fading{e})
}

// fading is the end of a ttl of an event: the one its set gave it, or the one of idle events.
type fading struct{ event *events.Event }

func (f fading) due(s *State) {
	e := f.event
	e.Expiry = zeroTimer
	if since, idle := e.Idle(); idle && since.Add(s.limits.EventTTL) <= s.at {
		s.events.Delete(e)
		return
	}
	if at := e.Fact().ExpiresAt; at != 0 && at <= s.at {
		s.events.Clear(e, s.at)
	}
	s.fade(e)
}

// roomToSet reports whether the names that futures will set when they succeed, as far as they are new, fit beside those
// that are known.
func (s *State) roomToSet(futures []record.NewFuture) bool {
	fresh := map[string]bool{}
	for i := range futures {
		if name := futures[i].Sets; name != "" && !s.events.Known(name) {
			fresh[name] = true
		}
	}
	return len(fresh) == 0 || s.events.Len()+len(fresh) <= s.limits.EventsMax
}
