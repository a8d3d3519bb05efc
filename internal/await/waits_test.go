package await

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

// The truth table of the wire contract, one story a row: an expression, what happens, and how the wait stands after
// each happening. "a" to "c" are events, "p" to "r" promises; "+p" resolves, "-p" rejects.
func TestTheTruthTable(t *testing.T) {
	for _, row := range []struct{ expr, happens, want string }{
		{`"event:a"`, `set a`, `satisfied: event:a`},
		{`"event:a"`, `pulse a`, `satisfied: event:a`},
		{`"event:a"`, `set b`, `sleeps`},
		{`"p"`, `+p`, `satisfied: future:p`},
		{`"future:p"`, `-p`, `failed: future:p(failed)`},
		{`"future:p"`, `cancel p`, `failed: future:p(failed)`},
		{`"sleep:5s"`, `pass 4s`, `sleeps`},
		{`"sleep:5s"`, `pass 6s`, `satisfied: sleep:5s`},
		{`{"until":"2000-01-01T00:00:03Z"}`, `pass 4s`, `satisfied: until:2000-01-01T00:00:03.000Z`},

		{`{"all":["event:a","event:b"]}`, `set a`, `sleeps`},
		{`{"all":["event:a","event:b"]}`, `set b, set a`, `satisfied: event:b event:a`},
		{`{"all":["future:p","future:q"]}`, `-q`, `failed: future:q(failed) | future:p`},
		{`{"any":["event:a","event:b"]}`, `set b`, `satisfied: event:b | event:a`},
		{`{"any":["future:p","future:q"]}`, `-p`, `sleeps`},
		{`{"any":["future:p","future:q"]}`, `-p, -q`, `failed: future:p(failed) future:q(failed)`},
		{`{"any":["future:p","future:q"]}`, `-p, +q`, `satisfied: future:p(failed) future:q`},
		{`{"at_least":2,"of":["event:a","event:b","event:c"]}`, `set c`, `sleeps`},
		{`{"at_least":2,"of":["event:a","event:b","event:c"]}`, `set c, set a`, `satisfied: event:c event:a | event:b`},
		{`{"at_least":2,"of":["future:p","future:q","future:r"]}`, `-p`, `sleeps`},
		{
			`{"at_least":2,"of":["future:p","future:q","future:r"]}`, `-p, -r`,
			`failed: future:p(failed) future:r(failed) | future:q`,
		},
		{`{"settled":"future:p"}`, `-p`, `satisfied: future:p(failed)`},
		{`{"settled":{"all":["future:p","future:q"]}}`, `-p`, `satisfied: future:p(failed) | future:q`},
		{`{"all":[{"settled":"future:p"},{"settled":"future:q"}]}`, `-p, +q`, `satisfied: future:p(failed) future:q`},
		{`{"any":[{"settled":"future:p"},{"settled":"future:q"}]}`, `-p`, `satisfied: future:p(failed) | future:q`},

		{`{"all":[{"any":["event:a","event:b"]},"event:c"]}`, `set b, set a, set c`, `satisfied: event:b event:a event:c`},
		{`{"any":[{"all":["event:a","future:p"]},"event:c"]}`, `-p, set c`, `satisfied: future:p(failed) event:c | event:a`},
		{
			`{"any":[{"all":["future:q","future:p"]},"future:r"]}`, `-p, -r`,
			`failed: future:p(failed) future:r(failed) | future:q`,
		},

		{`{"event":"a","after":0}`, `set a`, `satisfied: event:a`},
		{`{"event":"a","after":1}`, `set a, clear a`, `sleeps`},
		{`{"event":"a","after":1}`, `set a, clear a, pulse a`, `satisfied: event:a`},
		{`{"event":"a","times":3}`, `set a, pulse a`, `sleeps`},
		{`{"event":"a","times":3}`, `set a, set a, set a`, `satisfied: event:a`},
		{`{"event":"a","after":2,"times":2}`, `set a, set a, set a`, `sleeps`},
		{`{"event":"a","after":2,"times":2}`, `set a, set a, set a, set a`, `satisfied: event:a`},
		{`{"all":["event:a","event:a"]}`, `set a`, `satisfied: event:a event:a`},
	} {
		t.Run(row.expr+" "+row.happens, func(t *testing.T) {
			inHouse(t, small(), func(h *house) {
				h.promise("p", "q", "r")
				expr := row.expr
				if expr == `"p"` {
					expr = `"future:p"`
				}
				// Who sleeps through it and who comes when all is over must agree on the outcome.
				w := h.wait(expr)
				h.create(waitFuture("w", expr))
				h.happens(row.happens)
				if got := w.now(); got != row.want {
					h.Errorf("asleep: %s, want %s", got, row.want)
				}
				w.leave()
				h.wantDurable("w", row.want)
				h.restart()
				h.wantDurable("w", row.want)
			})
		})
	}
}

