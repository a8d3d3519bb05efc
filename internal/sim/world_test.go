package sim

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"slices"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
)

// world is one kernel after the other on one store, with the oracle beside it. It runs inside a synctest bubble: the
// loop and every caller have goroutines of their own, which run only while the world stands still, and it goes on when
// all of them have come to rest. Who runs first of several is nowhere visible, so a seed is a run.
type world struct {
	*rapid.T
	limits await.Limits
	oracle *Oracle
	medium medium    // what survives a death
	origin time.Time // the wall time at the zero of the present clock
	life   *life

	clockSet time.Duration // by which the wall clock was set in this life
	position uint64        // of the last turn that is durable

	calls    []*call           // whose callers have heard nothing yet, in the order of asking
	asked    []*call           // not in a turn yet
	outcomes []*record.Outcome // not in a turn yet
	leavers  []func()          // withdrawals and the drain, not in a turn yet
	ghosts   int               // callers that left, whose places in the inbox may still be taken
	alone    *call             // the only one that is asked or goes on in this step; nil: there are several
	slow     *call             // waits for a slow read of the store, or listens late: at most one
	crowded  bool              // the inbox was full when the slow one went on

	effects    []Effect    // not seen to happen yet
	cancels    []string    // that answered waits asked for, not in a turn yet
	attempts   []attempt   // under way
	committing bool        // a commit is held
	snapshot   Snapshot    // what it makes durable
	lastTurn   record.Time // of the last turn

	made   uint64   // ids so far
	waits  int      // waits so far
	ids    []string // of futures that were ever asked for, chosen ones left out
	groups []string // the same, of groups
	talks  []*talk  // the last few answers to waits, and messages of their streams

	streams []*stream // that are open
	watched []*stream // the last few messages of streams of futures and events

	interrupted map[attempt]bool // deliveries under way when the last server died

	disordered map[string]bool    // waits whose decided leaves outlived a server, in an order of their own
	births     map[string]int     // of futures
	versions   map[string]version // of each future, as last shown
	lastKey    string             // that something was started for
	keys       int                // that were remembered when it last rested
	seen       sightings
	failed     bool // it ends before its time: nothing more is checked
	trace      hash.Hash64
}

type version struct {
	number uint64
	fact   string
}

// attempt is one that was launched.
type attempt struct {
	id string
	n  int
}

// start begins a world with a new store.
func start(t *rapid.T, m medium, limits await.Limits, seen sightings) *world {
	w := &world{
		T: t, medium: m, seen: seen, trace: fnv.New64a(), versions: map[string]version{}, births: map[string]int{},
		limits: limits,
		origin: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
	}
	empty := Snapshot{
		map[string]*record.Future{},
		map[string]*record.Event{},
		map[string]*record.Key{},
		map[string]*record.Limit{},
		map[string]*record.Group{},
		map[string][]record.Leaf{},
		map[string]int{},
		0, 0, 0,
	}
	w.oracle = NewOracle(w.bounds(), empty, w.now())
	m.open(w)
	w.open()
	return w
}

func (w *world) bounds() Limits {
	l := w.limits
	return Limits{
		FuturesPendingMax: l.FuturesPendingMax, WaitersMax: l.WaitersMax, WaitLeavesHeldMax: l.WaitLeavesHeldMax,
		EventsMax: l.EventsMax, GroupsMax: l.GroupsMax, WorkersMax: l.WorkersMax, HostAttemptsMax: l.HostAttemptsMax,
		PendingBytesMax: l.PendingBytesMax, EventBytesMax: l.EventBytesMax, TTLDefault: l.TTLDefault, EventTTL: l.EventTTL,
	}
}

// open starts a kernel on the store and lets it come to rest.
func (w *world) open() {
	w.life = newLife(w)
	synctest.Wait()
	w.came()
	w.hear()
}

// now is the wall time.
func (w *world) now() record.Time {
	if w.life == nil {
		return record.TimeOf(w.origin)
	}
	return record.TimeOf(w.origin.Add(w.life.clock.Now()))
}

// note writes a line of the story: rapid's log shows it, the trace remembers it.
func (w *world) note(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	w.Logf("%s", line)
	_, _ = w.trace.Write([]byte(line + "\n"))
}

