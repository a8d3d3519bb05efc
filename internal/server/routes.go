package server

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/awaitd/awaitd/api"
	"github.com/go-chi/chi/v5"
)

// endpoint is one method of one path.
type endpoint struct {
	method, path string
	serves       func(w http.ResponseWriter, r *http.Request) error
	query        []string // the parameters that it takes; others are refused
	is           traits
}

// traits are what else must be known of an endpoint.
type traits uint8

const (
	open     traits = 1 << iota // no key is needed, and a query means nothing
	creates                     // repeating it creates another
	anyQuery                    // it reads its query itself
	bodied                      // it takes a body
	keeps                       // what it takes is kept, though it creates nothing
)

// endpoints is everything that the server answers. HEAD is answered wherever GET is.
func (s *Server) endpoints() []endpoint {
	wait := []string{"wait"}
	return []endpoint{
		{"POST", "/fetch", s.fetch, []string{"url", "wait"}, creates | bodied},
		{"POST", "/fetch/batch", s.fetchBatch, nil, creates | bodied},

		{"GET", "/futures", s.listFutures, []string{"state", "kind", "label", "group", "limit", "cursor"}, 0},
		{"POST", "/futures", s.createFuture, nil, creates | bodied},
		{"GET", "/futures/{id}", s.getFuture, wait, 0},
		{"DELETE", "/futures/{id}", s.deleteFuture, nil, 0},
		{"GET", "/futures/{id}/result", s.getResult, wait, 0},
		{"POST", "/futures/{id}/cancel", s.cancelFuture, nil, 0},
		{"POST", "/futures/{id}/resolve", s.resolvePromise, nil, bodied | keeps},
		{"POST", "/futures/{id}/reject", s.rejectPromise, nil, bodied | keeps},

		{"GET", "/groups", s.listGroups, []string{"label", "limit", "cursor"}, 0},
		{"POST", "/groups", s.createGroup, nil, creates | bodied},
		{"GET", "/groups/{id}", s.getGroup, wait, 0},
		{"POST", "/groups/{id}/cancel", s.cancelGroup, nil, 0},
		{"POST", "/groups/{id}/renew", s.renewGroup, nil, 0},

		{"GET", "/events", s.listEvents, []string{"prefix", "limit", "cursor"}, 0},
		{"GET", "/events/{name}", s.getEvent, []string{"wait", "after"}, 0},
		{"DELETE", "/events/{name}", s.deleteEvent, nil, 0},
		{"POST", "/events/{name}/set", s.setEvent, []string{"ttl"}, bodied},
		{"POST", "/events/{name}/pulse", s.pulseEvent, nil, bodied},
		{"POST", "/events/{name}/clear", s.clearEvent, nil, 0},

		{"GET", "/wait", s.waitQuery, nil, anyQuery},
		{"POST", "/wait", s.wait, nil, bodied},

		{"GET", "/limits", s.listLimits, []string{"limit", "cursor"}, 0},
		{"GET", "/loop", s.getLoop, nil, 0},
		{"GET", "/metrics", s.metrics(), nil, open},
		{"GET", "/healthz", s.getHealth, nil, open},
		{"GET", "/readyz", s.getReadiness, nil, open},
		{"GET", "/openapi.yaml", document("application/yaml", api.OpenAPIYAML()), nil, open},
		{"GET", "/openapi.json", document("application/json", api.OpenAPIJSON()), nil, open},
		{"GET", "/.well-known/webhook-keys", s.webhookKeys(), nil, open},
		{"GET", "/problems", s.listProblems, nil, open},
		{"GET", "/problems/{slug}", s.getProblem, nil, open},
		{"GET", "/", s.console, nil, open},
		{"GET", "/console/*", s.console, nil, open},
	}
}

// router finds the endpoint of a request. What it does not find is answered here, too.
//
// chi finds, and no more: its own handler leaves a copy of the request behind each caller who is held.
type router struct {
	server  *Server
	tree    *chi.Mux
	serves  map[string]http.HandlerFunc // by method and pattern
	finding sync.Pool                   // of *chi.Context
}