// wantDurable demands of a wait future what a caller who slept was told: outcome, and decided leaves in their order.
func (h *house) wantDurable(id, told string) {
	h.Helper()
	f := h.future(id).Future
	e, err := parse(f.Wait.For)
	if err != nil {
		h.Fatal(err)
	}
	var exprs []*api.Expr
	e.Each(func(leaf *api.Expr) { exprs = append(exprs, leaf) })
	a := &WaitAnswer{Outcome: Failed}
	switch f.State {
	case record.StatePending:
		if told != "sleeps" {
			h.Errorf("the wait future is pending, a sleeper was told %s", told)
		}
		return
	case record.StateSucceeded:
		a.Outcome = Satisfied
	}
	done := map[int]bool{}
	for i, l := range f.Wait.Leaves {
		done[l.N] = true
		a.Done = append(a.Done, Leaf{Expr: exprs[l.N], Outcome: Outcome(l.Outcome), At: l.At})
		if l.Order != i || l.At == 0 {
			h.Errorf("leaf %d: %+v", i, l)
		}
	}
	for i := range exprs {
		if !done[i] {
			a.Pending = append(a.Pending, Leaf{Expr: exprs[i]})
		}
	}
	if got := line(a); got != told {
		h.Errorf("the wait future: %s, a sleeper was told %s", got, told)
	}
}

// happens makes a list of things happen, one after the other.
func (h *house) happens(list string) {
	h.Helper()
	for len(list) > 0 {
		var verb, name string
		n, _ := fmt.Sscanf(list, "%s %s", &verb, &name)
		step := verb
		if verb[0] != '+' && verb[0] != '-' {
			if n != 2 {
				h.Fatalf("cannot read %q", list)
			}
			step += " " + name
		}
		h.step(trimComma(step))
		list = list[len(step):]
		for len(list) > 0 && list[0] == ' ' {
			list = list[1:]
		}
	}
	synctest.Wait()
}

func trimComma(s string) string {
	if s[len(s)-1] == ',' {
		return s[:len(s)-1]
	}
	return s
}

func (h *house) step(step string) {
	h.Helper()
	var err error
	switch step[0] {
	case '+':
		_, err = h.kernel.Resolve(h.Context(), step[1:], []byte("1"))
	case '-':
		_, err = h.kernel.Reject(h.Context(), step[1:], record.Failure{Type: record.FailRejected})
	default:
		var verb, name string
		_, err = fmt.Sscan(step, &verb, &name)
		switch verb {
		case "set":
			h.set(name)
		case "pulse":
			h.pulse(name)
		case "clear":
			h.clear(name)
		case "cancel":
			_, err = h.kernel.Cancel(h.Context(), name)
		case "pass":
			d, bad := time.ParseDuration(name)
			time.Sleep(d)
			err = bad
		default:
			h.Fatalf("no step %q", step)
		}
	}
	if err != nil {
		h.Errorf("%s: %v", step, err)
	}
}

