package server

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/webhook"
	"github.com/go-json-experiment/json"
)

// callback turns what was asked for into what is stored; nil when nothing was. What it is sent to is judged like the
// target of a fetch.
func (s *Server) callback(q *api.Callback, traceparent string) (*record.Callback, error) {
	if q == nil {
		return nil, nil
	}
	c := &record.Callback{URL: q.URL, Headers: headersOf(q.Headers), Traceparent: traceparent}
	for state := record.StateSucceeded; state <= record.StateCancelled; state++ {
		if q.On == nil || slices.Contains(q.On, stateWords[state]) {
			c.On = append(c.On, state)
		}
	}
	r := fetch.CallbackRequest(c)
	var faults []api.FieldError
	for _, f := range fetch.Check(r) {
		faults = append(faults, api.FieldError{Pointer: f.Pointer, Detail: f.Detail})
	}
	err := error(nil)
	if len(faults) > 0 {
		err = api.InvalidRequest(faults...)
	} else {
		err = s.canonical(r)
	}
	c.URL, c.Headers = r.URL, r.Headers
	return c, below("/callback", err)
}

var callbackWords = map[record.CallbackState]api.CallbackState{
	record.CallbackWaiting: api.CallbackWaiting, record.CallbackPending: api.CallbackPending,
	record.CallbackDelivered: api.CallbackDelivered, record.CallbackFailed: api.CallbackFailed,
	record.CallbackSkipped: api.CallbackSkipped,
}

// callbackOf shows a callback.
func callbackOf(c *record.Callback) *api.CallbackView {
	if c == nil {
		return nil
	}
	shown := &api.CallbackView{
		URL: c.URL, State: callbackWords[c.State], Attempts: c.Attempts, NextAttemptAt: timeOf(c.NextAttemptAt),
	}
	for _, state := range c.On {
		shown.On = append(shown.On, stateWords[state])
	}
	last := attemptOf(record.Attempt{Status: c.LastStatus, Failure: c.LastFailure})
	shown.LastStatus, shown.LastError = last.Status, last.Error
	return shown
}

// CallbackMessage is the body of the callback about f, which is settled. The bodies of results are shown as in any
// answer; of the callback itself, which is not done, nothing. Any goroutine.
func (s *Server) CallbackMessage(f *record.Future) ([]byte, error) {
	told := *f
	told.Callback = nil
	told.ExpiresAt = f.SettledAt.Add(f.TTL)
	m := api.CallbackMessage{
		Type:      "future." + string(stateWords[f.State]),
		Timestamp: api.Time{Time: f.SettledAt.Time()},
		Data:      *s.view().future(await.View{Future: &told}),
	}
	body, err := json.Marshal(m, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("compose the callback of %s: %w", f.ID, err)
	}
	return body, nil
}

// webhookKeys is GET /.well-known/webhook-keys.
func (s *Server) webhookKeys() func(http.ResponseWriter, *http.Request) error {
	keys := api.WebhookKeys{Keys: []api.WebhookKey{}}
	if s.WebhookKey != nil {
		text := webhook.PublicText(s.WebhookKey)
		keys.Keys = append(keys.Keys, api.WebhookKey{
			Kty: "OKP", Crv: "Ed25519", Alg: "EdDSA", Use: "sig", Kid: text[len(text)-9 : len(text)-1],
			X: base64.RawURLEncoding.EncodeToString(s.WebhookKey), StandardWebhooks: text,
		})
	}
	body, err := json.Marshal(keys)
	if err != nil {
		panic("server: " + err.Error()) // strings, which can always be written
	}
	return document("application/json", body)
}
