package await

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/internal/record"
)

// A submitted fetch is launched once its submit is durable, and its outcome settles it; what it carried is erased.
func TestAFetchRunsAndSucceeds(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.submit("f1")
		if got := h.fetcher.take(); len(got) != 1 || got[0] != "f1#1" {
			h.Fatalf("launched %v", got)
		}
		if got := h.state("f1"); got != "running" {
			h.Errorf("state = %q", got)
		}
		time.Sleep(time.Second)
		h.succeed("f1", 1)
		f := h.future("f1")
		if f.State != record.StateSucceeded || f.Result.Status != 200 || string(f.Result.Body.Inline) != "ok" {
			h.Errorf("future = %+v", f.Future)
		}
		if r := f.Request.Open(); r.URL == "" || r.Headers != nil || r.Body != nil {
			h.Errorf("kept of the request: %+v", r)
		}
		if got := f.SettledAt.Sub(f.CreatedAt); got != time.Second {
			h.Errorf("took %v", got)
		}
		if got := f.ExpiresAt.Sub(f.SettledAt); got != 24*time.Hour {
			h.Errorf("kept for %v", got)
		}
		if len(f.Attempts) != 1 || f.Attempts[0].Status != 200 {
			h.Errorf("attempts = %+v", f.Attempts)
		}
	})
}

// Nobody is told and nothing is launched before the commit; one commit then serves all that came meanwhile.
func TestNothingHappensBeforeTheCommit(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.store.hold()
		done := make(chan string, 3)
		for _, id := range []string{"f1", "f2", "f3"} {
			go func() {
				h.submit(id)
				done <- id
			}()
			synctest.Wait()
		}
		if len(done) != 0 || len(h.fetcher.take()) != 0 || h.store.commits != 1 {
			h.Fatalf("before the commit: %d answers, %d commits", len(done), h.store.commits)
		}
		h.store.letGo(true)
		if len(done) != 1 || len(h.fetcher.take()) != 1 || h.store.commits != 2 {
			h.Fatalf("after the first commit: %d answers, %d commits", len(done), h.store.commits)
		}
		h.store.letGo(false)
		if len(done) != 3 || h.store.commits != 2 {
			h.Fatalf("after the second commit: %d answers, %d commits", len(done), h.store.commits)
		}
	})
}

// A read shows nothing that a crash could still take back, but does not wait for what it has not seen.
func TestReadsShowOnlyWhatIsDurable(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("old")
		h.store.hold()
		go h.promise("new")
		synctest.Wait()
		read := make(chan string, 2)
		for _, id := range []string{"new", "old"} {
			go func() { read <- h.future(id).ID }()
			synctest.Wait()
		}
		h.store.letGo(false)
		if got := []string{<-read, <-read}; len(got) != 2 {
			h.Errorf("read %v", got)
		}
	})
}

// When a commit fails the kernel ends with its reason, and nobody gets a false yes.
func TestAFailedCommitEndsTheKernel(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("p")
		h.store.mu.Lock()
		h.store.fail = errDisk
		h.store.mu.Unlock()
		_, err := h.kernel.Resolve(h.Context(), "p", []byte("1"))
		if !errors.Is(err, ErrLost) {
			h.Errorf("resolve: %v, want ErrLost", err)
		}
		if err := <-h.ended; !errors.Is(err, errDisk) {
			h.Errorf("the kernel ended with %v", err)
		}
		if _, err := h.kernel.Future(h.Context(), "p"); !errors.Is(err, ErrEnded) {
			h.Errorf("read after the end: %v", err)
		}
		if h.kernel.Alive() {
			time.Sleep(2 * time.Second)
			if h.kernel.Alive() {
				h.Error("an ended kernel calls itself alive")
			}
		}
		h.ended <- nil // for the end of the house
	})
}

