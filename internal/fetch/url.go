package fetch

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// The faults of a URL. None repeats a part of it: a query is a secret.
const (
	errURLEmpty    = sentence("A URL is needed.")
	errURLLong     = sentence("The URL is longer than 8192 bytes, with everything outside ASCII escaped.")
	errURLBytes    = sentence("The URL has a space, a control character, a backslash or bytes that are not UTF-8.")
	errURLFragment = sentence("The URL has a fragment, which is never sent.")
	errURLScheme   = sentence("The URL must begin with http:// or https://.")
	errURLUser     = sentence("The URL carries a user name or password; use a header.")
	errURLSyntax   = sentence("The URL cannot be parsed.")
	errURLHost     = sentence("The host of the URL is not a valid name or address.")
	errURLNumber   = sentence("The host of the URL ends in a number but is not an address in canonical form.")
	errURLPort     = sentence("The port of the URL is not a number from 1 to 65535 in canonical form.")
)

// target is where a URL leads, in the one form that every later stage uses: what was judged is what is dialled.
type target struct {
	url  *url.URL   // its Host in canonical ASCII
	name string     // the host when it is a name, else empty
	addr netip.Addr // the host when it is an address, IPv4-mapped ones as IPv4
	port uint16     // with the default of the scheme filled in
}

// CheckURL judges the spelling of a URL without looking anything up and gives its canonical form: host mapped by
// IDNA to lower-case ASCII. Rules: RFC 3986, and for hosts that end in a number the WHATWG URL standard, except
// that spellings of an address which other resolvers read differently (octal, hexadecimal, short) are refused.
func CheckURL(raw string) (*url.URL, error) {
	t, err := parseTarget(raw)
	return t.url, err
}

func parseTarget(raw string) (target, error) {
	if err := checkURLBytes(raw); err != nil {
		return target{}, err
	}
	if err := checkAuthority(raw); err != nil {
		return target{}, err
	}
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.Host == "" {
		return target{}, errURLSyntax
	}
	t := target{url: u}
	if t.port, err = checkPort(u); err != nil {
		return target{}, err
	}
	host := u.Hostname()
	if strings.HasPrefix(u.Host, "[") {
		t.addr, err = parseIPv6(host)
	} else {
		t.name, t.addr, err = parseHost(host)
	}
	if err != nil {
		return target{}, err
	}
	u.Host = canonicalHost(t, u)
	u.RawQuery = escapeQuery(u.RawQuery)
	// With escapes, as it is stored and sent: a byte becomes three at most, and a name has 253 in any form.
	if 3*len(raw)+253 > URLBytesMax && len(u.String()) > URLBytesMax {
		return target{}, errURLLong
	}
	return t, nil
}

// checkURLBytes comes first: what follows may rely on clean, bounded UTF-8.
func checkURLBytes(raw string) error {
	if raw == "" {
		return errURLEmpty
	}
	if len(raw) > URLBytesMax {
		return errURLLong
	}
	for i := range len(raw) {
		switch c := raw[i]; {
		case c <= ' ', c == 0x7f, c == '\\':
			return errURLBytes
		case c == '#':
			return errURLFragment
		}
	}
	if !utf8.ValidString(raw) {
		return errURLBytes
	}
	return nil
}

// checkAuthority looks at the host part as it was written, before a parser decodes it: a percent sign there is
// an IPv6 zone or an encoded byte, and neither is needed.
func checkAuthority(raw string) error {
	scheme, rest, found := strings.Cut(raw, "://")
	if !found || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return errURLScheme
	}
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		rest = rest[:end]
	}
	switch {
	case strings.Contains(rest, "@"):
		return errURLUser
	case rest == "", strings.Contains(rest, "%"):
		return errURLHost
	}
	return nil
}

// checkPort gives the port, or the default of the scheme when none was written.
func checkPort(u *url.URL) (uint16, error) {
	text := u.Port()
	if text == "" {
		if u.Scheme == "https" {
			return 443, nil
		}
		return 80, nil
	}
	return parsePort(text)
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || text != strconv.FormatUint(n, 10) {
		return 0, errURLPort
	}
	return uint16(n), nil
}

func parseIPv6(host string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(host)
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return netip.Addr{}, errURLHost
	}
	return addr.Unmap(), nil
}

// parseHost reads a host without brackets: a canonical dotted quad, or a name. The rule about numbers is applied
// before and after the mapping, so that neither "127.1" nor full-width digits become an address on the way.
func parseHost(host string) (name string, addr netip.Addr, err error) {
	if endsInNumber(host) {
		addr, err := netip.ParseAddr(host)
		if err != nil || !addr.Is4() {
			return "", netip.Addr{}, errURLNumber
		}
		return "", addr, nil
	}
	mapped, err := idna.Lookup.ToASCII(host)
	if err != nil || !isName(mapped) {
		return "", netip.Addr{}, errURLHost
	}
	if endsInNumber(mapped) {
		return "", netip.Addr{}, errURLNumber
	}
	return mapped, netip.Addr{}, nil
}

// endsInNumber is the "ends in a number" checker of the WHATWG URL standard: the last label is all digits, or
// 0x and hexadecimal digits.
func endsInNumber(host string) bool {
	last := strings.TrimSuffix(host, ".")
	last = last[strings.LastIndexByte(last, '.')+1:]
	digits := "0123456789"
	if len(last) >= 2 && last[0] == '0' && (last[1] == 'x' || last[1] == 'X') {
		last, digits = last[2:], "0123456789abcdefABCDEF"
	} else if last == "" {
		return false
	}
	return strings.Trim(last, digits) == ""
}

// isName checks the lengths of RFC 1035, which the IDNA profile leaves out, and that nothing but letters, digits
// and inner hyphens is left.
func isName(host string) bool {
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}

// canonicalHost keeps a written port and drops an empty one ("host:").
func canonicalHost(t target, u *url.URL) string {
	host := t.name
	if host == "" {
		// Not t.addr: a mapped address keeps its brackets in the Host header.
		host = strings.ToLower(u.Hostname())
	}
	if port := u.Port(); port != "" {
		return net.JoinHostPort(host, port)
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// escapeQuery writes bytes outside ASCII as percent escapes; net/http would send them as they are.
func escapeQuery(query string) string {
	const hex = "0123456789ABCDEF"
	first := strings.IndexFunc(query, func(r rune) bool { return r >= utf8.RuneSelf })
	if first < 0 {
		return query
	}
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; c >= utf8.RuneSelf {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
