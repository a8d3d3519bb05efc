package sim

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/awaitd/awaitd/internal/record"
)

// checks is how many worlds a plain go test looks at; see the package comment for more.
const checks = "1000"

func TestMain(m *testing.M) {
	flag.Parse()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range map[string]string{
		"rapid.checks": checks,
		"rapid.seed":   strconv.FormatInt(time.Now().UnixNano(), 10), // known even if shrinking fails
	} {
		if given[name] || os.Getenv(strings.ToUpper(strings.ReplaceAll(name, ".", "_"))) != "" {
			continue
		}
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// roundsMax is how often the worlds are looked at anew, from other seeds, if the last ones missed something.
const roundsMax = 4

// The kernel does what the oracle says, whatever the seed thinks of.
func TestTheKernelAgreesWithTheOracle(t *testing.T) {
	seen, seed := sightings{}, flag.Lookup("rapid.seed").Value
	missed := func(what string) bool { return seen[what] == 0 }
	for round := range roundsMax {
		if round > 0 && !slices.ContainsFunc(must, missed) {
			break
		}
		t.Logf("-rapid.seed=%v", seed)
		rapid.Check(t, func(t *rapid.T) {
			rapid.SyncTest(t, func(t *rapid.T) { live(t, seen) })
		})
		n, _ := strconv.ParseUint(seed.String(), 10, 64)
		if err := seed.Set(strconv.FormatUint(n*6364136223846793005+1, 10)); err != nil { // far from the last ones
			t.Fatal(err)
		}
	}
	if !t.Failed() {
		seen.complete(t)
	}
}

// One seed is one run: every turn, commit, launch and answer, in the same order.
func TestTheSameSeedIsTheSameRun(t *testing.T) {
	run := func(seed int) (trace uint64) {
		synctest.Test(t, func(*testing.T) {
			trace = rapid.Custom(func(t *rapid.T) uint64 {
				return live(t, sightings{})
			}).Example(seed)
		})
		return trace
	}
	different := map[uint64]bool{}
	for seed := range 20 {
		trace := run(seed)
		if again := run(seed); again != trace {
			t.Errorf("seed %d: two runs, %x and %x", seed, trace, again)
		}
		different[trace] = true
	}
	if len(different) < 15 {
		t.Errorf("20 seeds make only %d different runs", len(different))
	}
}

// live plays one world to its end and returns its trace.
func live(t *rapid.T, seen sightings) uint64 {
	w := start(t, drawMedium(t), drawLimits(t), seen)
	calm := false
	defer func() {
		w.failed = !calm
		w.end()
	}()
	t.Repeat(map[string]func(*rapid.T){"step": w.step})
	w.calm()
	calm = true
	return w.trace.Sum64()
}

// step is one thing that happens to the world.
func (w *world) step(t *rapid.T) {
	hold := 35
	if w.slow != nil {
		hold = 60
	}
	w.life.holding = chance(t, "hold commits", hold)
	switch kind := die(100).Draw(t, "step"); {
	case w.life.draining && kind < 20:
		w.restart()
	case w.slow != nil && kind%4 == 3:
		w.readGoesOn()
	case w.slow != nil && kind%4 == 1:
		w.ask(w.meanwhile())
		w.turn()
	case kind%2 == 1 && len(w.idsLate()) > 0:
		w.drawSingle()
	case kind < 50:
		w.together()
	case kind < 67:
		w.drawSingle()
	case kind < 85:
		w.pass(w.drawPass())
	case kind < 87:
		w.outage()
	case kind < 92:
		w.someoneLeaves()
	case kind < 96:
		w.restart()
	case kind < 98 && w.committing:
		w.diskFails()
	case kind < 97:
		w.drain()
	case kind < 98:
		w.setClock(oneOf(t, "clock", time.Hour, -time.Hour))
	default:
		w.together()
	}
	if !w.life.holding {
		w.finishAll()
	} else if w.committing && chance(t, "one commit ends", 30) {
		w.finish()
	}
	w.agree(w.drawQuery())
}

func (w *world) drawPass() (d time.Duration, busy bool) {
	d = oneOf(w.T, "pass", ms(w.T, "few", 0, 20), time.Millisecond, 300*time.Millisecond, 5*time.Second, 65*time.Second,
		2*time.Hour, w.nextExpiry(), callbackTime)
	return d, d > time.Second || chance(w.T, "busy", 30)
}

// outage lets a target, or a receiver, fail as often as it takes to be left alone, if it gets enough workers.
func (w *world) outage() {
	w.note("outage")
	key, callback := "k", (*record.Callback)(nil)
	if chance(w.T, "of a receiver", 30) {
		callback = drawCallback(w.T)
		key = "callback:" + hostOf(callback.URL)
	}
	for range 3 * streakMax {
		i := slices.IndexFunc(w.attempts, func(a attempt) bool { return w.oracle.flights[a.id].key == key })
		switch {
		case i >= 0:
			a := w.attempts[i]
			w.attempts = slices.Delete(w.attempts, i, i+1)
			o := &record.Outcome{ID: a.id, Attempt: record.Attempt{N: a.n, At: w.now()}}
			o.Attempt.Failure = &record.Failure{Type: record.FailConnect, Message: "It did not answer."}
			w.outcomes = append(w.outcomes, o)
			w.life.kernel.Outcome(o)
		case w.places() >= w.limits.InboxMax:
			return
		default:
			n := record.NewFuture{ID: w.newID(), Kind: record.KindFetch, Request: drawRequest(w.T), LimitKey: "k"}
			if callback != nil {
				n.Kind, n.Request, n.LimitKey, n.Callback, n.At = record.KindTimer, "", "", callback, w.now()
			}
			w.ask(w.submit(&record.Submit{Futures: []record.NewFuture{n}}))
		}
		w.turn()
		if !w.life.holding {
			w.finishAll()
		}
	}
}

// nextExpiry is how long it is until the next thing is to be forgotten, to the millisecond; 0 when nothing is.
func (w *world) nextExpiry() time.Duration {
	next := record.Time(0)
	for _, f := range w.oracle.futures {
		if f.ExpiresAt > w.now() {
			next = soonest(next, f.ExpiresAt)
		}
		if f.CallbackPending() {
			next = soonest(next, f.SettledAt.Add(callbackTime))
		}
	}
	for _, k := range w.oracle.keys {
		if k.ExpiresAt > w.now() {
			next = soonest(next, k.ExpiresAt)
		}
	}
	if next == 0 {
		return 0
	}
	return next.Sub(w.now())
}

// together lets several people ask in one turn.
func (w *world) together() {
	if w.places() >= w.limits.InboxMax && chance(w.T, "patience", 60) {
		return
	}
	if chance(w.T, "the loop is late", 20) {
		w.life.clock.set(w.life.clock.Now() + ms(w.T, "ms", 1, 10))
	}
	w.someoneListens()
	for range oneOf(w.T, "people", 1, 2, 3, 5) {
		kind := die(100).Draw(w.T, "ask")
		switch {
		case w.slow != nil && kind%2 == 1:
			w.ask(w.meanwhile())
		case kind < 22:
			w.ask(w.drawSubmit(w.idsAtOnce()))
		case kind < 30:
			w.ask(w.drawGroup())
		case kind < 42 && len(w.attempts) > 0:
			w.drawOutcome()
		case kind < 50:
			w.askWarm(w.cancel)
		case kind < 62:
			w.askWarm(w.drawSettle)
		case kind < 76:
			w.ask(w.drawChange())
		case kind < 80:
			w.blink()
		case kind < 86:
			w.ask(w.drawStream(false))
		case kind < 96:
			w.ask(w.drawWait(false))
		default:
			w.askWarm(w.read)
		}
	}
	w.turn()
}

// askWarm asks about a future that is known without the store, if there is one: see single.
func (w *world) askWarm(about func(id string) *call) {
	if ids := w.warmIDs(); len(ids) > 0 {
		w.ask(about(oneOf(w.T, "id", ids...)))
	}
}

// blink sets an event, one that is waited for if there is any, and clears it in the same turn.
func (w *world) blink() {
	name := oneOf(w.T, "blinks", append(w.awaitedEvents(), eventNames...)...)
	w.ask(w.change(&record.EventChange{Name: name, Op: record.EventSet}))
	w.ask(w.change(&record.EventChange{Name: name, Op: record.EventClear}))
}

// singles is how often which verb is asked alone.
var singles = []string{
	"submit", "submit", "submit what waits", "submit what waits",
	"delete", "delete", "delete", "wait", "wait", "wait", "stream", "stream", "cancel", "settle", "settle again", "read",
}

// drawSingle lets somebody ask who may need more than one turn, or whose read of the store is slow.
func (w *world) drawSingle() {
	if w.lingering() != nil || w.places() >= w.limits.InboxMax {
		return
	}
	cancelsRest := slices.ContainsFunc(w.oracle.Callers(), func(wait *Wait) bool { return wait.CancelRest }) ||
		slices.ContainsFunc(w.effects, func(e Effect) bool { return e.Does == CancelsRest })
	var c *call
	switch kind := oneOf(w.T, "alone", singles...); {
	case !cancelsRest && len(w.idsLate()) > 0:
		c = w.submit(&record.Submit{Futures: []record.NewFuture{w.drawFuture(nil), w.drawPromise(w.idsLate())}})
	case kind == "read":
		c = w.read(w.anyID())
	case cancelsRest:
		c = w.drawWait(true)
	case kind == "stream":
		c = w.drawStream(true)
	case kind == "submit":
		c = w.submit(&record.Submit{Futures: []record.NewFuture{w.drawPromise(promiseIDs), w.drawFuture(nil)}})
	case kind == "submit what waits":
		c = w.submit(&record.Submit{Futures: []record.NewFuture{w.drawWaiting(w.recentIDs())}})
	case kind == "delete" && !w.committing && chance(w.T, "listens late", 50):
		w.listensLate(w.delete(w.pendingID()))
		return
	case kind == "delete":
		c = w.delete(w.settledID())
	case kind == "cancel":
		c = w.cancel(w.anyID())
	case kind == "settle":
		c = w.drawSettle(w.anyID())
	case kind == "settle again":
		c = w.drawSettle(w.settledPromise())
	default:
		c = w.drawWait(true)
	}
	w.single(c, chance(w.T, "reads late", 50), chance(w.T, "returns late", 50))
}

// listensLate lets c, whose first question is answered at once, ask alone and hear the answer late: what may happen
// between its two questions happens.
func (w *world) listensLate(c *call) {
	c.single, c.saw, c.listens = true, map[string]*record.Future{}, make(chan struct{})
	w.slow, w.life.gates = c, []chan struct{}{c.listens}
	w.ask(c)
	w.turn()
	c.reading = true
}

// single lets c ask alone. In which turn the second question of its verb is would depend on who is faster, if anybody
// else had something to do: so nobody has, and the loop has nothing to ask of itself. Its read of the store, if
// there is one, may be late: before it looks, or before it comes home.
func (w *world) single(c *call, readsLate, returnsLate bool) {
	gate := func() chan struct{} {
		w.slow = c
		w.life.gates = append(w.life.gates, make(chan struct{}))
		return w.life.gates[len(w.life.gates)-1]
	}
	c.single = true
	w.alone, c.saw, w.life.gates = c, map[string]*record.Future{}, nil
	if readsLate {
		w.life.disk.before = gate()
	}
	if returnsLate {
		w.life.disk.after = gate()
	}
	w.ask(c)
	w.turn()
	w.alone, w.life.disk.before, w.life.disk.after = nil, nil, nil
	if !c.reading {
		w.slow, c.saw, w.life.gates = nil, nil, nil // it had nothing to read, or not yet
	}
}

// someoneLeaves lets a caller go who waits for an answer.
func (w *world) someoneLeaves() {
	var candidates []*call
	for _, c := range w.calls {
		if c != w.slow && c != w.lingering() && !c.unbounded && w.mayLeave(c.wait) {
			candidates = append(candidates, c)
			if c.wait != nil && c.wait.Abandons {
				candidates = append(candidates, c, c) // more happens then
			}
		}
	}
	if n := len(w.streams); n > 0 && chance(w.T, "a stream", 40) {
		if s := w.streams[die(n).Draw(w.T, "which")]; w.mayLeave(s.wait) {
			w.leaveStream(s)
			w.turn()
			return
		}
	}
	if len(candidates) == 0 {
		return
	}
	w.leave(candidates[die(len(candidates)).Draw(w.T, "who")])
	w.turn()
}

// mayLeave reports whether the loop may have something to ask of itself when a caller leaves; see single.
func (w *world) mayLeave(wait *Wait) bool {
	return wait == nil || !wait.Abandons || w.lingering() == nil
}

// readGoesOn lets the slow read pass its next gate.
func (w *world) readGoesOn() {
	w.note("the read goes on: %s", w.slow)
	w.alone, w.crowded = w.slow, w.places()+w.ghosts >= w.limits.InboxMax
	gate := w.life.gates[0]
	if w.life.gates = w.life.gates[1:]; len(w.life.gates) == 0 {
		w.seen.saw("a read came home late")
		w.expire(w.slow)
		w.slow = nil
	}
	close(gate)
	synctest.Wait()
	w.turn()
	w.alone, w.crowded = nil, false
}

// restart kills the server and starts another one, a while later. What ended just before may be lost.
func (w *world) restart() {
	if len(w.attempts) > 0 && chance(w.T, "just before", 30) {
		w.life.holding = true
		w.drawOutcome()
		w.turn()
	}
	w.note("death")
	w.die(nil)
	w.reborn()
}

// diskFails lets the commit that is held fail. The server ends, and another one starts.
func (w *world) diskFails() {
	w.note("the disk fails")
	w.seen.saw("the disk failed")
	w.life.dead = true
	w.life.disk.held.done(errDisk)
	w.life.clock.goOn <- struct{}{}
	synctest.Wait()
	w.die(errDisk)
	w.reborn()
}

// reborn starts a server on what the last one left. It goes by the wall clock, which may have been set in the meantime.
func (w *world) reborn() {
	away := oneOf(w.T, "away", 0, 5*time.Millisecond, time.Second, 3*time.Hour, -8*time.Millisecond)
	w.origin = w.now().Time().Add(away + w.clockSet)
	w.life.clock.set(0)
	w.note("a new life at %d", w.now())
	w.lastTurn = 0
	w.oracle = NewOracle(w.bounds(), w.oracle.Stored, w.now())
	if len(w.oracle.orphans) > 0 {
		w.seen.saw("restart with running")
	}
	w.disordered = map[string]bool{}
	for id, leaves := range w.oracle.Stored.Leaves {
		w.seen.saw("decided leaves outlived a server")
		w.disordered[id] = !slices.IsSortedFunc(leaves, func(a, b record.Leaf) int { return a.N - b.N })
	}
	if len(w.oracle.cascade) > 0 {
		w.seen.saw("a wait was decided by a server that begins")
	}
	if _, timers := w.oracle.NextDue(); timers && w.clockSet != 0 {
		w.seen.saw(fmt.Sprintf("timers met a clock that was set by %v", w.clockSet))
	}
	w.clockSet = 0
	holding := w.life.holding
	w.open()
	w.life.holding = holding
}

// setClock sets the wall clock of the machine. A server that runs must not notice: only the next one does.
func (w *world) setClock(by time.Duration) {
	w.note("the wall clock is set by %v", by)
	w.clockSet = by
}

// drain asks the server to come to an end. It goes on until somebody kills it.
func (w *world) drain() {
	c := &call{name: "drain", unbounded: true, turn: w.oracle.Drain}
	c.run = func(ctx context.Context) (any, error) { return nil, w.life.kernel.Drain(ctx) }
	c.check = func(r result) string { return w.diff(r, Answer{}) }
	w.ask(c)
	w.life.draining = true
	w.turn()
}

// calm lets everything come to its end: nothing may be stuck, nothing that has expired may stay.
func (w *world) calm() {
	w.life.holding = false
	for _, s := range w.streams {
		s.keen = true
	}
	for w.slow != nil {
		w.readGoesOn()
	}
	w.finishAll()
	for range 100 {
		if len(w.attempts) == 0 {
			break
		}
		w.drawOutcome()
		w.turn()
		w.finishAll()
	}
	w.pass(600*time.Millisecond, false)
	if o := w.oracle; !o.Draining && len(o.turns)+len(o.parked) > 0 && len(o.flights) == 0 {
		w.Fatalf("these queue for ever: %v, and %d keys more", o.turns, len(o.parked))
	}
	for _, f := range oldestFirst(w.oracle.Stored.Futures) {
		if over(f) && f.ExpiresAt <= w.now()-300 {
			w.Fatalf("%s expired at %d, it is %d, and it is still there", name(f.ID), f.ExpiresAt, w.now())
		}
	}
	w.agree(record.FutureQuery{Limit: 100})
}