// An attempt that failed is followed by the next one after its back-off, with its count; the last failure stands.
func TestAFetchBacksOffAndTriesAgain(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.submit("f1")
		h.failWith("f1", 1, record.FailConnect, 10*time.Second)
		f := h.future("f1")
		if h.state("f1") != "pending backoff" || f.NextAttemptAt.Sub(f.CreatedAt) != 10*time.Second {
			h.Fatalf("%s, next at +%v", h.state("f1"), f.NextAttemptAt.Sub(f.CreatedAt))
		}
		h.fetcher.take()
		time.Sleep(10*time.Second - 2*time.Millisecond)
		if got := h.fetcher.take(); got != nil {
			h.Fatalf("launched early: %v", got)
		}
		time.Sleep(3 * time.Millisecond)
		if got := h.fetcher.take(); len(got) != 1 || got[0] != "f1#2" {
			h.Fatalf("launched %v", got)
		}
		h.failWith("f1", 2, record.FailTimeout, -1)
		f = h.future("f1")
		if h.state("f1") != "failed timeout" || len(f.Attempts) != 2 ||
			f.Attempts[0].Failure.Type != record.FailConnect {
			h.Errorf("%s, attempts %+v", h.state("f1"), f.Attempts)
		}
	})
}

// Workers are a bound; who waits for one is told its place, and hosts take turns.
func TestFetchesQueueFairlyForWorkers(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		var all []record.NewFuture
		for _, id := range []string{"a1", "a2", "a3", "a4", "b1", "c1"} {
			f := newFetch(id)
			f.Request = requestTo(id[:1] + ".example").Pack()
			all = append(all, f)
		}
		if _, err := h.kernel.Submit(h.Context(), all...); err != nil {
			h.Fatal(err)
		}
		if diff := cmp.Diff([]string{"a1#1", "b1#1"}, h.fetcher.take()); diff != "" {
			h.Fatalf("first two (-want +got):\n%s", diff)
		}
		if v := h.future("a3"); h.state("a3") != "pending queued" || v.Queue != 2 {
			h.Errorf("a3: %s at place %d", h.state("a3"), v.Queue)
		}
		var order []string
		for _, id := range []string{"a1", "b1", "c1", "a2", "a3"} {
			h.succeed(id, 1)
			order = append(order, h.fetcher.take()...)
		}
		if got := strings.Join(order, " "); got != "c1#1 a2#1 a3#1 a4#1" {
			h.Errorf("then %s", got)
		}
	})
}

// What is cancelled in the queue leaves it; what is cancelled while it runs is aborted and frees its worker with its
// outcome, which changes nothing any more.
func TestCancelAtEveryStage(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		delayed := newFetch("late")
		delayed.Delay = time.Hour
		h.submit("r1", "r2", "q1", "q2")
		if _, err := h.kernel.Submit(h.Context(), delayed); err != nil {
			h.Fatal(err)
		}
		h.fetcher.take()
		for _, id := range []string{"r1", "q1", "late"} {
			f, err := h.kernel.Cancel(h.Context(), id)
			if err != nil || f.State != record.StateCancelled || f.Failure.Type != record.FailCancelled {
				h.Fatalf("cancel %s: %+v, %v", id, f, err)
			}
		}
		if diff := cmp.Diff([]string{"r1"}, h.fetcher.aborted); diff != "" {
			h.Errorf("aborted:\n%s", diff)
		}
		if got := h.fetcher.take(); got != nil {
			h.Errorf("the worker was taken for free before its outcome: %v", got)
		}
		h.failWith("r1", 1, record.FailCancelled, -1)
		if got := h.fetcher.take(); len(got) != 1 || got[0] != "q2#1" {
			h.Errorf("then %v, want q2", got)
		}
		if got, f := h.state("r1"), h.future("r1"); got != "cancelled cancelled" || len(f.Attempts) != 1 ||
			f.Attempts[0].Failure.Type != record.FailCancelled {
			h.Errorf("r1 after its outcome: %s, %+v", got, f.Attempts)
		}
		time.Sleep(2 * time.Hour)
		if got := h.fetcher.take(); got != nil {
			h.Errorf("a cancelled fetch was launched: %v", got)
		}
	})
}

// Cancelling again gives the same answer; cancelling what ended otherwise carries the future.
func TestCancelOfASettledFuture(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("p", "q")
		for range 2 {
			if f, err := h.kernel.Cancel(h.Context(), "p"); err != nil || f.State != record.StateCancelled {
				h.Fatalf("cancel: %+v, %v", f, err)
			}
		}
		if _, err := h.kernel.Resolve(h.Context(), "q", []byte("1")); err != nil {
			h.Fatal(err)
		}
		var settled *SettledError
		if _, err := h.kernel.Cancel(h.Context(), "q"); !errors.As(err, &settled) || settled.Future.ID != "q" {
			h.Errorf("cancel of a resolved promise: %v", err)
		}
		var unknown *UnknownFutureError
		if _, err := h.kernel.Cancel(h.Context(), "nobody"); !errors.As(err, &unknown) || unknown.ID != "nobody" {
			h.Errorf("cancel of nobody: %v", err)
		}
	})
}

