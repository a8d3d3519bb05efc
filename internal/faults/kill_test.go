package faults

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"
)

// clients is how many call at once in the tests that kill.
const clients = 8

// A server that is killed at random moments, under load and while it starts, keeps its word: what it acknowledged is
// there, and nothing is stuck.
func TestKilledAtAnyTimeItKeepsItsWord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, binary, "--data-dir", t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	finish := w.work(ctx, clients, *seed)
	r := rand.New(rand.NewPCG(*seed, 1<<32))
	before, early := 0, 0
	for range *rounds {
		if r.IntN(4) == 0 { // before it is ready, most of the time
			l := w.home.start(t)
			<-time.After(time.Duration(r.IntN(100)) * time.Millisecond)
			l.kill()
			early++
		}
		l := w.live(ctx)
		w.readBack(ctx, before, false)
		before = w.history.length()
		<-w.history.reached(1 + r.IntN(800))
		l.kill()
	}
	last := w.live(ctx)
	<-w.history.reached(200)
	stop()
	finish()
	w.target.soothe()
	report(t, w.verdict(t.Context()))
	if code := last.stop(t); code != 0 {
		t.Errorf("the server ended with %d:\n%s", code, last.said)
	}
	answered, lost := w.history.counts()
	t.Logf("%d kills under load, %d at start; %d calls answered, %d lost; fetches and timers: %v",
		*rounds, early, answered, lost, w.ends)
	if lost == 0 {
		t.Error("no call was under way when the server was killed")
	}
}
