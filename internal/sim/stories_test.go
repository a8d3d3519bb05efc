package sim

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
)

// tell plays one story, in which nothing is left to chance.
func tell(t *testing.T, limits await.Limits, story func(w *world)) {
	told := false
	rapid.Check(t, func(t *rapid.T) {
		if told {
			return // once is enough
		}
		rapid.SyncTest(t, func(t *rapid.T) {
			w := start(t, &memory{}, limits, sightings{})
			calm := false
			defer func() {
				w.failed = !calm
				w.end()
			}()
			story(w)
			w.calm()
			calm = true
		})
		told = true
	})
}

// goes lets the loop go on, and ends the commits.
func (w *world) goes() {
	w.turn()
	w.finishAll()
}

func (w *world) create(futures ...record.NewFuture) *call {
	return w.submit(&record.Submit{Futures: futures})
}

func promise(id string) record.NewFuture { return record.NewFuture{ID: id, Kind: record.KindPromise} }

func (w *world) resolve(id string) *call { return w.settle(&record.Settle{ID: id, Value: []byte("1")}) }

func (w *world) waitFor(e api.Expr, timeout time.Duration) *call {
	return w.hold(&Wait{For: &e, Timeout: timeout}, nil)
}

func event(name string) api.Expr { return api.Expr{Op: api.OpEvent, Ref: name} }

// Who asks for a future just before it is created, and is answered after that, is told that there is none, or asks
// again: never that it is settled.
func TestAVerbJustBeforeTheSubmitAsksAgain(t *testing.T) {
	for name, ask := range map[string]func(*world) *call{
		"cancel":  func(w *world) *call { return w.cancel("p") },
		"resolve": func(w *world) *call { return w.resolve("p") },
		"read":    func(w *world) *call { return w.read("p") },
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, await.DefaultLimits(), func(w *world) {
				w.life.holding = true
				w.ask(w.change(&record.EventChange{Name: "a", Op: record.EventSet}))
				w.turn()
				w.single(ask(w), false, false) // answered with the next commit
				w.ask(w.create(promise("p")))
				w.turn()
				w.finishAll()
			})
		})
	}
}

// A wait that reads the store for a future that is then settled and leaves memory, before the wait looks again.
func TestAWaitOvertakenByTheFutureItReads(t *testing.T) {
	tell(t, await.DefaultLimits(), func(w *world) {
		w.single(w.waitFor(api.Expr{Op: api.OpFuture, Ref: "p"}, time.Minute), true, true)
		w.ask(w.create(promise("p")))
		w.goes()
		w.readGoesOn()
		w.ask(w.resolve("p"))
		w.goes()
		w.readGoesOn()
	})
}

// The end of a future and its event come in this order to who waits for both, whatever the order of the expression.
func TestAFutureIsDoneBeforeTheEventThatItSets(t *testing.T) {
	tell(t, await.DefaultLimits(), func(w *world) {
		p := promise("p")
		p.Sets = "a"
		w.ask(w.create(p))
		w.goes()
		w.ask(w.waitFor(api.Expr{Op: api.OpAny, Of: []api.Expr{event("a"), {Op: api.OpFuture, Ref: "p"}}}, time.Minute))
		w.ask(w.waitFor(api.Expr{Op: api.OpAll, Of: []api.Expr{event("a"), {Op: api.OpFuture, Ref: "p"}}}, time.Minute))
		w.goes()
		w.ask(w.resolve("p"))
		w.goes()
	})
}

// Reading is not waiting: who is answered at once is never refused, however many wait.
func TestAReaderIsNotTurnedAwayWhenTooManyWait(t *testing.T) {
	limits := await.DefaultLimits()
	limits.WaitersMax, limits.EventsMax = 1, 1
	tell(t, limits, func(w *world) {
		w.ask(w.waitFor(event("a"), time.Minute))
		w.goes()
		w.ask(w.waitFor(event("b"), 0))
		w.ask(w.waitFor(api.Expr{Op: api.OpAll, Of: []api.Expr{event("a"), event("a")}}, 0))
		w.goes()
	})
}

// One name is one name, however often an expression says it.
func TestANameCountsOnceTowardsTheBound(t *testing.T) {
	limits := await.DefaultLimits()
	limits.EventsMax = 1
	tell(t, limits, func(w *world) {
		w.ask(w.waitFor(api.Expr{Op: api.OpAll, Of: []api.Expr{event("a"), event("a")}}, time.Minute))
		w.goes()
	})
}