// A promise settles once. The same settle again is the same answer; another is refused.
func TestAPromiseSettlesOnce(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("p", "r")
		failure := record.Failure{Type: record.FailRejected, Message: "no"}
		f, err := h.kernel.Reject(h.Context(), "r", failure)
		if err != nil || f.State != record.StateFailed || *f.Failure != failure {
			h.Fatalf("reject: %+v, %v", f, err)
		}
		if f, err = h.kernel.Resolve(h.Context(), "p", []byte(`{"a":1}`)); err != nil ||
			f.State != record.StateSucceeded {
			h.Fatalf("resolve: %+v, %v", f, err)
		}
		for range 2 { // at once, and when it is only in the store
			synctest.Wait()
			if _, err := h.kernel.Resolve(h.Context(), "p", []byte(`{"a":1}`)); err != nil {
				h.Errorf("the same again: %v", err)
			}
			if _, err := h.kernel.Reject(h.Context(), "r", failure); err != nil {
				h.Errorf("the same again: %v", err)
			}
			var settled *SettledError
			if _, err := h.kernel.Resolve(h.Context(), "p", []byte(`2`)); !errors.As(err, &settled) {
				h.Errorf("another value: %v", err)
			}
			if _, err := h.kernel.Resolve(h.Context(), "r", []byte(`2`)); !errors.As(err, &settled) {
				h.Errorf("resolving a rejected one: %v", err)
			}
			if _, err := h.kernel.Reject(h.Context(), "p", failure); !errors.As(err, &settled) {
				h.Errorf("rejecting a resolved one: %v", err)
			}
		}
		var unknown *UnknownFutureError
		if _, err := h.kernel.Resolve(h.Context(), "nobody", nil); !errors.As(err, &unknown) {
			h.Errorf("nobody: %v", err)
		}
		h.submit("f")
		if _, err := h.kernel.Resolve(h.Context(), "f", nil); !errors.Is(err, ErrNotSettleable) {
			h.Errorf("a running fetch: %v", err)
		}
		h.succeed("f", 1)
		if _, err := h.kernel.Resolve(h.Context(), "f", nil); !errors.Is(err, ErrNotSettleable) {
			h.Errorf("a settled fetch: %v", err)
		}
	})
}

// Settling again between settle and commit is answered like any other repeat.
func TestSettlingAgainBeforeTheCommit(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("p")
		h.store.hold()
		var errs [4]chan error
		for i := range errs {
			errs[i] = make(chan error, 1)
			go func() {
				if i == 3 {
					errs[i] <- h.kernel.Delete(h.Context(), "p")
					return
				}
				_, err := h.kernel.Resolve(h.Context(), "p", []byte{"112"[i]})
				errs[i] <- err
			}()
			synctest.Wait()
		}
		h.store.letGo(false)
		var settled *SettledError
		for i, want := range []bool{false, false, true, false} {
			if err := <-errs[i]; errors.As(err, &settled) != want || !want && err != nil {
				h.Errorf("call %d: %v", i, err)
			}
		}
		var unknown *UnknownFutureError
		if _, err := h.kernel.Future(h.Context(), "p"); !errors.As(err, &unknown) {
			h.Errorf("after the delete: %v", err)
		}
	})
}

// An id that a caller chose is taken for as long as its future is known: pending, settled, in one submit.
func TestAChosenIDIsTakenOnce(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		named := func(id string) record.NewFuture { return record.NewFuture{ID: id, Kind: record.KindPromise} }
		h.promise("p")
		var taken *IDTakenError
		for _, stage := range []string{"pending", "settled"} {
			if _, err := h.kernel.Submit(h.Context(), named("other"), named("p")); !errors.As(err, &taken) {
				h.Errorf("%s: %v", stage, err)
			}
			if _, err := h.kernel.Cancel(h.Context(), "p"); err != nil {
				h.Fatal(err)
			}
		}
		if _, err := h.kernel.Submit(h.Context(), named("x"), named("x")); !errors.As(err, &taken) {
			h.Errorf("twice in one submit: %v", err)
		}
		var unknown *UnknownFutureError
		for _, id := range []string{"other", "x"} {
			if _, err := h.kernel.Future(h.Context(), id); !errors.As(err, &unknown) {
				h.Errorf("%s was created though its submit was refused: %v", id, err)
			}
		}
		if err := h.kernel.Delete(h.Context(), "p"); err != nil {
			h.Fatal(err)
		}
		h.promise("p")
	})
}

