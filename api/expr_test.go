package api_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const futureID = "fut_01JD8Q2V9GZ5W0M4T7R1X3K6BC"

func event(name string) api.Expr { return api.Expr{Op: api.OpEvent, Ref: name} }
func future(id string) api.Expr  { return api.Expr{Op: api.OpFuture, Ref: id} }

func over(op api.Op, of ...api.Expr) api.Expr { return api.Expr{Op: op, Of: of} }

// Every form that the contract names is read as what it says.
func TestExpressionsAreReadInEveryForm(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		in   string
		want api.Expr
	}{
		{`"event:a"`, event("a")},
		{`"event:build/42:done"`, event("build/42:done")},
		{`"` + futureID + `"`, future(futureID)},
		{`"future:` + futureID + `"`, future(futureID)},
		{`"future:approval:42"`, future("approval:42")},
		{`"sleep:5s"`, api.Expr{Op: api.OpSleep, Sleep: 5 * time.Second}},
		{`"sleep:0.25"`, api.Expr{Op: api.OpSleep, Sleep: 250 * time.Millisecond}},
		{`"until:2026-11-22T13:00:00+01:00"`, api.Expr{Op: api.OpUntil, Until: noon}},
		{`{"event":"a"}`, event("a")},
		{`{"after":0,"event":"a"}`, api.Expr{Op: api.OpEvent, Ref: "a", After: new(uint64)}},
		{`{"event":"a","after":7,"times":2}`, api.Expr{Op: api.OpEvent, Ref: "a", After: new(uint64(7)), Times: 2}},
		{`{"future":"approval:42"}`, future("approval:42")},
		{`{"sleep":1.5}`, api.Expr{Op: api.OpSleep, Sleep: 1500 * time.Millisecond}},
		{`{"sleep":"1h30m"}`, api.Expr{Op: api.OpSleep, Sleep: 90 * time.Minute}},
		{`{"until":"2026-11-22T12:00:00.0009Z"}`, api.Expr{Op: api.OpUntil, Until: noon}},
		{`{"all":["event:a","event:a"]}`, over(api.OpAll, event("a"), event("a"))},
		{`{"any":[{"settled":"` + futureID + `"}]}`, over(api.OpAny, over(api.OpSettled, future(futureID)))},
		{
			`{"of":["event:a",{"all":["event:b"]}],"at_least":2}`,
			api.Expr{Op: api.OpAtLeast, K: 2, Of: []api.Expr{event("a"), over(api.OpAll, event("b"))}},
		},
	} {
		var got api.Expr
		if err := json.Unmarshal([]byte(c.in), &got); err != nil {
			t.Errorf("%s: %v", c.in, err)
		} else if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.in, diff)
		}
	}
}

