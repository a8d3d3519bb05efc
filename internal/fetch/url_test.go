package fetch

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

// The goal: one canonical form for every URL that passes, so that what was judged is what is dialled.
func TestURLsThatPassHaveOneCanonicalForm(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{"http://example.com", "http://example.com"},
		{"HTTP://EXAMPLE.com/Path?Q=1", "http://example.com/Path?Q=1"},
		{"https://example.com:8443/", "https://example.com:8443/"},
		{"http://example.com:80/", "http://example.com:80/"},
		{"http://example.com:/", "http://example.com/"},
		{"http://93.184.216.34/", "http://93.184.216.34/"},
		{"http://[2606:4700::1111]/", "http://[2606:4700::1111]/"},
		{"http://[2606:4700::1111]:443/x", "http://[2606:4700::1111]:443/x"},
		{"http://[2606:4700::1111]:/x", "http://[2606:4700::1111]/x"},
		{"http://[::FFFF:1.2.3.4]/", "http://[::ffff:1.2.3.4]/"},
		{"http://bücher.example/", "http://xn--bcher-kva.example/"},
		{"http://ＥＸＡＭＰＬＥ.com/", "http://example.com/"},
		{"http://example。com/", "http://example.com/"},
		{"http://example.com?x=1", "http://example.com?x=1"},
		{"http://example.com/ä?q=ä&b", "http://example.com/%C3%A4?q=%C3%A4&b"},
		{"http://example.com/a%20b?c=%20", "http://example.com/a%20b?c=%20"},
		{"http://example.com/@user", "http://example.com/@user"},
		{"http://1.2.3.4.example/", "http://1.2.3.4.example/"},
		{"http://0x7f.example/", "http://0x7f.example/"},
		{"http://a.b-c.d1/", "http://a.b-c.d1/"},
		{"http://localhost/", "http://localhost/"}, // its name is the guard's matter
	} {
		u, err := CheckURL(c.raw)
		if err != nil {
			t.Errorf("%s: %v", c.raw, err)
		} else if u.String() != c.want {
			t.Errorf("%s became %s, want %s", c.raw, u, c.want)
		}
	}
}

// The goal: no spelling that two parsers read in two ways.
func TestURLsWithAnOddSpellingAreRefused(t *testing.T) {
	long := "http://example.com/" + strings.Repeat("a", URLBytesMax)
	label := strings.Repeat("a", 64)
	name := strings.Repeat(strings.Repeat("a", 62)+".", 4) + "aa"
	for _, c := range []struct {
		raw  string
		want error
	}{
		{"", errURLEmpty},
		{long, errURLLong},
		{"http://" + strings.Repeat("ä", URLBytesMax) + "/", errURLLong},         // before anything is mapped
		{"http://example.com/" + strings.Repeat("ä", URLBytesMax/4), errURLLong}, // once escaped
		{"http://example.com/a b", errURLBytes},
		{" http://example.com/", errURLBytes},
		{"http://example.com/\x00", errURLBytes},
		{"http://example.com/\r\nHost: x", errURLBytes},
		{"http://example.com\t/", errURLBytes},
		{"http://example.com/\x7f", errURLBytes},
		{`http://example.com\@evil.example/`, errURLBytes},
		{"http://example.com/\xff", errURLBytes},
		{"http://example.com/#x", errURLFragment},
		{"http://example.com#@evil.example/", errURLFragment},
		{"ftp://example.com/", errURLScheme},
		{"file:///etc/passwd", errURLScheme},
		{"gopher://example.com/", errURLScheme},
		{"//example.com/", errURLScheme},
		{"example.com", errURLScheme},
		{"http:example.com", errURLScheme},
		{"http:/example.com", errURLScheme},
		{"javascript:http://x", errURLScheme},
		{"httpx://example.com", errURLScheme},
		{"http://user:secret@example.com/", errURLUser},
		{"http://user@example.com/", errURLUser},
		{"http://@example.com/", errURLUser},
		{"http://example.com@127.0.0.1/", errURLUser},
		{"http://", errURLHost},
		{"http:///path", errURLHost},
		{"http://?x", errURLHost},
		{"http://:80/", errURLHost},
		{"http://%31%32%37.0.0.1/", errURLHost},
		{"http://[fe80::1%25eth0]/", errURLHost},
		{"http://[::1%eth0]/", errURLHost},
		{"http://[127.0.0.1]/", errURLSyntax},
		{"http://[::1/", errURLSyntax},
		{"http://::1/", errURLSyntax},
		{"http://[v1.x]/", errURLSyntax},
		{"http://[]/", errURLSyntax},
		{"http://2130706433/", errURLNumber},
		{"http://127.1/", errURLNumber},
		{"http://127.0.1/", errURLNumber},
		{"http://0/", errURLNumber},
		{"http://0x7f.0.0.1/", errURLNumber},
		{"http://0x7f000001/", errURLNumber},
		{"http://0177.0.0.1/", errURLNumber},
		{"http://127.0.0.01/", errURLNumber},
		{"http://00000127.0.0.1/", errURLNumber},
		{"http://127.0.0.1.5/", errURLNumber},
		{"http://127.0.0.256/", errURLNumber},
		{"http://1.2.3.4./", errURLNumber},
		{"http://example.1/", errURLNumber},
		{"http://example.0x/", errURLNumber},
		{"http://example.0xAF/", errURLNumber},
		{"http://１２７.0.0.1/", errURLNumber},
		{"http://①②⑦.⓪.⓪.①/", errURLNumber},
		{"http://127。0。0。1/", errURLNumber},
		{"http://127.0.0.１/", errURLNumber},
		{"http://example.com./", errURLHost},
		{"http://.example.com/", errURLHost},
		{"http://example..com/", errURLHost},
		{"http://-example.com/", errURLHost},
		{"http://example-.com/", errURLHost},
		{"http://exa_mple.com/", errURLHost},
		{"http://exa!mple.com/", errURLHost},
		{"http://xn--localhost-/", errURLHost},
		{"http://xn--/", errURLHost},
		{"http://" + label + ".com/", errURLHost},
		{"http://" + name + "/", errURLHost},
		{"http://example.com:0/", errURLPort},
		{"http://example.com:080/", errURLPort},
		{"http://example.com:65536/", errURLPort},
		{"http://example.com:99999999999999999999/", errURLPort},
		{"http://example.com:+80/", errURLSyntax},
		{"http://example.com:８０/", errURLSyntax},
		{"http://example.com:80:80/", errURLSyntax},
		{"http://example.com/%zz", errURLSyntax},
	} {
		if u, err := CheckURL(c.raw); err != c.want {
			t.Errorf("%.80q: %v (%v), want %v", c.raw, err, u, c.want)
		}
	}
}

