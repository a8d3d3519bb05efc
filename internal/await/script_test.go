package await

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/internal/record"
)

var update = flag.Bool("update", false, "record the scripts of testdata anew")

// Each file of testdata is a story of one state on virtual time: lines that begin with "> " are commands, what follows
// is what came of them. -update records it anew; review it like code.
//
//	> workers 4 host 2                       bounds; only as the first command
//	> submit a b [key=K] [concurrency=N] [rate=N/PERIOD] [host=H] [deadline=D] [delay=D]
//	         [callback=H] [on=STATE]         the attempt to deliver a's callback is a/callback
//	> submit p1..p9 …                        p1, p2 and so on to p9
//	> ok a                                   the attempt of a under way succeeds
//	> fail a TYPE [again=D]                  it fails, and is worth another attempt after D
//	> status a 503 [again=D]                 the target answers so
//	> cancel a
//	> promise p [callback=H] [on=STATE]      somebody may settle it: > resolve p
//	> delete a
//	> wait D                                 time passes
//	> show a b                               how they stand
//	> event NAME
//	> limits                                 all that is remembered of keys
//	> restart                                another server goes on with what was committed
//
// What starts is told as "+TIME start a#ATTEMPT b#ATTEMPT", of very many only the first and the last.
func TestStoriesGoAsRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			recorded, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newStory(t).replay(string(recorded))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(string(recorded), got); d != "" && !*update {
				t.Errorf("the story went otherwise (-recorded +now); -update records it anew\n%s", d)
			}
		})
	}
}

// story is a state with a store that is always up to date, and the time that it is.
type story struct {
	*testing.T
	limits Limits
	state  *State
	at     record.Time
	facts  map[string]*record.Future
	events map[string]*record.Event
	bounds map[string]*record.Limit
	order  []string
	flying map[string]int // attempts under way: their numbers
	out    strings.Builder
}

const storyBegins = record.Time(1_000_000)

func newStory(t *testing.T) *story {
	s := &story{
		T: t, limits: DefaultLimits(), at: storyBegins, facts: map[string]*record.Future{},
		events: map[string]*record.Event{}, bounds: map[string]*record.Limit{}, flying: map[string]int{},
	}
	s.begin()
	return s
}

func (s *story) begin() {
	s.state = newState(s.limits, s.at, newTally(&Kernel{}))
	s.state.advance(s.at)
}

func (s *story) replay(script string) string {
	for text := range strings.Lines(script) {
		text = strings.TrimRight(text, "\n")
		switch command, typed := strings.CutPrefix(text, "> "); {
		case typed:
			fmt.Fprintf(&s.out, "> %s\n", command)
			s.run(strings.Fields(command))
			s.out.WriteString("\n")
		case strings.HasPrefix(text, "#"):
			s.out.WriteString(text + "\n")
		}
	}
	return strings.TrimRight(s.out.String(), "\n") + "\n"
}

func (s *story) tell(format string, args ...any) {
	fmt.Fprintf(&s.out, "+%v %s\n", s.at.Sub(storyBegins), fmt.Sprintf(format, args...))
}

// tellAll tells what happened to many; of very many only which were the first and the last.
func (s *story) tellAll(what string, all []string) {
	if n := len(all); n > 20 {
		all = []string{fmt.Sprintf("%d: %s … %s", n, all[0], all[n-1])}
	}
	if len(all) > 0 {
		s.tell("%s %s", what, strings.Join(all, " "))
	}
}

// spread splits words into ids, ranges spelled out, and options.
func spread(words []string) (ids []string, options map[string]string) {
	options = map[string]string{}
	for _, w := range words {
		name, value, isOption := strings.Cut(w, "=")
		first, last, isRange := strings.Cut(w, "..")
		switch {
		case isOption:
			options[name] = value
		case isRange:
			prefix := strings.TrimRight(first, "0123456789")
			from, _ := strconv.Atoi(first[len(prefix):])
			to, _ := strconv.Atoi(strings.TrimPrefix(last, prefix))
			for n := from; n <= to; n++ {
				ids = append(ids, fmt.Sprint(prefix, n))
			}
		default:
			ids = append(ids, w)
		}
	}
	return ids, options
}

func (s *story) duration(text string) time.Duration {
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		s.Fatal(err)
	}
	return d
}

func (s *story) number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		s.Fatal(err)
	}
	return n
}

