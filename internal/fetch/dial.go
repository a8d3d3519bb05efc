package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// Bounds of making a connection, after the look-up.
const (
	DialTimeMax      = 5 * time.Second // over all addresses of the target
	HandshakeTimeMax = 5 * time.Second // of TLS
	dialShareLeast   = time.Second     // for one address
)

// control is the last line: net.Dialer calls it with the address that the socket is about to be connected to.
type control func(network, address string, c syscall.RawConn) error

// dialer makes the connections of one Guard. net/http dials on goroutines of its own, with a context that has the
// values of the request's but goes on when the request has ended; closing the idle connections ends it.
type dialer struct {
	guard   *Guard
	roots   *x509.CertPool // nil for the system's
	connect func(ctx context.Context, address string, check control) (net.Conn, error)
}

// dial connects to a checked address of hostport. Its errors are *failure or *Refusal.
func (d *dialer) dial(ctx context.Context, _, hostport string) (net.Conn, error) {
	host, portText, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, refuse(ctx, "net/http asks for an address that is no host and port")
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, refuse(ctx, "net/http asks for a port that is no number")
	}
	addrs, err := d.guard.resolve(ctx, host, uint16(port))
	if err != nil {
		return nil, err
	}
	name := host
	if _, err := netip.ParseAddr(host); err == nil {
		name = ""
	}
	return d.dialFirst(ctx, name, addrs, uint16(port))
}

// dialTLS does the handshake here and not in net/http, so that a failure of it is known for one.
func (d *dialer) dialTLS(ctx context.Context, network, hostport string) (net.Conn, error) {
	plain, err := d.dial(ctx, network, hostport)
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(hostport)
	secure := tls.Client(plain, &tls.Config{
		ServerName: host,
		RootCAs:    d.roots,
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
	})
	ctx, cancel := context.WithTimeout(ctx, HandshakeTimeMax)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = plain.Close()
		return nil, tlsFailure(err)
	}
	return secure, nil
}

// dialFirst tries the addresses in the resolver's order (RFC 6724), one after the other, and gives the first
// connection. Each has an equal share of the time, so that one that swallows packets does not hide the others.
func (d *dialer) dialFirst(ctx context.Context, name string, addrs []netip.Addr, port uint16) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, DialTimeMax)
	defer cancel()
	share := max(DialTimeMax/time.Duration(len(addrs)), dialShareLeast)
	var failed error
	for _, addr := range addrs {
		to := netip.AddrPortFrom(addr, port)
		conn, err := d.dialOne(ctx, to, share, d.guard.checkSocket(ctx, name, to))
		if err == nil {
			return conn, nil
		}
		if refusal := new(Refusal); errors.As(err, &refusal) {
			return nil, refusal
		}
		failed = connectFailure(err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failed
}

func (d *dialer) dialOne(
	ctx context.Context, to netip.AddrPort, share time.Duration, check control,
) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, share)
	defer cancel()
	return d.connect(ctx, to.String(), check)
}

// checkSocket judges again what the socket will really reach. It fails closed on what it cannot parse (a zone), and
// refuses an address that is not the one that was checked.
func (g *Guard) checkSocket(ctx context.Context, name string, checked netip.AddrPort) control {
	return func(network, address string, _ syscall.RawConn) error {
		asked, err := netip.ParseAddrPort(address)
		if err != nil || network != "tcp4" && network != "tcp6" {
			return refuse(ctx, "the socket is asked to reach something that is no plain address")
		}
		if asked.Addr().Unmap() != checked.Addr().Unmap() || asked.Port() != checked.Port() {
			return refuse(ctx, "the socket is asked to reach another address than the one checked")
		}
		return g.weigh(ctx, g.judge(name, asked.Addr(), asked.Port()))
	}
}

// verdictKey is the key of an attempt's *verdict in its context.
type verdictKey struct{}

// verdict is where a refusal is noted, besides the error: of several dial errors only one is returned, and net/http
// returns none when the request ended first.
type verdict struct {
	refusal  atomic.Pointer[Refusal]
	reported atomic.Pointer[Refusal] // it would be one if refusals were not only reported
}

// verdictOf is the one of the attempt that ctx belongs to, else one that nobody reads.
func verdictOf(ctx context.Context) *verdict {
	if v, ok := ctx.Value(verdictKey{}).(*verdict); ok {
		return v
	}
	return &verdict{}
}

// refuse is for what cannot be judged: it is refused whatever the guard is told.
func refuse(ctx context.Context, reason string) error {
	refusal := &Refusal{reason}
	verdictOf(ctx).refusal.CompareAndSwap(nil, refusal)
	return refusal
}
