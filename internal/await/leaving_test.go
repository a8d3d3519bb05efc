package await

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/internal/record"
)

// A caller who leaves takes with it what nobody else waits for: not what another call, a stream, a future or a group
// still wants, and nothing when it was answered.
func TestWhoLeavesCancelsWhatNobodyElseWaitsFor(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.group(record.CreateGroup{ID: groupID("G")})
		h.promise("mine", "theirs", "streamed", "nested", "done")
		h.create(memberOf("G", aPromise("member")), waitFuture("w", `"future:nested"`))
		h.happens("+done")
		other := h.wait(`"future:theirs"`)
		st := h.stream(StreamRequest{Future: "streamed"})
		expr := `{"all":["future:mine","future:mine","future:theirs","future:streamed","future:nested","future:member",
			{"settled":"future:done"},"event:a"]}`
		w := h.waitFor(WaitRequest{For: h.expr(expr), Timeout: time.Minute, CancelOnLeave: true})
		if got := w.now(); got != "sleeps" {
			t.Fatal(got)
		}
		w.leave()
		synctest.Wait()
		states := map[string]string{}
		for _, id := range []string{"mine", "theirs", "streamed", "nested", "member", "done"} {
			states[id] = h.state(id)
		}
		want := map[string]string{
			"mine": "cancelled cancelled", "theirs": "pending", "streamed": "pending", "nested": "pending",
			"member": "pending", "done": "succeeded",
		}
		if diff := cmp.Diff(want, states); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		other.leave() // it wishes nothing of the kind
		st.Leave()
		synctest.Wait()
		if got := h.state("theirs") + " " + h.state("streamed"); got != "pending pending" {
			t.Error(got)
		}

		h.promise("late", "answered", "gone")
		w = h.waitFor(WaitRequest{For: h.expr(`"future:late"`), Timeout: time.Second, CancelOnLeave: true})
		time.Sleep(2 * time.Second)
		w.leave() // its time was over before
		any := h.waitFor(WaitRequest{
			For: h.expr(`{"any":["future:answered","event:e"]}`), Timeout: time.Minute,
			CancelOnLeave: true,
		})
		h.happens("set e")
		any.leave()
		ctx, cancel := context.WithCancel(h.Context())
		cancel()
		_, err := h.kernel.Wait(ctx, WaitRequest{
			For: h.expr(`"future:gone"`), Timeout: time.Minute, CancelOnLeave: true,
		})
		synctest.Wait()
		got := h.state("late") + ", " + h.state("answered") + ", " + h.state("gone")
		if err != context.Canceled || got != "pending, pending, cancelled cancelled" {
			t.Errorf("%v: %s", err, got)
		}
	})
}

// The same of streams: of a wait and of a future, when they are left before their end.
func TestWhoLeavesAStreamCancelsTheRest(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("p", "q", "r")
		st := h.stream(StreamRequest{WaitRequest: WaitRequest{
			For: h.expr(`{"all":["future:p","event:a"]}`), CancelOnLeave: true,
		}})
		one := h.stream(StreamRequest{Future: "q", WaitRequest: WaitRequest{CancelOnLeave: true}})
		ended := h.stream(StreamRequest{WaitRequest: WaitRequest{
			For: h.expr(`{"any":["future:r","event:b"]}`), CancelOnLeave: true,
		}})
		h.happens("set b")
		for _, s := range []*Stream{st, one, ended} {
			s.Leave()
		}
		_, err := h.kernel.Stream(h.Context(), StreamRequest{WaitRequest: WaitRequest{
			For: h.expr(`{"all":["future:r",` + groupExpr("X") + `]}`), CancelOnLeave: true,
		}})
		if err == nil {
			t.Error("there is no such group")
		}
		synctest.Wait()
		got := h.state("p") + ", " + h.state("q") + ", " + h.state("r")
		if got != "cancelled cancelled, cancelled cancelled, pending" {
			t.Error(got)
		}
	})
}

// The graph of waits: who, since when, for what; which of them only somebody from outside can decide; and how many
// futures nobody waits for, however they came to be awaited or not.
func TestTheGraphOfWaits(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		unawaited := func(want int) {
			h.Helper()
			in, err := h.kernel.Inspect(h.Context())
			if err != nil || in.Unawaited != want || len(in.Loose) != want {
				h.Errorf("%d futures are not awaited (%v), want %d (%v)", in.Unawaited, in.Loose, want, err)
			}
		}
		h.group(record.CreateGroup{ID: groupID("G")})
		h.promise("p", "q")
		sets := newFetch("sets")
		sets.Sets = "soon"
		h.create(sets, memberOf("G", aPromise("m")))
		unawaited(3)
		time.Sleep(time.Second)
		held := h.wait(`{"all":["event:a","event:b","future:p","future:p"]}`)
		unawaited(2)
		time.Sleep(time.Second)
		h.create(waitFuture("w", `{"all":["event:a","event:b"]}`))
		unawaited(3)
		time.Sleep(time.Second)
		st := h.stream(StreamRequest{Future: "w"})
		all := h.stream(StreamRequest{Futures: func(*record.Future) bool { return false }})
		unawaited(2)
		time.Sleep(time.Second)
		h.create(fetchAfter("f", `{"any":["event:soon","event:b"]}`))
		h.happens("set a")
		h.restart() // only futures go on
		unawaited(5)
		held.leave()
		st.Leave()
		all.Leave()
		time.Sleep(time.Second)
		held = h.wait(`"future:w"`)
		in, err := h.kernel.Inspect(h.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range in.Waits {
			got = append(got, fmt.Sprintf("%d %s %s %d/%d %v orphan %v", w.Kind, w.Future, w.For, w.Done, w.Pending, w.Leaves,
				w.Orphan))
		}
		want := []string{
			"2 w all(event:a, event:b) 1/1 [satisfied pending] orphan true",
			"2 f any(event:soon, event:b) 0/2 [pending pending] orphan false",
			"0  future:w 0/1 [pending] orphan false",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
		if in.Waits[0].Since >= in.Waits[1].Since || in.Waits[1].Since >= in.Waits[2].Since {
			t.Errorf("not the oldest first: %+v", in.Waits)
		}
		if diff := cmp.Diff([]string{"p", "q", "sets", "f"}, in.Loose); diff != "" {
			t.Errorf("unawaited (-want +got):\n%s", diff)
		}
		unawaited(4)
		h.happens("set b")
		held.leave()
		h.happens("+p, cancel q, +m")
		unawaited(2) // the fetches
		for range 150 {
			h.create(waitFuture(fmt.Sprint("w", h.kernel.state.pending), `"event:never"`))
		}
		if in, err = h.kernel.Inspect(h.Context()); err != nil || len(in.Waits) != WaitsShownMax {
			t.Errorf("%d waits are shown, %v", len(in.Waits), err)
		}
		if in.Unawaited != 152 || len(in.Loose) != UnawaitedShownMax {
			t.Errorf("of %d futures that nobody waits for %d are shown", in.Unawaited, len(in.Loose))
		}
	})
}
