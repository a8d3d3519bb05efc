package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/store"
)

// plain is a fact without what the oracle does not say: the version, how a request is packed, and the wording of what
// the server itself decided.
func plain(f *record.Future) *record.Future {
	one := *f
	one.Version = 0
	if one.Request != "" && one.State.Settled() {
		one.Request = one.Request.Open().Pack()
	}
	one.Failure = unworded(one.Failure)
	one.Attempts = slices.Clone(one.Attempts)
	for i := range one.Attempts {
		one.Attempts[i].Failure = unworded(one.Attempts[i].Failure)
	}
	return &one
}

// unworded is a failure without the server's own words.
func unworded(f *record.Failure) *record.Failure {
	if f != nil && serverSays[f.Type] {
		return &record.Failure{Type: f.Type}
	}
	return f
}

var serverSays = map[record.FailureType]bool{
	record.FailDeadline: true, record.FailTimeout: true, record.FailCancelled: true, record.FailOutcomeUnknown: true,
	record.FailQuarantined: true, record.FailCircuitOpen: true, record.FailDependencyFailed: true,
}

func sameFuture(got, want *record.Future) bool {
	if got == nil || want == nil {
		return got == want
	}
	return bytes.Equal(record.EncodeFuture(plain(got)), record.EncodeFuture(plain(want)))
}

// differs says how a future is not what it should be; empty when it is.
func differs(got, want *record.Future) string {
	switch {
	case sameFuture(got, want):
		return ""
	case got == nil || want == nil:
		return fmt.Sprintf("%v, want %v", got, want)
	}
	return fmt.Sprintf("%s (-want +got):\n%s", name(want.ID), cmp.Diff(plain(want), plain(got), cmpopts.EquateEmpty()))
}

func differsEvent(got, want *record.Event) string {
	switch {
	case got != nil && want != nil && bytes.Equal(record.EncodeEvent(got), record.EncodeEvent(want)):
		return ""
	case got == nil && want == nil:
		return ""
	}
	return fmt.Sprintf("event (-want +got):\n%s", cmp.Diff(want, got))
}

// birth tells a future from all others, also from an earlier one that had the same id: but for one that was created in
// the same millisecond.
func birth(f *record.Future) string { return fmt.Sprint(f.ID, " ", f.CreatedAt) }

// show checks the version of a fact that somebody has been shown: the same one always means the same fact.
func (w *world) show(f *record.Future) {
	key := birth(f)
	if w.births[key] > 1 {
		return
	}
	fact := string(record.EncodeFuture(unlimited(plain(f))))
	last := w.versions[key]
	if f.Version == last.number && fact != last.fact {
		w.Fatalf("two facts of %s have version %d", name(f.ID), f.Version)
	}
	if f.Failure != nil && f.Failure.Message == "" {
		w.Fatalf("%s failed without a word", name(f.ID))
	}
	if f.Failure != nil {
		w.seen.saw("failed with " + string(f.Failure.Type))
	}
	if f.Version > last.number {
		w.versions[key] = version{f.Version, fact}
	}
}

// unlimited is a fact without what a reader is told of its key, which moves without a new version.
func unlimited(f *record.Future) *record.Future {
	if f.Reason == record.ReasonRateLimited || f.Reason == record.ReasonCircuitOpen {
		f.Reason, f.NextAttemptAt = record.ReasonQueued, 0
	}
	if f.CallbackPending() {
		f.Callback = f.Callback.With(func(c *record.Callback) { c.NextAttemptAt = 0 })
	}
	return f
}

