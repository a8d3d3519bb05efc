package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/awaitd/awaitd/internal/record"
)

// The goal: the socket's own check stands alone. It refuses what was not checked, what it cannot parse and what
// the guard refuses, never panics, and leaves its refusal beside the error.
func TestTheSocketIsCheckedOnceMore(t *testing.T) {
	g := guardOf(t)
	checked := netip.MustParseAddrPort("93.184.216.34:80")
	for _, c := range []struct {
		network, address string
		checked          netip.AddrPort
		want             bool
	}{
		{"tcp4", "93.184.216.34:80", checked, true},
		{"tcp6", "[::ffff:93.184.216.34]:80", checked, true},
		{"tcp4", "93.184.216.35:80", checked, false},
		{"tcp4", "93.184.216.34:81", checked, false},
		{"tcp4", "127.0.0.1:80", checked, false},
		{"tcp4", "127.0.0.1:80", netip.MustParseAddrPort("127.0.0.1:80"), false},
		{"tcp6", "127.0.0.1%x:80", netip.MustParseAddrPort("127.0.0.1:80"), false},
		{"tcp6", "[fe80::1%eth0]:80", netip.MustParseAddrPort("[fe80::1]:80"), false},
		{"tcp6", "[fe80::1%eth0]:80", netip.MustParseAddrPort("[fe80::1%eth0]:80"), false},
		{"udp4", "93.184.216.34:80", checked, false},
		{"unix", "/var/run/docker.sock", checked, false},
		{"tcp4", "", checked, false},
		{"tcp4", "93.184.216.34", checked, false},
		{"tcp4", "example.com:80", checked, false},
		{"tcp4", ":80", checked, false},
		{"", "\x00", netip.AddrPort{}, false},
	} {
		var v verdict
		ctx := context.WithValue(context.Background(), verdictKey{}, &v)
		err := g.checkSocket(ctx, "", c.checked)(c.network, c.address, nil)
		if (err == nil) != c.want {
			t.Errorf("%s %q: %v, want allowed %v", c.network, c.address, err, c.want)
		}
		if recorded := v.refusal.Load() != nil; recorded == c.want {
			t.Errorf("%s %q: refusal recorded %v", c.network, c.address, recorded)
		}
	}
}

// The goal: a socket led astray after the check – the dialler is asked for a good address and reaches for a bad
// one – ends as a refusal, although another address of the name gives an ordinary error.
func TestASocketLedAstrayIsARefusalForGood(t *testing.T) {
	r := newRig(t, &GuardOptions{Resolver: dns("astray.example", "93.184.216.34 93.184.216.35")})
	refusing := r.onPipes(nil)
	r.exit.dialer.connect = func(ctx context.Context, address string, check control) (net.Conn, error) {
		if address == "93.184.216.35:80" {
			// The refusal is lost on the way, as when of two dial errors one is returned.
			_ = check("tcp4", "10.0.0.1:80", nil)
			return nil, errors.New("connection refused")
		}
		return refusing.connect(ctx, address, check)
	}
	out := r.fetch(t, request("http://astray.example/"))
	wantFailure(t, out, record.FailEgressDenied)
	if out.Retry {
		t.Error("a refusal asks for another attempt")
	}
	if !strings.Contains(r.log.String(), "another address") {
		t.Errorf("the log lacks the reason: %s", r.log)
	}
}

// The goal: the next address is tried when one does not answer, each within its share of the time.
func TestAddressesAreTriedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &GuardOptions{Resolver: dns("two.example", "2606:4700::1111 93.184.216.34")})
		d := r.onPipes(answers(ok))
		var tried []string
		r.exit.dialer.connect = func(ctx context.Context, address string, check control) (net.Conn, error) {
			tried = append(tried, address)
			if strings.HasPrefix(address, "[") {
				<-ctx.Done() // swallows packets
				return nil, ctx.Err()
			}
			return d.connect(ctx, address, check)
		}
		out := r.fetch(t, request("http://two.example/"))
		wantSuccess(t, out, "ok")
		if len(tried) != 2 || out.Attempt.Duration != DialTimeMax/2 {
			t.Errorf("tried %v in %v, want both, the second after %v", tried, out.Attempt.Duration, DialTimeMax/2)
		}
	})
}

