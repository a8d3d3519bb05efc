package await

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

func (h *house) group(c record.CreateGroup) {
	h.Helper()
	if _, err := h.kernel.CreateGroup(h.Context(), &c); err != nil {
		h.Error(err)
	}
}

func groupExpr(id string) string { return `{"group":"` + groupID(id) + `"}` }

// groupID is a well-formed id with a short name in it.
func groupID(short string) string { return "grp_" + strings.Repeat("0", 26-len(short)) + short }

func memberOf(group string, f record.NewFuture) record.NewFuture {
	f.Group = groupID(group)
	return f
}

func aPromise(id string) record.NewFuture { return record.NewFuture{ID: id, Kind: record.KindPromise} }

// standing is a group in a few words.
func (h *house) standing(id string) string {
	h.Helper()
	a, err := h.kernel.Wait(h.Context(), WaitRequest{For: h.expr(groupExpr(id))})
	if err != nil {
		return err.Error()
	}
	g := slices.Concat(a.Done, a.Pending)[0].Group
	out := fmt.Sprintf("%v %d/%d/%d/%d", a.Outcome, g.Pending, g.Succeeded, g.Failed, g.Cancelled)
	if g.Failure != nil {
		out += " " + string(g.Failure.Type)
	}
	return out
}

func (h *house) wantStanding(id, want string) {
	h.Helper()
	if got := h.standing(id); got != want {
		h.Errorf("group %s: %s, want %s", id, got, want)
	}
}

// A group is decided whenever it has members and none is pending; the next member makes it pending again.
func TestAGroupIsALevel(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.group(record.CreateGroup{ID: groupID("G")})
		h.wantStanding("G", "pending 0/0/0/0")
		w := h.wait(groupExpr("G"))
		h.create(memberOf("G", aPromise("p")), memberOf("G", aPromise("q")))
		h.happens("+p")
		if got := w.now(); got != "sleeps" {
			t.Error(got)
		}
		h.happens("+q")
		if got := w.now(); got != "satisfied: group:"+groupID("G") {
			t.Error(got)
		}
		h.wantStanding("G", "satisfied 0/2/0/0")
		c := h.ask(groupExpr("G"), "", "satisfied: group:"+groupID("G"))
		h.create(memberOf("G", aPromise("r")))
		h.wantStanding("G", "pending 1/2/0/0")
		h.ask(groupExpr("G"), c, "satisfied:") // what was decided stays so in one conversation
		h.happens("-r")
		h.wantStanding("G", "failed 0/2/1/0")
		h.create(memberOf("G", aPromise("s")))
		h.happens("cancel s")
		h.wantStanding("G", "failed 0/2/1/1")
		var unknown *UnknownGroupError
		if _, err := h.kernel.Submit(h.Context(), aPromise("x"), memberOf("NX", aPromise("y"))); !errors.As(err, &unknown) {
			t.Errorf("err %v", err)
		}
		if _, err := h.kernel.Submit(h.Context(), waitFuture("x", groupExpr("NX"))); !errors.As(err, &unknown) {
			t.Errorf("err %v", err)
		}
		if _, err := h.kernel.Stream(h.Context(), StreamRequest{
			WaitRequest: WaitRequest{For: h.expr(groupExpr("NX"))},
		}); !errors.As(err, &unknown) {
			t.Errorf("err %v", err)
		}
	})
}

// Between two calls a group was decided and taken up again: the second still tells.
func TestACursorKnowsThatAGroupWasDecided(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.group(record.CreateGroup{ID: groupID("G")})
		h.create(memberOf("G", aPromise("p")))
		c := h.ask(groupExpr("G"), "", "pending: | group:"+groupID("G"))
		h.happens("+p")
		h.create(memberOf("G", aPromise("q")))
		h.restart()
		h.wantStanding("G", "pending 1/1/0/0")
		h.ask(groupExpr("G"), c, "satisfied: group:"+groupID("G"))
		st := h.stream(StreamRequest{WaitRequest: WaitRequest{For: h.expr(groupExpr("G")), Cursor: c}})
		h.wantHears(st, "group:"+groupID("G")+"; satisfied: group:"+groupID("G")+"; over")
	})
}