// What is decided already is answered at once, in the order of the expression, all of it.
func TestWhatIsDecidedIsAnsweredAtOnce(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("p", "q")
		h.happens("set b, set a, -p")
		for expr, want := range map[string]string{
			`{"any":["event:a","event:c","event:b"]}`:              `satisfied: event:a event:b | event:c`,
			`{"all":["future:q","future:p","event:b"]}`:            `failed: future:p(failed) event:b | future:q`,
			`{"until":"1999-01-01T00:00:00Z"}`:                     `satisfied: until:1999-01-01T00:00:00.000Z`,
			`{"event":"a","times":1}`:                              `satisfied: event:a`,
			`{"any":[{"event":"a","after":1},"event:nobody"]}`:     `pending: | event:a event:nobody`,
			`{"all":["event:a",{"any":["event:b","event:none"]}]}`: `satisfied: event:a event:b | event:none`,
		} {
			a, err := h.kernel.Wait(h.Context(), WaitRequest{For: h.expr(expr)})
			if err != nil {
				h.Fatal(err)
			}
			if got := line(a); got != want || a.Slept {
				h.Errorf("%s: %s, want %s", expr, got, want)
			}
		}
		if n := h.kernel.gauges.waiters.Load(); n != 0 {
			h.Errorf("%d waiters are left", n)
		}
		if h.kernel.state.events.Known("nobody") || h.kernel.state.events.Known("none") {
			h.Error("names that were only asked for are remembered")
		}
	})
}

// Futures that are only in the store are known to a wait; what nobody knows is refused before anything waits.
func TestAWaitKnowsWhatIsInTheStore(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("p", "q", "r")
		h.happens("+p, -q")
		if h.kernel.state.futures["p"] != nil {
			h.Fatal("a settled future is still in memory: this test would prove nothing")
		}
		for expr, want := range map[string]string{
			`"future:p"`: `satisfied: future:p`,
			`"future:q"`: `failed: future:q(failed)`,
			`{"all":["future:p","future:r","event:a"]}`:   `pending: future:p | future:r event:a`,
			`{"any":["event:a","future:no","future:r"]}`:  `await: there is no future no`,
			`{"settled":{"all":["future:q","future:r"]}}`: `satisfied: future:q(failed) | future:r`,
		} {
			w := h.waitFor(WaitRequest{For: h.expr(expr)})
			if got := w.now(); got != want {
				h.Errorf("%s: %s, want %s", expr, got, want)
			}
		}
		if h.kernel.state.events.Known("a") {
			h.Error("a refused wait is waiting")
		}
	})
}

// When patience ends the answer says how things stand, and nobody sleeps any more.
func TestATimeoutIsAnAnswer(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("p")
		w := h.wait(`{"all":["event:a","future:p","event:b"]}`)
		h.set("a")
		time.Sleep(time.Minute - time.Millisecond)
		if got := w.now(); got != "sleeps" {
			h.Fatalf("too early: %s", got)
		}
		time.Sleep(2 * time.Millisecond)
		a := <-w.answer
		if got := line(a); got != "pending: event:a | future:p event:b" || a.Slept {
			h.Errorf("answer: %s", got)
		}
		if a.Pending[0].Future.State != record.StatePending || a.Pending[1].Event.Generation != 0 {
			h.Errorf("pending leaves: %+v", a.Pending)
		}
		h.expectNobody()
	})
}