// An id is free again as soon as its future has expired, whether it has been swept or not, or not even been committed.
func TestAnExpiredIDIsFreeAgain(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		create := func(ttl time.Duration) (View, error) {
			p := record.NewFuture{ID: "p", Kind: record.KindPromise, TTL: ttl, Labels: []record.Label{{Key: "try", Value: "n"}}}
			_, err := h.kernel.Submit(h.Context(), p)
			if err != nil {
				return View{}, err
			}
			return h.kernel.Future(h.Context(), "p")
		}
		settle := func() {
			if _, err := h.kernel.Resolve(h.Context(), "p", []byte("1")); err != nil {
				h.Error(err)
			}
		}
		first, err := create(heartbeatEvery / 5) // it expires long before anything looks for what has expired
		if err != nil {
			h.Fatal(err)
		}
		settle()
		var taken *IDTakenError
		if _, err := create(0); !errors.As(err, &taken) {
			h.Errorf("before it expires: %v", err)
		}
		time.Sleep(heartbeatEvery / 5)
		second, err := create(time.Millisecond)
		if err != nil || second.State != record.StatePending || second.CreatedAt == first.CreatedAt {
			h.Fatalf("as soon as it has expired: %+v, %v", second.Future, err)
		}
		h.store.hold()
		go settle()
		time.Sleep(time.Second) // the settle is not committed yet, and has expired
		third := make(chan error)
		go func() {
			_, err := create(time.Hour)
			third <- err
		}()
		synctest.Wait()
		h.store.letGo(false)
		if err := <-third; err != nil {
			h.Errorf("expired before it was committed: %v", err)
		}
		time.Sleep(time.Second) // the sweeps of the first two leave the third alone
		q := record.FutureQuery{Limit: 10, Label: &record.Label{Key: "try", Value: "n"}}
		page, _, err := h.kernel.Futures(h.Context(), q)
		if err != nil || len(page) != 1 || page[0].State != record.StatePending {
			h.Errorf("left: %v, %v", page, err)
		}
		settled := h.store.Count(record.KindPromise, record.StateSucceeded)
		if pending := h.store.Count(record.KindPromise, record.StatePending); settled != 0 || pending != 1 {
			h.Errorf("counted: %d settled, %d pending", settled, pending)
		}
	})
}

// Deadlines end whatever a future is doing: queueing, running, backing off, waiting for somebody.
func TestDeadlines(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		until := record.TimeOf(time.Now().Add(5 * time.Second))
		running, backoff, queued := newFetch("running"), newFetch("backoff"), newFetch("queued")
		for _, f := range []*record.NewFuture{&running, &backoff, &queued} {
			f.Timeout = 5 * time.Second
		}
		delayed := newFetch("delayed")
		delayed.Delay, delayed.Until = time.Minute, until
		promise := record.NewFuture{ID: "promise", Kind: record.KindPromise, Timeout: 5 * time.Second}
		if _, err := h.kernel.Submit(h.Context(), running, backoff, delayed, promise, newFetch("hog"), queued); err != nil {
			h.Fatal(err)
		}
		h.failWith("backoff", 1, record.FailConnect, 4999*time.Millisecond)
		time.Sleep(4998 * time.Millisecond)
		for _, id := range []string{"running", "backoff", "queued", "delayed", "promise"} {
			if h.future(id).State.Settled() {
				h.Errorf("%s settled before its deadline: %s", id, h.state(id))
			}
		}
		time.Sleep(10 * time.Millisecond)
		for _, id := range []string{"running", "queued", "delayed", "backoff"} {
			if got := h.state(id); got != "failed deadline" {
				h.Errorf("%s: %s", id, got)
			}
		}
		if got := h.state("promise"); got != "failed timeout" {
			h.Errorf("promise: %s", got)
		}
		cut := []record.Attempt{{
			N: 1, At: until.Add(-5 * time.Second), Duration: 5 * time.Second,
			Failure: &record.Failure{Type: record.FailDeadline, Message: "The deadline passed during the attempt."},
		}}
		if diff := cmp.Diff(cut, h.future("running").Attempts); diff != "" {
			h.Errorf("the attempt that it cut:\n%s", diff)
		}
		if got := fmt.Sprint(h.fetcher.aborted); got != "[running]" {
			h.Errorf("aborted %s", got)
		}
	})
}

