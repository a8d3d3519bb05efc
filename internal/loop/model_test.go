package loop

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// act is what a callback does when it runs.
type act struct {
	kind   int // soon, later, cancel
	delay  time.Duration
	victim int
}

const (
	actSoon = iota
	actLater
	actCancel
)

// ran is that a callback ran, and when.
type ran struct {
	ID int
	At time.Duration
}

// modelLoop is asyncio's loop as a beginner would write it: sorted lists, and search.
type modelLoop struct {
	tape   map[int][]act
	now    time.Duration
	nextID int
	ready  []int
	timers []modelEntry
	log    []ran
	answer []bool // of each cancel
}

type modelEntry struct {
	id   int
	when time.Duration
}

func (m *modelLoop) do(acts []act) {
	for _, a := range acts {
		switch a.kind {
		case actSoon:
			m.ready = append(m.ready, m.nextID)
			m.nextID++
		case actLater:
			m.timers = append(m.timers, modelEntry{m.nextID, m.now + a.delay})
			m.nextID++
		default:
			m.answer = append(m.answer, m.cancel(a.victim))
		}
	}
}

func (m *modelLoop) cancel(id int) bool {
	before := len(m.ready) + len(m.timers)
	m.ready = slices.DeleteFunc(m.ready, func(have int) bool { return have == id })
	m.timers = slices.DeleteFunc(m.timers, func(e modelEntry) bool { return e.id == id })
	return len(m.ready)+len(m.timers) < before
}

func (m *modelLoop) run() {
	for len(m.ready)+len(m.timers) > 0 {
		slices.SortStableFunc(m.timers, func(a, b modelEntry) int { return int(a.when - b.when) })
		if len(m.ready) == 0 {
			m.now = max(m.now, m.timers[0].when)
		}
		for len(m.timers) > 0 && m.timers[0].when <= m.now {
			m.ready = append(m.ready, m.timers[0].id)
			m.timers = m.timers[1:]
		}
		for newcomer := m.nextID; len(m.ready) > 0 && m.ready[0] < newcomer; {
			id := m.ready[0]
			m.ready = m.ready[1:]
			m.log = append(m.log, ran{id, m.now})
			m.do(m.tape[id])
		}
	}
}

// realLoop plays the same tape on a Loop.
type realLoop struct {
	l       *Loop
	tape    map[int][]act
	handles []interface{ Cancel() bool }
	log     []ran
	answer  []bool
}

func (p *realLoop) do(acts []act) {
	for _, a := range acts {
		id := len(p.handles)
		run := func() {
			p.log = append(p.log, ran{id, p.l.Now()})
			p.do(p.tape[id])
		}
		switch a.kind {
		case actSoon:
			h := p.l.CallSoon(run)
			p.handles = append(p.handles, &h)
		case actLater:
			h := p.l.CallLater(a.delay, run)
			p.handles = append(p.handles, &h)
		default:
			p.answer = append(p.answer, a.victim < len(p.handles) && p.handles[a.victim].Cancel())
		}
	}
}

// Goal: whatever callbacks schedule and cancel, the loop runs them in the order, and at the times, of a loop that is
// too simple to be wrong. What a turn schedules never runs in it; the model tells that by the number.
func TestTheLoopAgreesWithASimpleOne(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		acts := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) act {
			return act{
				kind:   rapid.IntRange(actSoon, actCancel).Draw(rt, "kind"),
				delay:  time.Duration(rapid.IntRange(0, 5).Draw(rt, "delay")) * time.Millisecond,
				victim: rapid.IntRange(0, 60).Draw(rt, "victim"),
			}
		}), 0, 4)
		tape := map[int][]act{}
		for id := range rapid.IntRange(0, 40).Draw(rt, "callbacks") {
			tape[id] = acts.Draw(rt, "acts")
		}
		first := rapid.SliceOfN(rapid.Just(act{kind: actSoon}), 1, 5).Draw(rt, "first")

		m := &modelLoop{tape: tape}
		m.do(first)
		m.run()
		p := &realLoop{l: New(Options{Clock: NewVirtualClock()}), tape: tape}
		p.do(first)
		for len(p.l.ready)+p.l.wheel.Len() > 0 {
			p.l.turn()
		}
		if diff := cmp.Diff(m.log, p.log); diff != "" {
			rt.Fatalf("what ran (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(m.answer, p.answer); diff != "" {
			rt.Fatalf("what Cancel said (-want +got):\n%s", diff)
		}
		if err := p.l.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}
