package await

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/awaitd/awaitd/internal/loop"
	"github.com/awaitd/awaitd/internal/record"
)

// lane is one limit key: its fetches that wait, and what decides when the first of them may start.
type lane struct {
	key      string
	host     *string // of the last that joined
	settings record.LimitSettings
	starts   starts // what the rate still counts
	circuit  circuit
	waiting  row // fetches that wait to be started
	held     row // retries that wait for the budget
	tries    *window
	members  int // fetches of this key that are not settled, whatever they wait for
	running  int // attempts under way

	in         *laneList // nil: none
	prev, next *lane
	wokenBy    *host       // it takes its turn because this host had room; nil: it had a turn of its own
	restsAt    record.Time // since when it is idle; meaningful only then
	timer      loop.WheelHandle
	timerAt    record.Time // 0: not set
	changed    bool        // its fact may have, since the last commit
	stored     bool        // it has a fact in the store
	forgotten  bool
}

// hostOf is the host of a URL, with its port unless that is the one of its scheme: what is one host has one name,
// however it is written.
func hostOf(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return target // the door has checked it; a host of its own does no harm
	}
	host, port := u.Hostname(), u.Port()
	if addr, err := netip.ParseAddr(host); err == nil {
		host = addr.Unmap().String()
	}
	switch {
	case port != "" && port != map[string]string{"http": "80", "https": "443"}[u.Scheme]:
		return net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		return "[" + host + "]"
	}
	return host
}

// hostOf is the host of a URL. Many in a row have the same, and reading it takes longer than all else at the door of a
// key: the last one is remembered.
func (s *State) hostOf(target string) string {
	origin := originOf(target)
	if origin != s.lastOrigin {
		s.lastOrigin = strings.Clone(origin) // it keeps no URL in memory
		s.lastHost = hostOf(s.lastOrigin)
	}
	return s.lastHost
}

// originOf is what of a URL comes before its path, query and fragment.
func originOf(target string) string {
	_, rest, _ := strings.Cut(target, "://")
	if path := strings.IndexAny(rest, "/?#"); path >= 0 {
		return target[:len(target)-len(rest)+path]
	}
	return target
}

// withoutBrackets makes a host that is an address of IPv6 a part of an event's name.
var withoutBrackets = strings.NewReplacer("[", "", "]", "")

// enlist makes f, a fetch, a member of its key. What it asks of the key holds for all of them from now on.
func (s *State) enlist(f *future, settings *record.LimitSettings) {
	host := s.hostOf(f.fact.Request.URL())
	if key := f.fact.LimitKey(); key != "" {
		s.joinLane(f, host, key, settings)
	} else {
		s.joinLane(f, host, withoutBrackets.Replace(host), settings)
	}
}

func (s *State) joinLane(f *future, host, key string, settings *record.LimitSettings) {
	l := s.lane(key)
	if l.host == nil || host != *l.host { // most fetches of a key go to one host, and share its name
		own := host
		l.host = &own
	}
	f.host, f.lane = l.host, l
	l.members++
	if settings != nil && *settings != l.settings {
		l.settings = *settings
		s.changeLane(l)
	}
	s.tend(l)
}

// lane finds the lane of a key, or opens it.
func (s *State) lane(key string) *lane {
	l, ok := s.queue.lanes.Get(key)
	if !ok {
		l = &lane{key: strings.Clone(key), waiting: row{name: rowWaiting}, held: row{name: rowHeld}}
		s.queue.lanes.Set(l.key, l)
		s.queue.circuits[record.CircuitClosed]++
	}
	return l
}

func (s *State) changeLane(l *lane) {
	if !l.changed {
		l.changed = true
		s.queue.changed = append(s.queue.changed, l)
	}
}

// enqueue lets f wait for its turn, behind the others of its key.
func (s *State) enqueue(f *future) {
	f.lane.waiting.push(f)
	s.queue.size++
	s.tend(f.lane)
}

// delist takes f away from its key, which it needs no more.
func (s *State) delist(f *future) {
	l := f.lane
	if l == nil {
		return
	}
	switch f.in {
	case rowWaiting:
		l.waiting.remove(f)
		s.queue.size--
	case rowHeld:
		l.held.remove(f)
		s.queue.held--
	}
	f.lane = nil
	l.members--
	s.tend(l)
}

// started counts an attempt that has just been started.
func (l *lane) started(s *State, first bool) {
	l.circuit.flying++
	if first {
		if l.tries == nil {
			l.tries = &window{}
		}
		l.tries.count(s.at, firsts)
	}
	if l.settings.Rate > 0 {
		l.starts = l.starts.add(s.at, l.settings)
		s.changeLane(l)
	}
}