// answerOf is what a caller heard, in the words of the oracle.
func answerOf(r result) (a Answer) {
	var unknown *await.UnknownFutureError
	var taken *await.IDTakenError
	var settled *await.SettledError
	var refused *await.RefusedError
	var circle *await.CycleError
	var stranger *await.UnknownGroupError
	var closed *await.GroupClosedError
	switch {
	case r.err == nil:
	case errors.As(r.err, &unknown):
		return Answer{Refusal: UnknownFuture}
	case errors.As(r.err, &circle):
		return Answer{Refusal: Cyclic}
	case errors.As(r.err, &stranger):
		return Answer{Refusal: UnknownGroup}
	case errors.As(r.err, &closed):
		return Answer{Refusal: GroupClosed, Group: closed.Group}
	case errors.As(r.err, &taken):
		return Answer{Refusal: IDTaken}
	case errors.As(r.err, &settled):
		return Answer{Refusal: AlreadySettled, Futures: []*record.Future{settled.Future}}
	case errors.As(r.err, &refused):
		a.Futures, a.Place.Number = []*record.Future{refused.View.Future}, refused.View.Queue
		fallthrough
	default:
		for err, refusal := range map[error]Refusal{
			await.ErrTooManyFutures: TooManyFutures, await.ErrFuturesTooLarge: FuturesTooLarge,
			await.ErrTooManyEvents: TooManyEvents, await.ErrEventsTooLarge: EventsTooLarge,
			await.ErrTooManyWaiters: TooManyWaiters, await.ErrTooManyLeaves: TooManyLeaves,
			await.ErrNotSettleable: NotSettleable, await.ErrNotSettled: NotSettled, await.ErrKeyReused: KeyReused,
			await.ErrTooManyGroups: TooManyGroups,
		} {
			if errors.Is(r.err, err) {
				a.Refusal = refusal
				return a
			}
		}
		return Answer{Refusal: Refusal(r.err.Error())}
	}
	switch answer := r.answer.(type) {
	case await.Submitted:
		a.Futures, a.Again = answer.Futures, answer.Replayed
	case *record.Future:
		a.Futures = []*record.Future{answer}
	case await.View:
		a.Futures = []*record.Future{answer.Future}
	case await.GroupMade:
		if a.Group = answer.Group; answer.Replayed {
			a.Again = []string{answer.Group.ID}
		}
	case *record.Group:
		a.Group = answer
	case await.EventAnswer:
		a.Event, a.Woken = answer.Event, answer.Woken
	}
	return a
}

// diff says how what a caller heard is not what it should have been; empty when it is.
func (w *world) diff(r result, want Answer) string {
	got := answerOf(r)
	if got.Refusal != want.Refusal || len(got.Futures) != len(want.Futures) || got.Woken != want.Woken ||
		!slices.Equal(got.Again, want.Again) || !want.Place.Allows(got.Place.Number) {
		return fmt.Sprintf("heard %s, want %s", got, want)
	}
	for i, f := range got.Futures {
		w.show(f)
		if d := differs(f, want.Place.Shown(want.Futures[i], got.Place.Number)); d != "" {
			return d
		}
	}
	return differsEvent(got.Event, want.Event) + w.differsGroup(got.Group, want.Group)
}