// turnsMax is the most turns that may follow each other at one moment.
const turnsMax = 50

// turn lets the loop go on until it has nothing more to do at this moment, and holds all that came of it against the
// oracle.
func (w *world) turn() {
	for range turnsMax {
		before := w.life.posts.Load()
		w.life.clock.goOn <- struct{}{}
		synctest.Wait()
		w.came()
		w.hear()
		if w.life.posts.Load() == before && !w.listens() {
			w.rested()
			return
		}
	}
	w.Fatalf("the loop does not come to rest")
}

// came goes through what the loop did, in its order.
func (w *world) came() {
	journal := w.life.journal
	w.life.journal = nil
	for _, e := range journal {
		switch e := e.(type) {
		case *record.Turn:
			w.turned(e)
		case *record.Batch:
			w.begun(e)
		case launched:
			w.started(attempt{e.job.ID, e.job.N}, e)
		case aborted:
			w.stopped(string(e))
		case read:
			w.wasRead(e)
		}
	}
}

// idle notes the events that have been forgotten by themselves, which time has just made of events that there were.
func (w *world) idle(before []string) {
	for _, name := range before {
		if w.oracle.events[name] == nil {
			w.note("%s was idle and is forgotten", name)
			w.seen.saw("an idle event was forgotten")
		}
	}
}

// begun is a commit that begins: all that was applied is in it.
func (w *world) begun(b *record.Batch) {
	w.note("commit begins at %d: %d futures, %d events, %d dropped", b.At, len(b.Futures), len(b.Events), len(b.Dropped))
	if w.committing {
		w.Fatalf("a commit began before the last one ended")
	}
	if b.Position <= w.position {
		w.Fatalf("a commit up to turn %d, after one up to turn %d", b.Position, w.position)
	}
	if b.At != w.oracle.Now {
		w.Fatalf("the commit is of %d, the last turn was at %d", b.At, w.oracle.Now)
	}
	w.committing = true
	w.snapshot = w.oracle.Snapshot()
}

// next makes the oracle's effects that leave no trace of their own happen, and returns the first that does.
func (w *world) next() (Effect, bool) {
	for len(w.effects) > 0 {
		e := w.effects[0]
		if e.Does == Launches || e.Does == Aborts || e.Changes > w.oracle.Stored.Changes {
			return e, true
		}
		w.effects = w.effects[1:]
		if e.Does == CancelsRest {
			w.cancels = append(w.cancels, e.ID)
		}
	}
	return Effect{}, false
}

func (w *world) started(a attempt, l launched) {
	w.note("launch %s#%d", name(a.id), a.n)
	e, _ := w.next()
	sends := l.job.Request
	if e.Tells != nil {
		sends = asked(sends)
	}
	switch {
	case slices.ContainsFunc(w.attempts, func(one attempt) bool { return one.id == a.id }):
		w.Fatalf("launched %s#%d while an attempt of that name is under way", name(a.id), a.n)
	case e.Does != Launches || e.ID != a.id || e.N != a.n:
		w.Fatalf("launched %s#%d, but next should come %+v", name(a.id), a.n, e)
	case e.Changes > w.oracle.Stored.Changes:
		w.Fatalf("launched %s#%d before that was durable", name(a.id), a.n)
	case sends != e.Request || !l.job.DeadlineAt.Equal(e.DeadlineAt.Time()):
		w.Fatalf("launched %s with another request: %+v until %v", name(a.id), l.job.Request.Open(), l.job.DeadlineAt)
	case !sameFuture(l.job.Callback, e.Tells):
		w.Fatalf("launched %s to tell of another future: %s", name(a.id), differs(l.job.Callback, e.Tells))
	}
	w.effects = w.effects[1:]
	w.attempts = append(w.attempts, a)
	if w.interrupted[a] {
		w.seen.saw("a delivery that was interrupted is made again")
	}
	key := w.oracle.flights[a.id].key
	if key != w.lastKey && slices.Contains(w.oracle.turns, w.lastKey) {
		w.seen.saw("a key made room for another")
	}
	w.lastKey = key
}