// expectNobody demands that nothing of a wait is left behind.
func (h *house) expectNobody() {
	h.Helper()
	synctest.Wait()
	in, err := h.kernel.Inspect(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	if in.Waiters != 0 || len(in.Waits) != 0 {
		h.Errorf("%d waiters are left: %+v", in.Waiters, in.Waits)
	}
	for _, f := range h.kernel.state.futures {
		if f.awaited() {
			h.Errorf("somebody still sleeps on %s", f.fact.ID)
		}
	}
	if h.kernel.outstanding.Load() != 0 {
		h.Errorf("%d places of the inbox are taken", h.kernel.outstanding.Load())
	}
}

// A caller who leaves is forgotten: asleep, before the wait began, and after it was decided.
func TestWhoLeavesIsForgotten(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("p")
		asleep := h.wait(`{"all":["event:a","future:p","sleep:10s"]}`)
		asleep.leave()
		if got := asleep.now(); got != context.Canceled.Error() {
			h.Errorf("asleep: %s", got)
		}
		h.expectNobody()
		if h.kernel.state.events.Known("a") {
			h.Error("the name is remembered")
		}

		gone, cancel := context.WithCancel(h.Context())
		cancel()
		long := WaitRequest{For: h.expr(`"event:a"`), Timeout: time.Hour}
		if _, err := h.kernel.Wait(gone, long); !errors.Is(err, context.Canceled) {
			h.Errorf("gone before: %v", err)
		}
		h.expectNobody()

		h.store.hold()
		decided := h.wait(`"event:b"`)
		go h.set("b")
		synctest.Wait()
		decided.leave()
		if got := decided.now(); got != context.Canceled.Error() {
			h.Errorf("decided: %s", got)
		}
		h.store.letGo(false)
		h.expectNobody()
	})
}

// A set tells how many waits it decided, not how many it woke; set and clear in one breath still wake everybody.
func TestWokenCountsDecidedWaits(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		one, two := h.wait(`"event:a"`), h.wait(`{"any":["event:a","event:b"]}`)
		both := h.wait(`{"all":["event:a","event:b"]}`)
		h.store.hold()
		counts := make(chan int, 1)
		go func() { counts <- h.set("a").Woken }()
		synctest.Wait()
		go h.clear("a")
		synctest.Wait()
		if one.now() != "sleeps" {
			h.Error("woken before the set was durable")
		}
		h.store.letGo(false)
		if n := <-counts; n != 2 {
			h.Errorf("woken = %d, want 2", n)
		}
		if a, b, c := one.now(), two.now(), both.now(); a != "satisfied: event:a" ||
			b != "satisfied: event:a | event:b" ||
			c != "sleeps" {
			h.Errorf("after set and clear: %s; %s; %s", a, b, c)
		}
		if a := h.set("b"); a.Woken != 1 {
			h.Errorf("the second set woke %d", a.Woken)
		}
		if got := both.now(); got != "satisfied: event:a event:b" {
			h.Errorf("both: %s", got)
		}
	})
}

// cancel_rest cancels what a decided wait no longer needs, whether it slept or not.
func TestCancelRestCancelsWhatIsLeft(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("p", "q", "r")
		w := h.waitFor(
			WaitRequest{
				For:        h.expr(`{"any":["future:p","future:q","event:a"]}`),
				Timeout:    time.Minute,
				CancelRest: true,
			},
		)
		h.happens("+p")
		if got := w.now(); got != "satisfied: future:p | future:q event:a" {
			h.Errorf("answer: %s", got)
		}
		if p, q := h.state("p"), h.state("q"); p != "succeeded" || q != "cancelled cancelled" {
			h.Errorf("p %s, q %s", p, q)
		}
		w = h.waitFor(
			WaitRequest{For: h.expr(`{"any":["future:p","future:r"]}`), Timeout: time.Minute, CancelRest: true},
		)
		if got := w.now(); got != "satisfied: future:p | future:r" || h.state("r") != "cancelled cancelled" {
			h.Errorf("answer: %s, r %s", got, h.state("r"))
		}
	})
}

// Draining answers everybody who sleeps at once; who comes later does not sleep, and nothing new begins.
func TestDrainWakesEverybody(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.submit("r1", "r2", "q1")
		h.fetcher.take()
		w := h.wait(`"event:a"`)
		if h.kernel.Draining() {
			h.Error("draining before the drain")
		}
		if err := h.kernel.Drain(h.Context()); err != nil {
			h.Fatal(err)
		}
		if got := w.now(); got != "pending: | event:a" {
			h.Errorf("asleep: %s", got)
		}
		if got := h.wait(`"event:a"`).now(); got != "pending: | event:a" {
			h.Errorf("late: %s", got)
		}
		if _, err := h.kernel.Submit(h.Context(), newFetch("new")); !errors.Is(err, ErrDraining) ||
			!h.kernel.Draining() {
			h.Errorf("submit: %v", err)
		}
		h.succeed("r1", 1)
		if got := h.state("r1"); got != "succeeded" {
			h.Errorf("an outcome while draining: %s", got)
		}
		if got := h.fetcher.take(); got != nil {
			h.Errorf("launched while draining: %v", got)
		}
	})
}

