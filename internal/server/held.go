package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/awaitd/awaitd/internal/await"
)

// Callers who are held. While nothing happens there is of each only what its answer will need: the goroutine that
// net/http gave it, which stands in ServeHTTP, its exchange, and a wait in the kernel.

// then answers a caller who was held, with what it waited for or why it waits no more. Of r there may be no more than
// method, context, and headers if they are conditions.
type then func(w http.ResponseWriter, r *http.Request, a *await.WaitAnswer, err error) error

// shallow reports whether r had better be begun on another goroutine, since its own is likely to be held and has not
// grown yet. That of HTTP/1 has.
func shallow(r *http.Request) bool {
	asks := strings.Contains(r.URL.RawQuery, "wait=") || r.URL.Path == "/wait" || len(r.Header["Prefer"]) > 0
	return asks && r.ProtoMajor > 1 && !wantsStream(r)
}

// start answers r, or has it held; if that is likely, on another goroutine.
func (s *Server) start(w http.ResponseWriter, r *http.Request) *exchange {
	x := newExchange(w, s.tally.nowhere)
	if !shallow(r) {
		s.begin(x, r)
		return x
	}
	fault := make(chan any)
	go s.beginAside(x, r, fault)
	if f := <-fault; f != nil {
		panic(f) // it is net/http's to catch
	}
	return x
}

// begin finds the endpoint first: chi's search goes deepest of all.
func (s *Server) begin(x *exchange, r *http.Request) {
	s.router.find(x, r)
	s.observe(x, r, s.guarded)
	if x.held != nil {
		letGo(r)
	}
}

// beginAside is begin for the goroutine of r, which waits for the fault with which it panicked; nil: none.
func (s *Server) beginAside(x *exchange, r *http.Request, fault chan<- any) {
	defer func() { fault <- recover() }()
	s.begin(x, r)
}

// goOn answers who was held, unless it has gone.
func (s *Server) goOn(x *exchange, r *http.Request) {
	held, err := x.held, r.Context().Err()
	x.held = nil
	var a *await.WaitAnswer
	if err != nil {
		held.Leave()
	} else {
		a, err = held.Answer()
	}
	s.contain(x, r, func(w http.ResponseWriter, r *http.Request) {
		if err := x.then(w, r, a, err); err != nil {
			s.fail(w, r, err)
		}
		s.wrote(a)
	})
}

// hold answers with then when the wait q is decided or its time is over; at once if there is nothing to wait for, or no
// way to. It is the last thing that an endpoint does with r.
func (s *Server) hold(w http.ResponseWriter, r *http.Request, q await.WaitRequest, then then) error {
	a, held, err := s.kernel.Hold(r.Context(), q)
	if held == nil {
		return then(w, r, a, err)
	}
	x := w.(*exchange)
	x.held, x.then, x.once = held, then, nil
	return nil
}

// letGo drops what no answer that was held asks of r, and what net/http, which keeps r until then, asks of it over
// HTTP/1 only.
func letGo(r *http.Request) {
	r.Form = nil
	if r.ProtoMajor == 1 {
		return
	}
	r.URL, r.RequestURI = nil, ""
	if !conditional(r.Header) {
		r.Header = nil
	}
}

// conditional reports whether h has a say in an answer that was held.
func conditional(h http.Header) bool {
	return slices.ContainsFunc([]string{
		"If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range",
	}, func(name string) bool { return h[name] != nil })
}