// With cancel_on_failure the first failure cancels the others, whatever they do, and nobody joins any more.
func TestTheFirstFailureCancelsTheGroup(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.group(record.CreateGroup{ID: groupID("G"), CancelOnFailure: true})
		waiting := fetchAfter("waiting", `"event:a"`)
		h.create(memberOf("G", newFetch("running")), memberOf("G", waiting), memberOf("G", aPromise("p")),
			memberOf("G", aPromise("q")), memberOf("G", waitFuture("w", `"event:b"`)))
		h.fetcher.take()
		w := h.wait(groupExpr("G"))
		h.happens("cancel q")
		h.wantStanding("G", "pending 4/0/0/1") // a cancelled member is no failure
		h.happens("-p")
		if got := w.now(); got != "failed: group:"+groupID("G")+"(failed)" {
			t.Error(got)
		}
		h.wantStanding("G", "failed 0/0/1/4 dependency_failed")
		for _, id := range []string{"running", "waiting", "w"} {
			if got := h.state(id); got != "cancelled cancelled" {
				t.Errorf("%s: %s", id, got)
			}
		}
		if fmt.Sprint(h.fetcher.aborted) != "[running]" {
			t.Errorf("aborted %v", h.fetcher.aborted)
		}
		var closed *GroupClosedError
		if _, err := h.kernel.Submit(h.Context(), memberOf("G", aPromise("x"))); !errors.As(err, &closed) {
			t.Errorf("err %v", err)
		}
		if _, err := h.kernel.RenewGroup(h.Context(), groupID("G")); !errors.As(err, &closed) {
			t.Errorf("err %v", err)
		}
		if g, err := h.kernel.CancelGroup(h.Context(), groupID("G")); err != nil ||
			g.Failure.Type != record.FailDependencyFailed {
			t.Errorf("%+v, %v", g, err)
		}
	})
}

// Deadline, lease and a call close a group, also an idle or an empty one, and who waits for it is told.
func TestHowAGroupIsClosed(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.group(record.CreateGroup{ID: groupID("D"), Deadline: time.Minute})
		h.group(record.CreateGroup{ID: groupID("M"), Until: record.TimeOf(time.Now().Add(time.Minute))})
		h.group(record.CreateGroup{ID: groupID("R"), Lease: time.Minute})
		h.group(record.CreateGroup{ID: groupID("C")})
		h.group(record.CreateGroup{ID: groupID("E")})
		for _, id := range []string{"D", "M", "R", "C"} {
			h.create(memberOf(id, aPromise("p"+id)))
		}
		for range 3 {
			time.Sleep(50 * time.Second)
			if _, err := h.kernel.RenewGroup(h.Context(), groupID("R")); err != nil {
				t.Fatal(err)
			}
		}
		h.wantStanding("D", "failed 0/0/0/1 deadline")
		h.wantStanding("M", "failed 0/0/0/1 deadline")
		h.wantStanding("R", "pending 1/0/0/0")
		time.Sleep(61 * time.Second)
		h.wantStanding("R", "failed 0/0/0/1 timeout")
		for range 2 {
			if _, err := h.kernel.CancelGroup(h.Context(), groupID("C")); err != nil {
				t.Fatal(err)
			}
			h.wantStanding("C", "failed 0/0/0/1 cancelled")
		}
		if _, err := h.kernel.RenewGroup(h.Context(), groupID("E")); err != nil { // no lease: nothing happens
			t.Error(err)
		}
		empty := h.wait(groupExpr("E"))
		if _, err := h.kernel.CancelGroup(h.Context(), groupID("E")); err != nil {
			t.Fatal(err)
		}
		if got := empty.now(); got != "failed: group:"+groupID("E")+"(failed)" {
			t.Error(got)
		}
		h.wantStanding("E", "failed 0/0/0/0 cancelled")
		h.group(record.CreateGroup{ID: groupID("S")})
		h.create(memberOf("S", aPromise("s")))
		h.happens("+s")
		if _, err := h.kernel.CancelGroup(h.Context(), groupID("S")); err != nil {
			t.Fatal(err)
		}
		h.wantStanding("S", "satisfied 0/1/0/0")
		var unknown *UnknownGroupError
		_, err := h.kernel.CancelGroup(h.Context(), groupID("NX"))
		_, err2 := h.kernel.RenewGroup(h.Context(), groupID("NX"))
		if !errors.As(err, &unknown) || !errors.As(err2, &unknown) {
			t.Errorf("errs %v, %v", err, err2)
		}
	})
}

