package await

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/record"
)

// world is a state with targets around it, on virtual time: each attempt that is launched ends as the targets say.
type world struct {
	*testing.T
	state  *State
	at     record.Time
	answer func(j fetch.Job, at record.Time) (took time.Duration, failure record.FailureType)
	rand   *rand.Rand
	ends   endings
	number int // of attempts

	attempts []record.Time          // when each was started
	retries  []record.Time          // when each but the first of a future was
	flying   int                    // now
	settled  map[record.State]int   // how many futures ended so
	started  map[string]record.Time // first attempts
}

// planned is an attempt that will end.
type planned struct {
	at      record.Time
	number  int
	outcome *record.Outcome
}

type endings []planned

func (e endings) Len() int      { return len(e) }
func (e endings) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *endings) Push(x any)   { *e = append(*e, x.(planned)) }
func (e *endings) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (e endings) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].number < e[j].number
}

func newWorld(t *testing.T, limits Limits) *world {
	return &world{
		T: t, state: newState(limits, storyBegins, newTally(&Kernel{})), at: storyBegins,
		rand: rand.New(rand.NewPCG(1, 2)), settled: map[record.State]int{}, started: map[string]record.Time{},
	}
}

func (w *world) submit(all ...record.NewFuture) {
	w.state.advance(w.at)
	if _, err := w.state.apply(&record.Submit{Futures: all}); err != nil {
		w.Fatal(err)
	}
	w.happen()
}

// happen plays the part of the fetcher, and forgets what is settled.
func (w *world) happen() {
	for len(w.state.effects) > 0 {
		effects := w.state.effects
		w.state.effects = nil
		for _, e := range effects {
			switch e := e.(type) {
			case launch:
				w.launch(e.job)
			case evict:
				w.settled[e.f.fact.State]++
				delete(w.state.futures, e.f.fact.ID)
			}
		}
	}
	w.state.takeBatch(0)
}

func (w *world) launch(j fetch.Job) {
	w.flying++
	w.attempts = append(w.attempts, w.at)
	if j.N > 1 {
		w.retries = append(w.retries, w.at)
	} else {
		w.started[j.ID] = w.at
	}
	took, failure := w.answer(j, w.at)
	o := &record.Outcome{ID: j.ID, Attempt: record.Attempt{N: j.N, Status: 200, Duration: took}, Result: &record.Result{}}
	if failure != "" {
		o.Attempt.Status, o.Attempt.Failure = 0, &record.Failure{Type: failure}
		if failure == record.FailHTTPStatus {
			o.Attempt.Status = 503
		}
		if o.Retry = j.N < j.Request.Open().Retry.AttemptsMax; o.Retry {
			o.RetryAfter = w.backoff(j)
		}
	}
	w.number++
	heap.Push(&w.ends, planned{w.at.Add(took), w.number, o})
}

// backoff is what internal/fetch draws: evenly from the least wait to what doubles with each attempt.
func (w *world) backoff(j fetch.Job) time.Duration {
	r := j.Request.Open().Retry
	most := min(r.BackoffMax, r.BackoffMin<<j.N)
	return r.BackoffMin + time.Duration(w.rand.Int64N(int64(most-r.BackoffMin)+1))
}

// run lets time pass until then, or until nothing is left to happen.
func (w *world) run(until record.Time) {
	for w.at < until {
		next := until
		if due, ok := w.state.nextDue(); ok {
			next = min(next, max(due, w.at))
		}
		if len(w.ends) > 0 {
			next = min(next, w.ends[0].at)
		}
		w.at = next
		w.state.advance(w.at)
		w.happen()
		for len(w.ends) > 0 && w.ends[0].at <= w.at {
			w.flying--
			if _, err := w.state.apply(heap.Pop(&w.ends).(planned).outcome); err != nil {
				w.Fatal(err)
			}
			w.happen()
		}
	}
}

// most is the largest number of times within any stretch as long as d.
func most(times []record.Time, d time.Duration) int {
	found, first := 0, 0
	for i, t := range times {
		for times[first].Add(d) <= t {
			first++
		}
		found = max(found, i-first+1)
	}
	return found
}

