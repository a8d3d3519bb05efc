package loop

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// Every test must end what it began: a coroutine that stays suspended is a goroutine that leaks.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTestLoop makes a loop on virtual time that is closed with the test and on which nothing may go wrong unseen.
func newTestLoop(t *testing.T, change ...func(*Options)) *Loop {
	t.Helper()
	options := Options{
		Clock:       NewVirtualClock(),
		OnException: func(e Exception) { t.Errorf("exception nobody handles: %+v", e) },
	}
	for _, c := range change {
		c(&options)
	}
	l := New(options)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return l
}

// runLoop runs the loop until somebody stops it.
func runLoop(t *testing.T, l *Loop) {
	t.Helper()
	if err := l.RunForever(); err != nil {
		t.Fatalf("RunForever: %v", err)
	}
}

// runTurns runs exactly n turns.
func runTurns(t *testing.T, l *Loop, n int) {
	t.Helper()
	for range n {
		l.Stop()
		runLoop(t, l)
	}
}

// mustPanic expects fn to panic with a text that contains part.
func mustPanic(t *testing.T, part string, fn func()) {
	t.Helper()
	defer func() {
		t.Helper()
		switch v := recover(); {
		case v == nil:
			t.Errorf("no panic, want one about %q", part)
		case !strings.Contains(fmt.Sprint(v), part):
			t.Errorf("panic %v, want one about %q", v, part)
		}
	}()
	fn()
}

func containsAll(text string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}
