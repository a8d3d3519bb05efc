package fetch

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Bounds of an exchange on a connection.
const (
	HeaderTimeMax        = 20 * time.Second // from the first byte of the answer to its last header
	AnswerHeaderBytesMax = 64 << 10         // 700 000 tiny headers under the library's 10 MiB took 63 MiB of heap
	idleTimeMax          = 60 * time.Second
	idleConnsLeast       = 256 // kept open over all targets, however few workers
)

// exit is the only way out of this process. One belongs to each Guard: connections are pooled by host and port,
// so that two policies must not share them.
type exit struct {
	dialer    *dialer
	transport *http.Transport
	client    *http.Client // follows no redirect; sees the transport through onlyRoundTrip
}

func newExit(g *Guard, workersMax int) *exit {
	e := &exit{dialer: &dialer{guard: g, connect: connectTCP}}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // HTTP/2 from a hostile target has been an endless loop and two exhaustions in 2026
	e.transport = &http.Transport{
		Proxy:                  nil, // a proxy from the environment would void the guard: it dials for us
		DialContext:            headed(e.dialer.dial),
		DialTLSContext:         headed(e.dialer.dialTLS),
		Protocols:              protocols,
		DisableCompression:     true, // bodies are bounded as on the wire: 0.5 MB there were 512 MiB inflated
		MaxIdleConnsPerHost:    workersMax,
		MaxIdleConns:           max(idleConnsLeast, 2*workersMax),
		IdleConnTimeout:        idleTimeMax,
		MaxResponseHeaderBytes: AnswerHeaderBytesMax,
	}
	e.client = &http.Client{
		Transport:     onlyRoundTrip{e.transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return e
}

// connectTCP is the one place that opens a connection to a target.
func connectTCP(ctx context.Context, address string, check control) (net.Conn, error) {
	d := net.Dialer{KeepAlive: 30 * time.Second, FallbackDelay: -1, Control: check}
	return d.DialContext(ctx, "tcp", address)
}

// onlyRoundTrip shows go-retryablehttp a transport without CloseIdleConnections. The library calls that on each
// final failure, on the pool that all attempts share: with one failing target among good ones it made about
// 5 000 dials where this makes 240, at half the throughput.
type onlyRoundTrip struct{ transport *http.Transport }

// RoundTrip also takes Location out of the sight of http.Client, see hideLocation.
func (t onlyRoundTrip) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.transport.RoundTrip(req)
	if resp != nil {
		hideLocation(resp.Header)
	}
	return resp, err
}
