package server

import (
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/awaitd/awaitd/internal/await"
)

// Bounds of a connection.
const (
	HeaderTimeMax  = 5 * time.Second   // for the header of a request
	IdleTimeMax    = 120 * time.Second // between two requests
	HeaderBytesMax = 32 << 10
	StreamsMax     = 4096 // requests at once on one connection of HTTP/2: most of them wait
)

// Server answers requests. It is an http.Handler for any number of goroutines.
type Server struct {
	Options

	kernel   *await.Kernel
	ids      *ids
	tally    *tally
	guard    *guard
	pages    *pages
	reading  atomic.Int64 // bytes of bodies that are being read
	watching atomic.Int64 // streams of /loop
	router   *router

	lastEvent atomic.Pointer[eventText]
}

// New reports all faults of o together.
func New(o Options) (*Server, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	o.fillIn()
	s := &Server{Options: o, kernel: o.Kernel, ids: newIDs(o.Entropy), guard: newGuard(o.HostsAllowed), pages: newPages()}
	var err error
	if s.tally, err = newTally(o.Metrics); err != nil {
		return nil, err
	}
	s.router = newRouter(s)
	return s, nil
}

// ServeHTTP answers one request. Its stack must stay shallow until it has selected: one that has grown stays so for as
// long as its caller is held.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := s.start(w, r)
	if x.held == nil {
		return
	}
	select {
	case <-x.held.Done():
	case <-r.Context().Done():
	}
	s.goOn(x, r)
}

// HTTPServer is a server with the bounds that s needs, for HTTP/1.1 and cleartext HTTP/2. It has no WriteTimeout, which
// would end held answers: each answer gets a deadline when it is written.
func (s *Server) HTTPServer() *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: HeaderTimeMax,
		IdleTimeout:       IdleTimeMax,
		MaxHeaderBytes:    HeaderBytesMax,
		Protocols:         &protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: StreamsMax},
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
		ConnState:         dropWriteDeadline,
	}
}

// dropWriteDeadline ends the write deadline of the answer before with the next request on the connection: what net/http
// writes by itself ("100 Continue", a refusal of a malformed request) would fall under it.
func dropWriteDeadline(c net.Conn, state http.ConnState) {
	if state == http.StateActive {
		_ = c.SetWriteDeadline(time.Time{}) // a connection that cannot is broken, which its next use says
	}
}
