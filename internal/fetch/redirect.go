package fetch

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// How much of an unwanted body is read so that its connection can be used again, and for how long.
const (
	drainBytesMax = 16 << 10
	drainTimeMax  = time.Second
)

// hop is one request of an attempt: the first, or one that a redirect asked for.
type hop struct {
	target  target
	method  string
	headers []record.Header // the caller's
	body    []byte
	home    bool // no change of origin so far; the caller's headers and body, and his trace, go nowhere else
}

// hiddenLocation is a key that no header read from a wire has: those are canonical.
const hiddenLocation = "location"

// hideLocation keeps http.Client from parsing the Location of a redirect before we see it: it would fail the
// whole request for a malformed one, with the value in the error, even when nobody wants to follow it.
func hideLocation(h http.Header) { renameHeader(h, "Location", hiddenLocation) }

// showLocation undoes hideLocation.
func showLocation(h http.Header) { renameHeader(h, hiddenLocation, "Location") }

func renameHeader(h http.Header, from, to string) {
	if values, ok := h[from]; ok {
		delete(h, from)
		h[to] = values
	}
}

// isRedirect reports whether resp asks for another request. 300, 304, 305 and 306 are answers.
func isRedirect(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Header.Get("Location") != ""
	}
	return false
}

// next gives the hop that resp asks for. Followed are redirects of GET and HEAD; of other methods 303, which
// becomes a GET without body, and 307 and 308 within one origin. A redirect from https to http never is. The
// error is a *failure that is shown unless the status of the redirect itself is acceptable.
func (h *hop) next(resp *http.Response) (*hop, error) {
	t, err := h.resolve(resp.Header.Get("Location"))
	if err != nil {
		return nil, err
	}
	if h.target.url.Scheme == "https" && t.url.Scheme == "http" {
		return nil, failRedirect("The redirect leads from https to http.")
	}
	same := sameOrigin(h.target, t)
	n := &hop{target: t, method: h.method, headers: h.headers, body: h.body, home: h.home && same}
	switch safe := h.method == http.MethodGet || h.method == http.MethodHead; resp.StatusCode {
	case http.StatusSeeOther:
		if h.method != http.MethodHead {
			n.method = http.MethodGet
		}
		n.body, n.headers = nil, withoutContent(h.headers)
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if !safe && !same {
			return nil, failRedirect("The redirect would repeat a " + h.method + " to another origin.")
		}
	default:
		if !safe {
			return nil, failRedirect("A redirect of this status is not followed for " + h.method + ".")
		}
	}
	if !n.home {
		n.headers, n.body = nil, nil
	}
	return n, nil
}

// resolve applies the static stage to a Location, which may be relative (RFC 3986 5.2). Its fragment is dropped. A
// space is escaped, as every client does for the servers that forget it; in a host it is refused all the same.
func (h *hop) resolve(location string) (target, error) {
	location, _, _ = strings.Cut(location, "#")
	location = strings.ReplaceAll(location, " ", "%20")
	if err := checkURLBytes(location); err != nil && location != "" {
		return target{}, failRedirect("The redirect leads to a URL that is not valid.")
	}
	reference, err := url.Parse(location)
	if err != nil {
		return target{}, failRedirect("The redirect leads to a URL that is not valid.")
	}
	t, err := parseTarget(h.target.url.ResolveReference(reference).String())
	if err != nil {
		return target{}, failRedirect("The redirect leads to a URL that is not valid.")
	}
	return t, nil
}

// sameOrigin compares scheme, host and port (RFC 6454).
func sameOrigin(a, b target) bool {
	return a.url.Scheme == b.url.Scheme && a.name == b.name && a.addr == b.addr && a.port == b.port
}

// withoutContent leaves out what described the body (RFC 9110 15.4), and the key of the request that was made.
func withoutContent(headers []record.Header) []record.Header {
	var kept []record.Header
	for _, h := range headers {
		if !strings.HasPrefix(h.Name, "Content-") && !isIdempotencyKey(h.Name) {
			kept = append(kept, h)
		}
	}
	return kept
}

// drain reads what is left of a short body that comes at once, and closes it. Any other costs its connection.
func drain(resp *http.Response) {
	slow := time.AfterFunc(drainTimeMax, func() { _ = resp.Body.Close() })
	defer slow.Stop()
	if resp.ContentLength <= drainBytesMax {
		_, _ = io.CopyN(io.Discard, resp.Body, drainBytesMax+1)
	}
	_ = resp.Body.Close()
}
