package fetch

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// The goal: of whatever net/http takes for an answer, the reader of heads has seen the same end, so that it neither
// counts lines of a body nor leaves lines of a head uncounted.
func FuzzHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody\n"))
	f.Add([]byte("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\nA: b\n\n"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if len(answer) > 32<<10 {
			return // bounds by bytes are another matter
		}
		in := bytes.NewReader(answer)
		reader := bufio.NewReader(in)
		resp, err := http.ReadResponse(reader, nil)
		for err == nil && resp.StatusCode >= 100 && resp.StatusCode < 200 && resp.StatusCode != 101 {
			resp, err = http.ReadResponse(reader, nil)
		}
		if err != nil || resp.StatusCode == 101 {
			return // it is a failure anyway
		}
		end := len(answer) - in.Len() - reader.Buffered()
		whole := head{under: true}
		if whole.take(answer[:end-1]); !whole.under {
			t.Fatalf("%q: the head is taken to end before byte %d", answer, end-1)
		}
		if whole.take(answer[end-1 : end]); whole.under {
			t.Fatalf("%q: the head is taken to go on after byte %d", answer, end)
		}
	})
}

// The goal: where a redirect leads is a URL that may be submitted, or nowhere.
func FuzzLocation(f *testing.F) {
	for _, s := range []string{"/a", "//b.example/", "http://[::1]/", "?x#y", `\\b.example`, "http:b", "../../..", "%zz"} {
		f.Add(s)
	}
	from, err := parseTarget("http://a.example:8080/dir/page?q=1")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, location string) {
		to, err := (&hop{target: from}).resolve(location)
		if err != nil {
			if location != "" && len(location) > 12 && strings.Contains(err.Error(), location) {
				t.Fatalf("the fault %q repeats the location", err)
			}
			return
		}
		again, err := parseTarget(to.url.String())
		if err != nil || again.url.String() != to.url.String() || !sameOrigin(again, to) {
			t.Fatalf("%q leads to %q, which as a first URL is %v, %v", location, to.url, again.url, err)
		}
		if reference, err := url.Parse(location); err == nil && reference.Host == "" && reference.Scheme == "" &&
			!sameOrigin(from, to) {
			t.Fatalf("%q names no host and leads to %q", location, to.url)
		}
	})
}

// The goal: what one Read brings does not matter, only what was read.
func TestAHeadIsReadInAnyPieces(t *testing.T) {
	text := "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\nB: c\r\n\r\n\r\n\n1\n2\n3"
	for size := range len(text) {
		h := head{under: true}
		for in := strings.NewReader(text); h.under; {
			piece := make([]byte, size+1)
			n, err := io.ReadFull(in, piece)
			h.take(piece[:n])
			if err != nil {
				break
			}
		}
		if h.under || h.lines != 6 {
			t.Errorf("in pieces of %d: %+v", size+1, h)
		}
	}
}
