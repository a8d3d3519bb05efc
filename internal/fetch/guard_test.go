package fetch

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/awaitd/awaitd/internal/record"
)

func guardOf(t *testing.T, allow ...string) *Guard {
	t.Helper()
	g, err := NewGuard(GuardOptions{AllowTargets: allow})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// The goal: a mistake in the one setting that opens things is found at start, all of them at once.
func TestAllowTargetsAreValidatedTogether(t *testing.T) {
	bad := []string{
		"", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "::ffff:10.0.0.0/104", "fe80::1%eth0", "[fe80::1%eth0]:80", "host:0",
		"host:65536", "host:080", "host:", "http://host", "*.example.com", "127.1", "0x7f.1", "10.0.0.1:0", "user@host",
		"host:80:80", "[::1", "ho st", "10.0.0.0/8:80", ":80",
	}
	_, err := NewGuard(GuardOptions{AllowTargets: append(bad, "10.0.0.0/8")})
	if err == nil {
		t.Fatal("nothing is wrong")
	}
	faults := strings.Split(err.Error(), "\n")
	if len(faults) != len(bad) {
		t.Errorf("%d faults of %d: %v", len(faults), len(bad), err)
	}
	for i, fault := range faults {
		if !strings.HasPrefix(fault, `allow-target "`+bad[i]+`": `) {
			t.Errorf("%q does not name %q", fault, bad[i])
		}
	}
	if _, err := NewGuard(GuardOptions{DeniedTargets: []netip.AddrPort{{}}}); err == nil {
		t.Error("a denied target without address passed")
	}
}

// The goal: the table of what an allow-target opens, and that it opens nothing beside it.
func TestAnAllowTargetOpensWhatItNamesAndNoMore(t *testing.T) {
	for _, c := range []struct {
		allow string
		name  string
		addr  string
		port  uint16
		want  bool
	}{
		{"", "", "8.8.8.8", 80, true},
		{"", "", "8.8.8.8", 8443, true},
		{"", "", "8.8.8.8", 22, false},
		{"", "", "127.0.0.1", 80, false},
		{"", "example.com", "8.8.8.8", 443, true},
		{"", "example.com", "10.0.0.1", 443, false},
		{"127.0.0.1/32", "", "127.0.0.1", 80, true},
		{"127.0.0.1/32", "", "127.0.0.1", 54321, true},
		{"127.0.0.1/32", "", "::ffff:127.0.0.1", 54321, true},
		{"127.0.0.1/32", "", "127.0.0.2", 80, false},
		{"127.0.0.1/32", "", "::1", 80, false},
		{"127.0.0.1/32", "", "8.8.8.8", 54321, false},
		{"127.0.0.1/32", "localhost", "127.0.0.1", 9, true},
		{"127.0.0.1/32", "a.localhost", "127.0.0.1", 9, true},
		{"127.0.0.1/32", "localhost", "::1", 9, false},
		{"127.0.0.1/32", "localhost", "8.8.8.8", 80, false},
		{"127.0.0.1/32", "rebound.example", "127.0.0.1", 9, true},
		{"127.0.0.1/32", "db.internal", "127.0.0.1", 9, false},
		{"127.0.0.1/32", "db", "127.0.0.1", 9, false},
		{"127.0.0.1/32", "notlocalhost", "127.0.0.1", 9, false},
		{"127.0.0.1", "", "127.0.0.1", 9, true},
		{"127.0.0.1:9000", "", "127.0.0.1", 9000, true},
		{"127.0.0.1:9000", "", "127.0.0.1", 80, false},
		{"::1", "", "::1", 9, true},
		{"[::1]", "", "::1", 9, true},
		{"[::1]:9000", "", "::1", 9000, true},
		{"[::1]:9000", "", "::1", 9001, false},
		{"::ffff:10.0.0.1", "", "10.0.0.1", 9, true},
		{"10.0.0.0/8", "", "10.255.255.255", 22, true},
		{"10.0.0.0/8", "", "11.0.0.0", 22, false},
		{"10.0.0.0/8", "", "192.168.0.1", 80, false},
		{"10.0.0.0/8", "", "::ffff:10.0.0.1", 80, true},
		{"fd00::/8", "", "fd12::1", 9, true},
		{"fd00::/8", "", "fc00::1", 9, false},
		{"fe80::/10", "", "fe80::1", 80, true},
		{"fe80::/10", "", "fe80::1%eth0", 80, false},
		{"64:ff9b::/96", "", "64:ff9b::8.8.8.8", 80, true},
		{"64:ff9b::/96", "", "64:ff9b::127.0.0.1", 80, false},
		{"64:ff9b::/96", "", "64:ff9b::a9fe:a9fe", 80, false},
		{"localhost", "localhost", "127.0.0.1", 9, true},
		{"localhost", "localhost", "::1", 9, true},
		{"localhost", "", "127.0.0.1", 9, false},
		{"localhost", "a.localhost", "127.0.0.1", 9, false},
		{"LocalHost:9000", "localhost", "127.0.0.1", 9000, true},
		{"localhost:9000", "localhost", "127.0.0.1", 80, false},
		{"db.internal", "db.internal", "10.0.0.1", 5432, true},
		{"db.internal", "db.internal", "8.8.8.8", 5432, true},
		{"db.internal", "db.internal", "fe80::1%eth0", 5432, false},
		{"db.internal", "db.internal", "::ffff:10.0.0.1%x", 5432, false},
		{"db.internal", "other.internal", "10.0.0.1", 80, false},
		{"db.internal", "x.db.internal", "8.8.8.8", 80, false},
		{"example.com:9000", "example.com", "8.8.8.8", 9000, true},
		{"example.com:9000", "example.com", "8.8.8.8", 80, true},
		{"example.com:9000", "example.com", "10.0.0.1", 80, false},
		{"example.com:9000", "example.com", "8.8.8.8", 22, false},
		{"bücher.example:81", "xn--bcher-kva.example", "10.0.0.1", 81, true},
	} {
		var allow []string
		if c.allow != "" {
			allow = []string{c.allow}
		}
		refusal := guardOf(t, allow...).judge(c.name, netip.MustParseAddr(c.addr), c.port)
		if (refusal == nil) != c.want {
			t.Errorf("allow %q: %s at %s port %d: allowed %v, want %v (%+v)",
				c.allow, c.name, c.addr, c.port, refusal == nil, c.want, refusal)
		}
	}
}

// The goal: what can be refused without a look-up is refused without one, and nothing else is.
func TestAdmitRefusesWhatNoLookUpCanSave(t *testing.T) {
	local := []string{"127.0.0.1/32"}
	for _, c := range []struct {
		allow []string
		url   string
		want  bool
	}{
		{nil, "http://example.com/", true},
		{nil, "http://example.com:8080/", true},
		{nil, "http://example.com:22/", false},
		{nil, "http://8.8.8.8/", true},
		{nil, "http://127.0.0.1/", false},
		{nil, "http://[::ffff:127.0.0.1]/", false},
		{nil, "http://[::ffff:8.8.8.8]/", true},
		{nil, "http://localhost/", false},
		{nil, "http://LOCALHOST/", false},
		{nil, "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", false},
		{nil, "http://router/", false},
		{nil, "http://local/", false},
		{nil, "http://printer.local/", false},
		{nil, "http://vault.internal/", false},
		{nil, "http://nas.lan/", false},
		{nil, "http://x.intranet/", false},
		{nil, "http://x.corp/", false},
		{nil, "http://x.home.arpa/", false},
		{nil, "http://home.arpa/", false},
		{nil, "http://arpa.example/", true},
		{nil, "http://x.localdomain/", false},
		{nil, "http://api.default.svc/", false},
		{nil, "http://api.default.svc.cluster.local/", false},
		{nil, "http://x.onion/", false},
		{nil, "http://mylocal.example/", true},
		{nil, "http://notinternal.example/", true},
		{local, "http://127.0.0.1:54321/", true},
		{local, "http://localhost:54321/", true}, // its addresses decide
		{local, "http://example.com:22/", true},  // it may resolve to 127.0.0.1
		{local, "http://router/", false},
		{local, "http://vault.internal/", false},
		{[]string{"127.0.0.1:9000"}, "http://localhost:9001/", false},
		{[]string{"127.0.0.1:9000"}, "http://localhost:9000/", true},
		{[]string{"vault.internal"}, "http://vault.internal:8200/", true},
		{[]string{"vault.internal:8200"}, "http://vault.internal/", false},
		{[]string{"router"}, "http://router:81/", true},
	} {
		u, err := CheckURL(c.url)
		if err != nil {
			t.Fatal(err)
		}
		err = guardOf(t, c.allow...).Admit(u)
		if (err == nil) != c.want {
			t.Errorf("allow %v: %s: %v, want allowed %v", c.allow, c.url, err, c.want)
		}
		if refusal := new(Refusal); err != nil && (!errors.As(err, &refusal) || refusal.Reason == "") {
			t.Errorf("%s: %v is no refusal with a reason", c.url, err)
		}
	}
	if err := guardOf(t).Admit(&url.URL{Scheme: "http", Host: "127.1"}); err != errURLNumber {
		t.Errorf("a URL that CheckURL refuses: %v", err)
	}
}

// The goal: nobody reaches the service through itself, by none of the addresses of its machine.
func TestOwnListenersAreRefusedUnlessNamed(t *testing.T) {
	pair := netip.MustParseAddrPort
	own := thisMachine(t)
	for _, c := range []struct {
		allow  string
		denied netip.AddrPort
		name   string
		to     netip.AddrPort
		want   bool
	}{
		{"127.0.0.1/32", pair("127.0.0.1:8080"), "", pair("127.0.0.1:8080"), false},
		{"127.0.0.1/32", pair("127.0.0.1:8080"), "", pair("127.0.0.1:8081"), true},
		{"127.0.0.1", pair("127.0.0.1:8080"), "", pair("127.0.0.1:8080"), false},
		{"127.0.0.1:8080", pair("127.0.0.1:8080"), "", pair("127.0.0.1:8080"), true},
		{"localhost", pair("127.0.0.1:8080"), "localhost", pair("127.0.0.1:8080"), false},
		{"localhost:8080", pair("127.0.0.1:8080"), "localhost", pair("127.0.0.1:8080"), true},
		{"0.0.0.0/0", pair("127.0.0.1:8080"), "", pair("0.0.0.0:8080"), false},
		{"127.0.0.0/8", pair("127.0.0.1:8080"), "", pair("127.0.0.2:8080"), true},
		{"127.0.0.0/8", pair("0.0.0.0:8080"), "", pair("127.0.0.2:8080"), false},
		{"127.0.0.0/8", pair("[::]:8080"), "", pair("127.0.0.2:8080"), false},
		{"::/0", pair("[::]:8080"), "", pair("[::1]:8080"), false},
		{"0.0.0.0/0", pair("[::]:8080"), "", netip.AddrPortFrom(own, 8080), false},
		{"0.0.0.0/0", pair("[::]:8080"), "", netip.AddrPortFrom(own, 8081), true},
		{"", pair("[::]:8080"), "", pair("8.8.8.8:8080"), true},
		{"", pair("8.8.8.8:8080"), "", pair("8.8.8.8:8080"), false},
		{"", pair("8.8.8.8:8080"), "", pair("[::ffff:8.8.8.8]:8080"), false},
		{"", pair("[::ffff:8.8.8.8]:8080"), "", pair("8.8.8.8:8080"), false},
	} {
		o := GuardOptions{DeniedTargets: []netip.AddrPort{c.denied}}
		if c.allow != "" {
			o.AllowTargets = []string{c.allow}
		}
		g, err := NewGuard(o)
		if err != nil {
			t.Fatal(err)
		}
		if refusal := g.judge(c.name, c.to.Addr(), c.to.Port()); (refusal == nil) != c.want {
			t.Errorf("allow %q, listener %v: %v allowed %v, want %v", c.allow, c.denied, c.to, refusal == nil, c.want)
		}
	}
}

// thisMachine is an IPv4 address of an interface, other than loopback where there is one.
func thisMachine(t *testing.T) netip.Addr {
	t.Helper()
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	found := netip.MustParseAddr("127.0.0.1")
	for _, a := range interfaces {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() {
			found = p.Addr()
		}
	}
	return found
}

// The goal: one bad answer among good ones refuses the name; no address of it is dialled, no attempt follows.
func TestOneRefusedAnswerRefusesTheWholeName(t *testing.T) {
	for _, mixed := range []string{
		"93.184.216.34 10.0.0.5", "10.0.0.5 93.184.216.34", "2606:4700::1111 ::1", "93.184.216.34 ::ffff:169.254.169.254",
		"93.184.216.34 fe80::1%eth0", "93.184.216.34 64:ff9b::7f00:1", "0.0.0.0",
		strings.Repeat("93.184.216.34 ", LookupAnswersMax+1),
	} {
		r := newRig(t, &GuardOptions{Resolver: dns("mixed.example", mixed)})
		d := r.onPipes(nil)
		out := r.fetch(t, request("http://mixed.example/?q=secret"))
		wantFailure(t, out, record.FailEgressDenied)
		if out.Retry || len(d.addresses()) > 0 {
			t.Errorf("%.40s: retry %v, dialled %v; want neither", mixed, out.Retry, d.addresses())
		}
		if out.Attempt.Failure.Message != "The target is not allowed." {
			t.Errorf("the message tells why: %s", out.Attempt.Failure.Message)
		}
		if log := r.log.String(); !strings.Contains(log, "mixed.example") || strings.Contains(log, "secret") {
			t.Errorf("the log lacks the reason or has the query: %s", log)
		}
	}
}

// The goal: a name that answers differently the second time finds the guard awake: what was checked is dialled,
// and each dial is checked anew.
func TestARebindingNameNeverReachesTheInside(t *testing.T) {
	r := newRig(t, &GuardOptions{Resolver: dns("rebind.example", "93.184.216.34", "rebind.example", "127.0.0.1")})
	d := r.onPipes(nil)
	first := r.fetch(t, request("http://rebind.example/"))
	wantFailure(t, first, record.FailConnect)
	second := r.fetch(t, request("http://rebind.example/"))
	wantFailure(t, second, record.FailEgressDenied)
	if got := d.addresses(); len(got) != 1 || got[0] != "93.184.216.34:80" {
		t.Errorf("dialled %v", got)
	}
	if !first.Retry || second.Retry {
		t.Errorf("retry %v then %v, want true then false", first.Retry, second.Retry)
	}
}

// The goal: names are asked for as absolute, so that no search domain turns them into others.
func TestNamesAreResolvedAsAbsolute(t *testing.T) {
	resolver := dns("example.com", "93.184.216.34")
	r := newRig(t, &GuardOptions{Resolver: resolver})
	d := r.onPipes(answers(ok))
	wantSuccess(t, r.fetch(t, request("http://EXAMPLE.com/")), "ok")
	if len(resolver.asked) != 1 || resolver.asked[0] != "ip example.com." {
		t.Errorf("asked for %q", resolver.asked)
	}
	if got := d.addresses(); len(got) != 1 || got[0] != "93.184.216.34:80" {
		t.Errorf("dialled %v, want the checked address by literal", got)
	}
}

func TestANameWithoutAnswersIsADNSFailure(t *testing.T) {
	resolver := dns("slow.example", "", "empty.example", "")
	resolver.answers["slow.example"][0].err = &net.DNSError{Err: "timeout", Name: "slow.example.", IsTimeout: true}
	resolver.answers["broken.example"] = []answer{{err: &net.DNSError{Err: "server misbehaving"}}}
	r := newRig(t, &GuardOptions{Resolver: resolver})
	for name, want := range map[string]string{
		"slow.example":   "The name of the target was not resolved in time.",
		"empty.example":  "The name of the target does not exist.",
		"none.example":   "The name of the target does not exist.",
		"broken.example": "The name of the target could not be resolved.",
	} {
		out := r.fetch(t, request("http://"+name+"/", method("POST")))
		wantFailure(t, out, record.FailDNS)
		if out.Attempt.Failure.Message != want || !out.Retry {
			t.Errorf("%s: %q, retry %v; want %q, true", name, out.Attempt.Failure.Message, out.Retry, want)
		}
	}
}

// The goal: with nothing but 127.0.0.1/32 open, both ways of writing a local demo's URL work, through real sockets
// and the system's own resolver, where localhost is that address alone.
func TestLoopbackDemosWorkWithOneSetting(t *testing.T) {
	target := rawTarget(t, answers(ok))
	r := newRig(t, &GuardOptions{AllowTargets: []string{"127.0.0.1/32"}, Resolver: dns("localhost", "127.0.0.1")})
	wantSuccess(t, r.fetch(t, request(target.url)), "ok")
	wantSuccess(t, r.fetch(t, request(strings.Replace(target.url, "127.0.0.1", "localhost", 1))), "ok")
	both := newRig(t, &GuardOptions{AllowTargets: []string{"127.0.0.1/32"}, Resolver: dns("localhost", "127.0.0.1 ::1")})
	out := both.fetch(t, request(strings.Replace(target.url, "127.0.0.1", "localhost", 1)))
	wantFailure(t, out, record.FailEgressDenied)
	byName := newRig(t, &GuardOptions{AllowTargets: []string{"localhost"}})
	wantSuccess(t, byName.fetch(t, request(strings.Replace(target.url, "127.0.0.1", "localhost", 1))), "ok")
}
