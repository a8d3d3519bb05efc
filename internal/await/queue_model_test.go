package await

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/awaitd/awaitd/internal/record"
)

// crowd is a state that much happens to at random, and what must be true of it after each step, looked up from scratch.
type crowd struct {
	*rapid.T
	state   *State
	at      record.Time
	flying  []flown
	waiting map[string][]string // by key: fetches never started nor settled, in the order in which they came
	number  int
	alive   []string
}

type flown struct {
	job string
	n   int
}

// proceed lets one thing happen.
func (c *crowd) proceed() {
	switch rapid.IntRange(0, 9).Draw(c.T, "what") {
	case 0, 1, 2:
		c.submit()
	case 3: // an outage
		for n := rapid.IntRange(0, 40).Draw(c.T, "failures"); n > 0 && len(c.flying) > 0; n-- {
			c.end(0, record.FailConnect, 100*time.Millisecond)
			c.settle()
		}
	case 4, 5, 6:
		if len(c.flying) > 0 {
			c.land(rapid.IntRange(0, len(c.flying)-1).Draw(c.T, "which"))
		}
	case 7:
		if len(c.alive) > 0 {
			id := rapid.SampledFrom(c.alive).Draw(c.T, "cancel")
			c.apply(&record.Cancel{ID: id})
		}
	case 8:
		c.at += record.Time(rapid.IntRange(1, 300).Draw(c.T, "ms"))
		c.state.advance(c.at)
	case 9:
		c.at += record.Time(rapid.IntRange(1, 8).Draw(c.T, "s")) * 1000
		c.state.advance(c.at)
	}
	c.settle()
}

func (c *crowd) submit() {
	var all []record.NewFuture
	for range rapid.IntRange(1, 6).Draw(c.T, "fetches") {
		c.number++
		f := newFetch(fmt.Sprint("f", c.number))
		host := rapid.SampledFrom([]string{"h", "i", "j"}).Draw(c.T, "host")
		f.Request = requestTo(host).Pack()
		f.LimitKey = rapid.SampledFrom([]string{"", "k", "l", "m"}).Draw(c.T, "key")
		switch rapid.IntRange(0, 5).Draw(c.T, "limit") {
		case 0:
			f.Limit = &record.LimitSettings{Concurrency: rapid.IntRange(1, 3).Draw(c.T, "concurrency")}
		case 1:
			f.Limit = &record.LimitSettings{
				Rate:   rapid.IntRange(1, 3).Draw(c.T, "rate"),
				Period: time.Duration(rapid.IntRange(1, 500).Draw(c.T, "period")) * time.Millisecond,
			}
		}
		if rapid.IntRange(0, 3).Draw(c.T, "callback") == 0 {
			f.Callback = callbackOf(map[string]string{"callback": rapid.SampledFrom([]string{"h", "r"}).Draw(c.T, "receiver")})
		}
		if rapid.IntRange(0, 5).Draw(c.T, "deadline") == 0 {
			f.Timeout = time.Duration(rapid.IntRange(1, 5000).Draw(c.T, "in")) * time.Millisecond
		}
		key := f.LimitKey
		if key == "" {
			key = host
		}
		c.waiting[key] = append(c.waiting[key], f.ID)
		c.alive = append(c.alive, f.ID)
		all = append(all, f)
	}
	c.apply(&record.Submit{Futures: all})
}

// land ends an attempt in one of the ways in which attempts end.
func (c *crowd) land(i int) {
	kind := rapid.SampledFrom([]record.FailureType{
		"", "", record.FailConnect, record.FailTooLarge, record.FailEgressDenied, record.FailCancelled,
	}).Draw(c.T, "failure")
	again := time.Duration(-1)
	if rapid.Bool().Draw(c.T, "again") {
		again = time.Duration(rapid.IntRange(0, 3000).Draw(c.T, "after")) * time.Millisecond
	}
	c.end(i, kind, again)
}

func (c *crowd) end(i int, kind record.FailureType, again time.Duration) {
	f := c.flying[i]
	c.flying = slices.Delete(c.flying, i, i+1)
	o := &record.Outcome{ID: f.job, Attempt: record.Attempt{N: f.n, Status: 200}, Result: &record.Result{}}
	if kind != "" {
		o.Attempt.Failure = &record.Failure{Type: kind}
		o.Retry, o.RetryAfter = again >= 0, max(again, 0)
	}
	c.apply(o)
}

func (c *crowd) apply(command record.Command) {
	c.state.advance(c.at)
	_, _ = c.state.apply(command) // cancelling what is settled is refused, as it should be
}

// settle takes what happened, and demands that each key's first attempts come in the order of its submits.
func (c *crowd) settle() {
	gone := map[string]bool{}
	for _, e := range c.state.effects {
		switch e := e.(type) {
		case launch:
			c.flying = append(c.flying, flown{e.job.ID, e.job.N})
			if e.job.N == 1 && e.job.Callback == nil {
				c.first(e.job.ID)
			}
		case evict:
			if c.state.futures[e.f.fact.ID] == e.f {
				delete(c.state.futures, e.f.fact.ID)
			}
			gone[e.f.fact.ID] = true
		}
	}
	c.state.effects = nil
	c.state.takeBatch(0)
	c.alive = slices.DeleteFunc(c.alive, func(id string) bool { return gone[id] })
}

func (c *crowd) first(id string) {
	for key, ids := range c.waiting {
		i := slices.Index(ids, id)
		if i < 0 {
			continue
		}
		for _, before := range ids[:i] {
			if f := c.state.futures[before]; f != nil && !f.fact.State.Settled() {
				c.Fatalf("%s of %s starts before %s, which came first", id, key, before)
			}
		}
		c.waiting[key] = ids[i+1:]
	}
}