func (w *world) stopped(id string) {
	w.note("abort %s", name(id))
	e, _ := w.next()
	if e.Does != Aborts || e.ID != id || e.Changes > w.oracle.Stored.Changes {
		w.Fatalf("aborted %s, but next should come %+v", name(id), e)
	}
	w.effects = w.effects[1:]
	w.seen.saw("abort")
}

// wasRead is a read of the store by a caller. Whose it is, is only known of one who asks alone.
func (w *world) wasRead(r read) {
	c := w.alone
	if c != nil {
		c.reading = true
	}
	if r.begins {
		return
	}
	if !sameFuture(r.future, w.oracle.Stored.Futures[r.id]) {
		w.Fatalf("the store shows %s as %s", name(r.id), differs(r.future, w.oracle.Stored.Futures[r.id]))
	}
	if r.future != nil {
		w.show(r.future)
	}
	if c != nil && c.saw != nil {
		c.saw[r.id] = r.future
		w.expire(c)
	}
}

// expire makes c forget what it read of futures that have expired by the time at which it has read them.
func (w *world) expire(c *call) {
	for id, f := range c.saw {
		if f != nil && f.ExpiresAt != 0 && f.ExpiresAt <= w.now() {
			c.saw[id] = nil
		}
	}
}

// rested is the moment in which nothing more happens: what had to be said has been said.
func (w *world) rested() {
	w.sleepsNoLongerThan()
	w.sawKeys()
	if w.committing {
		for _, c := range w.calls {
			if c.applied {
				w.seen.saw("an answer was held by a commit")
			}
		}
		return
	}
	if e, ok := w.next(); ok {
		w.Fatalf("nothing is being committed, and this has not happened: %+v", e)
	}
	if w.oracle.Changes > w.oracle.Stored.Changes {
		w.Fatalf("nothing is being committed, and change %d of %d is durable", w.oracle.Stored.Changes, w.oracle.Changes)
	}
	if len(w.cancels) > 0 {
		w.Fatalf("these were not cancelled, though a wait asked for it: %v", w.cancels)
	}
	for _, c := range w.calls {
		if c.applied && c != w.slow {
			w.Fatalf("nothing is being committed, and this has not been answered: %s", c)
		}
	}
	w.ghosts = 0
}

// sleepsNoLongerThan is the check for lost timers: the loop must be awake when the next thing is due.
func (w *world) sleepsNoLongerThan() {
	due, ok := w.oracle.NextDue()
	clock := w.life.clock
	wakes := record.TimeOf(w.origin.Add(clock.until))
	if ok && (!clock.timed || wakes > max(due, w.now())) {
		w.Fatalf("something is due at %d, the loop sleeps until %d", due, wakes)
	}
}

// finish ends the commit that is held.
func (w *world) finish() {
	w.note("commit ends")
	held := w.life.disk.held
	w.life.disk.held = nil
	commitTo(w, w.life.disk.Store, held.batch)
	w.durable(held.batch)
	held.done(nil)
	w.turn()
}

// durable is the moment in which what the held commit holds cannot be lost any more.
func (w *world) durable(b *record.Batch) {
	for _, id := range w.oracle.Durable(w.snapshot) {
		w.note("swept %s", name(id))
		w.seen.saw("an expired future was swept")
	}
	w.position = b.Position
	w.committing = false
}

// finishAll ends commits until there is none.
func (w *world) finishAll() {
	for range turnsMax {
		if !w.committing {
			return
		}
		w.finish()
	}
	w.Fatalf("the commits do not come to an end")
}

// pass lets time pass. The loop wakes when it asked to; busy, it comes late.
func (w *world) pass(d time.Duration, busy bool) {
	w.note("pass %v, busy %v", d, busy)
	clock := w.life.clock
	end := clock.Now() + d
	for !busy && clock.timed && clock.until <= end {
		clock.set(max(clock.until, clock.Now()))
		w.turn()
		if !w.life.holding {
			w.finishAll()
		}
	}
	clock.set(max(end, clock.Now()))
	w.turn()
}