// What is done is done: closing fails a group only if that cuts something short, or nothing was ever done in it.
func TestClosingDoesNotUndoWhatIsDone(t *testing.T) {
	closings := map[string]record.CreateGroup{
		"deadline": {Deadline: time.Minute}, "timeout": {Lease: time.Minute}, "cancelled": {},
	}
	members := map[string]struct {
		happen []string
		want   string // of the group, but for why it failed
	}{
		"none":                        {nil, "failed 0/0/0/0"},
		"all succeeded":               {[]string{"+p", "+q"}, "satisfied 0/2/0/0"},
		"one pending":                 {[]string{"+p"}, "failed 0/1/0/1"},
		"one failed":                  {[]string{"+p", "-q"}, "failed 0/1/1/0"},
		"one was cancelled by itself": {[]string{"cancel p", "+q"}, "failed 0/1/0/1"},
	}
	for why, closing := range closings {
		for which, is := range members {
			t.Run(why+" with "+which, func(t *testing.T) {
				inHouse(t, small(), func(h *house) {
					closing.ID = groupID("G")
					h.group(closing)
					if is.happen != nil {
						h.create(memberOf("G", aPromise("p")), memberOf("G", aPromise("q")))
					}
					for _, what := range is.happen {
						h.happens(what)
					}
					time.Sleep(2 * time.Minute)
					if _, err := h.kernel.CancelGroup(h.Context(), closing.ID); err != nil { // once more, if it is closed
						t.Fatal(err)
					}
					want := is.want
					if !strings.HasPrefix(want, "satisfied") {
						want += " " + why
					}
					h.wantStanding("G", want)
					h.restart()
					h.wantStanding("G", want)
					var closed *GroupClosedError
					if _, err := h.kernel.Submit(h.Context(), memberOf("G", aPromise("x"))); !errors.As(err, &closed) {
						t.Errorf("err %v", err)
					}
				})
			})
		}
	}
}

// A member that is settled while it queues is shown to who waits for the group and for it as one that queues no more.
func TestAMemberThatIsSettledWhileItQueuesIsShown(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.group(record.CreateGroup{ID: groupID("G")})
		queued := memberOf("G", newFetch("f"))
		queued.Timeout = time.Second
		h.submit("a", "b") // all workers are busy
		h.create(queued)
		held := h.wait(`{"all":[` + groupExpr("G") + `,"future:f"]}`)
		time.Sleep(2 * time.Second)
		select {
		case a := <-held.answer:
			if a.Outcome != Failed || len(a.Done) != 1 || a.Done[0].Future.State != record.StateFailed ||
				len(a.Pending) != 1 || a.Pending[0].Group == nil {
				t.Errorf("%+v", a)
			}
		case err := <-held.err:
			t.Fatal(err)
		}
		if got := h.state("f"); got != "failed deadline" {
			t.Errorf("f is %s", got)
		}
	})
}

