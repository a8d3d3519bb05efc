package faults

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// syncsMax is far more syncs than a start makes on one thread.
const syncsMax = 200

// Killed at any sync of its first start, a server finds a folder on its next that is empty, or whole.
func TestKilledAtEachSyncOfItsFirstStartItStartsAgain(t *testing.T) {
	t.Parallel()
	eachSync(t, func(n int) bool {
		return startsInSpite(t, t.TempDir(), fmt.Sprintf("fsync:signal=KILL:when=%d", n))
	})
}

// Nor does it matter at which sync of a later start it is killed.
func TestKilledAtEachSyncOfALaterStartItStartsAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newWorld(t, binary, "--data-dir", dir).live(t.Context()).kill()
	eachSync(t, func(n int) bool {
		return startsInSpite(t, dir, fmt.Sprintf("fsync:signal=KILL:when=%d", n))
	})
}

// A sync that fails while it starts ends a server with a reason, and it starts when the disk is well again.
func TestAFailedSyncEndsAStartWithAReason(t *testing.T) {
	t.Parallel()
	eachSync(t, func(n int) bool {
		return startsInSpite(t, t.TempDir(), fmt.Sprintf("fsync:error=EIO:when=%d", n))
	})
}

// eachSync counts from 1 until try has seen a start without the fault.
func eachSync(t *testing.T, try func(n int) (without bool)) {
	t.Helper()
	for n := 1; n <= syncsMax; n++ {
		if try(n) {
			if n == 1 {
				t.Error("the fault never happened")
			}
			t.Logf("each of %d syncs of one thread", n-1)
			return
		}
	}
	t.Errorf("a start made %d syncs and was not ready", syncsMax)
}

// startsInSpite starts a server with a fault that ends it, and then without. It reports whether it was ready before the
// fault happened; then there is nothing to see.
func startsInSpite(t *testing.T, dir, fault string) (without bool) {
	t.Helper()
	h := newHome(t, binary, "--data-dir", dir)
	prefix, trace := underStrace(t, fault)
	first := h.start(t, prefix...)
	ready := first.ready(t.Context())
	if ready == nil && !failed(t, trace) {
		first.kill() // and strace with it: both have the pipe of what they say
		if n := strings.Count(read(t, trace), " fsync("); n < 3 {
			t.Errorf("a start made %d syncs, on all threads: the fault does not happen where it should", n)
		}
		return true
	}
	if code := first.exit(t); code == 0 {
		t.Errorf("%s: it ended as if nothing had happened:\n%s", fault, first.said)
	} else if code > 0 && !first.said.has("input/output error") {
		t.Errorf("%s: it ended with %d and does not say why:\n%s", fault, code, first.said)
	}
	second := h.start(t)
	if err := second.ready(t.Context()); err != nil {
		t.Errorf("%s: %v", fault, err)
	}
	second.kill()
	return false
}

// Killed at the n-th sync of some thread, between what was written and what was answered, a server keeps its word. It
// is the sync of a commit, or that of the folder of bodies.
func TestKilledAtASyncUnderLoadItKeepsItsWord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newWorld(t, binary, "--data-dir", dir)
	ctx, stop := context.WithCancel(t.Context())
	finish := w.work(ctx, clients, *seed)
	r := rand.New(rand.NewPCG(*seed, 1<<33))
	before := 0
	for range *rounds {
		prefix, _ := underStrace(t, fmt.Sprintf("fdatasync:signal=KILL:when=%d", 3+r.IntN(60)))
		if r.IntN(3) == 0 {
			fault := fmt.Sprintf("fsync:signal=KILL:when=%d", 1+r.IntN(3))
			prefix, _ = underStrace(t, fault, filepath.Join(dir, "bodies"))
		}
		l, _ := w.tryToLive(ctx, prefix...) // it may be killed before it is ready
		if code := l.exit(t); code >= 0 {
			t.Errorf("it ended with %d:\n%s", code, l.said)
		}
		w.live(ctx)
		w.readBack(ctx, before, false)
		before = w.history.length()
		w.life.kill()
	}
	w.live(ctx)
	<-w.history.reached(200)
	stop()
	finish()
	w.target.soothe()
	report(t, w.verdict(t.Context()))
	answered, lost := w.history.counts()
	t.Logf("%d kills at a sync; %d calls answered, %d lost", *rounds, answered, lost)
}

// What a failed sync should have kept is not acknowledged: the server ends with a reason. What it acknowledged before
// is there when the disk is well again.
func TestWhatAFailedSyncShouldHaveKeptIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, binary, "--data-dir", t.TempDir())
	l := w.live(t.Context())
	c := newClient(w, 0)
	defer c.http.CloseIdleConnections()
	ask(t, c, "POST", "/futures", `{"kind":"promise","id":"before"}`, http.StatusCreated)
	l.cast(t, syncs+":error=EIO")
	late := c.later(t.Context(), "POST", "/events/late/set")
	if code := l.exit(t); code <= 0 || !l.said.has("input/output error") {
		t.Errorf("it ended with %d:\n%s", code, l.said)
	}
	a := <-late
	if a.status != 0 && a.status != http.StatusServiceUnavailable {
		t.Errorf("the set was answered %d %s", a.status, a.body)
	}
	w.live(t.Context())
	event := ask(t, c, "GET", "/events/late", "", http.StatusOK)
	if a.status != 0 && !bytes.Contains(event, []byte(`"generation":0`)) {
		t.Errorf("the set was answered with a %d, by which nothing was done, and here is %s", a.status, event)
	}
	ask(t, c, "GET", "/futures/before", "", http.StatusAccepted)
	ask(t, c, "POST", "/futures/before/resolve", `{"value":1}`, http.StatusOK)
}

// Under load, too, nothing is acknowledged from the sync that fails on, the server ends with a reason, and nothing is
// lost or done by halves.
func TestAfterAFailedSyncNothingIsAcknowledged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, binary, "--data-dir", t.TempDir())
	w.diskFails = true
	ctx, stop := context.WithCancel(t.Context())
	finish := w.work(ctx, clients, *seed)
	l := w.live(ctx)
	<-w.history.reached(400)
	l.cast(t, syncs+":error=EIO")
	failing := w.history.now()
	if code := l.exit(t); code <= 0 || !l.said.has("input/output error") {
		t.Errorf("it ended with %d:\n%s", code, l.said)
	}
	gone := w.history.now()
	if after := w.history.between(failing, gone, "create", "set", "pulse"); len(after) > 0 {
		t.Errorf("acknowledged though nothing could be synced any more:\n%s", tale(after))
	}
	w.live(ctx)
	<-w.history.reached(200)
	stop()
	finish()
	w.target.soothe()
	report(t, w.verdict(t.Context()))
	if _, lost := w.history.counts(); lost == 0 && w.history.turnedAway.Load() == 0 {
		t.Error("nobody asked for anything while the disk failed")
	}
}
