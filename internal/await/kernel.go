package await

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/loop"
	"github.com/awaitd/awaitd/internal/record"
)

// Store is what the kernel needs of a store; see internal/store for the contract of each.
type Store interface {
	Commit(b *record.Batch, done func(error))
	Future(id string) (*record.Future, error)
	Key(name string) (*record.Key, error)
	Futures(q record.FutureQuery) (page []*record.Future, next string, err error)
	Events(prefix, after string, limit int) (page []*record.Event, next string, err error)
	Sweepable(now record.Time) (bool, error)
	Load(future func(*record.Future) error, event func(*record.Event) error, progress func(n int)) error
	Limits(visit func(*record.Limit) error) error
	Leaves(visit func(id string, l *record.Leaf) error) error
	LoadGroups(visit func(*record.Group) error) error
	Groups(label *record.Label, after string, limit int) (page []*record.Group, next string, err error)
	Count(k record.Kind, s record.State) int64
	Counted() (uint64, error)
}

// Sequencer gives each turn its place in the total order and delivers the turns in that order.
type Sequencer interface {
	Sequence(t *record.Turn, deliver func(position uint64, t *record.Turn))
}

// Fetcher makes attempts. Each launched one comes back as exactly one outcome, through Kernel.Outcome.
type Fetcher interface {
	Launch(fetch.Job)
	Abort(id string)
}

// Options are what a kernel is made of. Store, Sequencer and Fetcher are needed; the rest has defaults.
type Options struct {
	Limits    Limits
	Store     Store
	Sequencer Sequencer
	Fetcher   Fetcher
	Clock     loop.Clock            // nil: the machine's monotonic clock
	Wall      time.Time             // the wall time at the clock's zero
	Metrics   prometheus.Registerer // nil: a registry nobody reads
	Log       *slog.Logger          // nil: silence
	Debug     bool                  // the loop's debug mode
}

// Kernel is the event loop of a server with the state on it: the loop extended by embedding. Run runs it; the
// verbs may be called from any goroutine while it runs. Everything else is for the loop.
type Kernel struct {
	*loop.Loop

	limits  Limits
	state   *State
	store   Store
	seq     Sequencer
	fetcher Fetcher
	clock   loop.Clock
	origin  time.Time // the wall time at the loop's time zero
	log     *slog.Logger
	tally   *tally

	outstanding atomic.Int64  // proposals not answered yet, parked ones left out
	beat        atomic.Int64  // the loop's time of the last heartbeat, ns
	gauges      gauges        // what a scrape reads
	ended       chan struct{} // closed when Run returns

	// The lanes of the turn that is being gathered. What cannot be refused (outcomes, withdrawals) goes first.
	sure, asked []*proposal
	sequenced   [][]*proposal // the proposals of own turns, in the order in which these will be delivered
	position    uint64        // of the last turn applied
	held        []effect      // of the turns applied since the last commit began
	committing  bool
	sweeping    bool             // something has expired: the next commit is worth making even if it changes nothing
	alarm       loop.TimerHandle // wakes the loop for what is next due
	alarmAt     record.Time      // 0: not set
	slow        []SlowCallback   // the last few
	failure     error            // of a commit; the kernel ends with it
}