// A group outlives its server with all it knows, goes on with what that had begun, and is forgotten in time.
func TestAGroupOutlivesItsServer(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		labels := []record.Label{{Key: "a", Value: "1"}}
		h.group(record.CreateGroup{ID: groupID("G"), Lease: time.Hour, TTL: 2 * time.Hour, Labels: labels})
		h.group(record.CreateGroup{ID: groupID("V"), TTL: time.Hour})
		h.create(memberOf("G", aPromise("p")), memberOf("G", aPromise("q")), waitFuture("w", groupExpr("G")),
			waitFuture("u", groupExpr("V")))
		h.happens("+p")
		h.restart()
		h.wantStanding("G", "pending 1/1/0/0")
		h.happens("+q")
		if got := h.state("w"); got != "succeeded" {
			t.Errorf("who waited: %s", got)
		}
		h.wantStanding("G", "satisfied 0/2/0/0")
		h.restart()
		h.wantStanding("G", "satisfied 0/2/0/0")
		page, next, err := h.kernel.Groups(&labels[0], "", 10)
		if err != nil || len(page) != 1 || next != "" || page[0].ID != groupID("G") {
			t.Errorf("page %v, %q, %v", page, next, err)
		}
		time.Sleep(61 * time.Minute)
		h.wantStanding("G", "satisfied 0/2/0/0")
		h.wantStanding("V", "await: there is no group "+groupID("V"))
		if got := h.state("u"); got != "failed dependency_failed" {
			t.Errorf("who waited for a group that nobody joined: %s", got)
		}
		time.Sleep(2 * time.Hour)
		h.restart()
		h.wantStanding("G", "await: there is no group "+groupID("G"))
	})
	// The server died between closing a group and cancelling its members.
	s := newState(DefaultLimits(), 1000, newTally(&Kernel{}))
	s.restoreGroup(&record.Group{ID: groupID("G"), Pending: 2, ClosedAt: 900, TTL: time.Hour})
	for _, member := range [][2]string{{"p", groupID("G")}, {"q", groupID("G")}, {"lost", "grp_lost"}} {
		s.restore(&record.Future{
			ID: member[0], Kind: record.KindPromise, State: record.StatePending, Terms: &record.Terms{Group: member[1]},
		})
	}
	s.advance(1000)
	if g := s.groups[groupID("G")].fact; g.Cancelled != 2 || GroupOutcome(g) != Failed {
		t.Errorf("%+v", g)
	}
	s = newState(DefaultLimits(), 1000, newTally(&Kernel{}))
	s.restore(resting("w", groupExpr("GX")))
	if err := s.resume(); !errors.Is(err, record.ErrCorrupt) {
		t.Errorf("err %v", err)
	}
}

