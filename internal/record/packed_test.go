package record

import (
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawUsual draws a request whose parts are often as most are, and often nearly so.
func drawUsual(t *rapid.T) *Request {
	r := &Request{URL: rapid.SampledFrom([]string{"https://a.example/?q=1", "http://b.example"}).Draw(t, "url")}
	pick := func(what string, set, other func()) {
		switch rapid.IntRange(0, 3).Draw(t, what) {
		case 0:
		case 1:
			other()
		default:
			set()
		}
	}
	pick("method", func() { r.Method = "GET" }, func() { r.Method = "get" })
	pick("timeout", func() { r.Timeout = usual.Timeout }, func() { r.Timeout = -time.Second })
	pick("redirects", func() { r.RedirectsMax = 5 }, func() { r.RedirectsMax = 6 })
	pick("bytes", func() { r.BodyBytesMax = 16 << 20 }, func() { r.BodyBytesMax = -1 })
	pick("accept", func() { r.AcceptStatus = usual.AcceptStatus }, func() { r.AcceptStatus = []StatusRange{{200, 298}} })
	pick("retry", func() { r.Retry = usual.Retry }, func() { r.Retry.AttemptsMax = 4 })
	pick("non-idempotent", func() {}, func() { r.Retry.NonIdempotent = true })
	pick("body", func() {}, func() { r.Body = []byte(rapid.String().Draw(t, "text")) })
	pick("redact", func() {}, func() { r.Redact = []string{"X-Secret"} })
	for range rapid.IntRange(0, 3).Draw(t, "headers") {
		name := rapid.SampledFrom(append(headerNames[:], "accept", "X-Own")).Draw(t, "name")
		r.Headers = append(r.Headers, Header{Name: name, Values: []string{"", rapid.String().Draw(t, "value")}})
	}
	pick("trace", func() {
		r.Traceparent = rapid.StringMatching(`00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}`).Draw(t, "usual trace")
	}, func() {
		r.Traceparent = rapid.StringMatching(`0[0-1][-_][0-9a-fA-F-]{32,33}-[0-9a-g]{16}-[0-9a-f]{2}`).Draw(t, "other trace")
	})
	return r
}

// A request comes back to the letter, however many of its parts have a short form, and each part that nearly has one.
func TestARequestThatIsNearlyUsualIsOpenedAsItWas(t *testing.T) {
	short := map[usually]bool{}
	rapid.Check(t, func(t *rapid.T) {
		r := drawUsual(t)
		short[r.usual()] = true
		p := r.Pack()
		if diff := cmp.Diff(r, p.Open()); diff != "" {
			t.Fatalf("(-packed +opened):\n%s", diff)
		}
		if p.Open().Pack() != p || p.URL() != r.URL {
			t.Fatalf("%q was packed again, or goes to %q", r.URL, p.URL())
		}
		f := &Future{Request: p}
		if back, err := DecodeFuture(EncodeFuture(f)); err != nil || back.Request != p {
			t.Fatalf("from the disk: %v", err)
		}
	})
	if len(short) < 10 {
		t.Errorf("only %d mixtures were drawn", len(short))
	}
}

// What is left of a request when its future is settled is where it went, in the same form as if it had been all.
func TestOfASettledRequestNothingIsLeftThatIsSecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawUsual(t)
		left := &Request{Method: r.Method, URL: r.URL, Traceparent: r.Traceparent}
		if r.URL == "https://a.example/?q=1" {
			left.URL = "https://a.example/"
		}
		if diff := cmp.Diff(left, r.Pack().WithoutSecrets().Open()); diff != "" {
			t.Fatalf("(-want +left):\n%s", diff)
		}
	})
}

// A request as it was written before the short forms is read like one of now.
func TestARequestInTheLongFormIsRead(t *testing.T) {
	r := usual
	r.URL, r.Traceparent = "https://a.example/", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	r.Headers = []Header{{Name: "Accept", Values: []string{"text/plain"}}}
	var e encoder
	e.string(requestMethod, r.Method)
	e.string(requestURL, r.URL)
	e.message(3, func(e *encoder) {
		e.string(1, "Accept")
		e.string(2, "text/plain")
	})
	e.duration(5, r.Timeout)
	e.message(6, r.Retry.fields)
	e.message(7, r.AcceptStatus[0].fields)
	e.uint(8, uint64(r.RedirectsMax))
	e.int(9, r.BodyBytesMax)
	e.string(requestTraceparent, r.Traceparent)
	long := Packed(e)
	if diff := cmp.Diff(&r, long.Open()); diff != "" {
		t.Fatalf("(-written +read):\n%s", diff)
	}
	if short := long.Open().Pack(); 2*len(short) > len(long) {
		t.Errorf("the short form takes %d bytes, the long one %d", len(short), len(long))
	}
}

// The short forms are on disks: they mean for ever what they meant when they were written.
func TestTheShortFormsMeanWhatTheyMeant(t *testing.T) {
	p := Packed("\x60\x3f" + "\x12\x09http://a/" + "\x1a\x05\x18\x04\x12\x01x" + "\x6a\x19" +
		"\x4b\xf9\x2f\x35\x77\xb3\x4d\xa6\xa3\xce\x92\x9d\x0e\x0e\x47\x36" + "\x00\xf0\x67\xaa\x0b\xa9\x02\xb7" + "\x01")
	want := &Request{
		Method: "GET", URL: "http://a/", Headers: []Header{{Name: "Authorization", Values: []string{"x"}}},
		Timeout: 30 * time.Second,
		Retry: Retry{
			AttemptsMax: 4, BackoffMin: 500 * time.Millisecond, BackoffMax: 30 * time.Second,
			OnStatus: []StatusRange{{From: 429, To: 429}, {From: 500, To: 599}},
		},
		AcceptStatus: []StatusRange{{From: 200, To: 299}}, RedirectsMax: 5, BodyBytesMax: 16 << 20,
		Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	}
	if diff := cmp.Diff(want, p.Open()); diff != "" {
		t.Errorf("(-meant +opened):\n%s", diff)
	}
	if want.Pack() != p {
		t.Errorf("it is packed as %q", want.Pack())
	}
	names := strings.Join(headerNames[1:42], " ")
	if sum := crc32.ChecksumIEEE([]byte(names)); sum != 0x896e99da || headerNames[4] != "Authorization" {
		t.Errorf("the first names of headers are others: %s (%#x)", names, sum)
	}
}
