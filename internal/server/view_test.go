package server

import (
	"bytes"
	"testing"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// strangers draws what a target may answer: JSON, nearly JSON, text, bytes.
var strangers = rapid.OneOf(
	rapid.SliceOfN(rapid.Byte(), 0, 50),
	rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
	rapid.Map(rapid.StringMatching(`[\[\]{}",:0-9a-z\\ ]{0,40}`), func(s string) []byte { return []byte(s) }),
	rapid.Custom(func(t *rapid.T) []byte {
		value := rapid.MapOf(rapid.String(), rapid.SliceOf(rapid.Float64Range(-1e300, 1e300))).Draw(t, "value")
		b, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}),
)

// Whatever a stranger sends, the answer that shows it is one valid JSON value, and the body can be had back from it.
func TestWhateverAStrangerSendsCanBeShownAndReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := strangers.Draw(t, "body")
		contentType := rapid.SampledFrom([]string{"application/json", "text/plain", "", "a/b+json;x", "\xff"}).Draw(t, "type")
		header := string(rapid.SliceOf(rapid.Byte()).Draw(t, "header"))
		v := &view{room: AnswerInlineBytesMax}
		out, err := encode(v.result(&record.Future{Kind: record.KindFetch, Result: &record.Result{
			Status: rapid.IntRange(0, 999).Draw(t, "status"),
			Headers: []record.Header{
				{Name: "Content-Type", Values: []string{contentType}}, {Name: "X", Values: []string{header}},
			},
			Body: record.Body{Bytes: int64(len(body)), Inline: body},
		}}))
		if err != nil {
			t.Fatal(err)
		}
		if !jsontext.Value(out).IsValid() {
			t.Fatalf("no valid JSON: %q", out)
		}
		var shown struct {
			JSON   jsontext.Value `json:"json"`
			Text   *string        `json:"text"`
			Base64 []byte         `json:"base64"`
		}
		if err := json.Unmarshal(out, &shown); err != nil {
			t.Fatal(err)
		}
		back := shown.Base64
		switch {
		case shown.JSON != nil:
			back = shown.JSON
			body = canonical(t, body)
			back = canonical(t, back)
		case shown.Text != nil:
			back = []byte(*shown.Text)
		}
		if !bytes.Equal(back, body) {
			t.Fatalf("sent %q, shown %s", body, out)
		}
	})
}

// canonical is RFC 8785: the same value in the same bytes.
func canonical(t *rapid.T, value jsontext.Value) []byte {
	value = value.Clone()
	if err := value.Canonicalize(); err != nil {
		t.Fatal(err)
	}
	return value
}

// However deep a value is nested, it is either shown as JSON that fits into every answer, or as text.
func TestDepthIsMeasuredExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		depth := rapid.IntRange(1, 2*depthMax).Draw(t, "depth")
		wide := rapid.IntRange(0, 2*depthMax).Draw(t, "wide")
		value := bytes.Repeat([]byte(`{"a":[`), depth/2)
		if depth%2 == 1 {
			value = append(value, '[')
		}
		value = append(value, '0')
		value = append(value, bytes.Repeat([]byte(`,{}`), wide*(depth%2))...)
		if depth%2 == 1 {
			value = append(value, ']')
		}
		value = append(value, bytes.Repeat([]byte(`]}`), depth/2)...)
		deepest := depth
		if wide*(depth%2) > 0 {
			deepest++
		}
		if got := embeddable(value); got != (deepest <= depthMax) {
			t.Fatalf("nested %d deep: embeddable is %v", deepest, got)
		}
	})
}
