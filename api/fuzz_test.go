package api_test

import (
	"bytes"
	"math"
	"regexp"
	"testing"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/api/contract"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func schema(t testing.TB, name string) *jsonschema.Schema {
	t.Helper()
	spec, err := contract.New()
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := spec.Schema(name)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// The decoder of submits never fails but with a problem that is of the contract; what it takes is valid by the
// contract's own schema, and means the same when written and read again.
func FuzzDecodeFetch(f *testing.F) {
	request, problem := schema(f, "FetchRequest"), schema(f, "Problem")
	f.Add([]byte(`{"url":"https://a.example"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r api.FetchRequest
		if err := api.Decode(data, &r); err != nil {
			p, ok := err.(*api.Problem)
			if !ok || len(p.Errors) == 0 || p.Status != 400 {
				t.Fatalf("%T: %v", err, err)
			}
			mustBe(t, problem, marshal(t, p))
			return
		}
		mustBe(t, request, data)
		out := marshal(t, r)
		var back api.FetchRequest
		if err := api.Decode(out, &back); err != nil {
			t.Fatalf("%s is refused: %v", out, err)
		}
		// Bytes, since white space within json is kept when read and left out when written.
		if diff := cmp.Diff(string(out), string(marshal(t, back))); diff != "" {
			t.Fatalf("(-first +second):\n%s", diff)
		}
	})
}

// The parser of waits never fails but with a fault; what it takes is within the bounds, is valid by the schema, and
// is the same when written and read again.
func FuzzParseExpr(f *testing.F) {
	expr := schema(f, "Expr")
	f.Add([]byte(`{"all":["event:a",{"any":[{"sleep":5}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e api.Expr
		if err := json.Unmarshal(data, &e); err != nil {
			return
		}
		if e.Leaves() > api.LeavesMax || depth(e) > api.DepthMax {
			t.Fatalf("%d leaves, depth %d", e.Leaves(), depth(e))
		}
		mustBe(t, expr, data)
		out := marshal(t, e)
		mustBe(t, expr, out)
		var back api.Expr
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("%s is refused: %v", out, err)
		}
		if !back.Equal(e) || !bytes.Equal(out, marshal(t, back)) {
			t.Fatalf("%s becomes %s", out, marshal(t, back))
		}
		if e.Leaf() {
			ref, err := api.ParseRef(e.String())
			if err != nil || ref.String() != e.String() {
				t.Fatalf("%s as a short form: %v, %v", e, ref, err)
			}
		}
	})
}

func depth(e api.Expr) int {
	if e.Leaf() {
		return 0
	}
	deepest := 0
	for _, part := range e.Of {
		deepest = max(deepest, depth(part))
	}
	return deepest + 1
}

// A duration is refused or within its bounds, valid by the schema, and the same when written and read again; a text
// that is a number means that many seconds.
func FuzzDuration(f *testing.F) {
	duration, text := schema(f, "Duration"), schema(f, "DurationText")
	f.Add("1h30m")
	f.Fuzz(func(t *testing.T, in string) {
		if d, err := api.ParseDuration(in); err == nil {
			bounds(t, d)
			if err := text.Validate(in); err != nil {
				t.Fatalf("%q is read as %v, but: %v", in, d, err)
			}
		}
		var d api.Duration
		if err := json.Unmarshal([]byte(in), &d); err == nil {
			bounds(t, d)
			mustBe(t, duration, []byte(in))
		}
		quoted, err := json.Marshal(in)
		if err != nil || json.Unmarshal(quoted, &d) != nil {
			return
		}
		bounds(t, d)
		mustBe(t, duration, quoted)
		if same, err := api.ParseDuration(in); err != nil || same != d && math.Abs(float64(same-d)) > 1 {
			t.Fatalf("%q is %v in a body and %v, %v in a query", in, d, same, err)
		}
		var back api.Duration
		if err := json.Unmarshal(marshal(t, d), &back); err != nil || back != d {
			t.Fatalf("%v becomes %v, %v", d, back, err)
		}
	})
}

func bounds(t *testing.T, d api.Duration) {
	t.Helper()
	if d < 0 || time.Duration(d) > api.DurationMax {
		t.Fatalf("out of bounds: %v", d)
	}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// hugeExponent is a number that the validator would write out in full.
var hugeExponent = regexp.MustCompile(`[eE][+-]?[0-9]{4,}`)

// mustBe demands that data is valid by the schema.
func mustBe(t *testing.T, s *jsonschema.Schema, data []byte) {
	t.Helper()
	if hugeExponent.Match(data) {
		return
	}
	if err := s.Validate(value(t, data)); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
}

// value is data as the validator wants it.
func value(t *testing.T, data []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return v
}