// blocked says why the n-th of its row may not be started now, and when at the earliest that ends; 0: when something
// happens to l. The reason is none when only others stand in its way.
func (l *lane) blocked(n int, at record.Time) (record.Reason, record.Time) {
	switch {
	case l.circuit.State == record.CircuitOpen:
		return record.ReasonCircuitOpen, l.circuit.ProbeAt
	case l.circuit.State == record.CircuitHalfOpen && l.circuit.full():
		return record.ReasonCircuitOpen, 0
	}
	if free := l.starts.free(n, at, l.settings); free > at {
		return record.ReasonRateLimited, free
	}
	if c := l.settings.Concurrency; c > 0 && l.running >= c || l.circuit.full() {
		return record.ReasonQueued, 0
	}
	return record.ReasonNone, 0
}

// tend puts l where it belongs, after whatever happened to it or to what it waits for. Constant time.
func (s *State) tend(l *lane) {
	if l.forgotten {
		return
	}
	s.changeCircuit(l, func(c *circuit) bool { return c.pass(s.at) })
	l.starts = l.starts.since(s.at, l.settings)
	s.releaseRetries(l)
	reason, until := record.ReasonNone, record.Time(0)
	if l.waiting.first != nil {
		reason, until = l.blocked(1, s.at)
	}
	switch wants := l.waiting.first != nil && reason == record.ReasonNone; {
	case wants && l.in == &s.queue.ready:
	case wants && l.in != nil && s.isParked(l):
	case wants:
		s.move(l, &s.queue.ready)
	case l.members+l.running > 0:
		s.move(l, nil)
	default:
		s.idle(l)
		if until = l.memory(); until <= s.at {
			s.forget(l)
			return
		}
	}
	if until = soonest(until, l.circuit.ProbeAt); l.held.first != nil {
		until = soonest(until, budgetAt(s.at))
	}
	s.watch(l, until)
}

// isParked reports whether l rightly waits for its host.
func (s *State) isParked(l *lane) bool {
	h := s.queue.hosts[*l.waiting.first.host]
	return h != nil && l.in == &h.parked && h.running >= s.limits.HostAttemptsMax
}

// move puts l at the end of a list, or in none.
func (s *State) move(l *lane, to *laneList) {
	if from := l.in; from != nil {
		if from.remove(l); from.of != nil {
			s.dropHost(from.of)
		}
	}
	if to != nil {
		to.add(l)
	}
	if to != &s.queue.ready {
		s.passOn(l)
	}
}

// idle remembers l, which nobody needs now. Of more than the server remembers, the one that rested longest goes.
func (s *State) idle(l *lane) {
	if l.in != &s.queue.idle {
		l.restsAt = s.at
		s.move(l, &s.queue.idle)
	}
	if s.queue.idle.size > s.limits.KeysIdleMax {
		s.forget(s.queue.idle.first)
	}
}

// keyIdle is how long a key that nobody needs is remembered at least.
const keyIdle = time.Minute

// memory is until when l, which is idle, is remembered.
func (l *lane) memory() record.Time {
	until := max(l.restsAt, l.circuit.ProbeAt).Add(keyIdle)
	if n := len(l.starts); n > 0 {
		until = max(until, l.starts[n-1].At.Add(l.settings.Period))
	}
	return until
}

func (s *State) forget(l *lane) {
	s.move(l, nil)
	s.watch(l, 0)
	s.queue.lanes.Delete(l.key)
	l.forgotten = true
	s.queue.circuits[l.circuit.State]--
	if l.stored {
		s.changeLane(l)
	}
	if l.circuit.State != record.CircuitClosed {
		s.changeCircuitEvent(l, record.EventSet) // nobody probes it any more: let them try
	}
	if l.circuit.Since != 0 {
		s.changeCircuitEvent(l, record.EventDelete)
	}
}

// watch makes l be tended at that time, and at no other. Zero: never.
func (s *State) watch(l *lane, at record.Time) {
	if l.timerAt == at {
		return
	}
	if l.timerAt != 0 {
		s.due.Cancel(l.timer)
	}
	if l.timerAt = at; at != 0 {
		l.timer = s.due.Insert(onWheel(at), l)
	}
}

func (l *lane) due(s *State) {
	l.timerAt = 0
	s.tend(l)
}

// fact is what must be remembered of l; nil when there is nothing.
func (l *lane) fact() *record.Limit {
	if l.forgotten || l.settings == (record.LimitSettings{}) && l.circuit.Circuit == (record.Circuit{}) {
		return nil
	}
	return &record.Limit{
		Key: l.key, LimitSettings: l.settings, Starts: l.starts.clone(), Circuit: l.circuit.Circuit,
	}
}

// restoreLimit puts a stored limit back, after the futures that are its members. If the wall clock has been set back
// since, what seems to lie in the future counts as of now.
func (s *State) restoreLimit(fact *record.Limit) {
	l := s.lane(fact.Key)
	l.stored = true
	l.settings = fact.LimitSettings
	l.starts = starts(fact.Starts).clone()
	for i := range l.starts {
		if l.starts[i].At > s.at {
			l.starts[i].At = s.at
			s.changeLane(l)
		}
	}
	s.queue.circuits[l.circuit.State]--
	if l.circuit.restore(fact.Circuit, s.at) {
		s.changeLane(l)
	}
	s.queue.circuits[l.circuit.State]++
	s.tend(l)
}
