package await

import (
	"github.com/tidwall/btree"

	"github.com/awaitd/awaitd/internal/record"
)

// queue is what stands between the fetches and the workers: first come first served among those of one key, the keys
// in turn, so that one busy target does not hold up the others. A key that may start nothing now takes no turns until
// that ends; nothing is ever scanned.
type queue struct {
	lanes   btree.Map[string, *lane] // every key that is remembered
	ready   laneList                 // those that may start their first, in the order of their turns
	idle    laneList                 // those that nobody needs now, longest idle first
	hosts   map[string]*host         // those with attempts under way
	flights map[string]flight        // attempts under way by job, aborted ones included until their outcome arrives
	changed []*lane                  // their facts, since the last commit
	size    int                      // fetches that wait for their turn
	held    int                      // retries that wait for the budget of their key

	circuits [3]int // of the keys that are remembered, by state
}

// flight is what an attempt under way occupies.
type flight struct {
	of   *future
	lane *lane
	host *host
	era  uint64 // of the circuit
	at   record.Time
}

// host bounds the attempts under way at one host, under whatever keys they were submitted: a target that hangs must
// not hold every worker.
type host struct {
	name    string
	running int
	parked  laneList // lanes whose first is for this host, which is full
}

// row is futures of one lane that stand one behind the other.
type row struct {
	name        rowName
	first, last *future
	size        int
	passed      uint32 // how many have left it at its head; it wraps
	joined      uint32 // how many ever joined it; it wraps
}

// rowName says which row of its lane a future stands in.
type rowName uint8

const (
	noRow      rowName = 0
	rowWaiting rowName = 1 // lane.waiting
	rowHeld    rowName = 2 // lane.held
)

func (l *row) push(f *future) {
	l.joined++
	l.size++
	f.in, f.number, f.prev = l.name, l.joined, l.last
	if l.last != nil {
		l.last.next = f
	} else {
		l.first = f
	}
	l.last = f
}

// pop takes the first out.
func (l *row) pop() *future {
	f := l.first
	l.remove(f)
	return f
}

// remove takes f out, wherever it stands.
func (l *row) remove(f *future) {
	if f.prev != nil {
		f.prev.next = f.next
	} else {
		l.first = f.next
		l.passed = f.number
	}
	if f.next != nil {
		f.next.prev = f.prev
	} else {
		l.last = f.prev
	}
	f.in, f.number, f.next, f.prev = noRow, 0, nil, nil
	if l.size--; l.size == 0 {
		l.passed = l.joined
	}
}

// position is how many of its row at most come before f, itself included. It is exact until one between the head and f
// is cancelled, and then too large until the head has passed it: counting precisely would cost a walk.
func (f *future) position() int {
	passed := f.lane.waiting.passed
	if f.in == rowHeld {
		passed = f.lane.held.passed
	}
	return int(f.number - passed)
}

// laneList is lanes one behind the other. A lane is in one list at most.
type laneList struct {
	first, last *lane
	size        int
	of          *host // that the lanes wait for; nil: it is another list
}

func (q *laneList) add(l *lane) {
	l.in, l.prev, l.next = q, q.last, nil
	if q.last != nil {
		q.last.next = l
	} else {
		q.first = l
	}
	q.last = l
	q.size++
}

func (q *laneList) remove(l *lane) {
	if l.prev != nil {
		l.prev.next = l.next
	} else {
		q.first = l.next
	}
	if l.next != nil {
		l.next.prev = l.prev
	} else {
		q.last = l.prev
	}
	l.in, l.prev, l.next = nil, nil, nil
	q.size--
}

// startQueued starts as many queued fetches as there are free workers; none while the server drains.
func (s *State) startQueued() {
	for s.running < s.limits.WorkersMax && !s.draining {
		l := s.queue.ready.first
		if l == nil {
			return
		}
		s.queue.ready.remove(l)
		h := s.host(*l.waiting.first.host)
		if h.running < s.limits.HostAttemptsMax {
			s.queue.size--
			if f := l.waiting.pop(); f.fact.State.Settled() {
				s.deliver(f, h)
			} else {
				s.start(f, h)
			}
			s.tend(l) // behind the others, if it may start more
		} else {
			h.parked.add(l)
		}
		s.passOn(l)
	}
}

func (s *State) host(name string) *host {
	h := s.queue.hosts[name]
	if h == nil {
		h = &host{name: name}
		h.parked.of = h
		s.queue.hosts[name] = h
	}
	return h
}

// wakeParked gives the place that is free at h to the lane that has waited for it longest.
func (s *State) wakeParked(h *host) {
	if l := h.parked.first; l != nil && h.running < s.limits.HostAttemptsMax {
		h.parked.remove(l)
		l.wokenBy = h
		s.queue.ready.add(l)
	}
	s.dropHost(h)
}

// dropHost forgets h if nobody needs it.
func (s *State) dropHost(h *host) {
	if h.running == 0 && h.parked.first == nil && s.queue.hosts[h.name] == h {
		delete(s.queue.hosts, h.name)
	}
}

// passOn is for a lane that has had its turn, or needs none any more: if a host woke it, that host may have a place
// left for the next.
func (s *State) passOn(l *lane) {
	if h := l.wokenBy; h != nil {
		l.wokenBy = nil
		s.wakeParked(h)
	}
}

// takeOff notes that an attempt of f is under way.
func (s *State) takeOff(job string, f *future, h *host) {
	s.running++
	h.running++
	f.lane.running++
	f.lane.started(s, len(f.fact.Attempts) == 0 && !f.fact.State.Settled())
	s.queue.flights[job] = flight{f, f.lane, h, f.lane.circuit.era, s.at}
}

// land ends what takeOff noted, and learns from how it went. It returns whose attempt it was; nil when the job is not
// under way.
func (s *State) land(o *record.Outcome) *future {
	fl, ok := s.queue.flights[o.ID]
	if !ok {
		return nil
	}
	delete(s.queue.flights, o.ID)
	s.running--
	fl.host.running--
	l := fl.lane
	l.running--
	s.wakeParked(fl.host)
	before := l.circuit.State
	s.changeCircuit(l, func(c *circuit) bool { return c.judge(s.at, fl.era, verdictOf(o)) })
	s.tend(l)
	s.flagCircuit(l, before)
	return fl.of
}

// takeLimits returns what changed of the facts of limits since the last call.
func (s *State) takeLimits() []record.LimitFact {
	var facts []record.LimitFact
	for _, l := range s.queue.changed {
		l.changed = false
		is := l.fact()
		if is != nil || l.stored {
			facts = append(facts, record.LimitFact{Key: l.key, Is: is})
		}
		l.stored = is != nil
	}
	s.queue.changed = s.queue.changed[:0]
	return facts
}
