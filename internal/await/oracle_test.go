package await

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

// oracle evaluates an expression the naive way, from scratch, out of what has happened so far.
type oracle struct {
	began  record.Time
	now    record.Time
	states map[string]record.State // of futures
	sets   map[string]uint64       // generations
	up     map[string]bool
	woken  map[*api.Expr]bool // event leaves that a set or pulse met while the wait was on
}

func (o *oracle) eval(e *api.Expr) Outcome {
	yes := func(ok bool) Outcome {
		if ok {
			return Satisfied
		}
		return Pending
	}
	switch e.Op {
	case api.OpEvent:
		switch {
		case e.After != nil:
			return yes(o.sets[e.Ref] >= *e.After+max(e.Times, 1))
		case e.Times > 0:
			return yes(o.sets[e.Ref] >= e.Times)
		}
		return yes(o.woken[e])
	case api.OpFuture:
		switch o.states[e.Ref] {
		case record.StateSucceeded:
			return Satisfied
		case record.StateFailed, record.StateCancelled:
			return Failed
		}
		return Pending
	case api.OpSleep:
		return yes(o.now >= o.began.Add(e.Sleep))
	case api.OpUntil:
		return yes(o.now >= record.TimeOf(e.Until))
	case api.OpSettled:
		return yes(o.eval(&e.Of[0]) != Pending)
	}
	return o.count(e)
}

func (o *oracle) count(e *api.Expr) Outcome {
	need := map[api.Op]int{api.OpAll: len(e.Of), api.OpAny: 1, api.OpAtLeast: e.K}[e.Op]
	satisfied, failed := 0, 0
	for i := range e.Of {
		switch o.eval(&e.Of[i]) {
		case Satisfied:
			satisfied++
		case Failed:
			failed++
		}
	}
	switch {
	case satisfied >= need:
		return Satisfied
	case len(e.Of)-failed < need:
		return Failed
	}
	return Pending
}

// inOrder demands that the leaves that w put behind those decided before are those that this step has decided, each
// with its outcome; of a wait that the step decided some of them may be missing.
func (o *oracle) inOrder(t *rapid.T, w *wait, leaves []*api.Expr, decided map[*api.Expr]bool) {
	fresh := map[*api.Expr]Outcome{}
	for _, l := range leaves {
		if outcome := o.eval(l); outcome != Pending && !decided[l] {
			fresh[l] = outcome
		}
	}
	for _, n := range w.order[len(decided):] {
		l := &w.leaves[n]
		if fresh[l.expr] != l.outcome {
			t.Fatalf("%s of %s is %v, the oracle says %v", l.expr, w.expr, l.outcome, fresh[l.expr])
		}
		delete(fresh, l.expr)
		decided[l.expr] = true
	}
	if w.outcome == Pending && len(fresh) > 0 {
		t.Fatalf("%d leaves of %s are decided, and w does not know", len(fresh), w.expr)
	}
}

func leavesOf(e *api.Expr) []*api.Expr {
	if e.Leaf() {
		return []*api.Expr{e}
	}
	var all []*api.Expr
	for i := range e.Of {
		all = append(all, leavesOf(&e.Of[i])...)
	}
	return all
}

var (
	eventNames = []string{"a", "b", "c"}
	futureIDs  = []string{"p", "q", "r", "s"}
)

