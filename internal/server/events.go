package server

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
)

// nameOf is the name of the event in the path.
func nameOf(w http.ResponseWriter) (string, error) {
	name := segment(w)
	if !api.ValidEventName(name) {
		return "", badParameter("name", "An event's name has 1 to 200 of the characters A-Z a-z 0-9 _ . : / and -; "+
			"a / in it is sent as %2F.")
	}
	return name, nil
}

func pathOfEvent(name string) string { return "/events/" + url.PathEscape(name) }

// event shows one event.
func (v *view) event(e *record.Event) *api.Event {
	self := pathOfEvent(e.Name)
	return &api.Event{
		Name: e.Name, Set: e.Set, Generation: e.Generation, SetAt: timeOf(e.SetAt), ExpiresAt: timeOf(e.ExpiresAt),
		Payload: v.payload(e.Payload),
		Links: api.EventLinks{
			Self: self, Wait: self + "?wait=25s", Set: self + "/set", Pulse: self + "/pulse", Clear: self + "/clear",
		},
	}
}

// etagOfEvent is version and time of the last set: a forgotten event begins again at version 1.
func etagOfEvent(e *record.Event) string {
	return `"` + strconv.FormatUint(e.Version, 10) + "-" + strconv.FormatInt(int64(e.SetAt), 36) + `"`
}

// getEvent is GET /events/{name}.
func (s *Server) getEvent(w http.ResponseWriter, r *http.Request) error {
	name, err := nameOf(w)
	if err != nil {
		return err
	}
	expr := &api.Expr{Op: api.OpEvent, Ref: name}
	if expr.After, err = generationOf(r); err != nil {
		return err
	}
	if wantsStream(r) {
		return s.streamEvent(w, r, expr)
	}
	held, err := s.patience(r)
	if err != nil {
		return err
	}
	held.heeded(w)
	return s.hold(w, r, await.WaitRequest{For: expr, Timeout: held.hold}, s.waitedEvent)
}

func (s *Server) waitedEvent(w http.ResponseWriter, r *http.Request, a *await.WaitAnswer, err error) error {
	if err != nil {
		return err
	}
	e := firstLeaf(a).Event
	if unchanged(w, r, etagOfEvent(e)) {
		return nil
	}
	status := http.StatusOK
	if a.Outcome == await.Pending {
		status = http.StatusAccepted
		comeBack(w)
	}
	text, err := s.eventText(e)
	if err != nil {
		return err
	}
	write(w, status, "application/json", text)
	return nil
}

// eventText is e as an answer shows it. The last one is kept: a set that wakes a crowd shows all of them the same fact.
func (s *Server) eventText(e *record.Event) ([]byte, error) {
	if last := s.lastEvent.Load(); last != nil && last.fact == e {
		return last.text, nil
	}
	text, err := encode(s.view().event(e))
	if err == nil {
		s.lastEvent.Store(&eventText{e, text})
	}
	return text, err
}

// eventText is a fact with what an answer shows of it.
type eventText struct {
	fact *record.Event
	text []byte
}

// setEvent is POST /events/{name}/set.
func (s *Server) setEvent(w http.ResponseWriter, r *http.Request) error {
	c := &record.EventChange{Op: record.EventSet}
	if q := queryOf(r); q.Has("ttl") {
		ttl, err := api.ParseDuration(q.Get("ttl"))
		if err != nil {
			return badParameter("ttl", err.Error())
		}
		if c.TTL = time.Duration(ttl); c.TTL == 0 {
			return badParameter("ttl", "Give a duration above 0; to wake without setting, pulse.")
		}
	}
	return s.raise(w, r, c)
}

// pulseEvent is POST /events/{name}/pulse.
func (s *Server) pulseEvent(w http.ResponseWriter, r *http.Request) error {
	return s.raise(w, r, &record.EventChange{Op: record.EventPulse})
}

// raise sets or pulses with the body as payload.
func (s *Server) raise(w http.ResponseWriter, r *http.Request, c *record.EventChange) (err error) {
	if c.Name, err = nameOf(w); err != nil {
		return err
	}
	body, err := s.body(w, r, api.PayloadBytesMax)
	if err != nil {
		return err
	}
	if c.Payload, err = payloadOf(r.Header.Get("Content-Type"), body); err != nil {
		return err
	}
	if c.Payload != nil {
		if err := s.Room(); err != nil {
			return err
		}
	}
	changed, err := s.kernel.ChangeEvent(r.Context(), c)
	if err != nil {
		return err
	}
	shown := s.view().event(changed.Event)
	shown.Woken = &changed.Woken
	return answer(w, http.StatusOK, shown)
}

// clearEvent is POST /events/{name}/clear.
func (s *Server) clearEvent(w http.ResponseWriter, r *http.Request) error {
	name, err := nameOf(w)
	if err != nil {
		return err
	}
	changed, err := s.kernel.ChangeEvent(r.Context(), &record.EventChange{Name: name, Op: record.EventClear})
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, s.view().event(changed.Event))
}

// deleteEvent is DELETE /events/{name}.
func (s *Server) deleteEvent(w http.ResponseWriter, r *http.Request) error {
	name, err := nameOf(w)
	if err != nil {
		return err
	}
	if _, err := s.kernel.ChangeEvent(r.Context(), &record.EventChange{Name: name, Op: record.EventDelete}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