func newRouter(s *Server) *router {
	t := &router{server: s, tree: chi.NewMux(), serves: map[string]http.HandlerFunc{}}
	t.finding.New = func() any { return chi.NewRouteContext() }
	for _, e := range s.endpoints() {
		take := func(method string) {
			t.tree.Method(method, e.path, http.NotFoundHandler()) // never called
			t.serves[method+e.path] = s.endpoint(e, s.tally.route(method+" "+e.path))
		}
		take(e.method)
		if e.method == http.MethodGet {
			take(http.MethodHead)
		}
	}
	return t
}

func (t *router) serve(w http.ResponseWriter, r *http.Request) {
	if serves := w.(*exchange).serves; serves != nil {
		serves(w, r)
		return
	}
	allowed := t.allowed(r)
	if allowed == "" {
		t.server.fail(w, r, api.NewProblem(api.CodeNotFound, "Nothing has this path; /openapi.yaml lists what there is."))
		return
	}
	w.Header().Set("Allow", allowed)
	t.server.fail(w, r, api.NewProblem(api.CodeMethodNotAllowed, fmt.Sprintf("This path has %s.", allowed)))
}

// find notes the endpoint of r, and the parameter in its path if there is one.
func (t *router) find(x *exchange, r *http.Request) {
	c := t.finding.Get().(*chi.Context)
	c.Reset()
	if pattern := t.tree.Find(c, r.Method, r.URL.EscapedPath()); pattern != "" {
		x.serves = t.serves[r.Method+pattern]
	}
	if n := len(c.URLParams.Values); n > 0 {
		x.segment = c.URLParams.Values[n-1]
	}
	t.finding.Put(c)
}

// allowed is the methods that the path of r has.
func (t *router) allowed(r *http.Request) string {
	path := r.URL.EscapedPath()
	var has []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
		if t.tree.Match(chi.NewRouteContext(), method, path) {
			has = append(has, method)
		}
	}
	return strings.Join(has, ", ")
}

// endpoint does what is common to all endpoints, and gives what went wrong to fail.
func (s *Server) endpoint(e endpoint, rt *route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.(*exchange).route = rt
		if err := s.serve(e, w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

func (s *Server) serve(e endpoint, w http.ResponseWriter, r *http.Request) (err error) {
	if e.is&open == 0 {
		if r, err = s.authenticated(r); err != nil {
			return err
		}
		w.(*exchange).caller = PrincipalOf(r.Context()).ID
	}
	if e.is&(anyQuery|open) == 0 {
		q, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return badQuery()
		}
		if faults := api.CheckQuery(q, e.query...); len(faults) > 0 {
			return api.InvalidRequest(faults...)
		}
		r.Form = q
	}
	if e.is&(bodied|open) == 0 {
		if err := s.noBody(w, r); err != nil {
			return err
		}
	}
	if e.is&keeps != 0 {
		if err := s.Spare(); err != nil {
			return err
		}
	}
	if e.is&creates != 0 {
		if err := s.Room(); err != nil {
			return err
		}
		key, err := keyOf(r)
		if err != nil {
			return err
		}
		if key != "" {
			w.(*exchange).once = &once{key: key}
		}
	}
	return e.serves(w, r)
}

// queryOf is the query of r, which serve has read and found good, to be read only.
func queryOf(r *http.Request) url.Values { return r.Form }

func badQuery() error {
	return api.InvalidRequest(api.FieldError{Detail: "The query cannot be read: escape what has a meaning in it."})
}

// routeOf is the route that w answers for.
func routeOf(w http.ResponseWriter) *route { return w.(*exchange).route }

// segment is the parameter in the path that w answers for, decoded.
func segment(w http.ResponseWriter) string {
	value := w.(*exchange).segment
	decoded, err := url.PathUnescape(value)
	if err != nil {
		return value // not reached: net/http refuses a path that cannot be decoded
	}
	return decoded
}
