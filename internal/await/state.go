package await

import (
	"time"

	"github.com/awaitd/awaitd/internal/events"
	"github.com/awaitd/awaitd/internal/loop"
	"github.com/awaitd/awaitd/internal/record"
)

// State is everything that a server remembers and that may still change: pending futures, events, waits, the
// queue. It belongs to the loop. Applying a command is deterministic: time and ids are in the turn, nothing here
// reads a clock, does I/O or ranges over a map where order can be seen.
type State struct {
	limits  Limits
	at      record.Time // of the turn being applied
	futures map[string]*future
	events  *events.Registry
	queue   queue
	due     *loop.Wheel[timed]

	pending   int // futures that are not settled
	callbacks int // futures that are, and whose callback is pending
	running   int // attempts under way, aborted ones included until their outcome arrives
	waits     parked
	decided   uint64 // waits decided since the start
	draining  bool   // nobody sleeps any more

	orphans []*future              // restored while an attempt was under way; Restart decides about them
	keys    map[string]*record.Key // used, and not yet in the store
	newKeys []*record.Key          // used since the last commit

	dirty   []*future // changed since the last commit, in order of their first change
	dropped []string  // settled futures to forget with the next commit
	effects []effect  // of what was applied since the kernel last held them

	// exists looks for a future that is not in memory. It is asked only for ids that a caller chose.
	exists func(id string) bool
	// usedKey looks for an idempotency key in the store; nil when it was never used. Both look-ups are asked only where
	// a caller names something, and only when memory does not know it.
	usedKey func(name string) (*record.Key, error)
	tally   *tally
}

// timed is something that happens at a time of its own.
type timed interface{ due(*State) }

// effect is what a turn does to the world once it is committed.
type effect interface{ release(*Kernel) }

// future is a future in memory: its fact and what hangs on it.
type future struct {
	fact    *record.Future
	stored  *record.Future // as last committed; nil: never
	waiters loop.Waiters
	timer   loop.WheelHandle // zero: none
	dirty   bool
	lane    *lane  // of a fetch that is not settled
	host    string // of such a fetch
	place   place  // in a row of its lane
}

func newState(limits Limits, start record.Time, t *tally) *State {
	return &State{
		limits:  limits,
		at:      start,
		futures: map[string]*future{},
		queue:   queue{hosts: map[string]*host{}, flights: map[string]flight{}},
		events:  events.NewRegistry(),
		due:     loop.NewWheel[timed](time.Millisecond, onWheel(start)),
		tally:   t,
		keys:    map[string]*record.Key{},
		exists:  func(string) bool { return false },
		usedKey: func(string) (*record.Key, error) { return nil, nil },
	}
}

// onWheel is t as the wheel counts: from 1970.
func onWheel(t record.Time) time.Duration { return time.Duration(t) * time.Millisecond }

// advance lets time pass to at: everything due happens, and what that makes due too. Time never goes back.
func (s *State) advance(at record.Time) {
	s.at = max(s.at, at)
	for {
		fired := false
		s.due.Advance(onWheel(s.at), func(t timed) {
			fired = true
			t.due(s)
		})
		if !fired {
			break
		}
	}
	s.startQueued()
}

// nextDue is no later than the next thing due; false when nothing is.
func (s *State) nextDue() (record.Time, bool) {
	next, ok := s.due.Next()
	return record.Time(next / time.Millisecond), ok
}

// apply runs one command. Its answer is released with the effects, after the commit.
func (s *State) apply(cmd record.Command) (answer any, err error) {
	switch c := cmd.(type) {
	case *record.Submit:
		answer, err = s.submit(c)
	case *record.Outcome:
		s.outcome(c)
	case *record.Cancel:
		answer, err = s.cancel(c)
	case *record.Settle:
		answer, err = s.settlePromise(c)
	case *record.Delete:
		err = s.delete(c)
	case *record.EventChange:
		answer, err = s.changeEvent(c)
	case *record.Restart:
		s.restart()
	case *record.Tick: // time has passed already
	default:
		panic("await: unknown command")
	}
	s.startQueued()
	return answer, err
}

// change makes a new fact of f, one version on, for edit to fill in.
func (s *State) change(f *future, edit func(*record.Future)) {
	fact := *f.fact
	fact.Version++
	edit(&fact)
	f.fact = &fact
	if !f.dirty {
		f.dirty = true
		s.dirty = append(s.dirty, f)
	}
}

// arm makes f.due happen at t, instead of whenever it was to happen. Zero disarms.
func (s *State) arm(f *future, t record.Time) {
	if f.timer != (loop.WheelHandle{}) {
		s.due.Cancel(f.timer)
		f.timer = loop.WheelHandle{}
	}
	if t != 0 {
		f.timer = s.due.Insert(onWheel(t), f)
	}
}

// takeBatch returns what changed since the last call, as one commit.
func (s *State) takeBatch(position uint64) *record.Batch {
	b := &record.Batch{Position: position, At: s.at, Events: s.events.TakeChanges(), Keys: s.newKeys, Dropped: s.dropped}
	b.Limits = s.takeLimits()
	s.newKeys, s.dropped = nil, nil
	if len(s.dirty) == 0 {
		return b
	}
	b.Futures = make([]record.FutureChange, len(s.dirty))
	for i, f := range s.dirty {
		b.Futures[i] = record.FutureChange{Was: f.stored, Is: f.fact}
		f.stored, f.dirty = f.fact, false
	}
	s.dirty = s.dirty[:0]
	return b
}
