package server

import (
	"log/slog"
	"net/http"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// getHealth is GET /healthz.
func (s *Server) getHealth(w http.ResponseWriter, _ *http.Request) error {
	if !s.kernel.Alive() {
		return api.NewProblem(api.CodeStalled, "The loop has not turned within the last second.")
	}
	return answer(w, http.StatusOK, api.Health{Status: "ok"})
}

// getReadiness is GET /readyz.
func (s *Server) getReadiness(w http.ResponseWriter, _ *http.Request) error {
	if s.kernel.Draining() {
		return await.ErrDraining
	}
	if err := s.Ready(); err != nil {
		s.Log.Warn("not ready", "error", err)
		return api.NewProblem(api.CodeNotReady, "The server cannot take work now; its log says why.")
	}
	return answer(w, http.StatusOK, api.Health{Status: "ok"})
}

// metrics is GET /metrics: in text, in OpenMetrics, or with native histograms in Protobuf, as the scraper prefers.
func (s *Server) metrics() func(http.ResponseWriter, *http.Request) error {
	scrape := promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelError),
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
		CoalesceGather:    true, // scrapers that come at one time share one walk over all metrics
	})
	return func(w http.ResponseWriter, r *http.Request) error {
		scrape.ServeHTTP(w, r)
		return nil
	}
}