// What is not an expression is refused at the place of the fault, with a sentence about it.
func TestFaultyExpressionsAreRefusedAtTheirPlace(t *testing.T) {
	for _, c := range []struct{ in, pointer, says string }{
		{`null`, "", "not null"},
		{`7`, "", "not a number"},
		{`["event:a"]`, "", "not a list"},
		{`""`, "", "event:NAME"},
		{`"a"`, "", "event:NAME"},
		{`"Event:a"`, "", "event:NAME"},
		{`"event:"`, "", "1 to 200"},
		{`"event:a b"`, "", "1 to 200"},
		{`"event:` + strings.Repeat("x", 201) + `"`, "", "1 to 200"},
		{`"fut_nope"`, "", "26 characters"},
		{`"fut_81JD8Q2V9GZ5W0M4T7R1X3K6BC"`, "", "26 characters"},
		{`"` + strings.ToLower(futureID) + `"`, "", "26 characters"},
		{`"future:a/b"`, "", "1 to 128"},
		{`"sleep:-5s"`, "", "negative"},
		{`"sleep:soon"`, "", "duration"},
		{`"until:tomorrow"`, "", "RFC 3339"},
		{`{}`, "", "what to wait for"},
		{`{"all":[]}`, "/all", "at least one"},
		{`{"all":"event:a"}`, "/all", "list of expressions, not a string"},
		{`{"all":null}`, "/all", "not null"},
		{`{"any":["event:a","b"]}`, "/any/1", "event:NAME"},
		{`{"any":["event:a",{"all":[{}]}]}`, "/any/1/all/0", "what to wait for"},
		{`{"all":["event:a"],"any":["event:a"]}`, "/any", `"any" and "all" cannot`},
		{`{"event":"a","future":"b"}`, "/future", "cannot stand in one object"},
		{`{"all":["event:a"],"times":2}`, "/times", "cannot stand in one object"},
		{`{"future":"a","after":2}`, "/after", "cannot stand in one object"},
		{`{"Event":"a"}`, "/Event", `write "event"`},
		{`{"at-least":1,"of":["event:a"]}`, "/at-least", `write "at_least"`},
		{`{"first":["event:a"]}`, "/first", "there are after, all, any"},
		{`{"event":7}`, "/event", "not a number"},
		{`{"event":""}`, "/event", "1 to 200"},
		{`{"future":null}`, "/future", "not null"},
		{`{"future":"fut_x"}`, "/future", "26 characters"},
		{`{"after":1}`, "", "Name the event"},
		{`{"event":"a","after":-1}`, "/after", "whole number from 0"},
		{`{"event":"a","after":1.0}`, "/after", "whole number"},
		{`{"event":"a","after":"1"}`, "/after", "whole number"},
		{`{"event":"a","times":0}`, "/times", "from 1"},
		{`{"event":"a","times":9007199254740992}`, "/times", "to 9007199254740991"},
		{`{"sleep":"-1s"}`, "/sleep", "negative"},
		{`{"sleep":1e400}`, "/sleep", "ten years"},
		{`{"until":5}`, "/until", "not a number"},
		{`{"at_least":0,"of":["event:a"]}`, "/at_least", "from 1"},
		{`{"at_least":2,"of":["event:a"]}`, "/at_least", "from 1 to 1"},
		{`{"at_least":1}`, "", `stands beside "of"`},
		{`{"of":["event:a"]}`, "", `stands beside "at_least"`},
		{`{"settled":["event:a"]}`, "/settled", "not a list"},
		{`{"settled":{"all":[{"sleep":{}}]}}`, "/settled/all/0/sleep", "not an object"},
	} {
		var got api.Expr
		err := json.Unmarshal([]byte(c.in), &got)
		semantic, ok := errors.AsType[*json.SemanticError](err)
		fault, isFault := errors.AsType[api.FieldError](err)
		switch {
		case !ok || !isFault:
			t.Errorf("%s: got %v, want a fault", c.in, err)
		case string(semantic.JSONPointer) != c.pointer || !strings.Contains(fault.Detail, c.says):
			t.Errorf("%s: got %q: %q, want %q: …%s…", c.in, semantic.JSONPointer, fault.Detail, c.pointer, c.says)
		}
	}
}

// Broken JSON and doubled names are faults of the syntax, wherever in an expression they stand.
func TestBrokenSyntaxInsideAnExpressionIsReported(t *testing.T) {
	whole := `{"any":[{"at_least":1,"of":["event:a"]},{"event":"a","times":1},{"future":"f"},{"sleep":5},` +
		`{"settled":"event:b"}]}`
	for n := range len(whole) {
		var got api.Expr
		if err := json.Unmarshal([]byte(whole[:n]), &got); err == nil {
			t.Errorf("%s: read without fault", whole[:n])
		}
	}
	for _, in := range []string{
		`{"event":"a","event":"b"}`, `{"all":["event:a"]]`, `{"all":[tru]}`, `{"all"}`, "\"event:\xff\"",
	} {
		var got api.Expr
		if err := json.Unmarshal([]byte(in), &got); err == nil {
			t.Errorf("%s: read without fault", in)
		}
	}
}

func nested(depth int) string {
	return strings.Repeat(`{"all":[`, depth) + `"event:a"` + strings.Repeat(`]}`, depth)
}

