package faults

import (
	"strings"
	"testing"
	"time"
)

// did is a call on "x" from one time to another, with its answer; saw may be left out.
func did(t thing, verb, value string, from, to time.Duration, says string, saw any) operation {
	return operation{thing: t, key: "x", verb: verb, value: value, called: from, returned: to, reply: reply{says, saw}}
}

// passing is a wait until an event has passed a generation.
func passing(after uint64, from, to time.Duration, says string, saw standing) operation {
	o := did(event, "wait", "", from, to, says, saw)
	o.after = after
	return o
}

// unanswered is a call that got no answer.
func unanswered(t thing, verb, value string, from, to time.Duration) operation {
	return operation{thing: t, key: "x", verb: verb, value: value, called: from, returned: to, lost: true}
}

const one, two = "succeeded 1", "succeeded 2"

func thisOne(how string) futureState { return futureState{"a", how} }

// nextOne has the id of thisOne, and came after it.
func nextOne(how string) futureState { return futureState{"b", how} }

func fetched(how string) futureState { return futureState{how: how} }

func raised(generation uint64, payload string) standing { return standing{true, generation, payload} }

// plot is a history of calls on one thing.
type plot struct {
	name  string
	calls []operation
}

func (p plot) check() (faults []string) {
	h := newHistory()
	for i, o := range p.calls {
		o.client = i
		h.add(o)
	}
	return linearizable(h)
}

// The checker accepts what a right server may answer.
func TestTheCheckerAcceptsWhatMayBe(t *testing.T) {
	for _, p := range []plot{
		{"a promise lives and dies", []operation{
			did(promise, "read", "", 0, 1, "404 unknown-future", nil),
			did(promise, "create", "a", 2, 3, "201", thisOne(pending)),
			did(promise, "delete", "", 4, 5, "409 not-settled", thisOne(pending)),
			did(promise, "resolve", one, 6, 7, "200", thisOne(one)),
			did(promise, "resolve", one, 8, 9, "200", thisOne(one)),
			did(promise, "cancel", "cancelled", 10, 11, "409 already-settled", thisOne(one)),
			did(promise, "delete", "", 12, 13, "204", nil),
			did(promise, "create", "b", 14, 15, "201", nextOne(pending)),
			did(promise, "create", "c", 16, 17, "409 id-taken", nil),
		}},
		{"calls at the same time have either order", []operation{
			did(promise, "create", "a", 0, 1, "201", thisOne(pending)),
			did(promise, "resolve", one, 2, 9, "409 already-settled", thisOne(two)),
			did(promise, "resolve", two, 2, 9, "200", thisOne(two)),
			did(promise, "read", "", 3, 8, "202", thisOne(pending)),
		}},
		{"a call without an answer happened", []operation{
			did(promise, "create", "a", 0, 1, "201", thisOne(pending)),
			unanswered(promise, "resolve", one, 2, 3),
			did(promise, "read", "", 4, 5, "200", thisOne(one)),
		}},
		{"a call without an answer did not happen", []operation{
			did(promise, "create", "a", 0, 1, "201", thisOne(pending)),
			unanswered(promise, "resolve", one, 2, 3),
			did(promise, "read", "", 4, 5, "202", thisOne(pending)),
		}},
		{"a fetch ends by itself", []operation{
			did(fetch, "create", "", 0, 1, "201", fetched(pending)),
			did(fetch, "read", "", 2, 3, "202", fetched(pending)),
			did(fetch, "cancel", "cancelled", 4, 5, "409 already-settled", fetched(one)),
			did(fetch, "read", "", 6, 7, "200", fetched(one)),
		}},
		{"a fetch is deleted by who never saw it end", []operation{
			did(fetch, "create", "", 0, 1, "201", fetched(pending)),
			did(fetch, "delete", "", 2, 3, "204", nil),
			did(fetch, "read", "", 4, 5, "404 unknown-future", nil),
		}},
		{"two delete at once", []operation{
			did(promise, "create", "a", 0, 1, "201", thisOne(pending)),
			did(promise, "resolve", one, 2, 3, "200", thisOne(one)),
			did(promise, "delete", "", 4, 9, "204", nil),
			did(promise, "delete", "", 4, 9, "204", nil),
		}},
		{"an event counts", []operation{
			did(event, "set", "a", 0, 1, "200", raised(1, "a")),
			did(event, "pulse", "b", 2, 3, "200", raised(2, "b")),
			did(event, "clear", "", 4, 5, "200", standing{false, 2, "b"}),
			passing(0, 6, 7, "200", standing{false, 2, "b"}),
			did(event, "delete", "", 8, 9, "204", nil),
			did(event, "read", "", 10, 11, "202", standing{}),
		}},
		{"a wait outlives an event and sees too little of the next", []operation{
			did(event, "set", "a", 0, 1, "200", raised(1, "a")),
			passing(1, 2, 99, "202", raised(1, "b")),
			did(event, "delete", "", 3, 4, "204", nil),
			did(event, "set", "b", 5, 6, "200", raised(1, "b")),
		}},
		{"a wait is decided and its event deleted before it is answered", []operation{
			passing(0, 0, 99, "200", raised(1, "a")),
			did(event, "set", "a", 1, 2, "200", raised(1, "a")),
			did(event, "delete", "", 3, 4, "204", nil),
			did(event, "read", "", 5, 6, "202", standing{}),
		}},
		{"a pulse wakes who is there", []operation{
			did(event, "hold", "", 0, 9, "200", standing{false, 1, "a"}),
			did(event, "hold", "", 0, 2, "202", standing{}),
			did(event, "pulse", "a", 1, 3, "200", standing{false, 1, "a"}),
			did(event, "clear", "", 4, 5, "200", standing{false, 1, "a"}),
			did(event, "hold", "", 6, 7, "202", standing{false, 1, "a"}),
		}},
	} {
		if faults := p.check(); len(faults) > 0 {
			t.Errorf("%s: found %q", p.name, faults)
		}
	}
}