// A back-off that would end after the deadline is not waited out.
func TestNoAttemptFitsBeforeTheDeadline(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		f := newFetch("f")
		f.Timeout = 5 * time.Second
		if _, err := h.kernel.Submit(h.Context(), f); err != nil {
			h.Fatal(err)
		}
		h.failWith("f", 1, record.FailConnect, 5*time.Second)
		got := h.future("f")
		if h.state("f") != "failed deadline" || !strings.Contains(got.Failure.Message, "It failed.") {
			h.Errorf("%s: %+v", h.state("f"), got.Failure)
		}
	})
}

// A timer succeeds at its time with null; a delayed fetch starts at its time.
func TestTimersAndDelays(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		delayed := newFetch("delayed")
		delayed.Delay = 3 * time.Second
		timer := record.NewFuture{ID: "timer", Kind: record.KindTimer, Delay: 3 * time.Second}
		at := record.NewFuture{ID: "at", Kind: record.KindTimer, At: record.TimeOf(time.Now().Add(4 * time.Second))}
		past := record.NewFuture{ID: "past", Kind: record.KindTimer, At: 1}
		if _, err := h.kernel.Submit(h.Context(), delayed, timer, at, past); err != nil {
			h.Fatal(err)
		}
		if got := h.state("delayed"); got != "pending delayed" || h.fetcher.take() != nil {
			h.Errorf("delayed: %s", got)
		}
		time.Sleep(3*time.Second + 2*time.Millisecond)
		if f := h.future("timer"); f.State != record.StateSucceeded || string(f.Result.Body.Inline) != "null" {
			h.Errorf("timer: %+v", f.Future)
		}
		if got := h.fetcher.take(); len(got) != 1 || got[0] != "delayed#1" {
			h.Errorf("launched %v", got)
		}
		if h.state("at") != "pending" || h.state("past") != "succeeded" {
			h.Errorf("at: %s, past: %s", h.state("at"), h.state("past"))
		}
		time.Sleep(time.Second)
		if got := h.state("at"); got != "succeeded" {
			h.Errorf("at: %s", got)
		}
	})
}

// A fetch that succeeds sets its event, with its id as the payload; one that fails does not.
func TestSuccessSetsTheEvent(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		good, bad := newFetch("good"), newFetch("bad")
		good.Sets, bad.Sets = "done", "done"
		if _, err := h.kernel.Submit(h.Context(), good, bad); err != nil {
			h.Fatal(err)
		}
		w := h.wait(`"event:done"`)
		h.failWith("bad", 1, record.FailHTTPStatus, -1)
		if got := w.now(); got != "sleeps" {
			h.Fatalf("after the failure: %s", got)
		}
		h.succeed("good", 1)
		a := <-w.answer
		if e := a.Done[0].Event; string(e.Payload.Data) != "good" || e.Generation != 1 {
			h.Errorf("event = %+v", e)
		}
	})
}

// What is settled is forgotten after its ttl, sooner if it is deleted, and never while it is pending.
func TestSettledFuturesAreForgotten(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		short := record.NewFuture{ID: "short", Kind: record.KindPromise, TTL: time.Minute}
		if _, err := h.kernel.Submit(h.Context(), short); err != nil {
			h.Fatal(err)
		}
		h.promise("long", "pending")
		for _, id := range []string{"short", "long"} {
			if _, err := h.kernel.Resolve(h.Context(), id, []byte("1")); err != nil {
				h.Fatal(err)
			}
		}
		if err := h.kernel.Delete(h.Context(), "pending"); !errors.Is(err, ErrNotSettled) {
			h.Errorf("delete of a pending one: %v", err)
		}
		time.Sleep(time.Minute + time.Second)
		var unknown *UnknownFutureError
		if _, err := h.kernel.Future(h.Context(), "short"); !errors.As(err, &unknown) {
			h.Errorf("short: %v", err)
		}
		if n := h.store.Count(record.KindPromise, record.StateSucceeded); n != 1 {
			h.Errorf("%d settled ones in the store, want only the long one", n)
		}
		if err := h.kernel.Delete(h.Context(), "long"); err != nil {
			h.Error(err)
		}
		if err := h.kernel.Delete(h.Context(), "long"); !errors.As(err, &unknown) {
			h.Errorf("deleted twice: %v", err)
		}
		page, _, err := h.kernel.Futures(h.Context(), record.FutureQuery{Limit: 10})
		if err != nil || len(page) != 1 || page[0].ID != "pending" {
			h.Errorf("left: %v, %v", page, err)
		}
	})
}

