package server

import (
	"context"
	"net/http"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
)

// idOf is the id in the path. One that no future can have is not looked for.
func idOf(w http.ResponseWriter) (string, error) {
	id := segment(w)
	if !api.ValidFutureID(id) {
		return "", badParameter("id", `The id of a future is "fut_" and 26 characters, as the server gave it, or the one `+
			"that was chosen for a promise: 1 to 128 of the characters A-Z a-z 0-9 _ . : and -.")
	}
	return id, nil
}

// getFuture is GET /futures/{id}.
func (s *Server) getFuture(w http.ResponseWriter, r *http.Request) error {
	if wantsStream(r) {
		id, err := idOf(w)
		if err != nil {
			return err
		}
		lasts, err := lastingQuery(r)
		if err != nil {
			return err
		}
		return s.streamFuture(w, r, id, lasts, false)
	}
	return s.awaited(w, r, (*Server).futureAnswer)
}

func (s *Server) futureAnswer(w http.ResponseWriter, r *http.Request, v await.View) error {
	if unchanged(w, r, etagOf(v.Future)) {
		return nil
	}
	if !v.State.Settled() {
		return s.pending(w, v)
	}
	return s.answerWith(w, r, http.StatusOK, v)
}

// show is one future as an answer shows it. When a body cannot be read, the future may have been forgotten since it was
// looked at, and its body with it: then that is the error.
func (s *Server) show(ctx context.Context, of await.View) (*api.Future, error) {
	v := s.view()
	shown := v.future(of)
	if !v.unread {
		return shown, nil
	}
	_, err := s.kernel.Future(ctx, of.ID)
	return shown, err
}

// answerWith answers with one future.
func (s *Server) answerWith(w http.ResponseWriter, r *http.Request, status int, of await.View) error {
	shown, err := s.show(r.Context(), of)
	if err != nil {
		return err
	}
	return answer(w, status, shown)
}

// shows answers with a future.
type shows func(s *Server, w http.ResponseWriter, r *http.Request, v await.View) error

// awaited shows the future in the path, holding until it is settled for as long as the request says.
func (s *Server) awaited(w http.ResponseWriter, r *http.Request, shows shows) error {
	id, err := idOf(w)
	if err != nil {
		return err
	}
	held, err := s.patience(r)
	if err != nil {
		return err
	}
	held.heeded(w)
	if held.hold <= 0 {
		v, err := s.kernel.Future(r.Context(), id)
		if err != nil {
			return err
		}
		return shows(s, w, r, v)
	}
	q := await.WaitRequest{For: &api.Expr{Op: api.OpFuture, Ref: id}, Timeout: held.hold}
	return s.hold(w, r, q, func(w http.ResponseWriter, r *http.Request, a *await.WaitAnswer, err error) error {
		if err != nil {
			return err
		}
		return shows(s, w, r, awaitedFuture(a))
	})
}

// awaitedFuture is the future that a was about.
func awaitedFuture(a *await.WaitAnswer) await.View {
	leaf := firstLeaf(a)
	return await.View{Future: leaf.Future, Queue: leaf.Queue}
}

// wrote tells the kernel that the answer to a wait has been written; nil is none.
func (s *Server) wrote(woken *await.WaitAnswer) {
	if woken != nil {
		s.kernel.Woken(woken)
	}
}

// pending is the answer about a future that is not settled.
func (s *Server) pending(w http.ResponseWriter, v await.View) error {
	w.Header().Set("Location", pathOf(v.ID))
	w.Header().Set("ETag", etagOf(v.Future))
	comeBack(w)
	return answer(w, http.StatusAccepted, s.view().future(v))
}

// createFuture is POST /futures.
func (s *Server) createFuture(w http.ResponseWriter, r *http.Request) error {
	var q api.FutureRequest
	if err := s.decode(w, r, SubmitBytesMax, &q); err != nil {
		return err
	}
	n := record.NewFuture{ID: q.ID, Labels: labelsOf(q.Labels), TTL: ttlOf(q.TTL), Group: q.Group}
	switch q.Kind {
	case api.KindPromise:
		n.Kind = record.KindPromise
		if q.Timeout != nil {
			n.Timeout = time.Duration(*q.Timeout)
		}
	case api.KindTimer:
		n.Kind = record.KindTimer
		if err := s.timer(&n, &q); err != nil {
			return err
		}
	default:
		if err := s.durableWait(&n, &q); err != nil {
			return err
		}
	}
	var err error
	if n.Callback, err = s.callback(q.Callback, traceparentOf(r)); err != nil {
		return err
	}
	created, err := s.submit(w, r, n)
	if err != nil {
		return s.located(r.Context(), err, place{waits: "/for", expr: q.For, group: q.Group})
	}
	v := created[0]
	w.Header().Set("Location", pathOf(v.ID))
	w.Header().Set("ETag", etagOf(v.Future))
	return s.answerWith(w, r, http.StatusCreated, v)
}

func (s *Server) durableWait(n *record.NewFuture, q *api.FutureRequest) (err error) {
	n.Kind = record.KindWait
	if q.Timeout != nil {
		n.Timeout = time.Duration(*q.Timeout)
	}
	n.For, err = s.expression(place{waits: "/for", expr: q.For})
	return err
}

func (s *Server) timer(n *record.NewFuture, q *api.FutureRequest) error {
	if q.After != nil {
		n.Delay = time.Duration(*q.After)
		return nil
	}
	if q.At.Sub(s.Now()) > api.DurationMax {
		return api.InvalidRequest(api.FieldError{Pointer: "/at", Detail: tooFar})
	}
	n.At = record.TimeOf(q.At.Time)
	return nil
}

// cancelFuture is POST /futures/{id}/cancel.
func (s *Server) cancelFuture(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(w)
	if err != nil {
		return err
	}
	f, err := s.kernel.Cancel(r.Context(), id)
	return s.settledAnswer(w, r, f, err)
}

// settledAnswer shows the future that a call has settled.
func (s *Server) settledAnswer(w http.ResponseWriter, r *http.Request, f *record.Future, err error) error {
	if err != nil {
		return err
	}
	w.Header().Set("ETag", etagOf(f))
	return s.answerWith(w, r, http.StatusOK, await.View{Future: f})
}

// deleteFuture is DELETE /futures/{id}.
func (s *Server) deleteFuture(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(w)
	if err != nil {
		return err
	}
	if err := s.kernel.Delete(r.Context(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