// check demands all that must be true at any time between two turns.
func (c *crowd) check() {
	s := c.state
	limits := s.limits
	if s.running != len(c.flying) || s.running != len(s.queue.flights) || s.running > limits.WorkersMax {
		c.Fatalf("%d running, %d flying, %d flights", s.running, len(c.flying), len(s.queue.flights))
	}
	byLane, byHost := map[*lane]int{}, map[string]int{}
	for _, fl := range s.queue.flights {
		byLane[fl.lane]++
		byHost[fl.host.name]++
	}
	for name, h := range s.queue.hosts {
		if h.running != byHost[name] || h.running > limits.HostAttemptsMax || h.running+h.parked.size == 0 {
			c.Fatalf("host %s has %d running, of %d, and %d parked", name, h.running, byHost[name], h.parked.size)
		}
		woken := 0
		for l := s.queue.ready.first; l != nil; l = l.next {
			if l.wokenBy == h {
				woken++
			}
		}
		if h.parked.size > 0 && h.running < limits.HostAttemptsMax && woken == 0 {
			c.Fatalf("host %s has room, and %d parked, and nobody is woken", name, h.parked.size)
		}
	}
	members := map[*lane]int{}
	for _, f := range s.futures {
		if f.lane != nil {
			members[f.lane]++
		}
	}
	waiting, held := 0, 0
	circuits := [3]int{}
	s.queue.lanes.Scan(func(key string, l *lane) bool {
		waiting += l.waiting.size
		held += l.held.size
		circuits[l.circuit.State]++
		if l.running != byLane[l] || l.members != members[l] || l.forgotten {
			c.Fatalf("%s: %d running of %d, %d members of %d", key, l.running, byLane[l], l.members, members[l])
		}
		if max := l.settings.Concurrency; max > 0 && l.running > max && l.in == &s.queue.ready {
			c.Fatalf("%s is over its concurrency and takes turns", key)
		}
		if idle := l.members+l.running == 0; idle != (l.in == &s.queue.idle) {
			c.Fatalf("%s is idle: %v", key, idle)
		}
		c.checkNothingIsForgotten(l)
		return true
	})
	if waiting != s.queue.size || held != s.queue.held || circuits != s.queue.circuits {
		c.Fatalf("%d wait, %d are held, circuits %v; counted %d, %d, %v", waiting, held, circuits,
			s.queue.size, s.queue.held, s.queue.circuits)
	}
}

// checkNothingIsForgotten demands that what waits waits for something.
func (c *crowd) checkNothingIsForgotten(l *lane) {
	s := c.state
	if l.held.first != nil && l.hasBudget(s.at) {
		c.Fatalf("%s holds retries back that it has a budget for", l.key)
	}
	if l.waiting.first == nil || s.running == s.limits.WorkersMax {
		return
	}
	reason, until := l.blocked(1, s.at)
	h := s.queue.hosts[*l.waiting.first.host]
	full := h != nil && h.running >= s.limits.HostAttemptsMax
	switch {
	case reason == record.ReasonNone && !full:
		c.Fatalf("%s waits for nothing", l.key)
	case until > 0 && l.timerAt == 0:
		c.Fatalf("%s is never woken", l.key)
	}
}

// Whatever happens in whatever order: bounds hold, first attempts of a key come in the order of their submits, no
// worker is idle while something could be started, nothing waits for nothing, and in the end nothing is left.
func TestTheQueueHoldsItsBoundsAndForgetsNothing(t *testing.T) {
	seen := map[string]bool{}
	rapid.Check(t, func(t *rapid.T) {
		limits := DefaultLimits()
		limits.WorkersMax = rapid.IntRange(1, 6).Draw(t, "workers")
		limits.HostAttemptsMax = rapid.IntRange(1, 4).Draw(t, "for a host")
		limits.KeysIdleMax = rapid.IntRange(1, 4).Draw(t, "idle keys")
		c := &crowd{
			T: t, state: newState(limits, storyBegins, newTally(&Kernel{})), at: storyBegins, waiting: map[string][]string{},
		}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			c.proceed()
			c.check()
			c.state.queue.lanes.Scan(func(key string, l *lane) bool {
				seen[[]string{"closed", "open", "half-open"}[l.circuit.State]] = true
				seen["parked"] = seen["parked"] || l.in != nil && l.in != &c.state.queue.ready && l.in != &c.state.queue.idle
				seen["callback"] = seen["callback"] || strings.HasPrefix(key, "callback:") && l.running > 0
				return true
			})
		}
		c.finish()
	})
	for _, what := range []string{"closed", "open", "half-open", "parked", "callback"} {
		if !seen[what] {
			t.Errorf("nothing was ever %s: this test proves less than it says", what)
		}
	}
}

// finish lets everything succeed, and then time pass.
func (c *crowd) finish() {
	for range 20_000 {
		switch next, due := c.state.nextDue(); {
		case len(c.flying) > 0:
			c.end(0, "", -1)
		case due:
			c.at = max(c.at, next)
			c.state.advance(c.at)
		default:
			if n := len(c.state.futures) + c.state.queue.lanes.Len() + len(c.state.queue.hosts) + c.state.due.Len(); n > 0 {
				c.Fatalf("%d futures, %d keys, %d hosts and %d timers are left", len(c.state.futures),
					c.state.queue.lanes.Len(), len(c.state.queue.hosts), c.state.due.Len())
			}
			return
		}
		c.settle()
		c.check()
	}
	c.Fatal("it never ends")
}