// die ends the kernel, for the reason it should have for it: nil when it is killed. What it was committing is durable,
// or as if it had never been.
func (w *world) die(want error) {
	var b *record.Batch
	if w.committing {
		b = w.life.disk.held.batch
	}
	underWay := w.attempts
	w.stop(want)
	w.medium.cut(w, b)
	w.medium.open(w)
	position, err := w.medium.store().Position()
	switch {
	case err != nil:
		w.Fatalf("the store: %v", err)
	case b != nil && position == b.Position:
		w.durable(b)
		w.note("the commit was durable")
		w.seen.saw(fmt.Sprintf("a commit that nobody heard of was durable %s", w.medium))
	case position != w.position:
		w.Fatalf("the store is at turn %d, want %d", position, w.position)
	case b != nil:
		w.seen.saw(fmt.Sprintf("a commit was lost %s", w.medium))
	}
	w.sawDeath(underWay)
}

// stop ends what is left of a life and everybody who still waits for an answer.
func (w *world) stop(want error) {
	l := w.life
	l.dead = true
	for _, gate := range l.gates {
		close(gate)
	}
	l.gates = nil
	if l.kernel.CallSoonThreadsafe(l.kernel.Stop) == nil {
		select {
		case l.clock.goOn <- struct{}{}:
		case err := <-l.ended:
			l.ended <- err
		}
	}
	if err := <-l.ended; !errors.Is(err, want) && !w.failed {
		w.Errorf("the kernel ended with %v, want %v", err, want)
	}
	synctest.Wait()
	for _, c := range w.calls {
		select {
		case r := <-c.result:
			lost := errors.Is(r.err, await.ErrEnded) || errors.Is(r.err, await.ErrLost)
			if !lost && c != w.slow && !w.failed {
				w.Errorf("%s: after the death: %v, %v", c, r.answer, r.err)
			}
		default:
			w.Errorf("%s: nothing was heard of it after the death", c)
		}
	}
	if err := l.kernel.Close(); err != nil {
		w.Errorf("close: %v", err)
	}
	w.calls, w.asked, w.outcomes, w.leavers, w.streams = nil, nil, nil, nil, nil
	w.effects, w.cancels, w.attempts = nil, nil, nil
	w.slow, w.ghosts, w.committing = nil, 0, false
}

// end is the end of the world, whatever happened in it.
func (w *world) end() {
	if !w.life.dead {
		w.life.dead = true
		w.stop(nil)
	}
	if err := w.medium.store().Close(); err != nil {
		w.Errorf("close the store: %v", err)
	}
}

// call is something that somebody asked of the kernel.
type call struct {
	name    string
	command record.Command // that will be in a turn; nil for a look
	turn    func()         // what the oracle makes of it, in its turn
	run     func(context.Context) (any, error)
	check   func(result) string // holds the answer against what was to be expected; set by turn
	done    func(result) string // of a wait or a stream: the same, when it was not refused

	wait      *Wait    // of a wait
	hears     *Wait    // of a listener: the stream
	about     []string // ids of futures
	patient   *patience
	listens   chan struct{} // nil, or when it listens to the answer to its first question
	result    chan result
	applied   bool   // it has been in a turn, and its answer stands
	changes   int    // what must be durable before it is answered
	unbounded bool   // it takes no place in the inbox
	free      bool   // its answer says nothing that could be lost, or check looks after that
	left      bool   // the caller has gone
	turns     int    // that it has been in
	single    bool   // it may ask again
	again     func() // nil, or what it does when it asks again
	reading   bool   // it has been in a turn, and now reads the store

	saw map[string]*record.Future // what it read there; nil: what is there
}

func (c *call) String() string { return c.name }

type result struct {
	answer any
	err    error
}

// patience is the context of a caller. The kernel looks at Done each time it has been asked something.
type patience struct {
	context.Context
	leave   context.CancelFunc
	life    *life
	posts   int
	listens chan struct{}
}

func (p *patience) Done() <-chan struct{} {
	p.posts++
	p.life.posts.Add(1)
	if p.posts == 1 && p.listens != nil {
		<-p.listens
	}
	return p.Context.Done()
}

