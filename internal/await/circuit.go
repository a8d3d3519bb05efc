package await

import (
	"net/http"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

// The circuit of a key opens after CircuitStreakMax failures in a row, or when of the outcomes of the last WindowTime,
// CircuitOutcomesLeast at least, half are failures. Then nothing is started for CircuitOpenLeast, twice as long with
// each opening in a row, CircuitOpenMost at most. After that one attempt is let through: if it fails the circuit opens
// again, else it closes. A circuit that has closed begins with CircuitRampFirst attempts at one time and takes one more
// with each success, until there are CircuitRampMost. (The share, its volume and the first pause are Hystrix's.)
const (
	CircuitStreakMax     = 10
	CircuitOutcomesLeast = 20
	CircuitOpenLeast     = 5 * time.Second
	CircuitOpenMost      = time.Minute
	CircuitRampFirst     = 2
	CircuitRampMost      = 32
)

// circuit keeps attempts away from a target that keeps failing. It knows no clock: time is told to it.
type circuit struct {
	record.Circuit
	era      uint64 // grows with each change of state; an outcome counts only in the era in which it was started
	flying   int    // attempts of this era under way
	slots    int    // attempts at one time while it ramps up; 0: any number
	streak   int    // failures in a row
	outcomes *window
}

// The two counts of outcomes.
const (
	counted  = 0 // all
	failures = 1
)

// verdict is what an outcome says of its target.
type verdict uint8

const (
	neither verdict = iota // the attempt ended for reasons of ours
	good                   // the target answered, and is well
	bad
)

func verdictOf(o *record.Outcome) verdict {
	a := &o.Attempt
	switch {
	case o.Ours:
		return neither
	case a.Failure == nil:
		return good
	}
	switch a.Failure.Type {
	case record.FailConnect, record.FailDNS, record.FailTLS, record.FailTimeout, record.FailProtocol:
		return bad
	case record.FailHTTPStatus:
		if a.Status >= 500 || a.Status == http.StatusTooManyRequests {
			return bad
		}
		return good
	case record.FailRedirect, record.FailTooLarge:
		return good
	default:
		return neither
	}
}

// full reports whether c lets no further attempt through until one of its own ends.
func (c *circuit) full() bool {
	return c.State == record.CircuitHalfOpen && c.flying > 0 || c.slots > 0 && c.flying >= c.slots
}

// judge takes the end of an attempt that was started in an era, and reports whether that changed the circuit.
func (c *circuit) judge(at record.Time, era uint64, v verdict) (changed bool) {
	if era != c.era {
		return false
	}
	c.flying--
	if v == neither {
		return false
	}
	if c.outcomes == nil {
		c.outcomes = &window{}
	}
	c.outcomes.count(at, counted)
	if v == good {
		c.streak = 0
		return c.succeeded(at)
	}
	c.outcomes.count(at, failures)
	c.streak++
	if c.State == record.CircuitHalfOpen || c.trips() {
		c.Openings++
		wait := min(CircuitOpenLeast<<min(c.Openings-1, 10), CircuitOpenMost)
		c.become(record.CircuitOpen, at)
		c.ProbeAt = at.Add(wait)
		return true
	}
	return false
}

func (c *circuit) succeeded(at record.Time) (changed bool) {
	switch {
	case c.State == record.CircuitHalfOpen:
		c.become(record.CircuitClosed, at)
		c.slots = CircuitRampFirst
		return true
	case c.slots == CircuitRampMost:
		c.slots, c.Openings = 0, 0
		return true
	case c.slots > 0:
		c.slots++
	}
	return false
}

func (c *circuit) trips() bool {
	all, failed := c.outcomes.sum[counted], c.outcomes.sum[failures]
	return c.streak >= CircuitStreakMax || all >= CircuitOutcomesLeast && 2*failed >= all
}

func (c *circuit) become(state record.CircuitState, at record.Time) {
	c.State, c.Since, c.ProbeAt = state, at, 0
	c.era++
	c.flying, c.slots, c.streak = 0, 0, 0
	c.outcomes = nil
}

// pass lets time pass: an open circuit whose time is over lets an attempt through.
func (c *circuit) pass(at record.Time) (changed bool) {
	if c.State != record.CircuitOpen || c.ProbeAt > at {
		return false
	}
	c.become(record.CircuitHalfOpen, at)
	return true
}

// restore goes on where a server before this one ended, and reports whether it must be remembered otherwise. What was
// under way is forgotten.
func (c *circuit) restore(fact record.Circuit, at record.Time) (changed bool) {
	c.Circuit = fact
	c.ProbeAt = min(c.ProbeAt, at.Add(CircuitOpenMost))
	if c.State == record.CircuitClosed && c.Openings > 0 {
		c.slots = CircuitRampFirst
	}
	return c.Circuit != fact
}

// changeCircuit keeps account of circuits by state while one changes.
func (s *State) changeCircuit(l *lane, change func(*circuit) bool) {
	before := l.circuit.State
	if !change(&l.circuit) {
		return
	}
	s.queue.circuits[before]--
	s.queue.circuits[l.circuit.State]++
	s.changeLane(l)
}

// flagCircuit tells whoever waits for the circuit of l, which was in another state before. Setting is the last thing
// done to l: what it wakes may start more of it.
func (s *State) flagCircuit(l *lane, before record.CircuitState) {
	now := l.circuit.State
	if closed := now == record.CircuitClosed; closed != (before == record.CircuitClosed) {
		op := record.EventClear
		if closed {
			op = record.EventSet
		}
		s.changeCircuitEvent(l, op)
	}
}

// CircuitEvent is the name of the event that is set when the circuit of a key closes, and cleared when it opens. Of a
// very long host it is too long for an event: then there is none.
func CircuitEvent(key string) string { return "limit:" + key + ":closed" }

// changeCircuitEvent does one operation on the event that is set while the circuit of l is closed again. Where there is
// no room for its name nobody waits for it, and it stays unset.
func (s *State) changeCircuitEvent(l *lane, op record.EventOp) {
	c := &record.EventChange{Name: CircuitEvent(l.key), Op: op}
	if op == record.EventSet {
		c.Payload = &record.Payload{ContentType: "text/plain; charset=utf-8", Data: []byte(l.key)}
	}
	if api.ValidEventName(c.Name) {
		_, _ = s.changeEvent(c)
	}
}