// The bounds hold at their edge, and input far beyond them is refused before it is read to its end.
func TestBoundsHoldWhileParsing(t *testing.T) {
	list := func(n int) string {
		return `{"any":[` + strings.TrimSuffix(strings.Repeat(`"event:a",`, n), ",") + `]}`
	}
	// Objects count like short forms, and leaves of different branches together.
	branches := func(n int) string { return `{"all":[{"event":"b"},` + list(n) + `]}` }
	for _, c := range []struct {
		name, in, fault, pointer string
	}{
		{"depth 16", nested(16), "", ""},
		{"depth 17", nested(17), "at most 16", strings.Repeat("/all/0", 16) + "/all"},
		{"depth 17 by settled", strings.Repeat(`{"settled":`, 17), "at most 16", strings.Repeat("/settled", 17)},
		{"a million deep", strings.Repeat(`{"all":[`, 1_000_000), "at most 16", strings.Repeat("/all/0", 16) + "/all"},
		{"10 000 leaves", list(10_000), "", ""},
		{"10 001 leaves", list(10_001), "at most 10000", "/any/10000"},
		{"10 001 leaves in branches", branches(10_000), "at most 10000", "/all/1/any/9999"},
		{"unfinished, but too many already", strings.TrimSuffix(list(10_001), "]}"), "at most 10000", "/any/10000"},
	} {
		var got api.Expr
		err := json.Unmarshal([]byte(c.in), &got)
		if c.fault == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		semantic, ok := errors.AsType[*json.SemanticError](err)
		if !ok || string(semantic.JSONPointer) != c.pointer || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: got %.300v, want %s at %s", c.name, err, c.fault, c.pointer)
		}
	}
}

