package server

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/prometheus/client_golang/prometheus"
)

// statusGone stands in metrics and logs for the answer to a caller who left before there was one, or who gets none.
const statusGone = 499

// tally is the metrics of HTTP.
type tally struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	nowhere  *route // requests that no route took
}

// route is what is counted of one route, resolved once.
type route struct {
	label    string // method and pattern, never a path
	requests *prometheus.CounterVec
	seconds  prometheus.Observer
}

func newTally(r prometheus.Registerer) (*tally, error) {
	t := &tally{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "awaitd_http_requests_total", Help: "HTTP requests answered, by route and status.",
		}, []string{"route", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "awaitd_http_request_seconds", Help: "Time of HTTP requests, that for which answers were held included.",
			Buckets:                     prometheus.ExponentialBuckets(100e-6, 2.5, 16),
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"route"}),
	}
	for _, c := range []prometheus.Collector{t.requests, t.seconds} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	t.nowhere = t.route("none")
	return t, nil
}

func (t *tally) route(label string) *route {
	return &route{
		label:    label,
		requests: t.requests.MustCurryWith(prometheus.Labels{"route": label}),
		seconds:  t.seconds.WithLabelValues(label),
	}
}

// observe begins to answer a request.
func (s *Server) observe(x *exchange, r *http.Request, next func(http.ResponseWriter, *http.Request)) {
	if r.ContentLength != 0 {
		expectBody(x.deadlines())
	}
	s.contain(x, r, next)
}

// contain keeps a panic to the request it happened in, and counts and logs the request if it is answered.
func (s *Server) contain(x *exchange, r *http.Request, next func(http.ResponseWriter, *http.Request)) {
	defer func() {
		abort := s.caught(x, r, recover())
		if x.held == nil {
			s.observed(x, r, time.Since(x.began))
		}
		if abort {
			panic(http.ErrAbortHandler) // net/http cuts the connection and says nothing
		}
	}()
	next(x, r)
}

// caught answers for a handler that panicked, and reports whether the connection must be cut.
func (s *Server) caught(x *exchange, r *http.Request, fault any) (abort bool) {
	switch {
	case fault == nil:
		return false
	case fault == http.ErrAbortHandler: //nolint:errorlint // net/http compares it so
		if x.status == 0 {
			x.status = statusGone
		}
		return true
	}
	s.Log.Error("a handler panicked", "route", x.route.label, "panic", fault, "stack", string(debug.Stack()))
	if x.status != 0 {
		return true
	}
	s.refuse(x, r, api.NewProblem(api.CodeInternal, ""))
	return false
}

func (s *Server) observed(x *exchange, r *http.Request, took time.Duration) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK) // of a handler that wrote nothing
	}
	x.route.requests.WithLabelValues(strconv.Itoa(x.status)).Inc()
	x.route.seconds.Observe(took.Seconds())
	ctx := context.WithoutCancel(r.Context())
	if !s.Log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	s.Log.LogAttrs(ctx, slog.LevelDebug, "request",
		slog.String("method", r.Method), slog.String("route", x.route.label),
		slog.Int("status", x.status), slog.Duration("took", took), slog.String("caller", x.caller))
}