// Who waits for a member and for its group is told of the member first, also when that was still in a queue.
func TestAMemberIsOverBeforeItsGroup(t *testing.T) {
	limits := small()
	limits.WorkersMax = 1
	inHouse(t, limits, func(h *house) {
		h.group(record.CreateGroup{ID: groupID("G")})
		h.create(newFetch("running"), memberOf("G", newFetch("queued")))
		w := h.wait(`{"all":["future:queued",` + groupExpr("G") + `]}`)
		h.happens("cancel queued")
		if got, want := w.now(), "failed: future:queued(failed) | group:"+groupID("G"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		h.wantStanding("G", "failed 0/0/0/1")
	})
}

// A large group is cancelled a bounded number of members in a turn.
func TestALargeGroupIsCancelledInBoundedTurns(t *testing.T) {
	s := newState(DefaultLimits(), 1000, newTally(&Kernel{}))
	apply := func(c record.Command) any {
		t.Helper()
		answer, err := s.apply(c)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	apply(&record.CreateGroup{ID: groupID("G")})
	submit := &record.Submit{}
	for n := range CascadeMax + 100 {
		submit.Futures = append(submit.Futures, memberOf("G", aPromise(fmt.Sprint(n))))
	}
	apply(submit)
	s.advance(1001)
	g := apply(&record.CancelGroup{ID: groupID("G")}).(*record.Group)
	if g.Cancelled < CascadeMax-10 || g.Pending < 100 {
		t.Errorf("%d were cancelled in one turn, %d are left", g.Cancelled, g.Pending)
	}
	s.advance(1002)
	if g := s.groups[groupID("G")].fact; g.Pending != 0 {
		t.Errorf("%d are left", g.Pending)
	}
}

// A group that nobody joined is decided when it is closed, though in that turn much else is to be cancelled.
func TestAnEmptyGroupIsDecidedWhenItIsClosed(t *testing.T) {
	s := newState(DefaultLimits(), 1000, newTally(&Kernel{}))
	submit := &record.Submit{}
	for n := range CascadeMax + 100 {
		submit.Futures = append(submit.Futures, memberOf("G", aPromise(fmt.Sprint(n))))
	}
	for _, c := range []record.Command{
		&record.CreateGroup{ID: groupID("G"), Until: 1001}, submit, &record.CreateGroup{ID: groupID("E"), Until: 1001},
	} {
		if _, err := s.apply(c); err != nil {
			t.Fatal(err)
		}
	}
	s.advance(1001)
	w, _, err := s.newWait(WaitRequest{For: &api.Expr{Op: api.OpGroup, Ref: groupID("E")}}, nil, &Held{})
	if err != nil || w.outcome != Failed || w.leaves[0].at != 1001 {
		t.Errorf("%v at %d, %v", w.outcome, w.leaves[0].at, err)
	}
}

// A member may not wait for its own group, directly or through others.
func TestAMemberDoesNotWaitForItsGroup(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		h.group(record.CreateGroup{ID: groupID("G")})
		var cycle *CycleError
		refused := func(f record.NewFuture) {
			h.Helper()
			if _, err := h.kernel.Submit(h.Context(), f); !errors.As(err, &cycle) {
				t.Errorf("err %v", err)
			}
		}
		refused(memberOf("G", waitFuture("w", groupExpr("G"))))
		h.create(fetchAfter("after", groupExpr("G")))
		refused(memberOf("G", waitFuture("w", `"future:after"`)))
		h.group(record.CreateGroup{ID: groupID("H")})
		h.create(memberOf("H", waitFuture("hw", groupExpr("G"))))
		refused(memberOf("G", waitFuture("w", groupExpr("H"))))
		h.create(memberOf("G", aPromise("p")), memberOf("G", fetchAfter("ok", `"event:a"`)))
		synctest.Wait()
		if n := len(h.kernel.state.feeders.heeded); n != 2 {
			t.Errorf("%d things are heeded, want group G and event a", n)
		}
	})
}

// The same key makes the same group; more groups than there may be are refused.
func TestMakingAGroupTwice(t *testing.T) {
	limits := small()
	limits.GroupsMax = 1
	inHouse(t, limits, func(h *house) {
		c := record.CreateGroup{
			ID: groupID("G"), Key: &record.Key{Name: "k", Fingerprint: []byte("x")}, KeyTTL: time.Hour, TTL: time.Minute,
		}
		h.group(c)
		c.ID = groupID("H")
		made, err := h.kernel.CreateGroup(h.Context(), &c)
		if err != nil || !made.Replayed || made.Group.ID != groupID("G") {
			t.Errorf("%+v, %v", made, err)
		}
		other := c
		other.Key = &record.Key{Name: "k", Fingerprint: []byte("y")}
		if _, err := h.kernel.CreateGroup(h.Context(), &other); err != ErrKeyReused {
			t.Errorf("err %v", err)
		}
		other.Key = nil
		if _, err := h.kernel.CreateGroup(h.Context(), &other); err != ErrTooManyGroups {
			t.Errorf("err %v", err)
		}
		time.Sleep(2 * time.Minute)
		var unknown *UnknownGroupError
		if _, err := h.kernel.CreateGroup(h.Context(), &c); !errors.As(err, &unknown) {
			t.Errorf("err %v", err)
		}
		if err := h.kernel.Drain(h.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := h.kernel.CreateGroup(h.Context(), &other); err != ErrDraining {
			t.Errorf("err %v", err)
		}
	})
}