// The goal: however many addresses swallow packets, a dial ends in its time, and the attempt may be made again.
func TestADialEndsInItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		many := strings.Repeat("93.184.216.34 ", LookupAnswersMax)
		r := newRig(t, &GuardOptions{Resolver: dns("swallow.example", many)})
		r.exit.dialer.connect = func(ctx context.Context, _ string, _ control) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		out := r.fetch(t, request("http://swallow.example/", method("POST")))
		wantFailure(t, out, record.FailConnect)
		if out.Attempt.Duration != DialTimeMax || !out.Retry {
			t.Errorf("after %v, retry %v", out.Attempt.Duration, out.Retry)
		}
	})
}

type never struct{}

func (never) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestALookUpEndsInItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &GuardOptions{Resolver: never{}})
		out := r.fetch(t, request("http://example.com/"))
		wantFailure(t, out, record.FailDNS)
		if out.Attempt.Duration != LookupTimeMax || !out.Retry {
			t.Errorf("after %v, retry %v", out.Attempt.Duration, out.Retry)
		}
	})
}

func TestARefusedConnectionMayBeTriedAgainWithAnyMethod(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	taken, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	address := taken.LocalAddr().String() // nobody listens there, and nobody else can while it is taken
	r := newRig(t, nil)
	for _, m := range []string{"GET", "POST", "PATCH"} {
		out := r.fetch(t, request("http://"+address+"/", method(m), body("x")))
		wantFailure(t, out, record.FailConnect)
		if !out.Retry || out.Attempt.Failure.Message != "The target refused the connection." {
			t.Errorf("%s: retry %v, %q", m, out.Retry, out.Attempt.Failure.Message)
		}
	}
}

// secure is a TLS server on loopback, reached as example.com, which is in its certificate.
func secure(t *testing.T, trust bool, h http.HandlerFunc, change ...func(*httptest.Server)) *rig {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = quiet
	for _, c := range change {
		c(s)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	r := newRig(t, &GuardOptions{Resolver: dns(
		"example.com", "93.184.216.34", "other.example", "93.184.216.34", "plain.example", "93.184.216.34")})
	r.exit.dialer.connect = func(ctx context.Context, address string, check control) (net.Conn, error) {
		if err := check("tcp4", address, nil); err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, "tcp", s.Listener.Addr().String())
	}
	if trust {
		r.exit.dialer.roots = x509.NewCertPool()
		r.exit.dialer.roots.AddCert(s.Certificate())
	}
	return r
}

func TestCertificatesAreVerifiedAndTheirFailuresAreFinal(t *testing.T) {
	fine := func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.Proto)) }
	trusting := secure(t, true, fine)
	wantSuccess(t, trusting.fetch(t, request("https://example.com/")), "HTTP/1.1")

	other := trusting.fetch(t, request("https://other.example/"))
	wantFailure(t, other, record.FailTLS)
	unknown := secure(t, false, fine).fetch(t, request("https://example.com/"))
	wantFailure(t, unknown, record.FailTLS)
	if other.Retry || unknown.Retry {
		t.Errorf("retry %v and %v, want none", other.Retry, unknown.Retry)
	}
	if m := other.Attempt.Failure.Message; m != "The certificate of the target is for another name." {
		t.Error(m)
	}
	if m := unknown.Attempt.Failure.Message; m != "The certificate of the target is signed by an unknown authority." {
		t.Error(m)
	}
}

func TestTheTextTellsWhatIsWrongWithACertificate(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{x509.CertificateInvalidError{Reason: x509.Expired}, "The certificate of the target has expired."},
		{x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign}, "The certificate of the target is not valid."},
	} {
		f := tlsFailure(&url.Error{Op: "Get", URL: "secret", Err: &tls.CertificateVerificationError{Err: c.err}})
		if f.Error() != c.want || !f.final {
			t.Errorf("%v: %q, final %v", c.err, f, f.final)
		}
	}
}

// The goal: a handshake that fails otherwise sent nothing of the request, and may be tried again with any method.
func TestABrokenHandshakeMayBeTriedAgain(t *testing.T) {
	old := secure(t, true, nil, func(s *httptest.Server) {
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	})
	out := old.fetch(t, request("https://example.com/", method("POST"), body("x")))
	wantFailure(t, out, record.FailTLS)
	if !out.Retry {
		t.Error("TLS 1.1: no other attempt")
	}
	plain := rawTarget(t, func(conn net.Conn) { _, _ = conn.Write([]byte("SSH-2.0-x\r\n")) })
	r := newRig(t, nil)
	out = r.fetch(t, request(strings.Replace(plain.url, "http", "https", 1), method("POST"), body("x")))
	wantFailure(t, out, record.FailTLS)
	if !out.Retry {
		t.Error("no TLS: no other attempt")
	}
}

func TestAHandshakeEndsInItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &GuardOptions{Resolver: dns("example.com", "93.184.216.34")})
		r.onPipes(func(conn net.Conn) {
			buffer := make([]byte, 4096)
			for {
				if _, err := conn.Read(buffer); err != nil {
					return
				}
			}
		})
		out := r.fetch(t, request("https://example.com/"))
		wantFailure(t, out, record.FailTLS)
		if out.Attempt.Duration != HandshakeTimeMax || !out.Retry {
			t.Errorf("after %v, retry %v", out.Attempt.Duration, out.Retry)
		}
	})
}

// The goal: the dialler trusts nobody above it: what an attempt would have refused before, it refuses itself, with
// TLS and without.
func TestTheDiallerRefusesByItself(t *testing.T) {
	r := newRig(t, &GuardOptions{Resolver: dns("mixed.example", "93.184.216.34 10.0.0.1", "vault.internal", "8.8.8.8")})
	d := r.onPipes(nil)
	for _, address := range []string{
		"127.0.0.1:80", "[::1]:80", "[::ffff:10.0.0.1]:80", "[fe80::1%eth0]:80", "8.8.8.8:22", "mixed.example:80",
		"vault.internal:80",
	} {
		for _, dial := range []func(context.Context, string, string) (net.Conn, error){
			r.exit.dialer.dial, r.exit.dialer.dialTLS,
		} {
			var refusal *Refusal
			if conn, err := dial(t.Context(), "tcp", address); !errors.As(err, &refusal) || len(d.addresses()) > 0 {
				t.Errorf("%s: %v %v, dialled %v", address, conn, err, d.addresses())
			}
			if d.asked.Load() > 0 {
				t.Errorf("%s: it was left to the socket to refuse", address)
			}
		}
	}
}

// The goal: what opens real sockets asks the control of each, and connects to nothing that it refuses.
func TestARealSocketAsksItsControl(t *testing.T) {
	target := rawTarget(t, answers(ok))
	address := strings.Trim(target.url, "htp:/")
	asked := ""
	conn, err := connectTCP(t.Context(), address, func(network, to string, _ syscall.RawConn) error {
		asked = network + " " + to
		return errNoAddress
	})
	if !errors.Is(err, errNoAddress) || asked != "tcp4 "+address {
		t.Errorf("%v %v, the control was asked about %q", conn, err, asked)
	}
}

// The goal: whatever net/http thinks of an answer, it follows no redirect.
func TestHTTPClientFollowsNothing(t *testing.T) {
	r := newRig(t, nil)
	if err := r.exit.client.CheckRedirect(nil, nil); err != http.ErrUseLastResponse {
		t.Errorf("CheckRedirect says %v", err)
	}
}

func TestASocketThatGoesAstrayIsARefusalByItself(t *testing.T) {
	r := newRig(t, &GuardOptions{Resolver: dns("two.example", "93.184.216.34 93.184.216.35")})
	tried := 0
	r.exit.dialer.connect = func(_ context.Context, _ string, check control) (net.Conn, error) {
		tried++
		return nil, &net.OpError{Op: "dial", Err: check("tcp4", "93.184.216.99:80", nil)}
	}
	var refusal *Refusal
	if conn, err := r.exit.dialer.dial(t.Context(), "tcp", "two.example:80"); !errors.As(err, &refusal) || tried != 1 {
		t.Errorf("%v %v after %d addresses", conn, err, tried)
	}
}

func TestAnAddressThatNetHTTPGarbledIsRefused(t *testing.T) {
	r := newRig(t, nil)
	for _, address := range []string{"127.0.0.1", "127.0.0.1:x", "[::1", ""} {
		var refusal *Refusal
		if conn, err := r.exit.dialer.dial(t.Context(), "tcp", address); !errors.As(err, &refusal) {
			t.Errorf("%q: %v %v", address, conn, err)
		}
	}
}

// The goal: variables of the environment that name a proxy change nothing: a proxy would dial for us.
func TestAProxyFromTheEnvironmentIsNotUsed(t *testing.T) {
	proxy := rawTarget(t, answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy"))
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.url)
	}
	r := newRig(t, &GuardOptions{Resolver: dns("example.com", "93.184.216.34")})
	r.onPipes(answers(ok))
	wantSuccess(t, r.fetch(t, request("http://example.com/")), "ok")
	if proxy.dials.Load() != 0 || r.exit.transport.Proxy != nil {
		t.Error("the proxy was asked")
	}
}