// The goal: tricks of Unicode end at the name they really mean, which the guard then judges.
func TestUnicodeNamesAreMappedBeforeTheyAreJudged(t *testing.T) {
	for _, raw := range []string{
		"http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "http://ⅼocalhost/", "http://local\u00adhost/", "http://ＬＯＣＡＬＨＯＳＴ/",
	} {
		u, err := CheckURL(raw)
		if err != nil || u.Host != "localhost" {
			t.Errorf("%s: %v %v, want the host localhost", raw, u, err)
		}
	}
}

// The goal: the reader of bracketed hosts does not rely on the parser before it.
func TestBracketsHoldAnIPv6AddressWithoutZone(t *testing.T) {
	for _, host := range []string{"::1%eth0", "127.0.0.1", "v1.x", ""} {
		if addr, err := parseIPv6(host); err != errURLHost {
			t.Errorf("%q became %v, %v", host, addr, err)
		}
	}
	if addr, err := parseIPv6("::ffff:10.0.0.1"); err != nil || !addr.Is4() {
		t.Errorf("a mapped address is %v, %v; want IPv4", addr, err)
	}
}

func TestFaultsOfAURLNameTheirBounds(t *testing.T) {
	if !strings.Contains(errURLLong.Error(), strconv.Itoa(URLBytesMax)) {
		t.Errorf("%q does not name %d", errURLLong, URLBytesMax)
	}
}

// The goal: whatever passes is stable, has an unambiguous host, and a port that can be dialled.
func FuzzCheckURL(f *testing.F) {
	for _, s := range []string{
		"http://example.com/", "https://user@h/", "http://[::1%25lo]:80/", "http://0x7f.1/", "http://①.example:8080/?ä",
		"http://xn--bcher-kva.example/", "http://example.com:/", "http://[::ffff:1.2.3.4]/", "http://a/../b?c#d",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		first, err := parseTarget(raw)
		if err != nil {
			if raw != "" && len(raw) > 12 && strings.Contains(err.Error(), raw) {
				t.Fatalf("the fault %q repeats the URL", err)
			}
			return
		}
		again, err := parseTarget(first.url.String())
		if len(first.url.String()) > URLBytesMax {
			t.Fatalf("%q passed, but its canonical form could not be submitted: %d bytes", raw, len(first.url.String()))
		}
		if err != nil {
			t.Fatalf("%q passed, its canonical form %q does not: %v", raw, first.url, err)
		}
		if again.url.String() != first.url.String() || !sameOrigin(first, again) {
			t.Fatalf("%q is not stable: %q, then %q", raw, first.url, again.url)
		}
		if first.port == 0 || (first.name == "") == !first.addr.IsValid() {
			t.Fatalf("%q has no single host and port: %+v", raw, first)
		}
		if first.addr.Zone() != "" || first.addr.Is4In6() || strings.ContainsAny(first.url.Host, "%@\\ ") {
			t.Fatalf("%q kept an odd host: %+v", raw, first)
		}
		if first.name != "" && endsInNumber(first.name) {
			t.Fatalf("%q has the name %q", raw, first.name)
		}
		if _, err := netip.ParseAddr(first.name); err == nil {
			t.Fatalf("%q has an address for a name: %q", raw, first.name)
		}
	})
}
