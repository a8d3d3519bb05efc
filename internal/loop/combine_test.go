package loop

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Goal: AsCompleted gives outcomes in the order of their end, failures among them, those that were done first.
func TestAsCompletedGivesTheOrderOfEnds(t *testing.T) {
	l := newTestLoop(t)
	s := &scene{t: t, l: l}
	ready := s.future()
	s.set(ready)()
	inTask(t, l, func() {
		var got []string
		for v, err := range AsCompleted(l, s.gives(3, 3), s.fails(2, "two"), Awaitable[int](ready), s.gives(0, 9)) {
			got = append(got, spell(v)+spell(err))
		}
		if diff := cmp.Diff([]string{"1None", "9None", "0two", "3None"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// Goal: to leave the range leaves no trace, and the others run on; a cancelled task hears of it in the range.
func TestAsCompletedCanBeLeft(t *testing.T) {
	l := newTestLoop(t)
	s := &scene{t: t, l: l}
	slow := s.future()
	inTask(t, l, func() {
		for v, err := range AsCompleted(l, s.gives(1, 1), Awaitable[int](slow)) {
			if v != 1 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
			break
		}
		if slow.waiters.Len() != 0 || slow.Done() {
			t.Error("somebody still waits")
		}
		rest := start(s, func() (int, error) {
			n := 0
			for _, err := range AsCompleted[int](l, slow) {
				n++
				if !errors.Is(err, ErrCancelled) {
					t.Errorf("the range gave %v", err)
				}
			}
			return n, nil
		})
		rest.Cancel()
		if n, err := rest.Await(); n != 1 || err != nil || slow.Done() {
			t.Errorf("%d rounds, %v", n, err)
		}
	})
}

// Goal: Wait for nothing, and for what is done already, needs no waiting.
func TestWaitWithoutWaiting(t *testing.T) {
	l := newTestLoop(t)
	s := &scene{t: t, l: l}
	inTask(t, l, func() {
		if _, _, err := Wait[Waitable](l, nil, AllCompleted, 0); !errors.Is(err, ErrInvalidState) {
			t.Errorf("no futures: %v", err)
		}
		f := s.future()
		s.set(f)()
		done, rest, err := Wait(l, []*Future[int]{f, s.future()}, FirstCompleted, time.Second)
		if err != nil || !slices.Equal(done, []*Future[int]{f}) || len(rest) != 1 {
			t.Errorf("done %v, rest %v, %v", done, rest, err)
		}
	})
	if l.wheel.Len() != 0 {
		t.Error("a timer is left")
	}
}

// Goal: a cancelled shield lets go of what it shields, which may live on for long.
func TestShieldsLetGo(t *testing.T) {
	l := newTestLoop(t)
	inner := CreateFuture[int](l)
	for range 100 {
		if !Shield(l, inner).Cancel() {
			t.Error("not cancelled")
		}
	}
	if inner.waiters.Len() != 0 || inner.Done() {
		t.Errorf("%d still wait", inner.waiters.Len())
	}
	_ = inner.SetResult(1)
	if Shield(l, inner) != inner {
		t.Error("what is done needs no shield")
	}
}

// Goal: a timeout leaves no timer behind, however body ends.
func TestTimeoutCleansUp(t *testing.T) {
	l := newTestLoop(t)
	inTask(t, l, func() {
		if err := Timeout(l, time.Hour, func() error { return errBroken }); err != errBroken {
			t.Errorf("got %v", err)
		}
		mustPanic(t, "boom", func() { _ = Timeout(l, time.Hour, func() error { panic("boom") }) })
		broken := awaitFunc[int](func() (int, error) { return 5, errBroken })
		if v, err := WaitFor(l, broken, time.Hour); v != 0 || err != errBroken {
			t.Errorf("got %d, %v", v, err)
		}
		s := &scene{t: t, l: l}
		waiting := start(s, s.waitFor(start(s, s.stubborn(1)), 0))
		waiting.Cancel()
		if _, err := waiting.Await(); !errors.Is(err, ErrCancelled) {
			t.Errorf("cancelled while it waited for the end: %v", err)
		}
		if err := l.sleep(time.Minute); err != nil {
			t.Error(err)
		}
	})
	if l.wheel.Len() != 0 {
		t.Errorf("%d timers are left", l.wheel.Len())
	}
}

// Goal: a group whose body panics waits for its tasks all the same; tasks may create more; afterwards it is over.
func TestGroups(t *testing.T) {
	l := newTestLoop(t)
	s := &scene{t: t, l: l}
	inTask(t, l, func() {
		var group *TaskGroup
		var children []*Task[int]
		err := RunGroup(l, func(g *TaskGroup) error {
			group = g
			children = append(children, CreateTaskIn(g, func() (int, error) {
				children = append(children, CreateTaskIn(g, s.gives(5, 5)))
				_, err := s.gives(9, 9)()
				children = append(children, CreateTaskIn(g, s.gives(0, 0))) // too late
				return 0, err
			}))
			s.turns(2)
			panic(errBroken)
		})
		var p *PanicError
		if !errors.As(err, &p) || !errors.Is(err, errBroken) || len(children) != 3 {
			t.Errorf("%d children, %v", len(children), err)
		}
		if got := wasCancelled(children...); got != "[True, True, True]" {
			t.Errorf("cancelled: %s", got)
		}
		mustPanic(t, "the group is over", func() { CreateTaskIn(group, s.gives(1, 1)) })
	})
}

// Goal: all, any and k of several events, latched: an event counts also if it is cleared at once.
func TestMultiEvent(t *testing.T) {
	l := newTestLoop(t)
	a, b, c := NewEvent(l), NewEvent(l), NewEvent(l)
	m := NewMultiEvent(l, a, b, c)
	var log []string
	for name, wait := range []func() (any, error){
		func() (any, error) { return m.Await() },
		func() (any, error) { return m.WaitAny() },
		func() (any, error) { return m.WaitFor(2) },
	} {
		CreateTask(l, func() (int, error) {
			v, err := wait()
			log = append(log, spell(name)+": "+spell(v)+" "+spell(err))
			return 0, nil
		})
	}
	for i, e := range []*Event{c, a, b} {
		l.CallLater(time.Duration(i+1)*time.Second, func() { e.Set(); e.Clear() })
	}
	l.CallLater(time.Minute, l.Stop)
	runLoop(t, l)
	if diff := cmp.Diff([]string{"1: 2 None", "2: [2, 0] None", "0: True None"}, log); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := a.waiters.Len() + b.waiters.Len() + c.waiters.Len(); n != 0 {
		t.Errorf("%d legs still wait", n)
	}
}

// Goal: what is set already counts at once, what cannot be is refused, and who is cancelled leaves every event.
func TestMultiEventEdges(t *testing.T) {
	l := newTestLoop(t)
	a, b := NewEvent(l), NewEvent(l)
	b.Set()
	m := NewMultiEvent(l, a, b)
	inTask(t, l, func() {
		if which, err := m.WaitAny(); which != 1 || err != nil {
			t.Errorf("any: %d, %v", which, err)
		}
		if which, err := m.WaitFor(0); len(which) != 0 || err != nil {
			t.Errorf("none: %v, %v", which, err)
		}
		if _, err := m.WaitFor(3); !errors.Is(err, ErrInvalidState) {
			t.Errorf("three of two: %v", err)
		}
		if _, err := NewMultiEvent(l).WaitAny(); !errors.Is(err, ErrInvalidState) {
			t.Errorf("any of none: %v", err)
		}
		task := CreateTask(l, m.Await)
		_ = l.Yield()
		task.Cancel()
		if ok, err := task.Await(); ok || !errors.Is(err, ErrCancelled) || a.waiters.Len() != 0 {
			t.Errorf("cancelled: %v, %v, %d wait", ok, err, a.waiters.Len())
		}
		if !b.IsSet() || a.IsSet() {
			t.Error("waiting changed an event")
		}
	})
	both := NewMultiEvent(l, a, a)
	CreateTask(l, both.Await)
	runTurns(t, l, 1)
	a.Set() // one event in two places
	runTurns(t, l, 1)
	if l.Stats().Tasks != 0 {
		t.Error("the same event twice is never complete")
	}
}

// Goal: something that is no task waits for an event without a coroutine.
func TestEventJoin(t *testing.T) {
	l := newTestLoop(t)
	e := NewEvent(l)
	woken := 0
	s := newSleepers(2, func(int) { woken++ })
	if !e.Join(&s[0].Waiter) || !e.Join(&s[1].Waiter) || !s[1].Leave() {
		t.Error("could not wait, or not leave")
	}
	e.Set()
	e.Set()
	inTask(t, l, func() {
		if err := e.Wait(); err != nil {
			t.Errorf("Wait for a flag that is up: %v", err)
		}
	})
	if woken != 1 || e.Join(&s[0].Waiter) {
		t.Errorf("%d woken", woken)
	}
}