// drawExpr draws a tree of at most the given depth.
func drawExpr(t *rapid.T, depth int, at record.Time) api.Expr {
	kind := rapid.IntRange(0, 9).Draw(t, "kind")
	if depth == 0 {
		kind %= 6
	}
	switch kind {
	case 0:
		return api.Expr{Op: api.OpEvent, Ref: rapid.SampledFrom(eventNames).Draw(t, "event")}
	case 1:
		e := api.Expr{
			Op:    api.OpEvent,
			Ref:   rapid.SampledFrom(eventNames).Draw(t, "event"),
			Times: rapid.Uint64Range(0, 3).Draw(t, "times"),
		}
		if e.Times == 0 || rapid.Bool().Draw(t, "has after") {
			after := rapid.Uint64Range(0, 3).Draw(t, "after")
			e.After = &after
		}
		return e
	case 2, 3:
		return api.Expr{Op: api.OpFuture, Ref: rapid.SampledFrom(futureIDs).Draw(t, "future")}
	case 4:
		return api.Expr{
			Op:    api.OpSleep,
			Sleep: time.Duration(rapid.IntRange(0, 9).Draw(t, "sleep")) * time.Millisecond,
		}
	case 5:
		return api.Expr{Op: api.OpUntil, Until: (at + record.Time(rapid.IntRange(-2, 9).Draw(t, "until"))).Time()}
	}
	e := api.Expr{Op: []api.Op{api.OpAll, api.OpAny, api.OpAtLeast, api.OpSettled}[kind-6]}
	parts := rapid.IntRange(1, 4).Draw(t, "parts")
	if e.Op == api.OpSettled {
		parts = 1
	}
	for range parts {
		e.Of = append(e.Of, drawExpr(t, depth-1, at))
	}
	if e.Op == api.OpAtLeast {
		e.K = rapid.IntRange(1, parts).Draw(t, "k")
	}
	return e
}

// told is an owner that only listens.
type told struct{ outcomes []Outcome }

func (o *told) progressed(*leaf) {}

func (o *told) decided(w *wait) { o.outcomes = append(o.outcomes, w.outcome) }

// The evaluator, which never looks twice, decides every random expression in the same step and in the same way as an
// oracle that looks at everything after each step; and when it is done, nobody sleeps.
func TestTheEvaluatorAgreesWithANaiveOne(t *testing.T) {
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := newState(DefaultLimits(), 1000, newTally(&Kernel{}))
		s.at = 1000
		o := &oracle{
			now:    1000,
			states: map[string]record.State{},
			sets:   map[string]uint64{},
			up:     map[string]bool{},
			woken:  map[*api.Expr]bool{},
		}
		for _, id := range futureIDs {
			must(t, s, &record.Submit{Futures: []record.NewFuture{{ID: id, Kind: record.KindPromise}}})
			o.states[id] = record.StatePending
		}
		for range rapid.IntRange(0, 4).Draw(t, "before") {
			happen(t, s, o, nil)
		}
		e := drawExpr(t, 4, o.now)
		leaves := leavesOf(&e)
		o.began = o.now
		for _, l := range leaves {
			o.woken[l] = l.Op == api.OpEvent && o.up[l.Ref]
		}
		owner := &told{}
		known := map[string]*record.Future{}
		for _, id := range futureIDs {
			known[id] = s.futures[id].fact
		}
		w, missing, err := s.newWait(WaitRequest{For: &e}, known, owner)
		if len(missing) > 0 || err != nil {
			t.Fatalf("missing %v, %v", missing, err)
		}
		if w.outcome == Pending {
			w.sleep()
		}
		decided := map[*api.Expr]bool{}
		for step := 0; ; step++ {
			want := o.eval(&e)
			if w.outcome != want {
				t.Fatalf("step %d: %s is %v, the oracle says %v", step, e, w.outcome, want)
			}
			o.inOrder(t, w, leaves, decided)
			if want != Pending || step == 30 {
				break
			}
			happen(t, s, o, leaves)
		}
		seen[w.outcome.String()]++
		if w.outcome != Pending && (len(owner.outcomes) != 1 || owner.outcomes[0] != w.outcome) {
			t.Fatalf("the owner was told %v", owner.outcomes)
		}
		if w.outcome == Pending {
			w.leaveAll()
		}
		for _, f := range s.futures {
			if f.awaited() {
				t.Fatalf("somebody still sleeps on %s", f.fact.ID)
			}
		}
		fading := 0 // events that are down will be forgotten some time
		for _, name := range eventNames {
			if s.events.Known(name) && s.events.Get(name).Waiting() > 0 {
				t.Fatalf("somebody still sleeps on %s", name)
			}
			if s.events.Known(name) && s.events.Get(name).Expiry != zeroTimer {
				fading++
			}
		}
		if s.due.Len() != fading {
			t.Fatalf("%d timers are left besides %d of events", s.due.Len()-fading, fading)
		}
	})
	for _, outcome := range []string{"satisfied", "failed", "pending"} {
		if seen[outcome] == 0 {
			t.Errorf("no expression was ever %s: this test proves less than it says", outcome)
		}
	}
}

