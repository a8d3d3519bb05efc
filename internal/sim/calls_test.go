package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
)

// turned is a turn of the service: the same commands, in the same order, at the same time, are put to the oracle.
func (w *world) turned(t *record.Turn) {
	if t.At != w.now() || t.At < w.lastTurn {
		w.Fatalf("a turn at %d, after one at %d; it is %d", t.At, w.lastTurn, w.now())
	}
	w.note("turn at %d: %d commands", t.At, len(t.Commands))
	w.lastTurn = t.At
	asked, looking := w.inTurn(t)
	events, futures, groups := w.oracle.EventNames(), w.oracle.Futures(), maps.Clone(w.oracle.groups)
	before := maps.Clone(w.oracle.futures)
	w.oracle.Advance(t.At)
	w.idle(events)
	races := w.races(t)
	sure := len(t.Commands) - len(asked)
	if sure < 0 {
		w.Fatalf("%d commands, %d were asked for", len(t.Commands), len(asked))
	}
	for i, command := range t.Commands {
		if i < sure {
			w.unrefused(command)
			continue
		}
		if c := asked[i-sure]; !c.brings(command) {
			w.Fatalf("the turn has %#v where %s comes next", command, c)
		}
		asked[i-sure].applied = true
		asked[i-sure].turn()
	}
	for _, leave := range w.leavers {
		leave()
	}
	w.leavers = nil
	for _, c := range looking {
		if !c.left {
			c.applied = true
			c.turn()
			races.looked(c)
		}
	}
	w.sawWaits(futures)
	w.sawGroups(groups)
	w.sawCallbacks(before)
	for _, e := range w.oracle.TakeEffects() {
		if e.Wait != nil && e.Wait.Tells {
			e.Wait.news = append(e.Wait.news, e)
		} else {
			w.effects = append(w.effects, e)
		}
	}
	for _, c := range append(asked, looking...) {
		c.changes = w.oracle.Changes
	}
	for _, c := range w.calls {
		if c.wait != nil && c.wait.held && c.wait.Answer != nil && !c.applied {
			c.applied, c.changes = true, w.oracle.Changes
			races.woke(c.wait)
		}
		c.applied = c.applied || c.hears != nil && len(c.hears.news) > 0
	}
}

// inTurn are the callers who take part in a turn: who brings a command, and who only looks. Some ask again, because
// what they found in the store says that the loop knows better. With a command they may do so while the loop goes on,
// so it is the turn that tells whether they are in it.
func (w *world) inTurn(t *record.Turn) (asked, looking []*call) {
	all := w.asked
	w.asked = nil
	for _, c := range w.calls {
		if c.patient.posts == c.turns || slices.Contains(all, c) {
			continue
		}
		if c.again != nil {
			c.again()
		}
		if c.command == nil || slices.ContainsFunc(t.Commands, c.brings) {
			all = append(all, c)
		}
	}
	for _, c := range all {
		c.reading = false
		if c.turns++; c.command != nil {
			asked = append(asked, c)
		} else {
			looking = append(looking, c)
		}
	}
	return asked, looking
}

// brings reports whether a command is that of c: what its verb has read meanwhile goes with it.
func (c *call) brings(command record.Command) bool {
	if submit, ok := command.(*record.Submit); ok {
		first := *submit
		first.Known = nil
		command = &first
	}
	return reflect.DeepEqual(c.command, command)
}

// unrefused is a command from the lane that cannot be refused: an outcome, or a cancellation that a wait asked for.
func (w *world) unrefused(command record.Command) {
	switch c := command.(type) {
	case *record.Restart:
		if !w.life.waking {
			w.Fatalf("a restart in the middle of a life")
		}
		w.life.waking = false
	case *record.Outcome:
		if len(w.outcomes) == 0 || w.outcomes[0] != c {
			w.Fatalf("the turn has the outcome of %s#%d, not the next one", name(c.ID), c.Attempt.N)
		}
		w.outcomes = w.outcomes[1:]
	case *record.Cancel:
		_, _ = w.next()
		if len(w.cancels) == 0 || w.cancels[0] != c.ID {
			w.Fatalf("%s is cancelled, nobody asked for it; still to come: %v", name(c.ID), w.cancels)
		}
		w.cancels = w.cancels[1:]
		w.seen.saw("the rest was cancelled")
	default:
		w.Fatalf("the lane that cannot be refused has %#v", command)
	}
	w.oracle.Apply(command, nil)
}

