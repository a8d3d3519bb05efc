package await

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

// ask is a call that does not hold, with the cursor of the one before; it returns the cursor for the next.
func (h *house) ask(expr, cursor, want string) (next string) {
	h.Helper()
	a, err := h.kernel.Wait(h.Context(), WaitRequest{For: h.expr(expr), Cursor: cursor})
	if err != nil {
		h.Fatal(err)
	}
	if got := line(a); got != want {
		h.Errorf("%s: %s, want %s", expr, got, want)
	}
	return a.Cursor.String()
}

// What was decided before anybody asked is told in the order in which it happened, and what happened at one time in
// that of the expression; by an answer and by a future alike.
func TestWhatHappenedFirstIsToldFirst(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		all := `{"all":["event:a","future:p",` + groupExpr("G") + `,"event:b","event:c","until:1999-12-31T23:59:59Z"]}`
		h.promise("p")
		h.group(record.CreateGroup{ID: groupID("G")})
		h.create(memberOf("G", aPromise("m")))
		for _, next := range []string{"set c", "+m", "+p", "set b, set a"} {
			time.Sleep(time.Second)
			h.happens(next)
		}
		time.Sleep(time.Second)
		const first = "until:1999-12-31T23:59:59.000Z event:c "
		want := first + "group:" + groupID("G") + " future:p event:a event:b"
		h.ask(all, "", "satisfied: "+want)
		h.create(waitFuture("w", all))
		leaves, refs := leavesOf(h.expr(all)), []string(nil)
		for _, l := range h.future("w").Wait.Leaves {
			refs = append(refs, leaves[l.N].String())
		}
		if got := strings.Join(refs, " "); got != want {
			t.Errorf("the future says %s, want %s", got, want)
		}
	})
}

// Between two calls nothing is lost, and nothing comes twice; not even if another server answers the second.
func TestAConversationLosesNothing(t *testing.T) {
	all := `{"all":["event:a","event:b","event:c","future:p","future:q","sleep:10m",{"event":"d","times":2}]}`
	inHouse(t, small(), func(h *house) {
		h.promise("p", "q")
		h.happens("set a, pulse b, pulse d")
		c := h.ask(all, "", "pending: event:a | event:b event:c future:p future:q sleep:10m0s event:d")
		h.ask(all, c, "pending: | event:b event:c future:p future:q sleep:10m0s event:d")
		h.happens("clear a, set a, pulse c, -p")
		h.restart()
		h.happens("set b, clear b, pulse d")
		if err := h.kernel.Delete(h.Context(), "p"); err != nil {
			t.Fatal(err)
		}
		h.promise("p")
		h.happens("-p")
		again := c
		c = h.ask(all, c, "failed: event:b event:c future:p(failed) event:d | future:q sleep:10m0s")
		if err := h.kernel.Delete(h.Context(), "p"); err != nil { // it was reported: nobody needs it any more
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		h.restart()
		c = h.ask(all, c, "failed: sleep:10m0s | future:q")
		h.happens("+q")
		c = h.ask(all, c, "failed: future:q")
		h.ask(all, c, "failed:")
		// An old cursor is as good as ever, as long as there is what it asks for.
		h.promise("p")
		h.ask(all, again, "pending: event:b event:c event:d future:q sleep:10m0s | future:p")
	})
}

// A sleeper who was told of nothing before is woken only by what is new; an event that was forgotten begins anew.
func TestACursorKnowsWhatIsNew(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		for range 5 {
			h.set("a")
		}
		h.happens("clear a")
		c := h.ask(`"event:a"`, "", "pending: | event:a")
		w := h.waitFor(WaitRequest{For: h.expr(`"event:a"`), Cursor: c, Timeout: time.Minute})
		if got := w.now(); got != "sleeps" {
			t.Errorf("old sets woke it: %s", got)
		}
		h.forget("a")
		if got := w.now(); got != "sleeps" {
			t.Errorf("a deletion woke it: %s", got)
		}
		w.leave()
		h.happens("set a, clear a") // generation 1 again
		h.ask(`"event:a"`, c, "satisfied: event:a")

		// One by one, with the operator growing: asyncio's as_completed by calls.
		h.promise("p", "q")
		c = h.ask(`{"at_least":1,"of":["future:p","event:b","future:q"]}`, "", "pending: | future:p event:b future:q")
		h.happens("+q")
		c = h.ask(`{"at_least":1,"of":["future:p","event:b","future:q"]}`, c, "satisfied: future:q | future:p event:b")
		w = h.waitFor(WaitRequest{
			For: h.expr(`{"at_least":2,"of":["future:p","event:b","future:q"]}`), Cursor: c, Timeout: time.Minute,
		})
		h.happens("set b")
		if got := w.now(); got != "satisfied: event:b | future:p" {
			t.Error(got)
		}
	})
}