func (s *story) run(words []string) {
	ids, options := spread(words[1:])
	again := time.Duration(-1)
	if text, ok := options["again"]; ok {
		again = s.duration(text)
	}
	switch words[0] {
	case "workers":
		s.limits.WorkersMax, s.limits.HostAttemptsMax = s.number(words[1]), s.number(words[3])
		s.begin()
	case "submit":
		s.submit(ids, options)
	case "ok":
		for _, id := range ids {
			s.end(id, 200, nil, -1)
		}
	case "fail":
		failure := &record.Failure{Type: record.FailureType(ids[len(ids)-1]), Message: "It failed."}
		if failure.Type == "store" {
			failure = &record.Failure{Type: record.FailProtocol, Message: storeFailed}
		}
		for _, id := range ids[:len(ids)-1] {
			s.end(id, 0, failure, again)
		}
	case "status":
		for _, id := range ids[:len(ids)-1] {
			failure := &record.Failure{Type: record.FailHTTPStatus, Message: "It failed."}
			s.end(id, s.number(ids[len(ids)-1]), failure, again)
		}
	case "promise":
		for _, id := range ids {
			n := record.NewFuture{ID: id, Kind: record.KindPromise, Callback: callbackOf(options), TTL: time.Hour}
			s.order = append(s.order, id)
			s.apply(&record.Submit{Futures: []record.NewFuture{n}})
		}
	case "resolve":
		for _, id := range ids {
			s.apply(&record.Settle{ID: id, Value: []byte("1")})
		}
	case "delete":
		for _, id := range ids {
			s.apply(&record.Delete{ID: id})
		}
	case "cancel":
		for _, id := range ids {
			s.apply(&record.Cancel{ID: id})
		}
	case "wait":
		s.pass(s.duration(words[1]))
	case "show":
		for _, id := range ids {
			s.show(id)
		}
	case "event":
		e := s.state.events.Look(words[1])
		s.tell("%s set=%v generation=%d", e.Name, e.Set, e.Generation)
	case "limits":
		s.showLimits()
	case "restart":
		s.restart()
	default:
		s.Fatalf("no command %q", words[0])
	}
}

func (s *story) submit(ids []string, options map[string]string) {
	c := &record.Submit{}
	for _, id := range ids {
		f := newFetch(id)
		if host := options["host"]; host != "" {
			f.Request = requestTo(host).Pack()
		}
		f.LimitKey = options["key"]
		f.Timeout, f.Delay = s.duration(options["deadline"]), s.duration(options["delay"])
		f.Callback, f.TTL = callbackOf(options), time.Hour
		settings := record.LimitSettings{}
		if n := options["concurrency"]; n != "" {
			settings.Concurrency = s.number(n)
		}
		if rate, period, ok := strings.Cut(options["rate"], "/"); ok {
			settings.Rate, settings.Period = s.number(rate), s.duration(period)
		}
		if settings != (record.LimitSettings{}) {
			f.Limit = &settings
		}
		c.Futures = append(c.Futures, f)
		s.order = append(s.order, id)
	}
	s.apply(c)
}

func callbackOf(options map[string]string) *record.Callback {
	host := options["callback"]
	if host == "" {
		return nil
	}
	on := []record.State{record.StateSucceeded, record.StateFailed, record.StateCancelled}
	if state := options["on"]; state != "" {
		on = []record.State{record.State(slices.Index(stateNames[:], state))}
	}
	secret := []record.Header{{Name: "Authorization", Values: []string{"Bearer secret"}}}
	return &record.Callback{URL: "http://" + host + "/hook", Headers: secret, On: on}
}

// storeFailed is a failure of ours.
const storeFailed = "The answer could not be stored."

// end is the outcome of the attempt of id that is under way.
func (s *story) end(id string, status int, failure *record.Failure, again time.Duration) {
	n, ok := s.flying[id]
	if !ok {
		s.Fatalf("%s is not under way", id)
	}
	delete(s.flying, id)
	o := &record.Outcome{ID: id, Attempt: record.Attempt{N: n, Status: status, Failure: failure}}
	o.Ours = failure != nil && failure.Message == storeFailed
	if status != 0 {
		o.Result = &record.Result{Status: status}
	}
	o.Retry, o.RetryAfter = again >= 0, max(again, 0)
	s.apply(o)
}

func (s *story) apply(c record.Command) {
	s.state.advance(s.at)
	if _, err := s.state.apply(c); err != nil {
		s.tell("refused: %v", err)
	}
	s.settle()
}

// pass lets time pass, stopping wherever something is due.
func (s *story) pass(d time.Duration) {
	for end := s.at.Add(d); s.at < end; {
		next, ok := s.state.nextDue()
		s.at = end
		if ok {
			s.at = min(end, max(next, s.at-record.Time(d/time.Millisecond)))
		}
		s.state.advance(s.at)
		s.settle()
	}
}