// ask lets somebody ask something; it is in the next turn.
func (w *world) ask(c *call) {
	ctx, leave := context.WithCancel(context.Background())
	c.patient = &patience{Context: ctx, leave: leave, life: w.life, listens: c.listens}
	c.result = make(chan result, 1)
	crowd := w.places()
	go func() {
		answer, err := c.run(c.patient)
		c.result <- result{answer, err}
	}()
	synctest.Wait()
	select {
	case r := <-c.result:
		leave()
		w.over(c)
		w.turnedAway(c, r, crowd)
	default:
		if crowd >= w.limits.InboxMax && !c.unbounded {
			w.Fatalf("%s was let in as number %d", c, crowd+1)
		}
		w.calls = append(w.calls, c)
		w.asked = append(w.asked, c)
	}
}

// places is how many calls take a place in the inbox: all but those that were put to sleep, or that read the store.
func (w *world) places() (taken int) {
	for _, c := range w.calls {
		if !c.reading && !c.unbounded && (c.wait == nil || !c.wait.held) {
			taken++
		}
	}
	return taken
}

// lingering is the one under way that may ask again; nil: there is none.
func (w *world) lingering() *call {
	i := slices.IndexFunc(w.calls, func(c *call) bool { return c.single && (c.wait == nil || !c.wait.held) })
	if i < 0 {
		return nil
	}
	return w.calls[i]
}

// turnedAway is a call that was refused at the door.
func (w *world) turnedAway(c *call, r result, crowd int) {
	switch {
	case errors.Is(r.err, await.ErrBusy) && crowd+w.ghosts >= w.limits.InboxMax:
		w.seen.saw("busy")
	case errors.Is(r.err, await.ErrDraining) && w.life.draining && c.command != nil:
		w.seen.saw("draining")
	default:
		w.Fatalf("%s was refused at the door: %v, %v (%d before it)", c, r.answer, r.err, crowd)
	}
	w.note("%s: %v", c, r.err)
}

// leave lets a caller go before the answer.
func (w *world) leave(c *call) {
	w.note("leaves: %s", c)
	c.patient.leave()
	synctest.Wait()
	if r := <-c.result; !errors.Is(r.err, context.Canceled) {
		w.Fatalf("%s: the caller left and heard %v, %v", c, r.answer, r.err)
	}
	c.left = true
	w.calls = slices.DeleteFunc(w.calls, func(one *call) bool { return one == c })
	if c.wait != nil {
		w.leaves(c.wait)
		w.seen.saw("a waiter left")
	}
	if c.wait == nil || !c.wait.held {
		w.ghosts++
	}
}

// leaves makes the caller of a wait leave with the next turn.
func (w *world) leaves(wait *Wait) {
	w.leavers = append(w.leavers, func() {
		before := len(w.oracle.effects)
		w.oracle.Leave(wait)
		for _, l := range wait.leaves {
			f := w.oracle.futures[l.Expr.Ref]
			switch {
			case !wait.Abandons || f == nil || f.State.Settled():
			case len(w.oracle.effects) > before:
				w.seen.saw("who left abandoned a future")
			case w.oracle.awaited(f.ID):
				w.seen.saw("who left was not the last who waited for a future")
			}
		}
	})
}

// hear takes the answers that have come.
func (w *world) hear() {
	for _, c := range slices.Clone(w.calls) {
		select {
		case r := <-c.result:
			w.heard(c, r)
		default:
		}
	}
}

func (w *world) heard(c *call, r result) {
	w.calls = slices.DeleteFunc(w.calls, func(one *call) bool { return one == c })
	c.patient.leave()
	w.note("%s: %s", c, told(r))
	again := c.turns > 0 && c.single // it asked more than once
	switch full := w.crowded || w.places()+w.ghosts >= w.limits.InboxMax; {
	case again && full && errors.Is(r.err, await.ErrBusy):
		w.seen.saw("busy between two turns")
	case !c.applied:
		w.Fatalf("%s was answered before its turn: %s", c, told(r))
	case !c.free && c.changes > w.oracle.Stored.Changes:
		w.Fatalf("%s was answered before that was durable: %s", c, told(r))
	default:
		if fault := c.check(r); fault != "" {
			w.Fatalf("%s: %s", c, fault)
		}
	}
	w.over(c)
}

func (w *world) over(c *call) {
	if c == w.slow {
		w.slow = nil
	}
}