// An event with a ttl falls by itself, unless it is set again; the fall wakes nobody.
func TestAnEventFallsAfterItsTTL(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		set := func(ttl time.Duration) {
			set := &record.EventChange{Name: "a", Op: record.EventSet, TTL: ttl}
			if _, err := h.kernel.ChangeEvent(h.Context(), set); err != nil {
				h.Error(err)
			}
		}
		up := func() bool {
			a, err := h.kernel.Wait(h.Context(), WaitRequest{For: h.expr(`"event:a"`)})
			return err == nil && a.Outcome == Satisfied
		}
		set(10 * time.Second)
		time.Sleep(6 * time.Second)
		set(10 * time.Second)
		time.Sleep(6 * time.Second)
		if !up() {
			h.Error("it fell at the time of the first set")
		}
		h.pulse("a")
		w := h.wait(`{"event":"a","after":3}`)
		time.Sleep(5 * time.Second)
		if up() || w.now() != "sleeps" {
			h.Error("it did not fall, or its fall woke somebody")
		}
		set(time.Second)
		set(0)
		time.Sleep(time.Minute)
		if !up() {
			h.Error("a set without a ttl fell")
		}
		h.forget("a")
		if up() {
			h.Error("a forgotten event is up")
		}
	})
}

// An event that is down and that nobody waits for is forgotten after its ttl, counted from when that began; one that is
// up, or waited for, or to be set, is not.
func TestIdleEventsAreForgotten(t *testing.T) {
	limits := small()
	limits.EventTTL = time.Minute
	inHouse(t, limits, func(h *house) {
		names := func() (names []string) {
			page, _, err := h.kernel.Events("", "", 10)
			if err != nil {
				h.Fatal(err)
			}
			for _, e := range page {
				names = append(names, e.Name)
			}
			return names
		}
		want := func(stage string, list ...string) {
			h.Helper()
			synctest.Wait()
			if diff := cmp.Diff(list, names()); diff != "" {
				h.Errorf("%s (-want +got):\n%s", stage, diff)
			}
		}
		sets := newFetch("f")
		sets.Sets = "promised"
		if _, err := h.kernel.Submit(h.Context(), sets); err != nil {
			h.Fatal(err)
		}
		for _, name := range []string{"cleared", "left", "promised", "pulsed", "up", "waited"} {
			h.pulse(name)
		}
		h.set("cleared")
		h.set("up")
		waited := h.waitFor(WaitRequest{For: h.expr(`{"event":"waited","after":1}`), Timeout: 24 * time.Minute})
		left := h.waitFor(WaitRequest{For: h.expr(`{"event":"left","after":1}`), Timeout: 30 * time.Second})
		time.Sleep(59 * time.Second)
		if got := left.now(); got != "pending: | event:left" {
			h.Errorf("the wait of half a minute: %s", got)
		}
		h.clear("cleared")
		want("before the minute", "cleared", "left", "promised", "pulsed", "up", "waited")
		time.Sleep(2 * time.Second)
		want("a minute after the pulses", "cleared", "left", "promised", "up", "waited")
		time.Sleep(30 * time.Second)
		want("a minute after the wait", "cleared", "promised", "up", "waited")
		time.Sleep(29 * time.Second)
		want("a minute after the clear", "promised", "up", "waited")
		h.failWith("f", 1, record.FailConnect, -1)
		time.Sleep(10 * time.Minute)
		want("long after", "up", "waited")
		if h.pulse("waited"); waited.now() != "satisfied: event:waited" {
			h.Error("the generation was forgotten under who waited for the next")
		}
		if in, err := h.kernel.Inspect(h.Context()); err != nil || in.Events != 2 {
			h.Errorf("in memory: %d, %v", in.Events, err)
		}
	})
}