// A delete whose look was overtaken by the creation of the future looks again.
func TestADeleteOvertakenByTheSubmitLooksAgain(t *testing.T) {
	tell(t, await.DefaultLimits(), func(w *world) {
		w.single(w.delete("p"), true, true)
		w.ask(w.create(promise("p")))
		w.goes()
		w.readGoesOn()
		w.ask(w.cancel("p"))
		w.goes()
		w.readGoesOn()
	})
}

// A delete that finds the future pending, whose end is then being committed, forgets it after that.
func TestADeleteOvertakenByTheEndWaitsForTheCommit(t *testing.T) {
	tell(t, await.DefaultLimits(), func(w *world) {
		w.ask(w.create(promise("p")))
		w.goes()
		w.listensLate(w.delete("p"))
		w.life.holding = true
		w.ask(w.resolve("p"))
		w.turn()
		w.readGoesOn()
		w.finishAll()
		if w.oracle.Stored.Futures["p"] != nil {
			w.Fatalf("it is still there")
		}
	})
}

// A wait that read the end of a future from the store goes by what is there when it looks again: another future, which
// was given the same id.
func TestAWaitGoesByTheFutureThatIsThereNow(t *testing.T) {
	tell(t, await.DefaultLimits(), func(w *world) {
		w.ask(w.create(promise("p")))
		w.goes()
		w.ask(w.resolve("p"))
		w.goes()
		w.single(w.waitFor(api.Expr{Op: api.OpFuture, Ref: "p"}, time.Minute), false, true)
		w.ask(w.delete("p"))
		w.goes()
		w.ask(w.create(promise("p")))
		w.goes()
		w.readGoesOn()
		w.ask(w.resolve("p"))
		w.goes()
	})
}

// A key that expires while its first use is being committed, and is used anew, is in use: whatever becomes durable.
func TestAKeyUsedAnewIsNotForgottenWithItsFirstUse(t *testing.T) {
	tell(t, await.DefaultLimits(), func(w *world) {
		use := func(id string) {
			key := &record.Key{Name: "k", Fingerprint: []byte("same")}
			w.ask(w.submit(&record.Submit{Futures: []record.NewFuture{promise(id)}, Key: key, KeyTTL: 10 * time.Millisecond}))
			w.turn()
		}
		w.life.holding = true
		use("p")
		w.pass(10*time.Millisecond, true)
		use("q")
		w.finish()
		use("r")
		w.finishAll()
		if w.oracle.Known("q") == nil || w.oracle.Known("r") != nil {
			w.Fatalf("the second use created, the third did not: %v", w.oracle.futures)
		}
	})
}

// What time does is committed as well, though nobody has asked for anything: else lists, which read the store, and the
// next server would not know of it.
func TestWhatTimeChangesIsCommitted(t *testing.T) {
	limits := await.DefaultLimits()
	limits.WorkersMax = 1
	tell(t, limits, func(w *world) {
		w.ask(w.change(&record.EventChange{Name: "a", Op: record.EventSet, TTL: 10 * time.Millisecond}))
		w.goes()
		w.pass(10*time.Millisecond, false)
		if w.oracle.Stored.Events["a"].Set {
			w.Fatalf("its ttl has passed, and the store says that it is set")
		}
		fetch := func(delay time.Duration) record.NewFuture {
			return record.NewFuture{ID: w.newID(), Kind: record.KindFetch, Request: drawRequest(w.T), Delay: delay}
		}
		late := fetch(10 * time.Millisecond)
		w.ask(w.create(fetch(0), late))
		w.goes()
		w.pass(10*time.Millisecond, false)
		if w.oracle.Stored.Futures[late.ID].Reason != record.ReasonQueued {
			w.Fatalf("its delay has passed, and the store says that it is delayed")
		}
	})
}

// A promise that has expired before its end is durable has its id until then: who asks for the id waits.
func TestASubmitWaitsForAnExpiredPromiseToLeave(t *testing.T) {
	tell(t, await.DefaultLimits(), func(w *world) {
		short := promise("p")
		short.TTL = time.Millisecond
		w.ask(w.create(short))
		w.goes()
		w.life.holding = true
		w.ask(w.resolve("p"))
		w.turn()
		w.pass(2*time.Millisecond, true)
		w.single(w.create(promise("p")), false, false)
		w.finishAll()
		if f := w.oracle.Stored.Futures["p"]; f == nil || f.State.Settled() {
			w.Fatalf("the new promise is not there: %s", inWords(f))
		}
	})
}

