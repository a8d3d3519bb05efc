package sim

import (
	"slices"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

// A stream is a Wait whose caller is told one by one: of a wait, each leaf once when it is decided, and its end; of an
// event, each set and pulse; of a future, how it stands after each command and each time that changed it. What happens
// is told when it is durable, in order, once.

// tell makes the caller of w be told.
func (o *Oracle) tell(w *Wait, l Leaf) {
	o.effects = append(o.effects, Effect{Does: Tells, Wait: w, Leaf: &l, Talk: o.talk(w)})
}

// hangUp ends a stream without another word.
func (o *Oracle) hangUp(w *Wait) {
	o.Withdraw(w)
	o.effects = append(o.effects, Effect{Does: Wakes, Wait: w})
}

// stream begins to tell of a wait.
func (o *Oracle) stream(w *Wait, read map[string]*record.Future) Refusal {
	o.lookAll(w, read)
	for _, l := range w.done[w.told():] {
		o.tell(w, *l)
	}
	switch {
	case w.Outcome() != Pending:
		o.wake(w)
	case o.Draining:
		o.hangUp(w)
	default:
		return o.hold(w)
	}
	return ""
}

// watch begins to tell of a future or an event: how it stands, unless the caller knows, or the event is not set and the
// caller knows of no set before.
func (o *Oracle) watch(w *Wait, read map[string]*record.Future) (refused Refusal) {
	l := Leaf{Expr: w.For, Outcome: Pending}
	if w.For.Op == api.OpEvent {
		l.Event = o.Event(w.For.Ref)
		if o.Draining {
			o.hangUp(w)
			return ""
		}
		refused = o.hold(w)
		if w.Serial == 0 && l.Event.Set || w.Serial != 0 && l.Event.Serial != 0 && l.Event.Serial != w.Serial {
			o.tell(w, l)
		}
		return refused
	}
	l.Future, l.Place = o.view(w.For.Ref, read), o.Place(w.For.Ref)
	over := l.Future.State.Settled() || o.Draining
	if !over {
		refused = o.hold(w)
	}
	if w.seen = l.Future; w.Seen == nil || !w.Seen(l.Future) {
		o.tell(w, l)
	}
	if over {
		o.hangUp(w)
	}
	return refused
}

// report tells of the futures that are watched and have changed.
func (o *Oracle) report() {
	for _, w := range slices.Clone(o.waits) {
		if !w.Watches || w.For.Op != api.OpFuture || o.futures[w.For.Ref] == w.seen {
			continue
		}
		w.seen = o.futures[w.For.Ref]
		o.tell(w, Leaf{Expr: w.For, Outcome: Pending, Future: w.seen, Place: o.Place(w.seen.ID)})
		if w.seen.State.Settled() {
			o.hangUp(w)
		}
	}
}