func must(t *rapid.T, s *State, c record.Command) {
	if _, err := s.apply(c); err != nil {
		t.Fatalf("%T: %v", c, err)
	}
}

// happen lets one random thing happen to the state and to the oracle alike.
func happen(t *rapid.T, s *State, o *oracle, leaves []*api.Expr) {
	count := func(name string) {
		o.sets[name]++
		for _, l := range leaves {
			if l.Op == api.OpEvent && l.Ref == name {
				o.woken[l] = true
			}
		}
	}
	switch rapid.IntRange(0, 5).Draw(t, "happening") {
	case 0:
		name := rapid.SampledFrom(eventNames).Draw(t, "set")
		must(t, s, &record.EventChange{Name: name, Op: record.EventSet})
		o.up[name] = true
		count(name)
	case 1:
		name := rapid.SampledFrom(eventNames).Draw(t, "pulse")
		must(t, s, &record.EventChange{Name: name, Op: record.EventPulse})
		count(name)
	case 2:
		name := rapid.SampledFrom(eventNames).Draw(t, "clear")
		must(t, s, &record.EventChange{Name: name, Op: record.EventClear})
		o.up[name] = false
	case 3:
		o.now += record.Time(rapid.IntRange(1, 4).Draw(t, "ms"))
		s.advance(o.now)
	default:
		id := rapid.SampledFrom(futureIDs).Draw(t, "settle")
		if o.states[id] != record.StatePending {
			return
		}
		c := &record.Settle{ID: id, Value: []byte("1")}
		o.states[id] = record.StateSucceeded
		if rapid.Bool().Draw(t, "reject") {
			c = &record.Settle{ID: id, Failure: &record.Failure{Type: record.FailRejected}}
			o.states[id] = record.StateFailed
		}
		must(t, s, c)
	}
}

// Applying is deterministic: the same turns make the same facts, the same effects in the same order.
func TestTheSameTurnsMakeTheSameFacts(t *testing.T) {
	run := func() string {
		s := newState(small(), 1000, newTally(&Kernel{}))
		out := ""
		for n := range 300 {
			s.advance(record.Time(1000 + 7*n))
			id := fmt.Sprintf("f%d", n%97)
			var c record.Command = &record.EventChange{
				Name: fmt.Sprintf("e%d", n%5), Op: record.EventSet, TTL: time.Duration(n) * time.Millisecond,
			}
			switch n % 4 {
			case 0, 1:
				f := newFetch(fmt.Sprintf("f%d", n))
				f.Timeout = time.Duration(n%50) * time.Millisecond
				f.Sets = "done"
				c = &record.Submit{Futures: []record.NewFuture{f}}
			case 2:
				c = &record.Outcome{ID: id, Attempt: record.Attempt{N: 1}, Result: &record.Result{}}
			}
			answer, err := s.apply(c)
			if n%4 == 2 && s.running < 0 {
				s.running = 0 // this script makes outcomes of what never ran
			}
			for _, f := range s.takeBatch(0).Futures {
				out += fmt.Sprintf("%x\n", record.EncodeFuture(f.Is))
			}
			out += fmt.Sprintf("%T %v %d\n", answer, err, len(s.effects))
		}
		return out
	}
	first := run()
	for range 3 {
		if run() != first {
			t.Fatal("two runs of the same turns differ")
		}
	}
	if len(first) < 10_000 {
		t.Fatalf("the script made only %d bytes of facts", len(first))
	}
}