// settle commits, and tells what happened.
func (s *story) settle() {
	var starts, aborts []string
	for _, e := range s.state.effects {
		switch e := e.(type) {
		case launch:
			s.flying[e.job.ID] = e.job.N
			starts = append(starts, fmt.Sprintf("%s#%d", e.job.ID, e.job.N))
		case abort:
			aborts = append(aborts, e.id)
		case evict:
			if f := s.state.futures[e.f.fact.ID]; f == e.f {
				delete(s.state.futures, e.f.fact.ID)
			}
		}
	}
	s.state.effects = nil
	s.tellAll("start", starts)
	s.tellAll("abort", aborts)
	b := s.state.takeBatch(0)
	for _, c := range b.Futures {
		if c.Is == nil {
			delete(s.facts, c.Was.ID)
			continue
		}
		stored, err := record.DecodeFuture(record.EncodeFuture(c.Is))
		if err != nil {
			s.Fatal(err)
		}
		s.facts[stored.ID] = stored
	}
	for _, id := range b.Dropped {
		delete(s.facts, id)
	}
	for _, e := range b.Events {
		if s.events[e.Name] = e.Is; e.Is == nil {
			delete(s.events, e.Name)
		}
	}
	for _, l := range b.Limits {
		if s.bounds[l.Key] = l.Is; l.Is == nil {
			delete(s.bounds, l.Key)
		}
	}
}

func (s *story) show(id string) {
	v := View{Future: s.facts[id]}
	if v.Future == nil {
		s.tell("%s is not known", id)
		return
	}
	if f := s.state.futures[id]; f != nil {
		v = s.state.view(f)
	}
	words := []string{id, stateNames[v.State]}
	if v.Reason != 0 {
		words = append(words, [...]string{
			"", "delayed", "queued", "rate_limited", "circuit_open", "backoff", "waiting",
		}[v.Reason])
	}
	if v.Failure != nil {
		words = append(words, string(v.Failure.Type))
	}
	if v.Queue > 0 {
		words = append(words, fmt.Sprintf("place=%d", v.Queue))
	}
	if v.NextAttemptAt > 0 {
		words = append(words, fmt.Sprintf("next=+%v", v.NextAttemptAt.Sub(storyBegins)))
	}
	if v.ExpiresAt > 0 {
		words = append(words, fmt.Sprintf("until=+%v", v.ExpiresAt.Sub(storyBegins)))
	}
	s.tell("%s", strings.Join(words, " "))
	if c := v.Callback; c != nil {
		s.showCallback(id, c)
	}
}

func (s *story) showCallback(id string, c *record.Callback) {
	words := []string{[...]string{"waiting", "pending", "delivered", "failed", "skipped"}[c.State]}
	words = append(words, fmt.Sprintf("attempts=%d", c.Attempts))
	if c.LastStatus > 0 {
		words = append(words, fmt.Sprintf("status=%d", c.LastStatus))
	}
	if c.LastFailure != nil {
		words = append(words, string(c.LastFailure.Type))
	}
	if c.NextAttemptAt > 0 {
		words = append(words, fmt.Sprintf("next=+%v", c.NextAttemptAt.Sub(storyBegins)))
	}
	if c.Headers != nil {
		words = append(words, "has secrets")
	}
	s.tell("%s: callback %s", id, strings.Join(words, " "))
}

func (s *story) showLimits() {
	s.state.queue.lanes.Scan(func(_ string, l *lane) bool {
		fact := "no fact"
		if _, ok := s.bounds[l.key]; ok {
			fact = "has a fact"
		}
		circuit := [...]string{"closed", "open", "half-open"}[l.circuit.State]
		if l.circuit.ProbeAt != 0 {
			circuit += fmt.Sprintf(" until +%v", l.circuit.ProbeAt.Sub(storyBegins))
		}
		if l.circuit.slots != 0 {
			circuit += fmt.Sprintf(" ramp=%d", l.circuit.slots)
		}
		s.tell("%s concurrency=%d rate=%d/%v members=%d running=%d waiting=%d held=%d %s, %s", l.key, l.settings.Concurrency,
			l.settings.Rate, l.settings.Period, l.members, l.running, l.waiting.size, l.held.size, circuit, fact)
		return true
	})
}

// restart goes on with another state, made of what was committed. The attempts under way have no outcome.
func (s *story) restart() {
	s.flying = map[string]int{}
	s.state = newState(s.limits, s.at, newTally(&Kernel{}))
	s.state.at = s.at
	for _, id := range s.order {
		if f := s.facts[id]; f != nil && (!f.State.Settled() || f.CallbackPending()) {
			s.state.restore(f)
		}
	}
	for _, name := range sorted(s.events) {
		s.state.restoreEvent(s.events[name])
	}
	for _, key := range sorted(s.bounds) {
		l, err := record.DecodeLimit(record.AppendLimit(nil, s.bounds[key]))
		if err != nil {
			s.Fatal(err)
		}
		s.state.restoreLimit(l)
	}
	s.apply(&record.Restart{})
}

func sorted[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
