package server

import (
	"encoding/base64"
	"net/http"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
)

// limitOf is the key that a fetch names, and what it asks of that key; nil when nothing.
func limitOf(q *api.Limit) (key string, settings *record.LimitSettings) {
	if q == nil {
		return "", nil
	}
	if q.Concurrency == nil && q.Rate == nil {
		return q.Key, nil
	}
	settings = &record.LimitSettings{}
	if q.Concurrency != nil {
		settings.Concurrency = *q.Concurrency
	}
	if q.Rate != nil {
		settings.Rate, settings.Period = *q.Rate, api.DefaultPeriod
		if q.Period != nil {
			settings.Period = time.Duration(*q.Period)
		}
	}
	return q.Key, settings
}

// listLimits is GET /limits.
func (s *Server) listLimits(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	var faults []api.FieldError
	limit, fault := pageSize(q)
	if fault != nil {
		faults = append(faults, *fault)
	}
	after, err := base64.RawURLEncoding.DecodeString(q.Get("cursor"))
	if err != nil {
		faults = append(faults, api.FieldError{Parameter: "cursor", Detail: "Give the next_cursor of the page before."})
	}
	if len(faults) > 0 {
		return api.InvalidRequest(faults...)
	}
	found, err := s.kernel.Keys(r.Context(), string(after), limit)
	if err != nil {
		return err
	}
	page := api.LimitPage{Limits: make([]api.LimitState, len(found.Keys))}
	for i := range found.Keys {
		page.Limits[i] = limitState(&found.Keys[i])
	}
	if found.More {
		last := found.Keys[len(found.Keys)-1].Key
		page.NextCursor = nextPage(w, r, base64.RawURLEncoding.EncodeToString([]byte(last)))
	}
	return answer(w, http.StatusOK, page)
}

func limitState(k *await.Key) api.LimitState {
	shown := api.LimitState{
		Key: k.Key, InFlight: k.Running, Queued: k.Waiting, RetriesHeld: k.Held, NextStartAt: timeOf(k.NextStartAt),
	}
	if k.Concurrency > 0 {
		shown.Concurrency = &k.Concurrency
	}
	if k.Rate > 0 {
		period := api.Duration(k.Period)
		shown.Rate, shown.Period = &k.Rate, &period
	}
	if reason, ok := reasonWords[k.Reason]; ok {
		shown.Reason = &reason
	}
	shown.Circuit = api.Circuit{
		State: circuitWords[k.Circuit.State], Since: timeOf(k.Circuit.Since), NextProbeAt: timeOf(k.Circuit.ProbeAt),
	}
	if name := await.CircuitEvent(k.Key); api.ValidEventName(name) {
		shown.Circuit.Links.Closed = pathOfEvent(name)
	}
	return shown
}

var circuitWords = map[record.CircuitState]api.CircuitState{
	record.CircuitClosed: api.CircuitClosed, record.CircuitOpen: api.CircuitOpen,
	record.CircuitHalfOpen: api.CircuitHalfOpen,
}
