package await

import (
	"container/list"
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

	lastOrigin, lastHost string // what State.hostOf read last

	pending      int   // futures that are not settled
	pendingBytes int64 // of their requests and labels, and of callbacks that are not done
	callbacks    int   // futures that are settled, and whose callback is pending
	loose        loose // of those that are not settled: that nobody waits for
	running      int   // attempts under way, aborted ones included until their outcome arrives
	waits        parked
	waking       parked // those whose answer is not released yet
	durable      parked // the futures that wait
	leavesHeld   int    // of all waits in both
	decided      uint64 // waits decided since the start
	draining     bool   // nobody sleeps any more

	orphans []*future              // restored while an attempt was under way; Restart decides about them
	keys    map[string]*record.Key // used, and not yet in the store
	newKeys []*record.Key          // used since the last commit

	cascade  []follower                 // whose expressions are decided, and what is to come of it
	cascaded int                        // followed in this turn
	progress []*future                  // which wait, and have leaves that are not committed
	leaves   []record.LeafChange        // of waits that ended since the last commit
	resting  []*future                  // restored, and not resumed yet
	restored map[*future][]*record.Leaf // decided ones of those, until they are resumed; nil: none
	feeders  feeders

	groups        map[string]*group
	changedGroups []*group           // since the last commit
	forgotten     []record.GroupFact // the same

	watchers loop.Waiters // streams of all futures
	touched  []*future    // changed by the command that is applied, and watched
	told     *future      // of which they are told
	batch    uint64       // batches taken

	dirty   []unsaved // changed since the last commit, in order of their first change
	dropped []string  // settled futures to forget with the next commit, before it makes new ones
	effects []effect  // of what was applied since the kernel last held them

	// stored looks for a future in the store. It is asked only for ids that a caller chose.
	stored func(id string) (*record.Future, error)
	// usedKey looks for an idempotency key in the store; nil when it was never used. Both look-ups are asked only where
	// a caller names something, and only when memory does not know it.
	usedKey func(name string) (*record.Key, error)
	tally   *tally
}

// timed is something that happens at a time of its own.
type timed interface{ due(*State) }

// effect is what a turn does to the world once it is committed.
type effect interface{ release(*Kernel) }

// unsaved is a future that has changed since the last commit.
type unsaved struct {
	f   *future
	was *record.Future // as last committed; nil: never
}

// future is a future in memory: its fact and what hangs on it. There may be millions: mind its size, and the sizes that
// the allocator rounds up to.
type future struct {
	fact  *record.Future
	loose looseAt
	timer loop.WheelHandle // zero: none

	lane       *lane   // of a fetch that is not settled
	host       *string // of such a fetch; the lane and most of its members share one
	next, prev *future // in the row that it stands in
	number     uint32  // of joining that row, from 1; it wraps
	in         rowName // which one of its lane that is

	dirty   bool // it stands in State.dirty
	touched bool // it stands in State.touched
	dropped bool // the next commit forgets it

	audience *audience     // nil: nobody has come yet; most are never awaited
	member   *list.Element // of its group, while it is pending
	waiting  *waiting      // for its expression; nil: for none, or no more
}

// audience is who waits for a future.
type audience struct {
	waiters  loop.Waiters // for its end
	watchers loop.Waiters // streams: for each change
}

// hall is where the audience of f is.
func (f *future) hall() *audience {
	if f.audience == nil {
		f.audience = &audience{}
	}
	return f.audience
}

// follower is what a decided expression takes further.
type follower interface{ follow(*State) }

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
		groups:  map[string]*group{},
		feeders: feeders{map[string]*list.List{}, map[string]int{}},
		stored:  func(string) (*record.Future, error) { return nil, nil },
		usedKey: func(string) (*record.Key, error) { return nil, nil },
	}
}

// onWheel is t as the wheel counts: from 1970.
func onWheel(t record.Time) time.Duration { return time.Duration(t) * time.Millisecond }