// submit asks for futures.
func (w *world) submit(c *record.Submit) *call {
	var names []string
	for _, n := range c.Futures {
		names = append(names, name(n.ID))
	}
	one := w.commands("submit", strings.Join(names, " "), c, func(ctx context.Context) (any, error) {
		return w.life.kernel.SubmitOnce(ctx, c)
	})
	for _, e := range expressions(c) {
		if e != nil {
			one.name += fmt.Sprintf(", waits for %s", e)
			one.about = append(one.about, futuresIn(e)...)
		}
	}
	return one
}

// futuresIn are the ids that e names.
func futuresIn(e *api.Expr) (ids []string) {
	for _, l := range leavesOf(e) {
		if l.Expr.Op == api.OpFuture {
			ids = append(ids, l.Expr.Ref)
		}
	}
	return ids
}

// commands is a call that is one command, whose answer the oracle knows in its turn. It may have to ask again.
func (w *world) commands(verb, of string, cmd record.Command, run func(context.Context) (any, error)) *call {
	c := &call{name: verb + " " + of, command: cmd, run: run}
	known := map[string]*record.Future{}
	var lacks []string
	c.turn = func() {
		for _, id := range lacks { // it has read them: late, or as soon as it was told
			f, late := c.saw[id]
			if !late {
				f = w.oracle.Stored.Futures[id]
			}
			if delete(c.saw, id); f != nil && f.State.Settled() {
				known[id] = f
			}
		}
		want := w.oracle.Apply(cmd, known)
		if c.applied = want.Refusal != NotDurable; !c.applied {
			w.seen.saw(verb + " waited for the commit")
		}
		if c, ok := cmd.(*record.Submit); ok && want.Refusal == Cyclic && !slices.ContainsFunc(c.Futures, sets) {
			w.seen.saw("it would wait for its own group")
		}
		lacks = want.Missing
		for _, f := range want.Futures {
			w.births[birth(f)]++
			if f.Kind == record.KindWait && f.State.Settled() {
				w.seen.saw("a wait was decided from the start")
			}
		}
		if len(known) > 0 && len(want.Futures) > 0 {
			w.seen.saw("a submit read what it waits for")
		}
		c.check = func(r result) string {
			if want.Missing != nil {
				return w.isMissing(c, verb, r, want.Missing)
			}
			w.seen.count(verb, want.Refusal)
			if want.Again != nil {
				w.seen.saw(verb + " again")
			}
			return w.diff(r, want)
		}
	}
	return c
}

func sets(n record.NewFuture) bool { return n.Sets != "" }

func (w *world) cancel(id string) *call {
	run := func(ctx context.Context) (any, error) { return w.life.kernel.Cancel(ctx, id) }
	return w.settles("cancel", id, &record.Cancel{ID: id}, run, CancelOf)
}

func (w *world) settle(c *record.Settle) *call {
	verb := "resolve"
	run := func(ctx context.Context) (any, error) { return w.life.kernel.Resolve(ctx, c.ID, c.Value) }
	if c.Failure != nil {
		verb = "reject"
		run = func(ctx context.Context) (any, error) { return w.life.kernel.Reject(ctx, c.ID, *c.Failure) }
	}
	return w.settles(verb, c.ID, c, run, func(f *record.Future) Answer { return SettleOf(f, c) })
}

