package events

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/awaitd/awaitd/internal/loop"
	"github.com/awaitd/awaitd/internal/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sleeper writes down each time it is woken.
type sleeper struct {
	loop.Waiter
	name  string
	diary *[]string
	then  func()
}

func (s *sleeper) Wake() {
	*s.diary = append(*s.diary, s.name)
	if s.then != nil {
		s.then()
	}
}

func sleepers(e *Event, diary *[]string, names ...string) []*sleeper {
	var all []*sleeper
	for _, name := range names {
		s := &sleeper{name: name, diary: diary}
		s.Owner = s
		e.Wait(&s.Waiter)
		all = append(all, s)
	}
	return all
}

// A set raises the flag, counts, keeps the payload, and wakes everybody in the order they came.
func TestSetRaisesCountsAndWakesInOrder(t *testing.T) {
	r := NewRegistry()
	var diary []string
	sleepers(r.Get("a"), &diary, "first", "second", "third")
	p := &record.Payload{ContentType: "text/plain", Data: []byte("hi")}
	e := r.Set("a", p, time.Minute, 5000)
	want := &record.Event{
		Name: "a", Set: true, Generation: 1, Version: 1, SetAt: 5000, ExpiresAt: 65000, Payload: p,
		Serial: 5000 * serialsAMillisecond,
	}
	if diff := cmp.Diff(want, e.Fact()); diff != "" {
		t.Errorf("fact (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"first", "second", "third"}, diary); diff != "" {
		t.Errorf("woken:\n%s", diff)
	}
	r.Set("a", nil, 0, 6000)
	if f := r.Look("a"); f.Generation != 2 || f.Payload != nil || f.ExpiresAt != 0 || len(diary) != 3 {
		t.Errorf("after the second set: %+v, diary %v", f, diary)
	}
}

// A pulse wakes and counts, whatever the flag is, and leaves it so.
func TestPulseLeavesTheFlagAsItWas(t *testing.T) {
	r := NewRegistry()
	var diary []string
	sleepers(r.Get("a"), &diary, "one")
	if f := r.Pulse("a", nil, 1).Fact(); f.Set || f.Generation != 1 || f.SetAt != 1 {
		t.Errorf("pulse of an unset event: %+v", f)
	}
	r.Set("a", nil, 0, 2)
	if f := r.Pulse("a", nil, 3).Fact(); !f.Set || f.Generation != 3 {
		t.Errorf("pulse of a set event: %+v", f)
	}
	if len(diary) != 1 {
		t.Errorf("woken: %v", diary)
	}
}

// Who was woken stays woken though the flag falls at once; who comes after the fall sleeps.
func TestClearTakesNothingBack(t *testing.T) {
	r := NewRegistry()
	var diary []string
	e := r.Get("a")
	sleepers(e, &diary, "before")
	r.Set("a", &record.Payload{Data: []byte("kept")}, time.Hour, 1)
	r.Clear(e, 5)
	sleepers(e, &diary, "after")
	f := e.Fact()
	if f.Set || f.Generation != 1 || f.Version != 2 || f.Payload == nil || f.ExpiresAt != 0 || f.ClearedAt != 5 {
		t.Errorf("cleared: %+v", f)
	}
	if diff := cmp.Diff([]string{"before"}, diary); diff != "" || e.Waiting() != 1 {
		t.Errorf("woken %v, waiting %d", diary, e.Waiting())
	}
	r.TakeChanges()
	r.Clear(e, 6)
	if changes := r.TakeChanges(); e.Fact() != f || changes != nil {
		t.Errorf("clearing a cleared event changed it: %v", changes)
	}
}

// A sleeper that wants another set waits again without being woken twice by this one.
func TestWaitingAgainWaitsForTheNextSet(t *testing.T) {
	r := NewRegistry()
	var diary []string
	e := r.Get("a")
	s := sleepers(e, &diary, "again")[0]
	s.then = func() { e.Wait(&s.Waiter) }
	for n := 1; n <= 3; n++ {
		r.Set("a", nil, 0, record.Time(n))
		if len(diary) != n || e.Waiting() != 1 {
			t.Fatalf("after set %d: woken %v, waiting %d", n, diary, e.Waiting())
		}
	}
}

// A name that is only waited for is forgotten with its last sleeper; one that was set is not.
func TestANameNobodyNeedsIsForgotten(t *testing.T) {
	r := NewRegistry()
	var diary []string
	e := r.Get("a")
	all := sleepers(e, &diary, "one", "two")
	r.Leave(e, &all[0].Waiter, 1)
	if r.Len() != 1 || !r.Known("a") {
		t.Error("forgotten while somebody sleeps on it")
	}
	r.Leave(e, &all[1].Waiter, 1)
	if r.Len() != 0 || r.Known("a") {
		t.Error("remembered though nobody needs it")
	}
	b := r.Get("b")
	s := sleepers(b, &diary, "three")[0]
	r.Set("b", nil, 0, 1)
	r.Leave(b, &s.Waiter, 1)
	if !r.Known("b") {
		t.Error("a set event was forgotten")
	}
	if f := r.Look("never"); f.Name != "never" || f.Generation != 0 || r.Known("never") {
		t.Errorf("looking made room: %+v", f)
	}
}

// An event is idle when it is down, nobody waits for it and nobody is to set it, and since the last of these ended.
func TestAnEventIsIdleWhenNobodyWouldMissIt(t *testing.T) {
	r := NewRegistry()
	var diary []string
	want := func(stage string, since record.Time, idle bool) {
		t.Helper()
		if s, i := r.Get("a").Idle(); s != since || i != idle {
			t.Errorf("%s: idle %v since %d, want %v since %d", stage, i, s, idle, since)
		}
	}
	want("never set", 0, false)
	r.Set("a", nil, 0, 10)
	want("set", 0, false)
	r.Clear(r.Get("a"), 20)
	want("cleared", 20, true)
	r.Pulse("a", nil, 30)
	want("pulsed", 30, true)
	s := sleepers(r.Get("a"), &diary, "one")[0]
	want("waited for", 0, false)
	r.Leave(r.Get("a"), &s.Waiter, 40)
	want("left", 40, true)
	r.Reserve("a")
	r.Reserve("a")
	r.Unreserve("a", 50)
	want("reserved", 0, false)
	r.Unreserve("a", 60)
	want("not reserved any more", 60, true)
}

// Room is kept for a name that will be set, and given back when it will not be.
func TestAReservedNameIsKnown(t *testing.T) {
	r := NewRegistry()
	r.Reserve("a")
	if r.Len() != 1 || !r.Known("a") {
		t.Error("no room was kept")
	}
	r.Delete(r.Get("a"))
	if r.Len() != 1 {
		t.Error("a delete gave the room away")
	}
	r.Unreserve("a", 1)
	if r.Len() != 0 {
		t.Error("the room was not given back")
	}
	r.Reserve("b")
	r.Restore(&record.Event{Name: "b", Generation: 4})
	r.Unreserve("b", 1)
	if r.Look("b").Generation != 4 {
		t.Error("a fact went with the reservation")
	}
}

// A deleted event begins again at generation 1; who slept on it sleeps on.
func TestDeleteBeginsAgain(t *testing.T) {
	r := NewRegistry()
	var diary []string
	r.Set("a", nil, 0, 1)
	e := r.Get("a")
	r.Clear(e, 1)
	sleepers(e, &diary, "one")
	r.Delete(e)
	if f := e.Fact(); f.Generation != 0 || !r.Known("a") {
		t.Errorf("deleted: %+v", f)
	}
	if f := r.Set("a", nil, 0, 2).Fact(); f.Generation != 1 || len(diary) != 1 {
		t.Errorf("set again: %+v, woken %v", f, diary)
	}
	r.Delete(r.Get("a"))
	if r.Len() != 0 {
		t.Error("a deleted event that nobody waits for is remembered")
	}
}

// A commit is told each event once, as it is after all changes, in the order in which they first changed.
func TestChangesAreTakenOnceInOrder(t *testing.T) {
	r := NewRegistry()
	for n, name := range []string{"b", "a", "b", "c"} {
		r.Set(name, nil, 0, record.Time(n))
	}
	r.Delete(r.Get("c"))
	var got []string
	for _, c := range r.TakeChanges() {
		line := c.Name
		if c.Is != nil {
			line = fmt.Sprintf("%s %d", c.Name, c.Is.Generation)
		}
		got = append(got, line)
	}
	if diff := cmp.Diff([]string{"b 2", "a 1", "c"}, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if again := r.TakeChanges(); again != nil {
		t.Errorf("taken twice: %v", again)
	}
}

// A stored event is there again, as it was, and is no change.
func TestRestoredEventsAreNoChange(t *testing.T) {
	r := NewRegistry()
	fact := &record.Event{Name: "a", Set: true, Generation: 9}
	r.Restore(fact)
	if r.Look("a") != fact || r.TakeChanges() != nil || r.Get("a").Name() != "a" {
		t.Error("restore did not put the fact back as it was")
	}
}

// Serials grow with every set and pulse of any event: within a millisecond, after a jump back, after a restart, and
// when the last event was forgotten.
func TestSerialsGrow(t *testing.T) {
	r := NewRegistry()
	last := r.Serial()
	grown := func(what string) {
		t.Helper()
		if r.Serial() <= last {
			t.Errorf("%s: serial %d after %d", what, r.Serial(), last)
		}
		last = r.Serial()
	}
	r.Set("a", nil, 0, 5000)
	grown("a set")
	r.Pulse("b", nil, 5000)
	grown("a pulse in the same millisecond")
	r.Set("b", nil, 0, 4000)
	grown("a set in the past")
	stored := *r.Get("b").Fact()
	r.Delete(r.Get("b"))
	r.Clear(r.Get("a"), 4000)
	if r.Serial() != last {
		t.Error("what is no set has a serial")
	}
	r = NewRegistry()
	r.Restore(&stored)
	r.Set("c", nil, 0, 4000)
	grown("a set after the restart")
	r = NewRegistry() // all events were forgotten, time has passed
	r.Set("c", nil, 0, 6000)
	grown("a set of a registry that knows nothing")
}
