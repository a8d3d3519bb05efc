package fetch

import (
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http/httpguts"
)

func lines(pairs ...string) []record.Header {
	var hs []record.Header
	for i := 0; i < len(pairs); i += 2 {
		hs = append(hs, record.Header{Name: pairs[i], Values: []string{pairs[i+1]}})
	}
	return hs
}

func TestHeadersAreStoredCanonicalAndSorted(t *testing.T) {
	got, faults := CheckHeaders([]record.Header{
		{Name: "x-b", Values: []string{"2", "1", ""}},
		{Name: "AUTHORIZATION", Values: []string{"Bearer x"}},
		{Name: "accept", Values: []string{"a, b"}},
	})
	if len(faults) != 0 {
		t.Fatal(faults)
	}
	want := []record.Header{
		{Name: "Accept", Values: []string{"a, b"}},
		{Name: "Authorization", Values: []string{"Bearer x"}},
		{Name: "X-B", Values: []string{"2", "1", ""}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// The goal: nothing that belongs to the connection, in no spelling.
func TestHeadersOfTheConnectionAreRefused(t *testing.T) {
	for _, name := range []string{
		"Host", "host", "HOST", "Content-Length", "content-length", "Transfer-Encoding", "transfer-ENCODING",
		"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "proxy-anything", "TE", "te", "Trailer",
		"Upgrade", "HTTP2-Settings", "http2-settings", "Expect", "webhook-id", "Webhook-Signature", "awaitd-x",
		"AWAITD-UPSTREAM-STATUS", ":path", ":authority", "", " Host", "Host ", "Ho st", "Host:", "X\r\nHost", "X\nY", "ä",
		"X\x00", "(comment)", "Proxy", "Content_Length", "transfer_encoding", "Webhook_Id", "AWAITD_X", "proxy_x",
	} {
		got, faults := CheckHeaders(lines(name, "x"))
		if len(faults) != 1 || got != nil {
			t.Errorf("%q: faults %v, headers %v; want one fault and none", name, faults, got)
			continue
		}
		want := "/headers/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
		if faults[0].Pointer != want {
			t.Errorf("%q: pointer %q, want %q", name, faults[0].Pointer, want)
		}
	}
}

func TestHeaderValuesCannotSmuggle(t *testing.T) {
	for _, value := range []string{"a\r\nHost: x", "a\nb", "a\rb", "a\x00b", "a\x7fb"} {
		if _, faults := CheckHeaders(lines("X-A", value)); len(faults) != 1 || strings.Contains(faults[0].Detail, "a") &&
			strings.Contains(faults[0].Detail, value) {
			t.Errorf("%q: %v", value, faults)
		}
	}
	if _, faults := CheckHeaders([]record.Header{{Name: "X-A"}}); len(faults) != 1 {
		t.Errorf("a header without values: %v", faults)
	}
}

func TestANameInTwoSpellingsIsRefused(t *testing.T) {
	_, faults := CheckHeaders(lines("X-Key", "a", "x-key", "b"))
	want := []Fault{{"/headers/x-key", "This header is given twice, in two spellings."}}
	if d := cmp.Diff(want, faults); d != "" {
		t.Error(d)
	}
}

func TestPointersAreEscaped(t *testing.T) {
	_, faults := CheckHeaders(lines("a/b~c", "x"))
	if len(faults) != 1 || faults[0].Pointer != "/headers/a~1b~0c" {
		t.Errorf("%v", faults)
	}
}

// The goal: both bounds hold at their edge, and a flood of bad names does not make a flood of faults.
func TestHeadersAreBounded(t *testing.T) {
	many := func(n int) []record.Header {
		var hs []record.Header
		for i := range n {
			hs = append(hs, record.Header{Name: "X-" + strconv.Itoa(i), Values: []string{"v"}})
		}
		return hs
	}
	if hs, faults := CheckHeaders(many(HeadersMax)); len(faults) != 0 || len(hs) != HeadersMax {
		t.Errorf("%d headers: %v", HeadersMax, faults)
	}
	if _, faults := CheckHeaders(many(HeadersMax + 1)); len(faults) != 1 || faults[0].Pointer != "/headers" {
		t.Errorf("%d headers: %v", HeadersMax+1, faults)
	}
	values := []record.Header{{Name: "X-A", Values: slices.Repeat([]string{"v"}, HeadersMax+1)}}
	if _, faults := CheckHeaders(values); len(faults) != 1 || faults[0].Pointer != "/headers" {
		t.Errorf("%d values: %v", HeadersMax+1, faults)
	}
	size := HeaderBytesMax - len("X-A: \r\n")
	if _, faults := CheckHeaders(lines("X-A", strings.Repeat("v", size))); len(faults) != 0 {
		t.Errorf("16 KiB: %v", faults)
	}
	if _, faults := CheckHeaders(lines("X-A", strings.Repeat("v", size+1))); len(faults) != 1 ||
		faults[0].Pointer != "/headers" {
		t.Errorf("16 KiB and one byte: %v", faults)
	}
	empty := slices.Repeat([]record.Header{{Name: "X Y"}}, 5000)
	if _, faults := CheckHeaders(empty); len(faults) > HeadersMax+2 {
		t.Errorf("%d faults", len(faults))
	}
}

func TestMethodsOutsideTheListAreRefused(t *testing.T) {
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		if err := CheckMethod(m); err != nil {
			t.Errorf("%s: %v", m, err)
		}
	}
	for _, m := range []string{"", "get", "Get", "CONNECT", "TRACE", "PRI", "GET ", "GET /x", "PROPFIND", "G\r\nET"} {
		if err := CheckMethod(m); err == nil {
			t.Errorf("%q passed", m)
		}
	}
}

// The goal: whatever passes is what net/http would send, line for line, and passes again unchanged.
func FuzzCheckHeaders(f *testing.F) {
	f.Add("Accept", "a", "x-key", "b")
	f.Add("content-length", "3", "Content-Length", "4")
	f.Add("X-A", "a\r\nb", "x-a", "")
	f.Add("Proxy-X", "", ":path", "/")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		got, faults := CheckHeaders(lines(name1, value1, name2, value2))
		if len(faults) > 0 {
			if got != nil {
				t.Fatalf("faults %v and headers %v", faults, got)
			}
			return
		}
		if len(got) != 2 || got[0].Name >= got[1].Name {
			t.Fatalf("%q %q became %v", name1, name2, got)
		}
		for _, h := range got {
			read := textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(h.Name, "_", "-"))
			if h.Name != textproto.CanonicalMIMEHeaderKey(h.Name) || headersDenied[read] ||
				!httpguts.ValidHeaderFieldName(h.Name) || !httpguts.ValidHeaderFieldValue(h.Values[0]) {
				t.Fatalf("%v passed", h)
			}
		}
		again, faults := CheckHeaders(got)
		if len(faults) > 0 || cmp.Diff(got, again) != "" {
			t.Fatalf("%v is not stable: %v, %v", got, again, faults)
		}
	})
}