// settles is a call whose command may find that the future is only in the store. Its verb reads it there, after the
// turn: the answer may be that of the turn, or that of the moment of reading.
func (w *world) settles(
	verb, id string, cmd record.Command, run func(context.Context) (any, error), of func(*record.Future) Answer,
) *call {
	c := &call{name: verb + " " + name(id), about: []string{id}, command: cmd, run: run}
	c.again = func() { c.saw = nil } // it will read anew
	c.turn = func() {
		before := w.oracle.Known(id)
		cold := w.oracle.Cold(id)
		want := w.oracle.Apply(cmd, nil)
		c.check = func(r result) string {
			fault := w.diff(r, want)
			if stored := w.wasThere(c, id); fault != "" && cold && (stored == nil || stored.State.Settled()) {
				want = of(stored)
				fault = w.diff(r, want)
			}
			w.seen.count(verb, want.Refusal)
			if want.Refusal == "" && before != nil && before.State.Settled() {
				w.seen.saw(verb + " again")
			}
			return fault
		}
	}
	return c
}

// wasThere is what the verb of a call has found in the store under id. Time may have passed since.
func (w *world) wasThere(c *call, id string) *record.Future {
	f := w.oracle.Stored.Futures[id]
	if c.saw != nil {
		f = c.saw[id]
	}
	if f != nil && f.ExpiresAt != 0 && f.ExpiresAt <= w.now() {
		return nil
	}
	return f
}

// delete is two questions, and more while the end of the future is not durable: is it there, and forget it.
func (w *world) delete(id string) *call {
	c := &call{name: "delete " + name(id), about: []string{id}}
	c.run = func(ctx context.Context) (any, error) { return nil, w.life.kernel.Delete(ctx, id) }
	forget := func() {
		want := w.oracle.Apply(c.command, nil)
		c.free = false
		c.applied = want.Refusal != NotDurable
		if !c.applied {
			w.seen.saw("delete waited for the commit")
		}
		c.check = func(r result) string {
			w.seen.count("delete", want.Refusal)
			return w.diff(r, want)
		}
	}
	c.free = true
	look := func() {
		cold := w.oracle.Cold(id)
		there := w.oracle.Known(id) != nil
		c.applied = cold || !there
		c.again = func() { // what was created meanwhile is looked at once more, else the look is over
			if f := w.wasThere(c, id); !cold || f == nil || f.State.Settled() {
				c.command, c.turn, c.again = &record.Delete{ID: id}, forget, nil
			}
		}
		c.check = func(r result) string { // it ends here if there is nothing to forget
			if there && w.wasThere(c, id) != nil {
				return fmt.Sprintf("it is there, and heard %s", told(r))
			}
			w.seen.count("delete", UnknownFuture)
			return w.diff(r, Answer{Refusal: UnknownFuture})
		}
	}
	c.turn = look
	return c
}

func (w *world) change(change *record.EventChange) *call {
	verb := map[record.EventOp]string{
		record.EventSet: "set", record.EventPulse: "pulse", record.EventClear: "clear", record.EventDelete: "forget",
	}[change.Op]
	return w.commands(verb, change.Name, change, func(ctx context.Context) (any, error) {
		return w.life.kernel.ChangeEvent(ctx, change)
	})
}

// read asks for one future. Where it is settled for good the verb reads the store: see settles.
func (w *world) read(id string) *call {
	c := &call{name: "read " + name(id), about: []string{id}, free: true}
	c.run = func(ctx context.Context) (any, error) { return w.life.kernel.Future(ctx, id) }
	c.again = func() { c.saw = nil }
	c.turn = func() {
		f, cold := w.oracle.Known(id), w.oracle.Cold(id)
		place := w.oracle.Place(id)
		touched := w.oracle.Touched[id]
		c.check = func(r result) string {
			if cold {
				f = w.wasThere(c, id)
			} else if touched > w.oracle.Stored.Changes {
				return "it shows what is not durable"
			}
			if f == nil {
				w.seen.count("read", UnknownFuture)
				return w.diff(r, Answer{Refusal: UnknownFuture})
			}
			w.seen.count("read", "")
			view, ok := r.answer.(await.View)
			switch {
			case r.err != nil || !ok:
				return fmt.Sprintf("%v, want %s", r.err, name(f.ID))
			case !place.Allows(view.Queue):
				return fmt.Sprintf("place %d in the queue, want %+v", view.Queue, place)
			}
			w.show(view.Future)
			return differs(view.Future, place.Shown(f, view.Queue))
		}
	}
	return c
}