// String is an answer in a line.
func (a Answer) String() string {
	words := []string{string(a.Refusal)}
	if a.Again != nil {
		words = append(words, fmt.Sprintf("again %d", len(a.Again)))
	}
	for _, f := range a.Futures {
		words = append(words, inWords(f))
	}
	if a.Group != nil {
		words = append(words, inFewWords(a.Group))
	}
	if a.Event != nil {
		words = append(words, fmt.Sprintf("%s set %v, generation %d, woken %d", a.Event.Name, a.Event.Set,
			a.Event.Generation, a.Woken))
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

// inWords is a future in a few words.
func inWords(f *record.Future) string {
	if f == nil {
		return "none"
	}
	states := [...]string{"no state", "pending", "running", "succeeded", "failed", "cancelled"}
	words := fmt.Sprintf("%s %s", name(f.ID), states[f.State])
	if f.Reason != 0 {
		words += fmt.Sprintf(" (%d)", f.Reason)
	}
	if f.Failure != nil {
		words += " " + string(f.Failure.Type)
	}
	if f.Callback != nil {
		words += fmt.Sprintf(" (callback %s, %d)", callbackWords[f.Callback.State], f.Callback.Attempts)
	}
	return words
}

func told(r result) string {
	if a, ok := r.answer.(*await.WaitAnswer); ok && a != nil && r.err == nil {
		return fmt.Sprintf("%s, %d done, %d pending", a.Outcome, len(a.Done), len(a.Pending))
	}
	return answerOf(r).String()
}

// diffWait says how the answer to a wait is not what it should have been.
func (w *world) diffWait(got *await.WaitAnswer, wait *Wait) string {
	want := wait.Answer
	if got == nil || want == nil {
		return fmt.Sprintf("heard %v, want %v", got, want)
	}
	if got.Outcome.String() != string(want.Outcome) {
		return fmt.Sprintf("is %s, want %s", got.Outcome, want.Outcome)
	}
	if slept := wait.held && want.Outcome != Pending && !wait.Tells; got.Slept != slept {
		return fmt.Sprintf("slept is %v, want %v", got.Slept, slept)
	}
	if d := w.diffLeaves(got.Done, want.Done); d != "" {
		return "done: " + d
	}
	if d := w.diffLeaves(got.Pending, want.Pending); d != "" {
		return "pending: " + d
	}
	return ""
}

func (w *world) diffLeaves(got []await.Leaf, want []Leaf) string {
	refs := func() (g, w []string) {
		for _, l := range got {
			g = append(g, l.Expr.String())
		}
		for _, l := range want {
			w = append(w, l.Expr.String())
		}
		return g, w
	}
	g, want1 := refs()
	if !slices.Equal(g, want1) {
		return fmt.Sprintf("%v, want %v", g, want1)
	}
	for i, l := range got {
		one := want[i]
		switch {
		case l.Expr != one.Expr:
			return fmt.Sprintf("%s stands for another leaf", l.Expr)
		case l.Outcome.String() != string(one.Outcome) || l.At != one.At:
			return fmt.Sprintf("%s is %s at %d, want %s at %d", l.Expr, l.Outcome, l.At, one.Outcome, one.At)
		case !one.Place.Allows(l.Queue):
			return fmt.Sprintf("%s has place %d in the queue, want %+v", l.Expr, l.Queue, one.Place)
		}
		if l.Future != nil {
			w.show(l.Future)
		}
		d := differs(l.Future, one.Place.Shown(one.Future, l.Queue)) + differsEvent(l.Event, one.Event) +
			w.differsGroup(l.Group, one.Group)
		if d != "" {
			return fmt.Sprintf("%s: %s", l.Expr, d)
		}
	}
	return ""
}

// agree holds all that the kernel and the store know against the oracle. While a commit is held, the kernel would
// answer most readers only after it: then it is the store alone, and a count.
func (w *world) agree(q record.FutureQuery) {
	w.agreeStore(q)
	w.agreeCounts()
	w.agreeKeys()
	if w.committing {
		return
	}
	for ids := range slices.Chunk(w.everybody(), w.limits.InboxMax) {
		for _, id := range ids {
			w.ask(w.read(id))
		}
		w.turn()
	}
}

// everybody are the ids that there are futures of, or were not long ago.
func (w *world) everybody() []string {
	var ids []string
	for i, id := range w.ids {
		if w.oracle.futures[id] != nil || i >= len(w.ids)-3 {
			ids = append(ids, id)
		}
	}
	return append(ids, promiseIDs...)
}

// agreeStore compares a list, page by page, all events, and all counts with what is durable.
func (w *world) agreeStore(q record.FutureQuery) {
	matches := func(f *record.Future) bool {
		label := q.Label == nil || slices.Contains(f.Labels(), *q.Label) || *q.Label == store.MemberOf(f.Group())
		return label && (q.State == 0 || f.State == q.State) && (q.Kind == 0 || f.Kind == q.Kind)
	}
	want := map[string]*record.Future{}
	counts := map[[2]uint8]int64{}
	for id, f := range w.oracle.Stored.Futures {
		counts[[2]uint8{uint8(f.Kind), uint8(f.State)}]++
		if matches(f) && (f.ExpiresAt == 0 || f.ExpiresAt > w.now()) {
			want[id] = f
		}
	}
	q.Exists = w.now()
	var last *record.Future
	for {
		page, next, err := w.life.disk.Store.Futures(q) // the verb would ask the loop, too, how the keys of some stand
		if err != nil {
			w.Fatalf("list %+v: %v", q, err)
		}
		for _, f := range page {
			if d := differs(f, want[f.ID]); d != "" {
				w.Fatalf("list %+v: %s", q, d)
			}
			delete(want, f.ID)
			if last != nil && bornAt(f) > bornAt(last) {
				w.Fatalf("list %+v: %s comes after %s", q, name(f.ID), name(last.ID))
			}
			last = f
		}
		if q.After = next; next == "" {
			break
		}
	}
	for id := range want {
		w.Fatalf("list %+v does not have %s", q, inWords(w.oracle.Stored.Futures[id]))
	}
	for kind := record.KindFetch; kind <= record.KindWait; kind++ {
		for state := record.StatePending; state <= record.StateCancelled; state++ {
			want := counts[[2]uint8{uint8(kind), uint8(state)}]
			if got := w.life.disk.Count(kind, state); got != want {
				w.Fatalf("the store counts %d of kind %d in state %d, want %d", got, kind, state, want)
			}
		}
	}
	w.agreeLeaves()
	w.agreeEvents()
	w.agreeGroups()
}

// agreeLeaves compares the decided leaves of futures that wait with what is durable.
func (w *world) agreeLeaves() {
	stored := map[string][]record.Leaf{}
	err := w.life.disk.Leaves(func(id string, l *record.Leaf) error {
		stored[id] = append(stored[id], *l)
		return nil
	})
	if err != nil {
		w.Fatalf("read the leaves: %v", err)
	}
	for _, leaves := range stored {
		slices.SortFunc(leaves, func(a, b record.Leaf) int { return a.Order - b.Order })
	}
	if d := cmp.Diff(w.oracle.Stored.Leaves, stored, cmpopts.EquateEmpty()); d != "" {
		w.Fatalf("decided leaves (-want +stored):\n%s", d)
	}
}

func (w *world) agreeEvents() {
	var got []*record.Event
	for after := ""; ; {
		page, next, err := w.life.kernel.Events("", after, 2)
		if err != nil {
			w.Fatalf("list events: %v", err)
		}
		got = append(got, page...)
		if after = next; next == "" {
			break
		}
	}
	if len(got) != len(w.oracle.Stored.Events) {
		w.Fatalf("%d events are stored, want %d", len(got), len(w.oracle.Stored.Events))
	}
	for i, e := range got {
		if i > 0 && e.Name <= got[i-1].Name {
			w.Fatalf("event %s comes after %s", e.Name, got[i-1].Name)
		}
		if d := differsEvent(e, w.oracle.Stored.Events[e.Name]); d != "" {
			w.Fatalf("stored: %s", d)
		}
	}
}

// agreeKeys compares what is stored of keys, and how they stand.
func (w *world) agreeKeys() {
	want := maps.Clone(w.oracle.Stored.Limits)
	err := w.life.disk.Store.Limits(func(l *record.Limit) error {
		if one := want[l.Key]; one == nil || one.LimitSettings != l.LimitSettings || one.Circuit != l.Circuit {
			w.Fatalf("of key %s is stored %+v, want %+v", l.Key, l, one)
		}
		delete(want, l.Key)
		return nil
	})
	if err != nil || len(want) > 0 {
		w.Fatalf("of these keys nothing is stored: %v, %v", want, err)
	}
	if w.committing || w.places()+w.ghosts >= w.limits.InboxMax {
		return
	}
	c := &call{name: "keys", free: true}
	c.run = func(ctx context.Context) (any, error) { return w.life.kernel.Keys(ctx, "", 100) }
	c.turn = func() {
		var keys []await.Key
		for _, name := range slices.Sorted(maps.Keys(w.oracle.limits)) {
			k := w.oracle.limits[name]
			all, present := w.oracle.flying(k)
			one := await.Key{
				Key: name, LimitSettings: k.settings, Running: all, Waiting: len(k.ids), Circuit: k.circuit,
			}
			if len(k.ids) > 0 {
				if one.Reason, one.NextStartAt = k.blocked(1, w.oracle.Now, all, present); one.Reason == record.ReasonNone {
					one.Reason = record.ReasonQueued
				}
			}
			keys = append(keys, one)
		}
		c.check = func(r result) string {
			page, ok := r.answer.(await.KeyPage)
			if !ok || page.More {
				return fmt.Sprintf("%v, %v", r.answer, r.err)
			}
			return cmp.Diff(keys, page.Keys)
		}
	}
	w.ask(c)
	w.turn()
}

// heldWaits are those who wait, in words, in the order in which they are shown: callers and futures, each oldest first.
func (w *world) heldWaits() (all []string) {
	callers, futures := w.oracle.Callers(), w.oracle.Futures()
	for len(callers)+len(futures) > 0 {
		from, kind := &callers, await.WaiterCall
		if len(callers) == 0 || len(futures) > 0 && futures[0].since <= callers[0].since {
			from, kind = &futures, await.WaiterFuture
		} else if callers[0].Tells {
			kind = await.WaiterStream
		}
		held := (*from)[0]
		*from = (*from)[1:]
		var leaves []Outcome
		for _, l := range held.leaves[:min(len(held.leaves), await.LeavesShownMax)] {
			leaves = append(leaves, l.Outcome)
		}
		all = append(all, fmt.Sprint(kind, name(held.Of), held.For, held.since, len(held.done),
			len(held.leaves)-len(held.done), leaves, w.oracle.Orphan(held)))
	}
	return all
}

// agreeCounts compares how many there are of everything that the loop holds.
func (w *world) agreeCounts() {
	if w.places()+w.ghosts >= w.limits.InboxMax {
		return
	}
	c := &call{name: "inspect", free: true}
	c.run = func(ctx context.Context) (any, error) { return w.life.kernel.Inspect(ctx) }
	c.turn = func() {
		want, idle, places := w.oracle.Census(), w.oracle.Idle(), w.places()
		waits := w.heldWaits()
		quiet := !w.committing && w.ghosts == 0
		c.check = func(r result) string {
			in, ok := r.answer.(*await.Inspection)
			if !ok {
				return fmt.Sprint(r.err)
			}
			got := Census{in.Pending, in.Running, in.Queued, in.Events, in.Waiters, want.Timers, in.Unawaited}
			if own := in.Loop.Timers - want.Timers; own < 1 || own > 2 { // the heartbeat, and the alarm if it is set
				return fmt.Sprintf("%d timers are set, and %d should be for what is to happen", in.Loop.Timers, want.Timers)
			}
			if quiet && in.Outstanding != places {
				return fmt.Sprintf("%d places in the inbox are taken, want %d", in.Outstanding, places)
			}
			if got := slices.Sorted(slices.Values(in.Loose)); len(idle) <= await.UnawaitedShownMax && !slices.Equal(got, idle) {
				return fmt.Sprintf("nobody waits for %v, want %v", got, idle)
			}
			var held []string
			for _, one := range in.Waits {
				held = append(held, fmt.Sprint(one.Kind, name(one.Future), one.For, one.Since, one.Done, one.Pending, one.Leaves,
					one.Orphan))
			}
			if !slices.Equal(held, waits) {
				return fmt.Sprintf("%v wait, want %v", held, waits)
			}
			return cmp.Diff(want, got)
		}
	}
	w.ask(c)
	w.turn()
}