// A server whose clock was set back sets an event, and the cursor of an earlier one does not take that for old, though
// all that was set before is forgotten.
func TestACursorIsNotDeceivedByTheClock(t *testing.T) {
	tell(t, await.DefaultLimits(), func(w *world) {
		w.ask(w.change(&record.EventChange{Name: "a", Op: record.EventSet}))
		w.goes()
		w.ask(w.waitFor(event("b"), 0))
		w.ask(w.change(&record.EventChange{Name: "a", Op: record.EventDelete}))
		w.goes()
		w.setClock(-24 * time.Hour)
		w.restart()
		w.ask(w.change(&record.EventChange{Name: "b", Op: record.EventPulse}))
		w.goes()
		e, from := event("b"), w.talks[0]
		w.ask(w.hold(&Wait{For: &e}, from))
		w.goes()
	})
}

// Who is answered in the middle of a set, because it decided one leaf, is told next time
// of another leaf that it decided.
func TestASetIsToldToEveryLeaf(t *testing.T) {
	tell(t, await.DefaultLimits(), func(w *world) {
		e := api.Expr{Op: api.OpAny, Of: []api.Expr{event("a"), event("a")}}
		w.ask(w.waitFor(e, time.Minute))
		w.goes()
		w.ask(w.change(&record.EventChange{Name: "a", Op: record.EventPulse}))
		w.goes()
		w.ask(w.hold(&Wait{For: &e}, w.talks[0]))
		w.goes()
	})
}

// A stream whose second future leaves memory while it reads the store for the first does not forget the first.
func TestAStreamOvertakenByAFutureRemembersTheOther(t *testing.T) {
	tell(t, await.DefaultLimits(), func(w *world) {
		w.ask(w.create(promise("p"), promise("q")))
		w.goes()
		w.ask(w.resolve("p"))
		w.goes()
		both := api.Expr{Op: api.OpAll, Of: []api.Expr{{Op: api.OpFuture, Ref: "p"}, {Op: api.OpFuture, Ref: "q"}}}
		s := &stream{wait: &Wait{For: &both, Tells: true}, keen: true}
		w.single(w.streamWait(s), true, false)
		w.ask(w.resolve("q"))
		w.goes()
		w.readGoesOn()
		if s.wait.Answer == nil || len(w.streams) > 0 {
			w.Fatalf("the stream has not come to its end")
		}
	})
}

// A stream that was cut off between two messages that came at once tells of the second again, with what is in the
// store.
func TestAStreamThatWasCutOffTellsTheRest(t *testing.T) {
	tell(t, await.DefaultLimits(), func(w *world) {
		w.ask(w.create(promise("p"), promise("q")))
		w.goes()
		both := api.Expr{Op: api.OpAll, Of: []api.Expr{{Op: api.OpFuture, Ref: "p"}, {Op: api.OpFuture, Ref: "q"}}}
		first := &stream{wait: &Wait{For: &both, Tells: true}}
		w.ask(w.streamWait(first))
		w.goes()
		w.ask(w.resolve("p"))
		w.ask(w.resolve("q"))
		w.goes()
		w.listen(first)
		w.goes()
		w.restart()
		again := &stream{wait: &Wait{For: &both, Tells: true}, from: w.talks[0], keen: true}
		w.single(w.streamWait(again), false, false)
		if told := again.wait.Answer.Done; len(told) != 1 || told[0].Future == nil {
			w.Fatalf("it is told of %v", told)
		}
	})
}

// A future whose callback is pending is not taken for one of its id that was made in the same millisecond, and deleted,
// when that would have expired.
func TestAnExpiryIsOfOneFutureAlone(t *testing.T) {
	tell(t, await.DefaultLimits(), func(w *world) {
		brief := promise("p")
		brief.TTL = 10 * time.Millisecond
		told := brief
		told.Callback = drawCallback(w.T)
		told.Callback.On = []record.State{record.StateSucceeded}
		for _, one := range []record.NewFuture{brief, told} {
			w.ask(w.create(one))
			w.goes()
			w.ask(w.resolve("p"))
			w.goes()
			if one.Callback == nil {
				w.ask(w.delete("p"))
				w.goes()
			}
		}
		w.pass(time.Second, false)
		w.agree(record.FutureQuery{Limit: 100})
		if !w.oracle.Stored.Futures["p"].CallbackPending() {
			w.Fatalf("the story went otherwise: %s", inWords(w.oracle.Stored.Futures["p"]))
		}
	})
}
