package client

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Defaults of the options.
const (
	DefaultPatience = 30 * time.Second
	DefaultHold     = 25 * time.Second
)

// answerPatience is how long a server may think beyond what it was asked to hold an answer.
const answerPatience = 30 * time.Second

// Client calls one server. It may be used by many goroutines at once.
type Client struct {
	base       string // without a slash at its end
	key        string
	agent      string
	http       *http.Client
	patience   time.Duration
	hold       time.Duration
	onRetry    func(err error, pause time.Duration)
	streamless atomic.Bool // this server has said that it does not stream
}

// Option changes how a Client behaves.
type Option func(*Client)

// APIKey sends key with each call. Servers that were started with keys ask for one.
func APIKey(key string) Option { return func(c *Client) { c.key = key } }

// UserAgent says who calls, in the server's log.
func UserAgent(name string) Option { return func(c *Client) { c.agent = name } }

// HTTPClient makes the calls with the transport, cookies and timeout of h, instead of a client of the package's own. A
// timeout must be longer than Hold. Redirects are not followed: the API has none.
func HTTPClient(h *http.Client) Option {
	return func(c *Client) { c.http = &http.Client{Transport: h.Transport, Jar: h.Jar, Timeout: h.Timeout} }
}

// Patience is how long one call goes on trying while the server cannot be reached, is busy or about to stop; 0 tries
// once. Each poll of a wait is a call of its own, so a wait lasts however long it must.
func Patience(d time.Duration) Option { return func(c *Client) { c.patience = d } }

// Hold is how long the server is asked to hold each answer of a wait. It should be shorter than the time after which
// anything between client and server gives up a silent connection.
func Hold(d time.Duration) Option { return func(c *Client) { c.hold = d } }

// OnRetry is told of each failure after which a call is repeated, and of the pause before that. It must not block, and
// may be called by many goroutines at once.
func OnRetry(told func(err error, pause time.Duration)) Option {
	return func(c *Client) { c.onRetry = told }
}

// New returns a client of the server at base, such as "http://127.0.0.1:8080". A path in it is a prefix of all paths.
// Nothing is sent yet.
func New(base string, options ...Option) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("the server's URL: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("the server's URL is %q: write http://HOST:PORT or https://HOST, and no more than a path",
			base)
	}
	c := &Client{
		base: strings.TrimRight(u.String(), "/"), agent: "awaitd-client-go", patience: DefaultPatience, hold: DefaultHold,
	}
	for _, option := range options {
		option(c)
	}
	if c.http == nil {
		c.http = &http.Client{Transport: newTransport(c.hold)}
	}
	c.http.CheckRedirect = sameAnswer
	return c, nil
}

// Close closes connections that are idle. A closed client may be used again.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// newTransport keeps connections for many waits at once, takes bodies as they are, and gives up a server that has been
// silent for longer than it was asked to hold its answer.
func newTransport(hold time.Duration) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 256
	t.DisableCompression = true
	t.ResponseHeaderTimeout = hold + answerPatience
	return t
}

// sameAnswer hands out a redirect as it is: the API has none, and following one would turn a POST into a GET.
func sameAnswer(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
