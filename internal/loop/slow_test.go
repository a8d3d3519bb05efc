package loop

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// namedRunner takes as long as the test says.
type namedRunner struct {
	name string
	run  func()
}

func (r *namedRunner) Name() string { return r.name }
func (r *namedRunner) Run()         { r.run() }

type slowness struct {
	Name string
	Took time.Duration
}

// Goal: outside debug mode the heartbeat names callbacks that take 1.25 times the limit, and never one below it, also
// after the loop has slept.
func TestSlowCallbacksAreNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []slowness
		l := newTestLoop(t, func(o *Options) {
			o.Clock = nil
			o.OnSlow = func(name string, took time.Duration) { heard = append(heard, slowness{name, took}) }
		})
		for _, took := range []time.Duration{99, 126, 1, 260} {
			r := &namedRunner{name: (took * time.Millisecond).String(), run: func() { time.Sleep(took * time.Millisecond) }}
			l.CallLater(l.Now()+time.Duration(took)*time.Hour, func() { l.Schedule(r) })
		}
		l.CallLater(1000*time.Hour, l.Stop)
		runLoop(t, l)
		want := []slowness{{"126ms", 125 * time.Millisecond}, {"260ms", 250 * time.Millisecond}}
		if diff := cmp.Diff(want, heard); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got := l.Stats().SlowCallbacks; got != 2 {
			t.Errorf("%d counted", got)
		}
		time.Sleep(time.Second)
		if h := l.heart; !h.resting.Load() {
			t.Error("the heart beats though the loop does not run")
		}
	})
}

// Goal: of tasks that begin in a row the slow one is named, be it the last.
func TestTheSlowTaskOfARowIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []string
		l := newTestLoop(t, func(o *Options) {
			o.Clock = nil
			o.OnSlow = func(name string, _ time.Duration) { heard = append(heard, name) }
		})
		l.CallSoon(func() {
			for _, took := range []time.Duration{1, 130, 2, 140} {
				CreateTask(l, func() (int, error) { time.Sleep(took * time.Millisecond); return 0, nil })
			}
		})
		runTurns(t, l, 2)
		if diff := cmp.Diff([]string{"Task-2", "Task-4"}, heard); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// Goal: in debug mode every callback is timed by the loop's own clock, and 50 ms are slow; a panic loses nothing.
func TestSlowCallbacksInDebugMode(t *testing.T) {
	var heard []slowness
	clock := &virtualClock{}
	l := newTestLoop(t, func(o *Options) {
		o.Clock, o.Debug = clock, true
		o.OnSlow = func(name string, took time.Duration) { heard = append(heard, slowness{name, took}) }
		o.OnException = func(Exception) { heard = append(heard, slowness{Name: "exception"}) }
	})
	for _, took := range []time.Duration{49, 50, 70} {
		l.Schedule(&namedRunner{name: "r", run: func() {
			clock.now += took * time.Millisecond
			if took == 70 {
				panic("slow and broken")
			}
		}})
	}
	h := l.CallSoon(func() { t.Error("ran though cancelled") })
	h.Cancel()
	runTurns(t, l, 1)
	if diff := cmp.Diff([]slowness{{"r", 50 * time.Millisecond}, {Name: "exception"}}, heard); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Goal: with nobody set to hear of it, slowness and exceptions go to the log, with name and stack.
func TestTheDefaultIsTheLog(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	clock := &virtualClock{}
	l := newTestLoop(t, func(o *Options) {
		o.Clock, o.Debug, o.SlowCallback = clock, true, time.Second
		o.OnException = nil
	})
	l.CallSoon(func() { clock.now += time.Second })
	l.CallSoon(func() { panic("broken") })
	runTurns(t, l, 1)
	l.SetExceptionHandler(func(Exception) { panic("handler") })
	l.CallExceptionHandler(Exception{Message: "given by hand"})
	if !containsAll(log.String(), "a callback was slow", "took=1s", "TestTheDefaultIsTheLog.func", "panic: broken",
		"slow_test.go", "given by hand", "the exception handler panicked") {
		t.Errorf("the log is:\n%s", log.String())
	}
}

// bareRunner has no name of its own.
type bareRunner struct{}

func (bareRunner) Run() {}

// Goal: names tell functions, types and those who name themselves apart.
func TestNames(t *testing.T) {
	for want, r := range map[string]Runner{
		"":                nil,
		"me":              &namedRunner{name: "me"},
		"loop.bareRunner": bareRunner{},
		"nil":             Func(nil),
		"github.com/awaitd/awaitd/internal/loop.TestNames":     Func(func() { TestNames(t) }),
		"github.com/awaitd/awaitd/internal/loop.TestNamesCall": &call[int]{fn: func() int { return 0 }},
	} {
		if got := nameOf(r); got != want && !strings.HasPrefix(got, strings.TrimSuffix(want, "Call")+".func") {
			t.Errorf("nameOf(%T) = %q, want %q", r, got, want)
		}
	}
}