// fetches are n of them, with the retries that a caller gets who asks for nothing else but attempts.
func fetches(n, attempts int, host string) []record.NewFuture {
	all := make([]record.NewFuture, n)
	for i := range all {
		all[i] = newFetch(fmt.Sprint(host, i))
		r := requestTo(host)
		r.Retry = record.Retry{AttemptsMax: attempts, BackoffMin: 500 * time.Millisecond, BackoffMax: 30 * time.Second}
		all[i].Request = r.Pack()
		all[i].Timeout = time.Hour
	}
	return all
}

// Ten thousand futures outlive an outage of ten minutes, whichever way the target is down. It gets hardly an attempt
// while it is down, and no storm when it is up again.
func TestAnOutageDoesNotEndInAStorm(t *testing.T) {
	outage := storyBegins.Add(10 * time.Minute)
	for name, down := range map[string]struct {
		took    time.Duration
		failure record.FailureType
	}{
		"refuses": {time.Millisecond, record.FailConnect},
		"hangs":   {30 * time.Second, record.FailTimeout},
		"busy":    {20 * time.Millisecond, record.FailHTTPStatus},
	} {
		t.Run(name, func(t *testing.T) {
			limits := DefaultLimits()
			w := newWorld(t, limits)
			w.answer = func(_ fetch.Job, at record.Time) (time.Duration, record.FailureType) {
				if at < outage {
					return down.took, down.failure
				}
				return 50 * time.Millisecond, ""
			}
			w.submit(fetches(10_000, 4, "t")...)
			w.run(outage)
			// Until the circuit opens the host gets as much as it may have at one time; then a probe now and then.
			probes := 2 + int(10*time.Minute/CircuitOpenMost)
			early := limits.HostAttemptsMax + CircuitStreakMax
			if n := len(w.attempts); n < early/2 || n > early+2*probes {
				t.Errorf("%d attempts during the outage", n)
			}
			t.Logf("during it: %d attempts, at most %d in any second", len(w.attempts), most(w.attempts, time.Second))
			before := len(w.attempts)
			w.run(storyBegins.Add(20 * time.Minute))
			if n := w.settled[record.StateSucceeded]; n != 10_000 {
				t.Fatalf("%d succeeded: %v", n, w.settled)
			}
			after := w.attempts[before:]
			t.Logf("after it: %d attempts in %v; of the first second %d, at most %d in any second; retries at most %d in %v",
				len(after), after[len(after)-1].Sub(after[0]), count(after, after[0].Add(time.Second)),
				most(after, time.Second), most(w.retries, WindowTime), WindowTime)
			// It comes back by steps: each success of 50 ms lets one more through, until there are 32 at one time.
			if n := count(after, after[0].Add(50*time.Millisecond)); n > 1 {
				t.Errorf("%d attempts before the first has succeeded", n)
			}
			if n := count(after, after[0].Add(150*time.Millisecond)); n > 1+CircuitRampFirst+2*CircuitRampFirst {
				t.Errorf("%d attempts within the time of three", n)
			}
			if n := most(w.retries, WindowTime); n > RetriesLeast+10_000/RetryShare {
				t.Errorf("%d retries in %v", n, WindowTime)
			}
		})
	}
}

func count(times []record.Time, before record.Time) int {
	n, _ := slices.BinarySearch(times, before)
	return n
}