// New makes a kernel. It does not run yet.
func New(o Options) (*Kernel, error) {
	if err := o.Limits.validate(); err != nil {
		return nil, err
	}
	if o.Clock == nil {
		o.Clock = loop.NewClock()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	k := &Kernel{
		limits: o.Limits, store: o.Store, seq: o.Sequencer, fetcher: o.Fetcher,
		clock: o.Clock, log: o.Log, origin: o.Wall, ended: make(chan struct{}),
	}
	k.tally = newTally(k)
	if err := k.tally.register(o.Metrics); err != nil {
		return nil, fmt.Errorf("await: register metrics: %w", err)
	}
	k.state = newState(o.Limits, record.TimeOf(o.Wall), k.tally)
	k.state.stored = o.Store.Future
	k.state.usedKey = k.keyInStore
	k.Loop = loop.New(loop.Options{
		Clock: o.Clock, Debug: o.Debug, AfterTurn: k.endTurn, TimeTurns: true, OnSlow: k.noteSlow,
		OnException: k.broken,
	})
	k.state.at = k.now()
	k.gauges.publish(k)
	return k, nil
}

// Recover puts what the store remembers back into memory, before Run. The first turn then decides what becomes of the
// attempts that the last server had under way. progress, if not nil, hears how many facts have been read.
func (k *Kernel) Recover(progress func(n int)) error {
	future := func(f *record.Future) error {
		k.state.restore(f)
		return nil
	}
	event := func(e *record.Event) error {
		k.state.restoreEvent(e)
		return nil
	}
	group := func(g *record.Group) error {
		k.state.restoreGroup(g)
		return nil
	}
	counted, err := k.store.Counted()
	if err != nil {
		return fmt.Errorf("await: recover: %w", err)
	}
	k.state.events.Counted(counted)
	pending := int64(0)
	for kind := record.KindFetch; kind <= record.KindWait; kind++ {
		pending += k.store.Count(kind, record.StatePending)
	}
	k.state.due.Grow(int(pending)) // nearly each has a timer
	if err := k.store.LoadGroups(group); err != nil {
		return fmt.Errorf("await: recover: %w", err)
	}
	if err := k.store.Load(future, event, progress); err != nil {
		return fmt.Errorf("await: recover: %w", err)
	}
	leaf := func(id string, l *record.Leaf) error {
		k.state.restoreLeaf(id, l)
		return nil
	}
	if err := k.store.Leaves(leaf); err != nil {
		return fmt.Errorf("await: recover: %w", err)
	}
	if err := k.state.resume(); err != nil {
		return fmt.Errorf("await: recover: %w", err)
	}
	limit := func(l *record.Limit) error {
		k.state.restoreLimit(l)
		return nil
	}
	if err := k.store.Limits(limit); err != nil {
		return fmt.Errorf("await: recover: %w", err)
	}
	k.sure = append(k.sure, &proposal{kernel: k, command: &record.Restart{}})
	return nil
}

// Run runs the loop until Finish or Stop, or until a commit fails: then nothing after it may be promised, and Run
// returns the reason. It must be called once.
func (k *Kernel) Run() error {
	k.CallSoon(k.heartbeat)
	err := k.RunForever()
	close(k.ended)
	k.state.loseAll()
	return errors.Join(k.failure, err)
}

// Finish has Run return once all that was proposed before is durable and answered, and each attempt has come back. Stop
// forgets what is not, as a crash does. Call it after Drain, when the fetcher is closed. Any goroutine.
func (k *Kernel) Finish() {
	k.mustHappen(&proposal{look: func(s *State) when {
		s.effects = append(s.effects, finish{})
		return atOnce
	}})
}

// finish is the effect of Finish: all before it is done.
type finish struct{}

func (finish) release(k *Kernel) {
	if k.state.running > 0 {
		k.Finish() // a launch was refused just now, and its outcome is on its way
		return
	}
	k.Stop()
}

// broken ends the kernel: something on the loop panicked, so the state may be wrong, and replay is cheaper than wrong
// state. What was not committed was never promised.
func (k *Kernel) broken(e loop.Exception) {
	k.log.Error("the kernel is broken and ends", "what", e.Message, "error", e.Err)
	if k.failure == nil {
		k.failure = fmt.Errorf("await: %s: %w", e.Message, e.Err)
	}
	k.Stop()
}

// now is the time of a turn: wall time when the kernel began, and from there on the loop's monotonic clock, so
// that a jump of the wall clock neither loses nor doubles a timer.
func (k *Kernel) now() record.Time { return record.TimeOf(k.origin.Add(k.Now())) }

// endTurn is the loop's AfterTurn: what the callbacks of this turn proposed becomes one turn of the service.
func (k *Kernel) endTurn(t loop.Turn) {
	if k.failure != nil {
		return
	}
	due := k.alarmAt != 0 && k.alarmAt <= k.now()
	if due {
		k.alarmAt = 0
	}
	if len(k.sure)+len(k.asked) > 0 || due || k.sweeping || len(k.state.cascade) > 0 {
		k.sequence() // a turn without commands still lets time pass
	}
	k.commit()
	if len(k.state.cascade) > 0 {
		k.CallSoon(func() {}) // its turn follows the rest
	}
	k.setAlarm()
	k.gauges.publish(k)
	took := k.clock.Now() - t.Began
	k.tally.turnSeconds.Observe(took.Seconds())
	if took >= slowTurn && t.Took < slowTurn { // else a callback of the loop is to blame, and has been noted
		k.noteSlow("await.turn", took)
	}
}

// slowTurn is how long a turn may take before it is noted like a slow callback.
const slowTurn = 100 * time.Millisecond

// slowKept is how many slow callbacks are remembered for Inspect.
const slowKept = 16

// SlowCallback is something that held the loop for too long.
type SlowCallback struct {
	Name string
	Took time.Duration
	At   record.Time
}

// noteSlow remembers and reports what held the loop for too long.
func (k *Kernel) noteSlow(name string, took time.Duration) {
	k.gauges.slow.Add(1)
	k.slow = append(k.slow, SlowCallback{name, took, k.now()})
	if len(k.slow) > slowKept {
		k.slow = k.slow[1:]
	}
	k.log.Warn("a callback held the loop", "name", name, "took", took)
}

// sequence gathers the commands proposed in this turn and gives them their place in the order. What only looks at
// the state waits until they are applied, and is answered after them.
func (k *Kernel) sequence() {
	turn := &record.Turn{At: k.now()}
	commands := make([]*proposal, 0, len(k.sure)+len(k.asked))
	for _, lane := range [][]*proposal{k.sure, k.asked} {
		for _, p := range lane {
			if p.command != nil {
				commands = append(commands, p)
				turn.Commands = append(turn.Commands, p.command)
			}
		}
	}
	k.sequenced = append(k.sequenced, commands)
	k.seq.Sequence(turn, k.deliver)
	for _, lane := range [][]*proposal{k.sure, k.asked} {
		for _, p := range lane {
			if p.look != nil {
				k.answerLook(p)
			}
		}
		clear(lane)
	}
	k.sure, k.asked = k.sure[:0], k.asked[:0]
}

// answerLook lets p look at the state and says when it is answered.
func (k *Kernel) answerLook(p *proposal) {
	when := p.look(k.state)
	k.holdEffects()
	switch when {
	case atOnce:
		p.release(k)
	case inOrder:
		k.held = append(k.held, p)
	case later: // from now on it is bounded as a waiter
		if p.counted {
			p.counted = false
			k.outstanding.Add(-1)
		}
	}
}

// deliver applies one turn of the total order. Each answer goes out before what its command set in motion.
func (k *Kernel) deliver(position uint64, turn *record.Turn) {
	proposals := k.sequenced[0]
	k.sequenced = k.sequenced[1:]
	k.position = position
	k.state.advance(turn.At)
	k.holdEffects()
	for i, command := range turn.Commands {
		p := proposals[i]
		p.answer, p.err = k.state.apply(command)
		k.held = append(k.held, p)
		k.holdEffects()
	}
	k.tally.turnCommands += len(turn.Commands)
}

// holdEffects keeps what has just been applied from happening until it is committed.
func (k *Kernel) holdEffects() {
	for _, e := range k.state.effects {
		if h, ok := e.(*Held); ok && h.answer.Slept {
			h.answer.DecidedAt = k.Now()
		}
		k.held = append(k.held, e)
	}
	clear(k.state.effects)
	k.state.effects = k.state.effects[:0]
}

// commit makes durable what has been applied, unless a commit is under way: then the next one takes it all. What
// changed nothing has nothing to wait for.
func (k *Kernel) commit() {
	if k.committing || len(k.held) == 0 && !k.sweeping && !k.state.changed() {
		return
	}
	batch := k.state.takeBatch(k.position)
	effects := k.held
	k.held = nil
	if batch.Empty() && !k.sweeping {
		k.release(effects)
		return
	}
	k.committing, k.sweeping = true, false
	began := k.clock.Now()
	k.tally.commitCommands.Observe(float64(k.tally.turnCommands))
	k.tally.turnCommands = 0
	k.store.Commit(batch, func(err error) {
		took := k.clock.Now() - began
		_ = k.CallSoonThreadsafe(func() { k.committed(effects, took, err) }) // the loop outlives its commits
	})
}

// committed is the end of a commit: the effects of its turns may happen. The turn in which it is called begins the
// next one.
func (k *Kernel) committed(effects []effect, took time.Duration, err error) {
	k.committing = false
	if err != nil {
		k.failure = fmt.Errorf("commit up to turn %d: %w", k.position, err)
		k.Stop()
		return
	}
	k.tally.commitSeconds.Observe(took.Seconds())
	k.gauges.lastCommit.Store(int64(took))
	k.release(effects)
}

func (k *Kernel) release(effects []effect) {
	for _, e := range effects {
		e.release(k)
	}
}

// setAlarm makes the loop turn when something in the state is due.
func (k *Kernel) setAlarm() {
	next, ok := k.state.nextDue()
	switch {
	case ok && k.alarmAt == next || !ok && k.alarmAt == 0:
		return
	case k.alarmAt != 0:
		k.alarm.Cancel()
	}
	if k.alarmAt = 0; ok {
		k.alarmAt = next
		k.alarm = k.CallAt(next.Time().Sub(k.origin), func() {}) // its turn sees that something is due
	}
}

// heartbeatEvery is how often an idle loop shows that it is alive, and measures how late it is.
const heartbeatEvery = 250 * time.Millisecond

// heartbeat measures the loop's lag, shows that it turns, and looks whether something in the store has expired.
func (k *Kernel) heartbeat() {
	k.beat.Store(int64(k.clock.Now()))
	if found, err := k.store.Sweepable(k.now()); err != nil {
		k.log.Error("look for expired futures", "error", err)
	} else if found {
		k.sweeping = true
	}
	due := k.Now() + heartbeatEvery
	k.CallAt(due, func() {
		k.tally.observeLag(k.clock.Now() - due)
		k.heartbeat()
	})
}

// Alive reports whether the loop turned within the last second. Any goroutine.
func (k *Kernel) Alive() bool {
	return !k.Closed() && k.clock.Now()-time.Duration(k.beat.Load()) < time.Second
}

// Outcome takes the end of a launched attempt. It cannot be refused. Any goroutine.
func (k *Kernel) Outcome(o *record.Outcome) { k.mustHappen(&proposal{command: o}) }
