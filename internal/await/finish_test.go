package await

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// An ordered end makes durable what was proposed while the last commit was under way, and answers it.
func TestFinishTakesWhatIsOnItsWay(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.submit("f1")
		h.store.hold()
		answers := make(chan error, 3)
		for _, id := range []string{"p", "q"} {
			go func() {
				_, err := h.kernel.Submit(h.Context(), record.NewFuture{ID: id, Kind: record.KindPromise})
				answers <- err
			}()
			synctest.Wait()
		}
		h.succeed("f1", 1)
		h.kernel.Finish()
		for range 2 {
			synctest.Wait()
			select {
			case err := <-h.ended:
				h.Fatalf("it ended with work on its way: %v", err)
			default:
			}
			h.store.letGo(true)
		}
		if err := errors.Join(<-h.ended, <-answers, <-answers); err != nil {
			h.Error(err)
		}
		h.store.letGo(false)
		h.begin()
		if h.state("f1") != "succeeded" || h.state("p") != "pending" || h.state("q") != "pending" {
			h.Errorf("after it: %s, %s, %s", h.state("f1"), h.state("p"), h.state("q"))
		}
	})
}

// untilEnded lets one commit after the other go until the kernel has ended, and returns how many.
func (h *house) untilEnded(before func()) (commits int) {
	h.Helper()
	for commits = 1; commits <= 100; commits++ {
		before()
		synctest.Wait()
		h.store.letGo(true)
		select {
		case err := <-h.ended:
			if err != nil {
				h.Error(err)
			}
			return commits
		default:
		}
	}
	h.Fatal("it does not end")
	return 0
}

// What falls due while the server ends is the next one's affair, however fast it comes.
func TestFinishDoesNotWaitForTime(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		const step = 10 * time.Millisecond
		for i := range 20 {
			at := record.TimeOf(time.Now().Add(time.Duration(i+1) * step))
			h.create(record.NewFuture{ID: fmt.Sprint("t", i), Kind: record.KindTimer, At: at})
		}
		h.store.hold()
		go h.promise("p")
		synctest.Wait()
		h.kernel.Finish()
		commits := h.untilEnded(func() { time.Sleep(step) }) // a timer falls due before each
		if commits > 2 {
			h.Errorf("it ended after %d commits", commits)
		}
		h.store.letGo(false)
		h.begin()
	})
}

// A launch that is refused because the fetcher is closed is no death of the server: the next one makes the attempt, a
// POST as well.
func TestFinishWaitsForTheOutcomeOfARefusedLaunch(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.store.hold()
		f := newFetch("f")
		f.Request = altered(f.Request, toPOST)
		go h.create(f)
		synctest.Wait()
		go func() { _ = h.kernel.Drain(h.Context()) }()
		synctest.Wait()
		h.fetcher.refuses = h.kernel
		h.kernel.Finish()
		h.untilEnded(func() {})
		h.fetcher.refuses = nil
		h.store.letGo(false)
		h.begin()
		if got := h.state("f"); got != "running" || len(h.fetcher.take()) != 1 {
			h.Errorf("the next server finds it %s", got)
		}
	})
}
