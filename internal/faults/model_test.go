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

// unanswered is the same with no answer.
func unanswered(t thing, verb, value string, from, to time.Duration) operation {
	return operation{thing: t, key: "x", verb: verb, value: value, called: from, returned: to, lost: true}
}

// The checker accepts what a right server may answer, and finds each planted lie: without the second half of the
// table all the histories of the other tests would prove nothing.
func TestTheCheckerTellsLiesFromTruth(t *testing.T) {
	const one, two = "succeeded 1", "succeeded 2"
	set := func(generation uint64, payload string) standing { return standing{true, generation, payload} }
	for _, c := range []struct {
		name  string
		lie   bool
		calls []operation
	}{
		{"a promise lives and dies", false, []operation{
			did(promise, "read", "", 0, 1, "404 unknown-future", nil),
			did(promise, "create", "", 2, 3, "201", pending),
			did(promise, "delete", "", 4, 5, "409 not-settled", pending),
			did(promise, "resolve", one, 6, 7, "200", one),
			did(promise, "resolve", one, 8, 9, "200", one),
			did(promise, "cancel", "cancelled", 10, 11, "409 already-settled", one),
			did(promise, "delete", "", 12, 13, "204", nil),
			did(promise, "create", "", 14, 15, "201", pending),
		}},
		{"calls at the same time have either order", false, []operation{
			did(promise, "create", "", 0, 1, "201", pending),
			did(promise, "resolve", one, 2, 9, "409 already-settled", two),
			did(promise, "resolve", two, 2, 9, "200", two),
			did(promise, "read", "", 3, 8, "202", pending),
		}},
		{"a call without an answer happened", false, []operation{
			did(promise, "create", "", 0, 1, "201", pending),
			unanswered(promise, "resolve", one, 2, 3),
			did(promise, "read", "", 4, 5, "200", one),
		}},
		{"a call without an answer did not happen", false, []operation{
			did(promise, "create", "", 0, 1, "201", pending),
			unanswered(promise, "resolve", one, 2, 3),
			did(promise, "read", "", 4, 5, "202", pending),
		}},
		{"a fetch ends by itself", false, []operation{
			did(fetch, "create", "", 0, 1, "201", pending),
			did(fetch, "read", "", 2, 3, "202", pending),
			did(fetch, "cancel", "cancelled", 4, 5, "409 already-settled", one),
			did(fetch, "read", "", 6, 7, "200", one),
		}},
		{"a fetch is deleted by who never saw it end", false, []operation{
			did(fetch, "create", "", 0, 1, "201", pending),
			did(fetch, "delete", "", 2, 3, "204", nil),
			did(fetch, "read", "", 4, 5, "404 unknown-future", nil),
		}},
		{"an event counts", false, []operation{
			did(event, "set", "a", 0, 1, "200", set(1, "a")),
			did(event, "pulse", "b", 2, 3, "200", set(2, "b")),
			did(event, "clear", "", 4, 5, "200", standing{false, 2, "b"}),
			did(event, "wait", "", 6, 7, "200", standing{false, 2, "b"}),
			did(event, "delete", "", 8, 9, "204", nil),
			did(event, "read", "", 10, 11, "202", standing{}),
		}},

		{"an acknowledged promise is forgotten", true, []operation{
			did(promise, "create", "", 0, 1, "201", pending),
			did(promise, "read", "", 2, 3, "404 unknown-future", nil),
		}},
		{"an acknowledged end is taken back", true, []operation{
			did(promise, "create", "", 0, 1, "201", pending),
			did(promise, "resolve", one, 2, 3, "200", one),
			did(promise, "read", "", 4, 5, "202", pending),
		}},
		{"a promise ends twice", true, []operation{
			did(promise, "create", "", 0, 1, "201", pending),
			did(promise, "resolve", one, 2, 9, "200", one),
			did(promise, "resolve", two, 2, 9, "200", two),
		}},
		{"an id is given twice", true, []operation{
			did(promise, "create", "", 0, 9, "201", pending),
			did(promise, "create", "", 0, 9, "201", pending),
		}},
		{"a read runs ahead and another falls back", true, []operation{
			did(promise, "create", "", 0, 1, "201", pending),
			did(promise, "resolve", one, 2, 99, "200", one),
			did(promise, "read", "", 3, 4, "200", one),
			did(promise, "read", "", 5, 6, "202", pending),
		}},
		{"a call without an answer happens after the server died", true, []operation{
			did(promise, "create", "", 0, 1, "201", pending),
			unanswered(promise, "resolve", one, 2, 3),
			did(promise, "read", "", 4, 5, "202", pending),
			did(promise, "read", "", 6, 7, "200", one),
		}},
		{"a fetch changes its end", true, []operation{
			did(fetch, "create", "", 0, 1, "201", pending),
			did(fetch, "read", "", 2, 3, "200", one),
			did(fetch, "read", "", 4, 5, "200", two),
		}},
		{"something is refused that is pending", true, []operation{
			did(promise, "create", "", 0, 1, "201", pending),
			did(promise, "cancel", "cancelled", 2, 3, "409 already-settled", pending),
		}},
		{"a set is lost", true, []operation{
			did(event, "set", "a", 0, 1, "200", set(1, "a")),
			did(event, "set", "b", 2, 3, "200", set(1, "b")),
		}},
		{"a set counts twice", true, []operation{
			did(event, "set", "a", 0, 1, "200", set(1, "a")),
			did(event, "read", "", 2, 3, "200", set(2, "a")),
		}},
		{"a payload is that of another set", true, []operation{
			did(event, "set", "a", 0, 9, "200", set(1, "a")),
			did(event, "set", "b", 0, 9, "200", set(2, "b")),
			did(event, "read", "", 10, 11, "200", set(2, "a")),
		}},
		{"a wait misses what happened before it", true, []operation{
			did(event, "set", "a", 0, 1, "200", set(1, "a")),
			did(event, "wait", "", 2, 9, "202", set(1, "a")),
		}},
	} {
		h := newHistory()
		for i, o := range c.calls {
			o.client = i
			h.add(o)
		}
		faults := linearizable(h)
		if lie := len(faults) > 0; lie != c.lie {
			t.Errorf("%s: found %q", c.name, faults)
		}
		if c.lie && len(faults) == 1 && !strings.Contains(faults[0], c.calls[0].verb) {
			t.Errorf("%s: the fault does not tell the calls: %s", c.name, faults[0])
		}
	}
}

// Two views of one version that differ, and a version that goes back, are faults; an id used again is not.
func TestOneVersionHasOneStory(t *testing.T) {
	first, second := &shownFuture{ID: "x", CreatedAt: "1", Version: 1}, &shownFuture{ID: "x", CreatedAt: "1", Version: 2}
	again := &shownFuture{ID: "x", CreatedAt: "2", Version: 1}
	s := newStories()
	s.add(first, []byte(`{"queue_position":3,"a":1}`), s.newest("x"))
	s.add(first, []byte(`{"queue_position":2,"a":1}`), s.newest("x"))
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