// The short form of a leaf is what answers show as ref, and ParseRef reads it back.
func TestShortFormsAreShownAndReadBack(t *testing.T) {
	for _, c := range []struct {
		expr api.Expr
		want string
	}{
		{event("a/b"), "event:a/b"},
		{api.Expr{Op: api.OpEvent, Ref: "a", After: new(uint64(3)), Times: 4}, "event:a"},
		{future(futureID), futureID},
		{future("approval"), "future:approval"},
		{api.Expr{Op: api.OpSleep, Sleep: 90 * time.Second}, "sleep:1m30s"},
		{api.Expr{Op: api.OpUntil, Until: time.UnixMilli(1).UTC()}, "until:1970-01-01T00:00:00.001Z"},
		{over(api.OpAny, event("a"), over(api.OpSettled, future("f"))), "any(event:a, settled(future:f))"},
		{api.Expr{Op: api.OpAtLeast, K: 1, Of: []api.Expr{event("a"), event("b")}}, "at_least(1, event:a, event:b)"},
		{api.Expr{}, "Op(0)()"},
	} {
		if got := c.expr.String(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
		if !c.expr.Leaf() || c.expr.Op == 0 {
			continue
		}
		back, err := api.ParseRef(c.want)
		if err != nil || back.String() != c.want {
			t.Errorf("%s read back: %v, %v", c.want, back, err)
		}
	}
}

// Two expressions are equal when they are written alike, whatever pointers and time zones they hold.
func TestEqualComparesWhatIsWritten(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	a := api.Expr{Op: api.OpEvent, Ref: "a", After: new(uint64(1))}
	same := api.Expr{Op: api.OpEvent, Ref: "a", After: new(uint64(1))}
	if !over(api.OpAll, a).Equal(over(api.OpAll, same)) {
		t.Error("two pointers to one generation differ")
	}
	zoned := api.Expr{Op: api.OpUntil, Until: noon.In(time.FixedZone("", 3600))}
	if !zoned.Equal(api.Expr{Op: api.OpUntil, Until: noon}) {
		t.Error("one moment in two zones differs")
	}
	for _, other := range []api.Expr{event("a"), {Op: api.OpEvent, Ref: "a", After: new(uint64(2))}, future("a")} {
		if a.Equal(other) || other.Equal(a) {
			t.Errorf("%v equals %v", a, other)
		}
	}
}

// An expression that could not have been read cannot be written.
func TestOnlyWholeExpressionsAreWritten(t *testing.T) {
	for _, e := range []api.Expr{{}, {Op: 99}, {Op: api.OpSettled}} {
		if out, err := json.Marshal(e); err == nil {
			t.Errorf("%v written as %s", e, out)
		}
	}
}

// exprs draws expressions within the bounds.
func exprs(depth int) *rapid.Generator[api.Expr] {
	return rapid.Custom(func(t *rapid.T) api.Expr {
		most := api.OpSettled
		if depth == 0 {
			most = api.OpUntil
		}
		e := api.Expr{Op: api.Op(rapid.IntRange(1, int(most)).Draw(t, "op"))}
		switch e.Op {
		case api.OpEvent:
			e.Ref = rapid.StringMatching(`[A-Za-z0-9_.:/-]{0,199}[A-Za-z0-9_:/-]`).Draw(t, "event")
			if rapid.Bool().Draw(t, "after?") {
				e.After = new(rapid.Uint64Range(0, api.CountMax).Draw(t, "after"))
			}
			e.Times = rapid.Uint64Range(0, api.CountMax).Draw(t, "times")
		case api.OpFuture:
			e.Ref = rapid.OneOf(
				rapid.StringMatching(`fut_[0-7][0-9A-HJKMNP-TV-Z]{25}`),
				rapid.StringMatching(`[A-Za-eg-z0-9_:-][A-Za-z0-9_.:-]{0,127}`)).Draw(t, "future")
		case api.OpSleep:
			e.Sleep = time.Duration(rapid.Int64Range(0, int64(api.DurationMax)).Draw(t, "sleep"))
		case api.OpUntil:
			// Years 1970 to 9999.
			e.Until = time.UnixMilli(rapid.Int64Range(0, 253402300799999).Draw(t, "until")).UTC()
		case api.OpSettled:
			e.Of = []api.Expr{exprs(depth-1).Draw(t, "of")}
		default:
			e.Of = rapid.SliceOfN(exprs(depth-1), 1, 4).Draw(t, "of")
		}
		if e.Op == api.OpAtLeast {
			e.K = rapid.IntRange(1, len(e.Of)).Draw(t, "k")
		}
		return e
	})
}

// Whatever can be said can be written and read back, and its counts are right.
func TestEveryExpressionSurvivesTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := exprs(rapid.IntRange(0, 4).Draw(t, "depth")).Draw(t, "expr")
		out, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var back api.Expr
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if !back.Equal(e) {
			t.Fatalf("%s: got %v, want %v", out, back, e)
		}
		if leaves := strings.Count(e.String(), ",") + 1 - strings.Count(e.String(), "at_least("); leaves != e.Leaves() {
			t.Fatalf("%v: got %d leaves, want %d", e, e.Leaves(), leaves)
		}
	})
}

// The curl forms say the same as the JSON forms.
func TestQueriesSayTheSameAsJSON(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{"all=event:a,event:b," + futureID, `{"all":["event:a","event:b","` + futureID + `"]}`},
		{"any=future:x,sleep:5s,sleep:0.5", `{"any":["future:x","sleep:5s","sleep:500ms"]}`},
		{"at_least=2&of=a,b,c", `{"at_least":2,"of":["event:a","event:b","event:c"]}`},
		{"all=a&all=b/c,event:d:e", `{"all":["event:a","event:b/c","event:d:e"]}`},
		{"all=until:2026-11-22T13:00:00%2B01:00", `{"all":["until:2026-11-22T12:00:00.000Z"]}`},
	} {
		q, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		e, err := api.ParseQuery(q)
		if err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		if out, err := json.Marshal(e); err != nil || string(out) != c.want {
			t.Errorf("%s: got %s, %v; want %s", c.query, out, err, c.want)
		}
	}
}

