package sim

import (
	"slices"
	"strings"
	"testing"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

// sightings counts what has happened, over many worlds. A test that never tried the interesting thing proves less than
// it says.
type sightings map[string]int

func (s sightings) saw(what string) { s[what]++ }

// count is the end of an operation, refused or not.
func (s sightings) count(verb string, r Refusal) {
	if r != "" {
		verb += ": " + string(r)
	}
	s.saw(verb)
}

// must are what no run may be without.
var must = []string{
	"submit", "submit: too many futures", "submit: id taken", "submit: key reused", "submit again",
	"submit: futures too large", "submit: too many events", "submit waited for the commit",
	"submit: too many leaves", "submit: cyclic wait", "submit: unknown future",
	"cancel", "cancel again", "cancel: unknown future", "cancel: already settled",
	"resolve", "resolve again", "resolve: unknown future", "resolve: already settled", "resolve: not settleable",
	"reject", "reject again", "reject: unknown future", "reject: already settled", "reject: not settleable",
	"delete", "delete: unknown future", "delete: not settled", "delete waited for the commit",
	"read", "read: unknown future",
	"set", "set: too many events", "set: events too large", "pulse", "pulse: too many events", "clear", "forget",
	"wait: satisfied", "wait: failed", "wait: pending",
	"wait: too many waiters", "wait: too many leaves", "wait: too many events", "wait: unknown future",
	"busy", "draining",

	"a conversation went on", "a conversation went on over a restart", "a conversation was told of something new",
	"a conversation was told of something new over a restart", "a conversation was told of a set that had passed",
	"a conversation was told of a set that had passed over a restart",
	"who left abandoned a future", "who left was not the last who waited for a future",
	"a stream told of a leaf", "a stream told of several leaves at once", "a stream: satisfied", "a stream: pending",
	"a stream told of a leaf that was cut off before", "the caller of a stream left",
	"a stream of a wait went on", "a stream of a wait went on over a restart",
	"a stream told of an event", "a stream of an event went on", "a stream told of a future",
	"a stream of a future went on",
	"a stream told what was missed", "a stream told what was missed over a restart",
	"a conversation was not told twice", "a conversation was not told twice over a restart",

	"a key is closed", "a key is open", "a key is half open", "a key comes back", "a key is forgotten",
	"a fetch is queued", "a fetch is rate limited", "a fetch is kept from its target",
	"an attempt succeeded", "an attempt failed", "an attempt is tried again", "an attempt was cut", "abort",
	"a key made room for another", "a key waits for its host", "a callback waits for its host",
	"a cancel raced an outcome", "an outcome came late",
	"woken: satisfied", "woken: failed", "woken: pending", "the rest was cancelled", "a waiter left",
	"a wait was woken by an event set and cleared in one turn",
	"a wait came in the turn in which its event was set",
	"an event was set between two looks of a wait",
	"an answer was held by a commit", "an expired future was swept", "an idle event was forgotten",
	"a read came home late",
	"a commit was lost in memory", "a commit that nobody heard of was durable in memory",
	"a commit was lost on disk", "a commit that nobody heard of was durable on disk", "the disk failed",
	"timers met a clock that was set by 1h0m0s", "timers met a clock that was set by -1h0m0s",
	"restart with running", "failed with outcome_unknown", "failed with quarantined", "failed with deadline",
	"failed with timeout", "failed with cancelled", "failed with connect", "failed with dependency_failed",

	"a future waits", "a wait is over", "a wait was decided from the start", "a wait decided a wait",
	"a wait is over that kept the order of its leaves over a death",
	"a nested wait is over", "a wait ran out of time", "a fetch that waited never starts: dependency_failed",
	"a fetch that waited never starts: deadline",
	"a fetch that waited begins", "a fetch that waited is delayed", "a wait is over that outlived a server",
	"decided leaves outlived a server", "a wait was decided by a server that begins",
	"a future that waits was cancelled", "a submit read what it waits for",

	"make group", "make group again", "make group: too many groups", "make group: key reused",
	"make group: unknown group",
	"cancel group", "cancel group: unknown group",
	"renew group", "renew group: unknown group", "renew group: group closed",
	"submit: unknown group", "submit: group closed", "wait: unknown group",
	"a group was satisfied", "a group was failed", "a group was taken up again", "closing a group cancelled members",
	"a group was decided that outlived a server", "a wait was decided by a group", "a member decided a wait for its group",
	"a group was closed: cancelled", "a group was closed: deadline", "a group was closed: timeout",
	"a group was closed: dependency_failed", "a group was closed: when its work was done",
	"a group was closed that nobody joined", "a group was forgotten", "a group was forgotten that nobody joined",
	"it would wait for its own group",

	"the callback of a fetch is pending", "the callback of a promise is pending", "the callback of a timer is pending",
	"the callback of a wait is pending", "the callback of a fetch is skipped", "the callback of a promise is skipped",
	"a callback was delivered", "a callback was delivered by another server", "a callback is tried again",
	"a callback failed for good", "a callback was given up", "a callback was over after the ttl of its future",
	"a callback was deleted with its future", "a callback waits for one that was recalled",
	"a receiver is left alone", "a delivery was interrupted by a death", "a delivery that was interrupted is made again",
	"the end of a callback was lost with its commit",
}

// complete fails the test for each that never happened.
func (s sightings) complete(t *testing.T) {
	t.Helper()
	for _, what := range must {
		if s[what] == 0 {
			t.Errorf("this never happened: %s", what)
		}
	}
	t.Logf("seen: %v", map[string]int(s))
}

// sawKeys notes how the keys stand.
func (w *world) sawKeys() {
	for _, k := range w.oracle.limits {
		w.seen.saw("a key is " + [...]string{"closed", "open", "half open"}[k.circuit.State])
		if k.slots > 0 {
			w.seen.saw("a key comes back")
		}
		if k.host != "" {
			w.seen.saw("a key waits for its host")
			if strings.HasPrefix(k.name, "callback:") {
				w.seen.saw("a callback waits for its host")
			}
		}
		if k.circuit.State == record.CircuitOpen && len(k.ids) > 0 && strings.HasPrefix(k.name, "callback:") {
			w.seen.saw("a receiver is left alone")
		}
		if len(k.ids) > 0 {
			all, present := w.oracle.flying(k)
			reason, _ := k.blocked(1, w.oracle.Now, all, present)
			w.seen.saw("a fetch is " + map[record.Reason]string{
				record.ReasonNone: "queued", record.ReasonQueued: "queued", record.ReasonRateLimited: "rate limited",
				record.ReasonCircuitOpen: "kept from its target",
			}[reason])
		}
	}
	if n := len(w.oracle.limits); n < w.keys {
		w.seen.saw("a key is forgotten")
	}
	w.keys = len(w.oracle.limits)
}

// nested reports whether a part of e has parts.
func nested(e *api.Expr) bool {
	return slices.ContainsFunc(e.Of, func(part api.Expr) bool { return !part.Leaf() })
}

// sawWaits notes what came of those futures that waited when the turn began.
func (w *world) sawWaits(before []*Wait) {
	after := w.oracle.Futures()
	if len(after) > 0 {
		w.seen.saw("a future waits")
	}
	for _, wait := range before {
		f := w.oracle.futures[wait.Of]
		switch {
		case slices.Contains(after, wait) || f == nil:
		case f.Reason == record.ReasonDelayed:
			w.seen.saw("a fetch that waited is delayed")
		case !f.State.Settled():
			w.seen.saw("a fetch that waited begins")
		case f.State == record.StateCancelled:
			w.seen.saw("a future that waits was cancelled")
		case f.Kind == record.KindFetch:
			w.seen.saw("a fetch that waited never starts: " + string(f.Failure.Type))
		case f.Failure != nil && f.Failure.Type == record.FailTimeout:
			w.seen.saw("a wait ran out of time")
		default:
			w.seen.saw("a wait is over")
			if nested(wait.For) {
				w.seen.saw("a nested wait is over")
			}
			if f.CreatedAt < record.TimeOf(w.origin) {
				w.seen.saw("a wait is over that outlived a server")
				if w.disordered[wait.Of] {
					w.seen.saw("a wait is over that kept the order of its leaves over a death")
				}
			}
		}
		for _, l := range wait.done {
			if l.Future != nil && l.Future.Kind == record.KindWait && f != nil && f.State.Settled() {
				w.seen.saw("a wait decided a wait")
			}
		}
	}
}

// races is what is worth knowing about one turn before it is applied.
type races struct {
	seen    sightings
	set     []string // events that it sets
	cleared []string // and then clears
}

func (w *world) races(t *record.Turn) *races {
	r := &races{seen: w.seen}
	var ended []string
	for _, command := range t.Commands {
		switch c := command.(type) {
		case *record.EventChange:
			if c.Op == record.EventSet {
				r.set = append(r.set, c.Name)
			} else if c.Op == record.EventClear && slices.Contains(r.set, c.Name) {
				r.cleared = append(r.cleared, c.Name)
			}
		case *record.Outcome:
			if f := w.oracle.Known(c.ID); f == nil || f.State != record.StateRunning {
				w.seen.saw("an outcome came late")
			}
			ended = append(ended, c.ID)
		case *record.Cancel:
			if slices.Contains(ended, c.ID) {
				w.seen.saw("a cancel raced an outcome")
			}
		}
	}
	return r
}

// woke is a held wait that this turn has answered.
func (r *races) woke(wait *Wait) {
	r.seen.saw("woken: " + string(wait.Answer.Outcome))
	for _, l := range wait.Answer.Done {
		if l.Future != nil && slices.ContainsFunc(wait.Answer.Pending, func(other Leaf) bool {
			return other.Group != nil && other.Group.ID == l.Future.Group()
		}) {
			r.seen.saw("a member decided a wait for its group")
		}
		if l.Group != nil && l.At > l.Group.CreatedAt {
			r.seen.saw("a wait was decided by a group")
		}
		if l.Event != nil && slices.Contains(r.cleared, l.Event.Name) && l.At == l.Event.SetAt {
			r.seen.saw("a wait was woken by an event set and cleared in one turn")
		}
	}
}

// looked is a wait that looked in this turn.
func (r *races) looked(c *call) {
	if c.wait == nil || c.wait.Answer == nil {
		return
	}
	for _, l := range c.wait.Answer.Done {
		if l.Expr.Op == api.OpEvent && slices.Contains(r.set, l.Expr.Ref) {
			r.seen.saw("a wait came in the turn in which its event was set")
		}
	}
}