// hold asks for an expression, with the cursor of an earlier answer if from is not nil.
func (w *world) hold(wait *Wait, from *talk) *call {
	w.waits++
	cursor := ""
	if from != nil {
		wait.From, cursor = from.at, from.cursor
	}
	wait.ID = w.waits
	request := await.WaitRequest{
		For: wait.For, Timeout: wait.Timeout, CancelRest: wait.CancelRest, CancelOnLeave: wait.Abandons, Cursor: cursor,
	}
	c := w.begins(wait, nil)
	c.run = func(ctx context.Context) (any, error) {
		a, held, err := w.life.kernel.Hold(ctx, request)
		if held == nil {
			return a, err
		}
		select {
		case <-held.Done():
			return held.Answer()
		case <-c.patient.Context.Done(): // not that of patient, which counts who asks the loop
			held.Leave()
			return nil, ctx.Err()
		}
	}
	c.name = fmt.Sprintf("wait %d for %s, %v, cancel rest %v, abandons %v, goes on %v", wait.ID, wait.For, wait.Timeout,
		wait.CancelRest, wait.Abandons, from != nil)
	c.done = func(r result) string {
		w.seen.saw("wait: " + string(wait.Answer.Outcome))
		got, _ := r.answer.(*await.WaitAnswer)
		fault := w.diffWait(got, wait)
		if fault == "" {
			w.answered(got, wait, from)
		}
		return fault
	}
	return c
}

// begins is a call that begins a wait, or a stream.
func (w *world) begins(wait *Wait, run func(context.Context) (any, error)) *call {
	c := &call{wait: wait, run: run}
	c.about = futuresIn(wait.For)
	var before map[string]uint64
	c.turn = func() {
		missing, refused := w.oracle.Begin(wait, c.saw)
		c.applied = refused != "" || len(missing) > 0 || wait.Answer != nil || wait.Tells
		c.reading = len(missing) > 0
		c.free = c.reading || refused != "" || wait.Tells // of which nothing has been told yet
		if before == nil {
			before = w.generations(wait)
		} else if !maps.Equal(before, w.generations(wait)) {
			w.seen.saw("an event was set between two looks of a wait")
		}
		if c.turns > 1 && len(missing) > 0 {
			w.seen.saw("a wait was overtaken by a future that it had read")
		}
		c.check = func(r result) string {
			if len(missing) > 0 {
				return w.isMissing(c, "wait", r, missing)
			}
			w.seen.count("wait", refused)
			if refused != "" {
				return w.diff(r, Answer{Refusal: refused})
			}
			if r.err != nil {
				return "heard " + r.err.Error()
			}
			return c.done(r)
		}
	}
	return c
}

// generations are those of the events in a wait.
func (w *world) generations(wait *Wait) map[string]uint64 {
	all := map[string]uint64{}
	for _, l := range leavesOf(wait.For) {
		if l.Expr.Op == api.OpEvent {
			all[l.Expr.Ref] = w.oracle.Event(l.Expr.Ref).Generation
		}
	}
	return all
}

// isMissing is the end of a verb that waits for a future that nobody knows: it was unknown in its turn, and is unknown
// to the store.
func (w *world) isMissing(c *call, verb string, r result, missing []string) string {
	var unknown *await.UnknownFutureError
	if !errors.As(r.err, &unknown) || !slices.Contains(missing, unknown.ID) {
		return fmt.Sprintf("%s, want one of %v to be unknown", told(r), missing)
	}
	if w.wasThere(c, unknown.ID) != nil {
		return fmt.Sprintf("%s, and it is there", told(r))
	}
	w.seen.count(verb, UnknownFuture)
	return ""
}
