package contract

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// Reporter is what Transport needs of a *testing.T.
type Reporter interface {
	Errorf(format string, args ...any)
}

// Transport is next with every answer checked against the contract, and with the body of every request that was
// answered with 2xx. What differs is reported to t; the answer passes unchanged. Of a stream only the header is looked
// at.
func (s *Spec) Transport(t Reporter, next http.RoundTripper) http.RoundTripper {
	return &transport{s, t, next}
}

type transport struct {
	spec *Spec
	t    Reporter
	next http.RoundTripper
}

func (c *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent []byte
	if req.Body != nil {
		var err error
		if sent, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(sent))
	}
	res, err := c.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	path := req.URL.EscapedPath()
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") { // it ends when the test lets it
		if err := c.spec.CheckResponse(req.Method, path, res.StatusCode, res.Header, nil); err != nil {
			c.t.Errorf("stream differs from the contract: %v", err)
		}
		return res, nil
	}
	body, err := io.ReadAll(res.Body)
	if closed := res.Body.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	if err := c.spec.CheckResponse(req.Method, path, res.StatusCode, res.Header, body); err != nil {
		c.t.Errorf("answer differs from the contract: %v", err)
	}
	if res.StatusCode < 300 {
		err := c.spec.CheckRequestBody(req.Method, path, req.Header.Get("Content-Type"), sent)
		if err != nil {
			c.t.Errorf("the server accepted what the contract does not: %v", err)
		}
	}
	return res, nil
}
