package fetch

import (
	"cmp"
	"net/textproto"
	"slices"
	"strings"

	"github.com/awaitd/awaitd/internal/record"
	"golang.org/x/net/http/httpguts"
)

const errMethod = sentence("The method must be GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.")

// CheckMethod refuses what is not one of GET HEAD POST PUT PATCH DELETE OPTIONS in capitals: CONNECT would make a
// tunnel of the target, and net/http sends any other word as it stands.
func CheckMethod(method string) error {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return nil
	}
	return errMethod
}

// headersDenied belong to the connection, not to the caller (RFC 9110 7.6.1, RFC 9112), and would let one
// request smuggle another; Proxy is HTTP_PROXY to programs behind CGI (CVE-2016-5385). More are refused by their
// beginning, see deniedPrefixes.
var headersDenied = map[string]bool{
	"Host": true, "Content-Length": true, "Transfer-Encoding": true, "Connection": true, "Keep-Alive": true,
	"Te": true, "Trailer": true, "Upgrade": true, "Http2-Settings": true, "Expect": true, "Proxy": true,
}

// deniedPrefixes: proxies read the first, receivers of our callbacks trust the other two.
var deniedPrefixes = []string{"Proxy-", "Webhook-", "Awaitd-"}

// CheckHeaders gives the headers in the form to store – canonical names, sorted, each once – or the faults. The
// values of a name keep their order and are shared with given, which may be in any spelling.
func CheckHeaders(given []record.Header) ([]record.Header, []Fault) {
	if len(given) == 0 {
		return nil, nil
	}
	var faults []Fault
	canonical := make([]record.Header, 0, min(len(given), HeadersMax))
	lines, size := 0, 0
	for _, h := range given {
		lines += max(1, len(h.Values))
		size += headerBytes(h)
		name, wrong := checkHeader(h)
		if wrong == "" && slices.ContainsFunc(canonical, func(c record.Header) bool { return c.Name == name }) {
			wrong = "This header is given twice, in two spellings."
		}
		if wrong != "" {
			faults = append(faults, Fault{"/headers/" + escapePointer(h.Name), wrong})
		} else {
			canonical = append(canonical, record.Header{Name: name, Values: h.Values})
		}
		if lines > HeadersMax {
			// Return at once: the search above is quadratic, and the list of faults must have an end.
			return nil, append(faults, Fault{"/headers", "There are more than 100 headers."})
		}
	}
	if size > HeaderBytesMax {
		faults = append(faults, Fault{"/headers", "The headers are larger than 16 KiB together."})
	}
	if len(faults) > 0 {
		return nil, faults
	}
	slices.SortFunc(canonical, func(a, b record.Header) int { return cmp.Compare(a.Name, b.Name) })
	return canonical, nil
}

// headerBytes is what h takes on the wire.
func headerBytes(h record.Header) int {
	size := 0
	for _, v := range h.Values {
		size += len(h.Name) + len(": ") + len(v) + len("\r\n")
	}
	return size
}

// checkHeader gives the canonical name, or what is wrong. The name comes first: written straight into a header
// map, another spelling of a name goes out beside the real one.
func checkHeader(h record.Header) (name, wrong string) {
	if !httpguts.ValidHeaderFieldName(h.Name) {
		return "", "This is not the name of a header."
	}
	name = textproto.CanonicalMIMEHeaderKey(h.Name)
	// Behind CGI and WSGI an underscore is a hyphen: Webhook_Signature there is the header of our callbacks.
	read := textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(h.Name, "_", "-"))
	if headersDenied[read] {
		return "", "This header cannot be set: it belongs to the connection."
	}
	for _, prefix := range deniedPrefixes {
		if strings.HasPrefix(read, prefix) {
			return "", "Headers of this name cannot be set."
		}
	}
	if len(h.Values) == 0 {
		return "", "A header needs at least one value."
	}
	for _, v := range h.Values {
		if !httpguts.ValidHeaderFieldValue(v) {
			return "", "The value has a character that no header may carry."
		}
	}
	return name, ""
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// escapePointer writes one token of a JSON pointer (RFC 6901).
func escapePointer(token string) string { return pointerEscapes.Replace(token) }
