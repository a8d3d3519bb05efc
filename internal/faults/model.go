package faults

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// futureState is how a future stands, and its specification. The zero value is none: it was never created, or was
// deleted. Once it has ended it stays so.
type futureState struct {
	born string // which of those that had the id: each create of a promise has a name of its own
	how  string // pending, ended, or how it ended
}

const (
	pending = "pending"
	ended   = "ended" // somehow; nobody has seen how
)

func (s futureState) String() string {
	return strings.TrimSpace(s.born + " " + cmp.Or(s.how, "absent"))
}

// change is the specification of one future: what a call makes of it, and what is answered.
func (s futureState) change(o operation) (next futureState, is reply) {
	none := s == futureState{}
	switch {
	case o.verb == "create" && none:
		s = futureState{o.value, pending}
		return s, reply{"201", s}
	case o.verb == "create":
		return s, reply{says: "409 id-taken"}
	case o.verb == "delete" && s.how == pending:
		return s, reply{"409 not-settled", s}
	case o.verb == "delete": // none: another delete came first, see apart
		return futureState{}, reply{says: "204"}
	case none:
		return s, reply{says: "404 unknown-future"}
	case o.verb == "find":
		return s, reply{says: "204"}
	case o.verb == "read" && s.how == pending:
		return s, reply{"202", s}
	case o.verb == "read":
		return s, reply{"200", s}
	case s.how == pending || s.how == o.value: // settling again with the same outcome is the same answer again
		s.how = o.value
		return s, reply{"200", s}
	default:
		return s, reply{"409 already-settled", s}
	}
}

// apart takes a call apart into steps that happen at one moment each, in whatever order, while the call lasts. A delete
// that says 204 has found the future and then deleted it; another delete may have done so in between, and says the
// same. One that says 404 has only looked.
func apart(o operation) (steps []operation) {
	switch {
	case o.verb != "delete" || o.thing == event || o.lost:
		return []operation{o}
	case o.reply.says == "404 unknown-future":
		o.verb = "find"
		return []operation{o}
	case o.reply.says == "204":
		found := o
		found.verb = "find"
		return []operation{found, o}
	default:
		return []operation{o}
	}
}

// futures is the model of one future. A call that got no answer may have happened or not. A fetch ends by itself:
// its end comes to light when somebody sees it, and happened at any time before.
var futures = porcupine.NondeterministicModel{
	Init: func() []any { return []any{futureState{}} },
	Step: func(state, input, _ any) (after []any) {
		o := input.(operation)
		before := []futureState{state.(futureState)}
		if o.thing == fetch && before[0].how == pending {
			before = append(before, futureState{how: ended})
			if saw, ok := o.reply.saw.(futureState); ok && saw.how != pending {
				before = append(before, saw)
			}
		}
		if o.lost {
			after = append(after, state)
		}
		for _, s := range before {
			if next, is := s.change(o); o.lost || is == o.reply {
				after = append(after, next)
			}
		}
		return after
	},
	DescribeState: func(state any) string { return state.(futureState).String() },
}

// standing is how an event stands. The zero value is one that was never set, or was deleted.
type standing struct {
	set        bool
	generation uint64
	payload    string
}

func (e standing) String() string {
	return fmt.Sprintf("set=%v generation=%d %q", e.set, e.generation, e.payload)
}

// eventState is the specification of one event: how it stands, and, if the last thing that happened to it was a pulse,
// when the call that pulsed was over; else 0.
type eventState struct {
	standing
	pulsed time.Duration
}

// change is what a call makes of an event, and with what it may be answered.
func (e eventState) change(o operation) (next eventState, says []string) {
	switch o.verb {
	case "set":
		return eventState{standing: standing{true, e.generation + 1, o.value}}, []string{"200"}
	case "pulse":
		return eventState{standing{e.set, e.generation + 1, o.value}, o.returned}, []string{"200"}
	case "clear":
		return eventState{standing: standing{false, e.generation, e.payload}}, []string{"200"}
	case "delete":
		return eventState{}, []string{"204"}
	case "wait": // until the generation has passed, and a deleted event has passed none
		if e.generation > o.after {
			return e, []string{"200"}
		}
	case "read", "hold":
		switch {
		case e.set:
			return e, []string{"200"}
		case o.verb == "hold" && e.pulsed > o.called: // a pulse wakes who is there, and the call may have been
			return e, []string{"200", "202"}
		}
	}
	return e, []string{"202"}
}

// events is the model of one event.
var events = porcupine.NondeterministicModel{
	Init: func() []any { return []any{eventState{}} },
	Step: func(state, input, _ any) []any {
		o := input.(operation)
		next, says := state.(eventState).change(o)
		switch {
		case o.lost:
			return []any{state, next}
		case slices.Contains(says, o.reply.says) && (o.reply.saw == next.standing || o.verb == "delete"):
			return []any{next}
		default:
			return nil
		}
	},
	DescribeState: func(state any) string { return state.(eventState).String() },
}

// checkTime bounds the search for one order of the calls on one thing. It takes milliseconds; who needs longer has
// shown nothing, and that counts as a fault.
const checkTime = 30 * time.Second

// linearizable looks for one order of the calls on each thing, and tells the things that have none, with their calls.
func linearizable(h *history) (faults []string) {
	keys, operations := h.byKey()
	models := map[thing]porcupine.Model{promise: futures.ToModel(), fetch: futures.ToModel(), event: events.ToModel()}
	for _, key := range keys {
		of := operations[key]
		var steps []porcupine.Operation
		for _, o := range of {
			for _, step := range apart(o) {
				steps = append(steps, porcupine.Operation{
					ClientId: o.client, Input: step, Call: int64(o.called), Output: step.reply, Return: int64(o.returned),
				})
			}
		}
		if is := porcupine.CheckOperationsTimeout(models[of[0].thing], steps, checkTime); is != porcupine.Ok {
			faults = append(faults, fmt.Sprintf("%s: no order of the calls explains the answers (%s):\n%s", key, is, tale(of)))
		}
	}
	return faults
}

// tale is the calls on one thing, one a line, by their beginning.
func tale(of []operation) string {
	of = slices.Clone(of)
	slices.SortFunc(of, func(a, b operation) int { return cmp.Compare(a.called, b.called) })
	var lines strings.Builder
	for _, o := range of {
		said := fmt.Sprintf("%s %v", o.reply.says, o.reply.saw)
		if o.lost {
			said = "no answer"
		}
		fmt.Fprintf(&lines, "  %12v to %12v  client %d: %s %s after %d: %s\n",
			o.called, o.returned, o.client, o.verb, o.value, o.after, said)
	}
	return lines.String()
}
