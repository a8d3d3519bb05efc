package loop

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Goal: RunUntilComplete gives what the awaitable came to, and says why if it cannot.
func TestRunUntilComplete(t *testing.T) {
	l := New(Options{Clock: NewVirtualClock()})
	s := &scene{t: t, l: l}
	if v, err := RunUntilComplete(l, s.gives(3600, 5)); v != 5 || err != nil || l.Now() != time.Hour {
		t.Errorf("%d, %v at %v", v, err, l.Now())
	}
	f := s.future()
	inside := awaitFunc[int](func() (int, error) { return RunUntilComplete(l, f) })
	if _, err := RunUntilComplete(l, inside); err != ErrRunning {
		t.Errorf("inside: %v", err)
	}
	l.CallLater(time.Second, l.Stop)
	if _, err := RunUntilComplete(l, f); err != ErrStopped || f.waiters.Len() != 0 {
		t.Errorf("stopped: %v", err)
	}
	s.set(f)()
	others := 0
	f.AddDoneCallback(func(*Future[int]) { others++ })
	if v, err := RunUntilComplete(l, f); v != 1 || err != nil || others != 1 {
		t.Errorf("done before: %d, %v, %d", v, err, others)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := RunUntilComplete(l, f); err != ErrClosed {
		t.Errorf("closed: %v", err)
	}
}

// Goal: Run leaves nothing behind: tasks are cancelled and have time to end, the executor is waited for.
func TestRunEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := make(chan string, 9)
		var kept *Loop
		v, err := Run(Options{}, func(l *Loop) (int, error) {
			kept = l
			CreateTask(l, func() (int, error) {
				err := l.sleep(time.Hour)
				_ = l.sleep(time.Second) // cleaning up takes its time
				ends <- spell(err)
				return 0, err
			})
			RunInExecutor(l, func(context.Context) (int, error) {
				time.Sleep(time.Minute)
				ends <- "executor"
				return 0, nil
			})
			return 7, l.Yield()
		})
		if v != 7 || err != nil || !kept.Closed() {
			t.Errorf("%d, %v, closed %v", v, err, kept.Closed())
		}
		if first, second := <-ends, <-ends; first != "cancelled" || second != "executor" {
			t.Errorf("ends: %s, %s", first, second)
		}
		if _, err := Run(Options{}, func(*Loop) (int, error) { return 0, errBroken }); err != errBroken {
			t.Errorf("an exception: %v", err)
		}
		stops := func(l *Loop) (int, error) { l.Stop(); return 0, l.sleep(1) }
		if _, err := Run(Options{}, stops); !errors.Is(err, ErrStopped) {
			t.Errorf("stopped: %v", err)
		}
	})
}

// Goal: the policy decides which loop a program gets, and which one is current.
func TestPolicies(t *testing.T) {
	made := 0
	p := NewPolicy(func() *Loop { made++; return New(Options{Clock: NewVirtualClock()}) })
	SetPolicy(p)
	defer SetPolicy(nil)
	if GetPolicy() != p {
		t.Error("another policy")
	}
	extra, first := NewLoop(), GetEventLoop()
	if made != 2 || extra == first || GetEventLoop() != first {
		t.Errorf("%d loops were made", made)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if second := GetEventLoop(); second == first || made != 3 {
		t.Error("a closed loop is current")
	}
	SetEventLoop(extra)
	if GetEventLoop() != extra {
		t.Error("another loop is current")
	}
	SetEventLoop(nil)
	if l := GetEventLoop(); l == extra || made != 4 {
		t.Error("the old loop is current")
	}
	SetPolicy(nil)
	if _, ok := NewLoop().clock.(*machineClock); !ok || GetPolicy() != defaultPolicy {
		t.Error("the default makes plain loops")
	}
}
