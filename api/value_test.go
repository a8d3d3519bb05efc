package api_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Durations are read from strings and numbers, and written in Go's form.
func TestDurationsAreReadFromStringsAndNumbers(t *testing.T) {
	for in, want := range map[string]time.Duration{
		`"250ms"`: 250 * time.Millisecond, `"30s"`: 30 * time.Second, `"1h30m"`: 90 * time.Minute,
		`"1.5h"`: 90 * time.Minute, `".5s"`: 500 * time.Millisecond, `"0"`: 0, `"87600h"`: api.DurationMax,
		`"1µs"`: time.Microsecond, `"1ns"`: 1,
		`0`: 0, `30`: 30 * time.Second, `0.1`: 100 * time.Millisecond, `1e-9`: 1, `25e-1`: 2500 * time.Millisecond,
		`315360000`: api.DurationMax,
	} {
		var got api.Duration
		if err := json.Unmarshal([]byte(in), &got); err != nil || time.Duration(got) != want {
			t.Errorf("%s: got %v, %v; want %v", in, got, err, want)
		}
	}
	out, err := json.Marshal(api.Duration(90 * time.Second))
	if err != nil || string(out) != `"1m30s"` {
		t.Errorf("got %s, %v", out, err)
	}
}

// What is no duration, or an absurd one, is refused with a sentence that says why.
func TestAbsurdDurationsAreRefused(t *testing.T) {
	for in, says := range map[string]string{
		`"-5s"`: "negative", `-1`: "negative", `-0`: "negative", `-1e400`: "negative", `"-x"`: "negative",
		`"+5s"`: "such as", `"5"`: "such as", `""`: "such as", `"5 s"`: "such as", `"NaN"`: "such as", `"Inf"`: "such as",
		`"1d"`: "such as", `"0x10s"`: "such as", `"1h-1m"`: "such as", `"s"`: "such as",
		`"87600h1ns"`: "ten years", `"9999999h"`: "ten years", `"99999999999999999999h"`: "ten years",
		`315360001`: "ten years", `1e400`: "ten years", `1e18`: "ten years",
		`null`: "not null", `true`: "not a boolean", `{}`: "not an object", `[]`: "not a list",
	} {
		var got api.Duration
		err := json.Unmarshal([]byte(in), &got)
		if fault, ok := errors.AsType[api.FieldError](err); !ok || !strings.Contains(fault.Detail, says) {
			t.Errorf("%s: got %v, want …%s…", in, err, says)
		}
	}
	var got api.Duration
	if err := json.Unmarshal([]byte(`"5s`), &got); err == nil {
		t.Error("half a string was read")
	}
}

