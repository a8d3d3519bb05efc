package faults

import (
	"context"
	"testing"
)

// report fails the test with the faults, the first few of them.
func report(t *testing.T, faults []string) {
	t.Helper()
	for i, f := range faults {
		if i == 5 {
			t.Errorf("and %d more", len(faults)-i)
			return
		}
		t.Error(f)
	}
}

// What concurrent clients saw of a server that lives is one story.
func TestAHistoryWithoutKillsIsLinearizable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, binary, "--memory")
	ctx, stop := context.WithCancel(t.Context())
	l := w.live(ctx)
	finish := w.work(ctx, 8, *seed)
	<-w.history.reached(3000)
	stop()
	finish()
	w.target.soothe()
	report(t, w.verdict(t.Context()))
	if code := l.stop(t); code != 0 {
		t.Errorf("the server ended with %d:\n%s", code, l.said)
	}
	n, lost := w.history.counts()
	t.Logf("%d calls answered, %d lost", n, lost)
	if lost != 0 {
		t.Errorf("%d calls got no answer", lost)
	}
}

// A server that forgets everything is noticed, and one that forgets no more than its last moments, too: the same
// clients, killed and started again, with promises that are not kept.
func TestAServerThatForgetsIsNoticed(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--memory", "--sync=false"} {
		w := newWorld(t, binary, "--data-dir", t.TempDir(), flag)
		ctx, stop := context.WithCancel(t.Context())
		finish := w.work(ctx, clients, *seed)
		for range 5 {
			l := w.live(ctx)
			<-w.history.reached(200)
			l.kill()
		}
		w.live(ctx)
		stop()
		finish()
		w.target.soothe()
		if faults := w.verdict(t.Context()); len(faults) == 0 {
			t.Errorf("%s: nothing was found wrong", flag)
		} else {
			t.Logf("%s: %d faults, such as: %s", flag, len(faults), faults[0])
		}
	}
}