// What changes because its time has come is committed then, though nobody waits for an answer.
func TestTimeAloneIsCommitted(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		set := &record.EventChange{Name: "a", Op: record.EventSet, TTL: time.Minute}
		if _, err := h.kernel.ChangeEvent(h.Context(), set); err != nil {
			h.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		page, _, err := h.kernel.Events("", "", 10)
		if err != nil || len(page) != 1 || page[0].Set {
			h.Errorf("after its ttl the list says %+v, %v", page[0], err)
		}
	})
}

// An inspection shows who waits for what, and how the loop does.
func TestInspectShowsWhoWaits(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.submit("r1", "r2", "q1")
		h.wait(`{"all":["event:a","event:b"]}`)
		h.set("a")
		h.wait(`"future:q1"`)
		time.Sleep(3 * time.Second)
		in, err := h.kernel.Inspect(h.Context())
		if err != nil {
			h.Fatal(err)
		}
		if in.Running != 2 || in.Queued != 1 || in.Pending != 3 || in.Waiters != 2 || in.Events != 2 ||
			in.Uptime < 3*time.Second || in.Loop.Timers != 2+2 { // the waits' patience, the heartbeat and the alarm
			h.Errorf("inspection: %+v", in)
		}
		if len(in.Waits) != 2 || in.Waits[0].For.String() != "all(event:a, event:b)" || in.Waits[0].Done != 1 ||
			in.Waits[0].Pending != 1 {
			h.Errorf("waits: %+v", in.Waits)
		}
		if !h.kernel.Alive() {
			h.Error("not alive")
		}
	})
}

// A future that is created between the look into memory and the look into the store is pending there: the loop is asked
// again, so that nobody is told of a settled future that is none.
func TestAFutureCreatedBetweenTwoLooksIsNotTakenForSettled(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.promise("p")
		if _, err := h.kernel.stored("p"); !errors.Is(err, errAgain) {
			h.Fatalf("a pending future in the store: %v, want errAgain", err)
		}
		asked := 0
		answer, err := insist(func() (string, error) {
			if asked++; asked < 3 {
				return "", errAgain
			}
			return "settled", nil
		})
		if answer != "settled" || err != nil || asked != 3 {
			h.Errorf("insisting: %q, %v after %d", answer, err, asked)
		}
	})
}

// What panics on the loop ends the kernel with its reason: replay is cheaper than wrong state.
func TestAPanicEndsTheKernel(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		if _, err := h.kernel.command(h.Context(), (*record.Submit)(nil)); !errors.Is(err, ErrLost) {
			h.Errorf("the command that panicked: %v, want ErrLost", err)
		}
		if err := <-h.ended; err == nil {
			h.Error("the kernel ended without a reason")
		}
		h.ended <- nil // for the end of the house
	})
}

// Whoever is held when the kernel ends hears of it: who sleeps, and who was woken by what is not durable and never was
// promised.
func TestWhoIsHeldHearsOfTheEnd(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		asleep, woken, left := h.wait(`"event:a"`), h.wait(`"event:b"`), h.wait(`"event:a"`)
		h.store.hold()
		go func() { _, _ = h.kernel.ChangeEvent(h.Context(), &record.EventChange{Name: "b", Op: record.EventSet}) }()
		synctest.Wait()
		left.leave()
		h.end()
		h.store.letGo(false)
		got := asleep.now() + "; " + woken.now() + "; " + left.now()
		if want := ErrEnded.Error() + "; " + ErrEnded.Error() + "; " + context.Canceled.Error(); got != want {
			h.Errorf("%s, want %s", got, want)
		}
		h.begin()
	})
}