// In a query a bare number is seconds; what only strconv takes for a number is none.
func TestDurationsInQueries(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"25": 25 * time.Second, "0.25": 250 * time.Millisecond, "25s": 25 * time.Second, "1e1": 10 * time.Second, "0": 0,
	} {
		if got, err := api.ParseDuration(in); err != nil || time.Duration(got) != want {
			t.Errorf("%s: got %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "-1", "1e400", "NaN", "inf", "0x1p4", "1_000", "--1", "e", "1s2", "25 "} {
		if got, err := api.ParseDuration(in); err == nil {
			t.Errorf("%q: read as %v", in, got)
		}
	}
}

// Times are read in any zone and precision, and written in UTC with milliseconds.
func TestTimesAreWrittenInUTCWithMilliseconds(t *testing.T) {
	for in, want := range map[string]string{
		`"2026-11-22T18:00:00Z"`:             `"2026-11-22T18:00:00.000Z"`,
		`"2026-11-22T19:00:00.5+01:00"`:      `"2026-11-22T18:00:00.500Z"`,
		`"2026-11-22T18:00:00.999999999Z"`:   `"2026-11-22T18:00:00.999Z"`,
		`"1970-01-01T00:00:00Z"`:             `"1970-01-01T00:00:00.000Z"`,
		`"9999-12-31T23:59:59.999Z"`:         `"9999-12-31T23:59:59.999Z"`,
		`"2024-02-29T00:00:00.001000-00:00"`: `"2024-02-29T00:00:00.001Z"`,
	} {
		var got api.Time
		if err := json.Unmarshal([]byte(in), &got); err != nil {
			t.Errorf("%s: %v", in, err)
		} else if out, err := json.Marshal(got); err != nil || string(out) != want {
			t.Errorf("%s: got %s, %v; want %s", in, out, err, want)
		}
	}
	for in, says := range map[string]string{
		`"tomorrow"`: "RFC 3339", `"2026-11-22"`: "RFC 3339", `"2026-11-22 18:00:00Z"`: "RFC 3339",
		`"2026-11-22T18:00:00"`: "RFC 3339", `"2026-02-30T18:00:00Z"`: "RFC 3339", `"2026-11-22T18:00:00,5Z"`: "RFC 3339",
		`"2026-11-22T1:00:00Z"`: "RFC 3339", `"2026-11-22T18:00:00+24:00"`: "RFC 3339",
		`"1969-12-31T23:59:59Z"`: "from 1970", `"9999-12-31T23:59:59-01:00"`: "from 1970",
		`1795370400`: "not a number", `null`: "not null",
	} {
		var got api.Time
		err := json.Unmarshal([]byte(in), &got)
		if fault, ok := errors.AsType[api.FieldError](err); !ok || !strings.Contains(fault.Detail, says) {
			t.Errorf("%s: got %v, %v; want …%s…", in, got, err, says)
		}
	}
	var got api.Time
	if err := json.Unmarshal([]byte(`"`), &got); err == nil {
		t.Error("half a string was read")
	}
}

// A time that is not set is null, a set one is not.
func TestTimesNotSetAreNull(t *testing.T) {
	if api.TimeOf(time.Time{}).Pointer() != nil {
		t.Error("the zero time has a pointer")
	}
	at := time.Date(2026, 11, 22, 19, 0, 0, 1_999_999, time.FixedZone("", 3600))
	if got := api.TimeOf(at).Pointer().String(); got != "2026-11-22T18:00:00.001Z" {
		t.Errorf("got %s", got)
	}
}

// A deadline is a duration or a moment, whichever its form says, and is written as what it is.
func TestDeadlinesAreDurationsOrMoments(t *testing.T) {
	noon := api.TimeOf(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	for in, want := range map[string]api.Deadline{
		`"2h"`:                   {In: api.Duration(2 * time.Hour)},
		`90`:                     {In: api.Duration(90 * time.Second)},
		`"2026-11-22T12:00:00Z"`: {At: noon},
	} {
		var got api.Deadline
		if err := json.Unmarshal([]byte(in), &got); err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
		out, err := json.Marshal(got)
		var back api.Deadline
		if err != nil || json.Unmarshal(out, &back) != nil || back != got {
			t.Errorf("%s: written as %s, %v", in, out, err)
		}
	}
	for in, says := range map[string]string{
		`"soon"`: "duration", `"2026-11-22T25:00:00Z"`: "RFC 3339", `"1969-01-01T00:00:00Z"`: "from 1970", `-1`: "negative",
		`"9999999h"`: "ten years", `null`: "not null", `["1h"]`: "not a list",
	} {
		var got api.Deadline
		err := json.Unmarshal([]byte(in), &got)
		if fault, ok := errors.AsType[api.FieldError](err); !ok || !strings.Contains(fault.Detail, says) {
			t.Errorf("%s: got %v, want …%s…", in, err, says)
		}
	}
	var got api.Deadline
	if err := json.Unmarshal([]byte(`"`), &got); err == nil {
		t.Error("half a string was read")
	}
}

// A header has one value or several, never none, and is written as a list.
func TestHeaderValuesAreAStringOrAList(t *testing.T) {
	for in, want := range map[string]string{
		`"a"`: `["a"]`, `["a","b"]`: `["a","b"]`, `""`: `[""]`, `["a",""]`: `["a",""]`,
	} {
		var got api.Strings
		if err := json.Unmarshal([]byte(in), &got); err != nil {
			t.Errorf("%s: %v", in, err)
		} else if out, err := json.Marshal(got); err != nil || string(out) != want {
			t.Errorf("%s: got %s, %v; want %s", in, out, err, want)
		}
	}
	for _, c := range []struct{ in, pointer, says string }{
		{`[]`, "", "at least one"},
		{`7`, "", "not a number"},
		{`null`, "", "not null"},
		{`["a",7]`, "/1", "not a number"},
		{`[["a"]]`, "/0", "not a list"},
	} {
		var got api.Strings
		err := json.Unmarshal([]byte(c.in), &got)
		semantic, _ := errors.AsType[*json.SemanticError](err)
		fault, ok := errors.AsType[api.FieldError](err)
		if !ok || string(semantic.JSONPointer) != c.pointer || !strings.Contains(fault.Detail, c.says) {
			t.Errorf("%s: got %v, want %s: …%s…", c.in, err, c.pointer, c.says)
		}
	}
	for _, in := range []string{`["a"`, `["a`, `["a" "b"]`, `"`} {
		var got api.Strings
		if err := json.Unmarshal([]byte(in), &got); err == nil {
			t.Errorf("%s was read", in)
		}
	}
}

// Ids and names are told apart at their edges.
func TestNamesAndIDs(t *testing.T) {
	for _, c := range []struct {
		text                          string
		event, future, promise, label bool
	}{
		{"a", true, true, true, true},
		{"", false, false, false, false},
		{".", false, false, false, false},
		{"..", false, false, false, false},
		{"...", true, true, true, true},
		{"build/42:done", true, false, false, false},
		{"build:42", true, true, true, false},
		{"team/x", true, false, false, true},
		{"a b", false, false, false, false},
		{"ä", false, false, false, false},
		{"a,b", false, false, false, false},
		{"a\x00", false, false, false, false},
		{futureID, true, true, false, true},
		{"fut_7ZZZZZZZZZZZZZZZZZZZZZZZZZ", true, true, false, true},
		{"fut_8ZZZZZZZZZZZZZZZZZZZZZZZZZ", true, false, false, true},
		{"fut_01JD8Q2V9GZ5W0M4T7R1X3K6BI", true, false, false, true},
		{"fut_01JD8Q2V9GZ5W0M4T7R1X3K6B", true, false, false, true},
		{"fut_", true, false, false, true},
		{"futility", true, true, true, true},
		{strings.Repeat("x", 64), true, true, true, true},
		{strings.Repeat("x", 128), true, true, true, false},
		{strings.Repeat("x", 129), true, false, false, false},
		{strings.Repeat("x", 200), true, false, false, false},
		{strings.Repeat("x", 201), false, false, false, false},
	} {
		got := []bool{
			api.ValidEventName(c.text), api.ValidFutureID(c.text), api.ValidPromiseID(c.text), api.ValidLabelKey(c.text),
		}
		if diff := cmp.Diff([]bool{c.event, c.future, c.promise, c.label}, got); diff != "" {
			t.Errorf("%q: event, future, promise, label (-want +got):\n%s", c.text, diff)
		}
	}
}

// Whatever duration the wire can hold survives it to the nanosecond, and a number of seconds to the microsecond.
func TestEveryDurationSurvivesTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := api.Duration(rapid.Int64Range(0, int64(api.DurationMax)).Draw(t, "d"))
		out, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var back api.Duration
		if err := json.Unmarshal(out, &back); err != nil || back != d {
			t.Fatalf("%s: got %v, %v", out, back, err)
		}
		number, err := json.Marshal(time.Duration(d).Seconds())
		if err != nil {
			t.Fatal(err)
		}
		err = json.Unmarshal(number, &back)
		if off := time.Duration(back - d).Abs(); err != nil || off > time.Microsecond {
			t.Fatalf("%s: got %v, %v; off by %v", number, back, err, off)
		}
	})
}