// The checker finds each planted lie: without this all the histories of the other tests would prove nothing.
func TestTheCheckerFindsEachLie(t *testing.T) {
	for _, p := range []plot{
		{"an acknowledged promise is forgotten", []operation{
			did(promise, "create", "a", 0, 1, "201", thisOne(pending)),
			did(promise, "read", "", 2, 3, "404 unknown-future", nil),
		}},
		{"an acknowledged end is taken back", []operation{
			did(promise, "create", "a", 0, 1, "201", thisOne(pending)),
			did(promise, "resolve", one, 2, 3, "200", thisOne(one)),
			did(promise, "read", "", 4, 5, "202", thisOne(pending)),
		}},
		{"a promise ends twice", []operation{
			did(promise, "create", "a", 0, 1, "201", thisOne(pending)),
			did(promise, "resolve", one, 2, 9, "200", thisOne(one)),
			did(promise, "resolve", two, 2, 9, "200", thisOne(two)),
		}},
		{"an id is given twice", []operation{
			did(promise, "create", "a", 0, 9, "201", thisOne(pending)),
			did(promise, "create", "a", 0, 9, "201", thisOne(pending)),
		}},
		{"a read runs ahead and another falls back", []operation{
			did(promise, "create", "a", 0, 1, "201", thisOne(pending)),
			did(promise, "resolve", one, 2, 99, "200", thisOne(one)),
			did(promise, "read", "", 3, 4, "200", thisOne(one)),
			did(promise, "read", "", 5, 6, "202", thisOne(pending)),
		}},
		{"a call without an answer happens after the server died", []operation{
			did(promise, "create", "a", 0, 1, "201", thisOne(pending)),
			unanswered(promise, "resolve", one, 2, 3),
			did(promise, "read", "", 4, 5, "202", thisOne(pending)),
			did(promise, "read", "", 6, 7, "200", thisOne(one)),
		}},
		{"a fetch changes its end", []operation{
			did(fetch, "create", "", 0, 1, "201", fetched(pending)),
			did(fetch, "read", "", 2, 3, "200", fetched(one)),
			did(fetch, "read", "", 4, 5, "200", fetched(two)),
		}},
		{"a delete is refused of what is settled", []operation{
			did(promise, "create", "a", 0, 1, "201", thisOne(pending)),
			did(promise, "resolve", one, 2, 3, "200", thisOne(one)),
			did(promise, "delete", "", 4, 5, "409 not-settled", thisOne(pending)),
		}},
		{"a refusal shows what came of it later", []operation{
			did(promise, "create", "a", 0, 1, "201", thisOne(pending)),
			did(promise, "resolve", one, 2, 9, "200", thisOne(one)),
			did(promise, "delete", "", 3, 4, "409 not-settled", thisOne(one)),
		}},
		{"a promise is deleted twice", []operation{
			did(promise, "create", "a", 0, 1, "201", thisOne(pending)),
			did(promise, "resolve", one, 2, 3, "200", thisOne(one)),
			did(promise, "delete", "", 4, 5, "204", nil),
			did(promise, "delete", "", 6, 7, "204", nil),
		}},
		{"a deleted promise comes back in place of the next", []operation{
			did(promise, "create", "a", 0, 1, "201", thisOne(pending)),
			did(promise, "cancel", "cancelled", 2, 3, "200", thisOne("cancelled")),
			did(promise, "delete", "", 4, 5, "204", nil),
			did(promise, "create", "b", 6, 7, "201", nextOne(pending)),
			did(promise, "cancel", "cancelled", 8, 9, "200", thisOne("cancelled")),
		}},
		{"something is refused that is pending", []operation{
			did(promise, "create", "a", 0, 1, "201", thisOne(pending)),
			did(promise, "cancel", "cancelled", 2, 3, "409 already-settled", thisOne(pending)),
		}},
		{"a set is lost", []operation{
			did(event, "set", "a", 0, 1, "200", raised(1, "a")),
			did(event, "set", "b", 2, 3, "200", raised(1, "b")),
		}},
		{"a set counts twice", []operation{
			did(event, "set", "a", 0, 1, "200", raised(1, "a")),
			did(event, "read", "", 2, 3, "200", raised(2, "a")),
		}},
		{"a payload is that of another set", []operation{
			did(event, "set", "a", 0, 9, "200", raised(1, "a")),
			did(event, "set", "b", 0, 9, "200", raised(2, "b")),
			did(event, "read", "", 10, 11, "200", raised(2, "a")),
		}},
		{"a deleted event counts on", []operation{
			did(event, "set", "a", 0, 1, "200", raised(1, "a")),
			did(event, "delete", "", 2, 3, "204", nil),
			did(event, "set", "b", 4, 5, "200", raised(2, "b")),
		}},
		{"a wait is decided by what was deleted before", []operation{
			did(event, "set", "a", 0, 1, "200", raised(1, "a")),
			did(event, "delete", "", 2, 3, "204", nil),
			passing(0, 4, 5, "200", raised(1, "a")),
		}},
		{"a pulse wakes who comes after it", []operation{
			did(event, "pulse", "a", 0, 1, "200", standing{false, 1, "a"}),
			did(event, "hold", "", 2, 3, "200", standing{false, 1, "a"}),
		}},
		{"nobody wakes who holds", []operation{
			did(event, "hold", "", 0, 9, "200", standing{}),
		}},
		{"a wait misses what happened before it", []operation{
			did(event, "set", "a", 0, 1, "200", raised(1, "a")),
			passing(0, 2, 9, "202", raised(1, "a")),
		}},
	} {
		if faults := p.check(); len(faults) != 1 {
			t.Errorf("%s: found %q", p.name, faults)
		} else if !strings.Contains(faults[0], p.calls[0].verb) {
			t.Errorf("%s: the fault does not tell the calls: %s", p.name, faults[0])
		}
	}
}