// A query that does not say what to wait for is refused with the name of the parameter at fault.
func TestFaultyQueriesNameTheirParameter(t *testing.T) {
	tooMany := strings.TrimSuffix(strings.Repeat("a,", api.LeavesMax+1), ",")
	for _, c := range []struct{ query, parameter, says string }{
		{"", "", "one of all="},
		{"of=a", "", "one of all="},
		{"all=a&any=b", "", "one of all="},
		{"all=a&of=b", "of", `beside "at_least"`},
		{"all=", "all", "Item 1: Name something"},
		{"all=a,,b", "all", "Item 2: Name something"},
		{"any=a,fut_nope", "any", "Item 2: A future's id"},
		{"any=evnet:a", "any", `Item 1: Write "event:NAME"`},
		{"any=a%20b", "any", "Item 1: An event's name"},
		{"all=" + tooMany, "all", "at most 10000"},
		{"at_least=1", "of", "at least one"},
		{"at_least=3&of=a,b", "at_least", "from 1 to 2"},
		{"at_least=0&of=a,b", "at_least", "from 1 to 2"},
		{"at_least=x&of=a,b", "at_least", "from 1 to 2"},
		{"at_least=1&at_least=2&of=a,b", "at_least", "one number"},
	} {
		q, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		_, err = api.ParseQuery(q)
		fault, ok := errors.AsType[api.FieldError](err)
		if !ok || fault.Parameter != c.parameter || !strings.Contains(fault.Detail, c.says) {
			t.Errorf("%.60s: got %+v, want %s: …%s…", c.query, err, c.parameter, c.says)
		}
	}
}

// GET /wait is POST /wait by other means: every parameter has its field, and every fault its parameter.
func TestWaitQueriesBecomeWaitRequests(t *testing.T) {
	q := url.Values{
		"all": {"a"}, "timeout": {"25"}, "results": {"none"}, "cancel_rest": {"true"}, "cursor": {"c"},
	}
	got, faults := api.ParseWaitQuery(q)
	want := api.WaitRequest{
		For: over(api.OpAll, event("a")), Timeout: new(api.Duration(25 * time.Second)),
		Results: api.ResultsNone, CancelRest: true, Cursor: "c",
	}
	if diff := cmp.Diff(want, got); diff != "" || faults != nil {
		t.Errorf("%v (-want +got):\n%s", faults, diff)
	}

	q = url.Values{
		"all": {""}, "timeout": {"x"}, "results": {"some"}, "cancel_rest": {"maybe"},
		"cursor": {strings.Repeat("x", 8193)}, "wait": {"1s"}, "tmeout": {"1s"},
	}
	_, faults = api.ParseWaitQuery(q)
	named := map[string]int{}
	for _, f := range faults {
		named[f.Parameter]++
	}
	wantNamed := map[string]int{
		"all": 1, "timeout": 1, "results": 1, "cancel_rest": 1, "cursor": 1, "wait": 1, "tmeout": 1,
	}
	if diff := cmp.Diff(wantNamed, named); diff != "" {
		t.Errorf("%v (-want +got):\n%s", faults, diff)
	}
}

// Parameters nobody knows, and single ones given twice, are refused; lists may be given twice.
func TestUnknownAndDoubledParametersAreRefused(t *testing.T) {
	q := url.Values{"wait": {"1s", "2s"}, "label": {"a:1", "b:2"}, "Wait": {"1s"}}
	got := api.CheckQuery(q, "wait", "label")
	want := []api.FieldError{
		{Parameter: "Wait", Detail: "There is no such parameter here; there are wait, label."},
		{Parameter: "wait", Detail: "Give it once."},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := api.CheckQuery(url.Values{"x": {""}}); len(got) != 1 || got[0].Detail != "There are no parameters here." {
		t.Errorf("got %v", got)
	}
	if got := api.CheckQuery(nil, "wait"); got != nil {
		t.Errorf("got %v for no query", got)
	}
}

func ExampleExpr_String() {
	e := api.Expr{Op: api.OpAll, Of: []api.Expr{{Op: api.OpEvent, Ref: "a"}, {Op: api.OpSleep, Sleep: time.Second}}}
	fmt.Println(e)
	// Output: all(event:a, sleep:1s)
}