// A cursor is of its leaves and of no others, and nothing that is no cursor is taken for one.
func TestAForeignCursorIsRefused(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.set("a")
		c := h.ask(`{"any":["event:a",{"event":"b","after":1}]}`, "", "satisfied: event:a | event:b")
		h.ask(`{"all":[{"any":["event:a"]},{"event":"b","after":1}]}`, c, "pending: | event:b")
		raw, err := base64.RawURLEncoding.DecodeString(c)
		if err != nil {
			t.Fatal(err)
		}
		edited := func(edit func(b []byte) []byte) string {
			return base64.RawURLEncoding.EncodeToString(edit(append([]byte(nil), raw...)))
		}
		for name, bad := range map[string]string{
			"words": "what?", "empty": "AAAA", "short": edited(func(b []byte) []byte { return b[:9] }),
			"version":  edited(func(b []byte) []byte { b[0] = 9; return b }),
			"too long": edited(func(b []byte) []byte { b[len(b)-4] = 7; return b }),
			"leaf 7":   edited(func(b []byte) []byte { b[len(b)-3] = 0x80; return b }),
			"failed":   edited(func(b []byte) []byte { return append(b[:len(b)-2], 1, 2, 0) }),
			"untold":   edited(func(b []byte) []byte { return append(b[:len(b)-1], 1, 2) }),
			"far":      edited(func(b []byte) []byte { return append(b[:len(b)-1], 3, 0, 0, 0) }),
			"more":     edited(func(b []byte) []byte { return append(b, 0) }),
			"size":     edited(func(b []byte) []byte { return b[:len(b)-2] }),
		} {
			e := h.expr(`{"any":["event:a",{"event":"b","after":1}]}`)
			_, err := h.kernel.Wait(h.Context(), WaitRequest{For: e, Cursor: bad})
			if !errors.Is(err, ErrCursor) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, other := range []string{
			`{"any":["event:a",{"event":"b","after":2}]}`, `{"any":["event:a","event:b"]}`, `"event:a"`,
			`{"any":[{"event":"b","after":1},"event:a"]}`, `{"any":["event:a",{"event":"b","after":1,"times":2}]}`,
			`{"any":["event:a",{"event":"b","after":1},"event:a"]}`,
		} {
			if _, err := h.kernel.Wait(h.Context(), WaitRequest{For: h.expr(other), Cursor: c}); !errors.Is(err, ErrCursor) {
				t.Errorf("%s: %v", other, err)
			}
		}
	})
}

// The largest cursor has room in a request.
func TestCursorsAreBounded(t *testing.T) {
	expr := api.Expr{Op: api.OpAll}
	c := &Cursor{sum: 1<<64 - 1, began: 1<<50 - 1, serial: 1<<64 - 1}
	for n := range api.LeavesMax {
		expr.Of = append(expr.Of, api.Expr{Op: api.OpFuture, Ref: strings.Repeat("f", 128)})
		c.decided.add(n)
		c.failed.add(n)
		c.untold.add(n)
	}
	text := c.String()
	if len(text) > api.WaitCursorBytesMax {
		t.Errorf("%d bytes", len(text))
	}
	if _, err := readCursor(text, c.sum, api.LeavesMax); err != nil {
		t.Error(err)
	}
}