// Every bound is an answer, and what was refused has left nothing behind.
func TestBoundsAreAnswers(t *testing.T) {
	limits := small()
	limits.FuturesPendingMax, limits.EventsMax, limits.WaitersMax = 3, 2, 2
	inHouse(t, limits, func(h *house) {
		h.submit("a", "b")
		if _, err := h.kernel.Submit(h.Context(), newFetch("c"), newFetch("d")); !errors.Is(err, ErrTooManyFutures) {
			h.Errorf("a fourth future: %v", err)
		}
		h.submit("c")
		h.set("one")
		h.set("two")
		h.set("two")
		third := &record.EventChange{Name: "three", Op: record.EventSet}
		if _, err := h.kernel.ChangeEvent(h.Context(), third); !errors.Is(err, ErrTooManyEvents) {
			h.Errorf("a third event: %v", err)
		}
		if a := h.clear("three"); a.Event.Name != "three" || a.Event.Generation != 0 {
			h.Errorf("clearing an unknown event: %+v", a.Event)
		}
		for _, w := range []*held{h.wait(`"event:three"`), h.wait(`{"any":["event:four","sleep:1s"]}`)} {
			if got := w.now(); got != ErrTooManyEvents.Error() {
				h.Errorf("a wait for a third name: %s", got)
			}
		}
		h.forget("two")
		h.clear("one")
		w1 := h.wait(`{"all":["event:x","event:x"]}`) // a name counts once
		w2, w3 := h.wait(`"event:one"`), h.wait(`"event:one"`)
		if a, b, c := w1.now(), w2.now(), w3.now(); a != "sleeps" || b != "sleeps" || c != ErrTooManyWaiters.Error() {
			h.Errorf("three waits: %s, %s, %s", a, b, c)
		}
		w1.leave()
		if got := w1.now(); got != "context canceled" {
			h.Errorf("the first, having left: %s", got)
		}
		look := WaitRequest{For: h.expr(`"event:unknown"`)}
		if a, err := h.kernel.Wait(h.Context(), look); err != nil || a.Outcome != Pending {
			h.Errorf("a look at a new name, when there is room for none: %+v, %v", a, err)
		}
		if got := h.wait(`"sleep:1s"`).now(); got != "sleeps" {
			h.Errorf("in the place that is free: %s", got)
		}
	})
}

// What callers leave behind is bounded in bytes and leaves, too, and given back when it is not needed any more.
func TestBytesAndLeavesAreBounded(t *testing.T) {
	limits := small()
	size := int64(len(newFetch("a").Request))
	limits.PendingBytesMax, limits.EventBytesMax, limits.WaitLeavesHeldMax = 2*size+5, 10, 3
	inHouse(t, limits, func(h *house) {
		labelled := newFetch("c")
		labelled.Labels = []record.Label{{Key: "key", Value: "val"}}
		h.submit("a", "b")
		if _, err := h.kernel.Submit(h.Context(), newFetch("d")); !errors.Is(err, ErrFuturesTooLarge) {
			h.Errorf("a third request: %v", err)
		}
		h.succeed("a", 1)
		if _, err := h.kernel.Submit(h.Context(), labelled); !errors.Is(err, ErrFuturesTooLarge) {
			h.Errorf("a third request with labels: %v", err)
		}
		h.submit("d")
		if _, err := h.kernel.Cancel(h.Context(), "b"); err != nil {
			h.Error(err)
		}
		h.succeed("d", 1)
		if h.kernel.state.pendingBytes != 0 {
			h.Errorf("%d bytes are kept of nothing", h.kernel.state.pendingBytes)
		}

		set := func(name, payload string) error {
			c := &record.EventChange{Name: name, Op: record.EventSet, Payload: &record.Payload{Data: []byte(payload)}}
			_, err := h.kernel.ChangeEvent(h.Context(), c)
			return err
		}
		if err := errors.Join(set("e", "12345678"), set("f", "12"), set("e", "87654321"), set("e", "1234567")); err != nil {
			h.Error(err)
		}
		if err := set("f", "1234"); !errors.Is(err, ErrEventsTooLarge) {
			h.Errorf("an eleventh byte: %v", err)
		}
		h.forget("e")
		if err := errors.Join(set("f", "1234567890"), set("g", "")); err != nil {
			h.Error(err)
		}

		w1, w2 := h.wait(`{"all":["event:x","event:y"]}`), h.wait(`{"any":["event:x","event:y"]}`)
		if a, b := w1.now(), w2.now(); a != "sleeps" || b != ErrTooManyLeaves.Error() {
			h.Errorf("four leaves: %s, %s", a, b)
		}
		h.set("x")
		h.set("y")
		if got := w1.now(); got != "satisfied: event:x event:y" {
			h.Errorf("the first: %s", got)
		}
		w3 := h.wait(`{"all":["event:1","event:2","event:3"]}`)
		if got := w3.now(); got != "sleeps" {
			h.Errorf("three leaves in the room that is free: %s", got)
		}
	})
}