// advance lets time pass to at: everything due happens, and what that makes due too. Time never goes back.
func (s *State) advance(at record.Time) {
	s.at = max(s.at, at)
	s.cascaded = 0
	s.follow()
	for {
		fired := false
		s.due.Advance(onWheel(s.at), func(t timed) {
			fired = true
			t.due(s)
		})
		if !fired {
			break
		}
		s.follow()
	}
	s.startQueued()
	s.report()
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
	case *record.CreateGroup:
		answer, err = s.createGroup(c)
	case *record.CancelGroup:
		answer, err = s.cancelGroup(c)
	case *record.RenewGroup:
		answer, err = s.renewGroup(c)
	case *record.EventChange:
		answer, err = s.changeEvent(c)
	case *record.Restart:
		s.restart()
	case *record.Tick: // time has passed already
	default:
		panic("await: unknown command")
	}
	s.follow()
	s.startQueued()
	s.report()
	return answer, err
}

// change makes a new fact of f, one version on, for edit to fill in.
func (s *State) change(f *future, edit func(*record.Future)) {
	fact := *f.fact
	fact.Version++
	edit(&fact)
	s.replace(f, &fact)
	s.touch(f)
}

// replace makes fact that of f, to be committed.
func (s *State) replace(f *future, fact *record.Future) {
	if !f.dirty {
		f.dirty = true
		s.dirty = append(s.dirty, unsaved{f, f.fact})
	}
	f.fact = fact
}

// awaited reports whether somebody waits for f: a call, a stream, a future, or its group.
func (f *future) awaited() bool {
	a := f.audience
	return f.member != nil || a != nil && a.waiters.Len()+a.watchers.Len() > 0
}

// attention notes when a change makes somebody wait for f, or the last one leave. Settled ones do not count.
func (s *State) attention(f *future, change func()) {
	before := f.awaited()
	change()
	switch after := f.awaited(); {
	case before == after || f.fact.State.Settled():
	case after:
		s.loose.remove(f)
	default:
		s.loose.add(f)
	}
}

// touch notes that those who watch f are to be told, once the command is applied.
func (s *State) touch(f *future) {
	if !f.touched && (f.audience != nil || s.watchers.Len() > 0) {
		f.touched = true
		s.touched = append(s.touched, f)
	}
}

// report tells those who watch of what was changed.
func (s *State) report() {
	for _, f := range s.touched {
		f.touched = false
		s.told = f
		if f.audience != nil {
			f.audience.watchers.Wake()
		}
		s.watchers.Wake()
	}
	clear(s.touched)
	s.touched, s.told = s.touched[:0], nil
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

// changed reports whether something has changed since the last takeBatch: by a command, or because its time came.
func (s *State) changed() bool {
	return len(s.dirty)+len(s.dropped)+len(s.newKeys)+len(s.leaves)+len(s.progress)+len(s.changedGroups)+
		len(s.forgotten)+len(s.queue.changed) > 0 || s.events.Changed()
}

// takeBatch returns what changed since the last call, as one commit.
func (s *State) takeBatch(position uint64) *record.Batch {
	s.batch++
	b := &record.Batch{
		Position: position, At: s.at, Counted: s.events.Serial(), Events: s.events.TakeChanges(), Keys: s.newKeys,
		Dropped: s.dropped,
	}
	b.Limits = s.takeLimits()
	b.Leaves, b.Groups = s.takeLeaves(), s.takeGroups()
	s.newKeys, s.dropped = nil, nil
	if len(s.dirty) == 0 {
		return b
	}
	b.Futures = make([]record.FutureChange, len(s.dirty))
	for i, u := range s.dirty {
		if b.Futures[i].Was = u.was; !u.f.dropped {
			b.Futures[i].Is = u.f.fact
		}
		u.f.dirty = false
	}
	clear(s.dirty)
	s.dirty = s.dirty[:0]
	return b
}
