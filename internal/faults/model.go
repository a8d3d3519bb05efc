package faults

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// The specification of a future is a text: absent, pending, or how it ended. Once it has ended it stays so, until it
// is deleted.
const (
	absent  = ""
	pending = "pending"
	ended   = "ended" // somehow; nobody has seen how
)

// future is the specification of one future: what a call makes of it, and what is answered.
func future(state string, o operation) (next string, is reply) {
	switch {
	case o.verb == "create" && state == absent:
		return pending, reply{"201", pending}
	case o.verb == "create":
		return state, reply{says: "409 id-taken"}
	case state == absent:
		return state, reply{says: "404 unknown-future"}
	case o.verb == "read" && state == pending:
		return state, reply{"202", state}
	case o.verb == "read":
		return state, reply{"200", state}
	case o.verb == "delete" && state == pending:
		return state, reply{"409 not-settled", state}
	case o.verb == "delete":
		return absent, reply{says: "204"}
	case state == pending || state == o.value: // settling again with the same outcome is the same answer again
		return o.value, reply{"200", o.value}
	default:
		return state, reply{"409 already-settled", state}
	}
}

// standing is how an event stands, and its specification. The zero value is one that was never set, or was deleted.
type standing struct {
	set        bool
	generation uint64
	payload    string
}

func (e standing) String() string {
	return fmt.Sprintf("set=%v generation=%d %q", e.set, e.generation, e.payload)
}

// change is the specification of one event: what a call makes of it, and what is answered.
func (e standing) change(o operation) (next standing, is reply) {
	switch o.verb {
	case "set":
		e = standing{true, e.generation + 1, o.value}
	case "pulse":
		e = standing{e.set, e.generation + 1, o.value}
	case "clear":
		e.set = false
	case "delete":
		return standing{}, reply{says: "204"}
	case "read":
		if !e.set {
			return e, reply{"202", e}
		}
	case "wait":
		if e.generation <= o.after {
			return e, reply{"202", e}
		}
	}
	return e, reply{"200", e}
}

// futures is the model of one future. A call that got no answer may have happened or not. A fetch ends by itself:
// its end comes to light when somebody sees it, and happened at any time before.
var futures = porcupine.NondeterministicModel{
	Init: func() []any { return []any{absent} },
	Step: func(state, input, _ any) (after []any) {
		o := input.(operation)
		before := []string{state.(string)}
		if o.thing == fetch && state == pending {
			before = append(before, ended)
			if saw, ok := o.reply.saw.(string); ok && saw != pending {
				before = append(before, saw)
			}
		}
		if o.lost || state == absent && o.verb == "delete" && o.reply.says == "204" {
			after = append(after, state) // of two who delete at the same time both are told that it is gone
		}
		for _, state := range before {
			if next, is := future(state, o); o.lost || is == o.reply {
				after = append(after, next)
			}
		}
		return after
	},
	DescribeState: func(state any) string { return cmp.Or(state.(string), "absent") },
}

// events is the model of one event.
var events = porcupine.NondeterministicModel{
	Init: func() []any { return []any{standing{}} },
	Step: func(state, input, _ any) (after []any) {
		o := input.(operation)
		next, is := state.(standing).change(o)
		switch {
		case o.lost:
			return []any{state, next}
		case is == o.reply:
			return []any{next}
		default:
			return nil
		}
	},
	DescribeState: func(state any) string { return state.(standing).String() },
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
		calls := make([]porcupine.Operation, len(of))
		for i, o := range of {
			calls[i] = porcupine.Operation{
				ClientId: o.client, Input: o, Call: int64(o.called), Output: o.reply, Return: int64(o.returned),
			}
		}
		if is := porcupine.CheckOperationsTimeout(models[of[0].thing], calls, checkTime); is != porcupine.Ok {
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