// A target that fails three of ten times keeps its circuit closed. What it gets besides the first attempts stays within
// the budget at any time, though each future is tried until it succeeds.
func TestRetriesStayWithinTheirBudget(t *testing.T) {
	w := newWorld(t, DefaultLimits())
	w.answer = func(fetch.Job, record.Time) (time.Duration, record.FailureType) {
		if w.rand.IntN(10) < 3 {
			return 20 * time.Millisecond, record.FailHTTPStatus
		}
		return 20 * time.Millisecond, ""
	}
	w.submit(fetches(10_000, 20, "t")...)
	w.run(storyBegins.Add(55 * time.Minute))
	if n := w.settled[record.StateSucceeded]; n != 10_000 {
		t.Fatalf("%d succeeded: %v", n, w.settled)
	}
	var first []record.Time
	for _, at := range w.started {
		first = append(first, at)
	}
	slices.Sort(first)
	t.Logf("%d first attempts, at most %d in %v; %d retries, at most %d in %v", len(first), most(first, WindowTime),
		WindowTime, len(w.retries), most(w.retries, WindowTime), WindowTime)
	// The window counts whole seconds, so one that is measured otherwise may hold the budgets of two.
	for i, at := range w.retries {
		from := at.Add(time.Second - WindowTime)
		in := i + 1 - count(w.retries, from)
		began := count(first, at+1) - count(first, from-2000)
		if in > RetriesLeast+began/RetryShare {
			t.Fatalf("%d retries in %v for %d first attempts", in, WindowTime-time.Second, began)
		}
	}
	if len(w.retries) < 4000 {
		t.Errorf("only %d retries: this test proves less than it says", len(w.retries))
	}
}

// Whoever has few fetches hardly notices who has ten thousand, even when every worker is theirs: p99 from submit to
// start, and with the attempt itself.
func TestABusyKeyDoesNotHoldUpAnother(t *testing.T) {
	for name, hostMax := range map[string]int{"with a bound for each host": 4, "without": 8} {
		t.Run(name, func(t *testing.T) {
			p99 := func(busy int) time.Duration {
				limits := DefaultLimits()
				limits.WorkersMax, limits.HostAttemptsMax = 8, hostMax
				w := newWorld(t, limits)
				w.answer = func(fetch.Job, record.Time) (time.Duration, record.FailureType) {
					return 10*time.Millisecond + time.Duration(w.rand.IntN(11))*time.Millisecond, ""
				}
				if busy > 0 {
					w.submit(fetches(busy, 1, "busy")...)
				}
				var took []time.Duration
				for _, f := range fetches(200, 1, "quiet") {
					submitted := w.at
					w.submit(f)
					for settled := w.settled[record.StateSucceeded]; w.state.futures[f.ID] != nil; {
						if w.run(w.at + 1); w.at > submitted.Add(time.Minute) {
							t.Fatalf("%s is not settled (%d are)", f.ID, settled)
						}
					}
					took = append(took, w.at.Sub(submitted))
					w.run(w.at.Add(30 * time.Millisecond))
				}
				if busy > 0 && w.state.queue.size == 0 {
					t.Fatal("nothing of the busy key waits any more: this test proves less than it says")
				}
				slices.Sort(took)
				return took[len(took)*99/100]
			}
			alone, beside := p99(0), p99(10_000)
			t.Logf("p99 alone %v, beside 10 000 of another key %v", alone, beside)
			if beside > 2*alone {
				t.Errorf("p99 alone %v, beside 10 000 of another key %v", alone, beside)
			}
		})
	}
}

// Of keys that have something to start each starts one before any starts two, however many they have.
func TestKeysStartInTurns(t *testing.T) {
	limits := DefaultLimits()
	limits.WorkersMax, limits.HostAttemptsMax = 1, 1
	w := newWorld(t, limits)
	var order []string
	w.answer = func(j fetch.Job, _ record.Time) (time.Duration, record.FailureType) {
		order = append(order, hostOf(j.Request.URL()))
		return time.Millisecond, ""
	}
	w.submit(fetches(10_000, 1, "a")...)
	w.run(w.at.Add(10 * time.Millisecond))
	seen := len(order)
	w.submit(fetches(50, 1, "b")...)
	w.submit(fetches(50, 1, "c")...)
	w.run(w.at.Add(150 * time.Millisecond))
	for i, turn := range slices.Collect(slices.Chunk(order[seen:seen+150], 3)) {
		slices.Sort(turn)
		if fmt.Sprint(turn) != "[a b c]" {
			t.Fatalf("turn %d: %v", i, turn)
		}
	}
}