// However a conversation is cut into calls: each leaf that happens is reported once and once only, and each answer has
// the outcome that an oracle sees.
func TestHoweverAConversationIsCut(t *testing.T) {
	late := 0
	rapid.Check(t, func(t *rapid.T) {
		s := newState(DefaultLimits(), 1000, newTally(&Kernel{}))
		s.at = 1000
		o := &oracle{
			now: 1000, began: 1000, states: map[string]record.State{}, sets: map[string]uint64{}, up: map[string]bool{},
			woken: map[*api.Expr]bool{},
		}
		known := map[string]*record.Future{}
		for _, id := range futureIDs {
			must(t, s, &record.Submit{Futures: []record.NewFuture{{ID: id, Kind: record.KindPromise}}})
			o.states[id] = record.StatePending
			known[id] = s.futures[id].fact
		}
		for range rapid.IntRange(0, 3).Draw(t, "before") {
			happen(t, s, o, nil)
		}
		e := drawExpr(t, 3, o.now)
		leaves := leavesOf(&e)
		o.began = o.now
		for _, l := range leaves {
			o.woken[l] = l.Op == api.OpEvent && o.up[l.Ref]
		}
		reported := map[*api.Expr]int{}
		cursor := ""
		for call := range 6 {
			r := WaitRequest{For: &e, Cursor: cursor}
			if err := r.begin(); err != nil {
				t.Fatal(err)
			}
			w, missing, err := s.newWait(r, known, &told{})
			if missing != nil || err != nil {
				t.Fatalf("missing %v, %v", missing, err)
			}
			a := w.answer()
			if want := o.eval(&e); a.Outcome != want {
				t.Fatalf("call %d: %s is %v, the oracle says %v", call, e, a.Outcome, want)
			}
			for _, l := range a.Done {
				reported[l.Expr]++
				if call > 0 {
					late++
				}
			}
			for _, l := range leaves {
				if want := o.eval(l) != Pending; want != (reported[l] == 1) {
					t.Fatalf("call %d: %s happened: %v, reported %d times", call, l, want, reported[l])
				}
			}
			cursor = a.Cursor.String()
			for range rapid.IntRange(0, 3).Draw(t, "between") {
				happen(t, s, o, leaves)
			}
		}
	})
	if late == 0 {
		t.Error("nothing ever happened between two calls: this test proves less than it says")
	}
}

// What a conversation was told of, and is forgotten since, takes no room among the names.
func TestWhatWasToldTakesNoRoom(t *testing.T) {
	limits := small()
	limits.EventsMax = 2
	inHouse(t, limits, func(h *house) {
		h.set("a")
		c := h.ask(`{"all":["event:a","event:b"]}`, "", "pending: event:a | event:b")
		h.forget("a")
		h.set("c")
		w := h.waitFor(WaitRequest{For: h.expr(`{"all":["event:a","event:b"]}`), Cursor: c, Timeout: time.Minute})
		if got := w.now(); got != "sleeps" {
			t.Errorf("it should wait for b alone: %s", got)
		}
		w.leave()
	})
}

// A group that nobody joined is forgotten before anything else has happened: what happens then is news.
func TestAForgottenGroupIsNotTheLastThingThatHappens(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.group(record.CreateGroup{ID: groupID("G"), TTL: time.Second})
		all := `{"all":[` + groupExpr("G") + `,"event:a"]}`
		w := h.waitFor(WaitRequest{For: h.expr(all), Timeout: time.Minute})
		a := <-w.answer
		h.happens("pulse a")
		h.ask(all, a.Cursor.String(), "failed: event:a")
	})
}