// A fetch that sets an event has room for it from its submit on: without room it is refused, and when it is settled
// nothing is beyond the bound.
func TestAFetchHasRoomForTheEventItSets(t *testing.T) {
	limits := small()
	limits.EventsMax = 2
	inHouse(t, limits, func(h *house) {
		submit := func(id, event string) error {
			f := newFetch(id)
			f.Sets = event
			_, err := h.kernel.Submit(h.Context(), f)
			return err
		}
		h.set("one")
		for _, err := range []error{submit("f1", "two"), submit("f2", "two"), submit("f3", "one")} {
			if err != nil {
				h.Error(err)
			}
		}
		if err := submit("f4", "three"); !errors.Is(err, ErrTooManyEvents) {
			h.Errorf("a fetch that sets a third: %v", err)
		}
		third := &record.EventChange{Name: "three", Op: record.EventSet}
		if _, err := h.kernel.ChangeEvent(h.Context(), third); !errors.Is(err, ErrTooManyEvents) {
			h.Errorf("a third, while room is kept for the second: %v", err)
		}
		h.succeed("f1", 1)
		if a := h.clear("two"); a.Event.Generation != 1 {
			h.Errorf("two: %+v", a.Event)
		}
		h.forget("two")
		if _, err := h.kernel.ChangeEvent(h.Context(), third); !errors.Is(err, ErrTooManyEvents) {
			h.Errorf("the second is still to be set: %v", err)
		}
		h.failWith("f2", 1, record.FailConnect, -1)
		if a := h.set("three"); a.Event.Generation != 1 {
			h.Errorf("three: %+v", a.Event)
		}
	})
}

// A full inbox refuses requests but never outcomes.
func TestAFullInboxStillTakesOutcomes(t *testing.T) {
	limits := small()
	limits.InboxMax = 2
	inHouse(t, limits, func(h *house) {
		h.submit("f")
		h.store.hold()
		for _, id := range []string{"a", "b"} {
			go h.promise(id)
			synctest.Wait()
		}
		if _, err := h.kernel.Submit(h.Context(), newFetch("c")); !errors.Is(err, ErrBusy) {
			h.Errorf("submit: %v", err)
		}
		if _, err := h.kernel.Future(h.Context(), "f"); !errors.Is(err, ErrBusy) {
			h.Errorf("read: %v", err)
		}
		if _, err := h.kernel.Wait(h.Context(), WaitRequest{For: h.expr(`"event:a"`)}); !errors.Is(err, ErrBusy) {
			h.Errorf("wait: %v", err)
		}
		if _, err := h.kernel.Inspect(h.Context()); !errors.Is(err, ErrBusy) {
			h.Errorf("inspect: %v", err)
		}
		h.succeed("f", 1)
		h.store.letGo(false)
		if got := h.state("f"); got != "succeeded" {
			h.Errorf("f: %s", got)
		}
	})
}

// Bad limits are all named at once.
func TestLimitsAreChecked(t *testing.T) {
	_, err := New(Options{Limits: Limits{WorkersMax: 1, InboxMax: -1}})
	for _, name := range []string{
		"InboxMax is -1", "FuturesPendingMax", "PendingBytesMax", "WaitersMax", "WaitLeavesHeldMax", "EventsMax",
		"EventBytesMax", "TTLDefault", "EventTTL",
	} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("err = %v, does not name %s", err, name)
		}
	}
	if strings.Contains(err.Error(), "WorkersMax") {
		t.Errorf("err = %v names what is right", err)
	}
}
