package server

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/awaitd/awaitd/api"
)

// Principal is who makes a request. Its ID is empty when the server asks for no keys.
type Principal struct{ ID string }

type principalKey struct{}

// PrincipalOf is who makes the request with this context.
func PrincipalOf(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}

// guard keeps web pages of other sites away. A browser can be made to send requests to a server on its own machine that
// nobody else reaches: straight (cross-origin), or by a name that resolves to it (DNS rebinding).
type guard struct {
	anyHost bool
	hosts   []string
	origins *http.CrossOriginProtection
}

func newGuard(hosts []string) *guard {
	g := &guard{anyHost: hosts == nil, origins: http.NewCrossOriginProtection()}
	for _, host := range hosts {
		g.hosts = append(g.hosts, strings.ToLower(host))
	}
	return g
}

// check is nil, or why the request is refused. Programs send neither Origin nor Sec-Fetch-Site and pass.
func (g *guard) check(r *http.Request) error {
	if !g.anyHost && !g.allows(r.Host) {
		return api.NewProblem(api.CodeCrossOrigin, "The Host of this request is not a name of this server. Without keys it "+
			"answers only to localhost, to loopback addresses and to the address that it was told to listen on.")
	}
	if g.origins.Check(r) != nil {
		return errCrossOrigin()
	}
	return nil
}

// checkGet holds a GET that changes something to what holds for a POST.
func (g *guard) checkGet(r *http.Request) error {
	post := r.Clone(r.Context())
	post.Method = http.MethodPost
	return g.check(post)
}

func errCrossOrigin() error {
	return api.NewProblem(api.CodeCrossOrigin, "A web page of another origin may not change anything here.")
}

func (g *guard) allows(hostPort string) bool {
	host := hostPort
	if h, _, err := net.SplitHostPort(hostPort); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if addr, err := netip.ParseAddr(host); err == nil && addr.Unmap().IsLoopback() {
		return true
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(g.hosts, host)
}

// secure are the headers of every answer that does not say otherwise. They are set when it is written: until then they
// would only take memory, of which callers who are held need enough.
var secure = map[string][]string{
	"X-Content-Type-Options":       {"nosniff"},
	"Cache-Control":                {"no-store"},
	"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'"},
	"Cross-Origin-Resource-Policy": {"same-origin"},
}

// guarded is what every request passes before an endpoint sees it.
func (s *Server) guarded(w http.ResponseWriter, r *http.Request) {
	if err := s.guard.check(r); err != nil {
		s.fail(w, r, err)
		return
	}
	s.router.serve(w, r)
}

// authenticated says who makes the request, or that a key is needed.
func (s *Server) authenticated(r *http.Request) (*http.Request, error) {
	if s.Keys == nil {
		return r, nil
	}
	id, ok := s.Keys.find(r.Header.Values("Authorization"))
	if !ok {
		return nil, api.NewProblem(api.CodeUnauthorized, "Send a key of this server as Authorization: Bearer KEY.")
	}
	return r.WithContext(context.WithValue(r.Context(), principalKey{}, Principal{id})), nil
}