// version is a view of a future with the id x.
func version(n uint64, born string) *shownFuture {
	f := &shownFuture{ID: "x", Version: n}
	f.Labels.Born = born
	return f
}

// Two views of one version that differ, and a version that goes back, are faults; an id used again is not.
func TestOneVersionHasOneStory(t *testing.T) {
	first, second, again := version(1, "a"), version(2, "a"), version(1, "b")
	s := newStories()
	for _, waits := range []string{
		`"reason":"queued","queue_position":3,"next_attempt_at":null,`, `"reason":"queued","next_attempt_at":null,`,
		`"reason":"circuit_open","queue_position":2,"next_attempt_at":"2026-11-27T13:21:59.200Z",`,
	} {
		s.add(first, []byte(`{`+waits+`"a":1}`), s.newest("x"))
	}
	s.add(second, []byte(`{"a":2}`), s.newest("x"))
	old := s.newest("x")
	s.add(again, []byte(`{"a":3}`), old)
	if len(s.faults) != 0 {
		t.Errorf("found %q", s.faults)
	}
	s.add(second, []byte(`{"a":3}`), chapter{})
	s.add(first, []byte(`{"a":1}`), old)
	if len(s.faults) != 2 || !strings.Contains(s.faults[0], "two views") ||
		!strings.Contains(s.faults[1], "later version") {
		t.Errorf("found %q", s.faults)
	}
}
