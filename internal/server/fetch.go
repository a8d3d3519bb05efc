package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
)

// fetch is POST /fetch.
func (s *Server) fetch(w http.ResponseWriter, r *http.Request) error {
	held, err := s.patience(r)
	if err != nil {
		return err
	}
	q, err := s.fetchRequest(w, r)
	if err != nil {
		return err
	}
	n, err := s.newFetch(q, traceparentOf(r))
	if err != nil {
		return inQuery(err, r)
	}
	submitted, cancels := r, q.OnDisconnect == api.DisconnectCancel
	if cancels { // else a caller who leaves now would leave a fetch behind that nobody waits for
		submitted = r.WithContext(context.WithoutCancel(r.Context()))
	}
	created, err := s.submit(w, submitted, n)
	if err != nil {
		return s.located(r.Context(), err, placeOf(q))
	}
	v := created[0]
	if wantsStream(r) {
		w.Header().Set("Location", pathOf(v.ID))
		return s.streamFuture(w, r, v.ID, held.hold, cancels)
	}
	held.heeded(w)
	if held.hold <= 0 {
		return s.fetched(w, r, v, false)
	}
	// The future exists by now: whatever keeps the server from holding the answer, it is the answer that counts.
	return s.hold(w, r, await.WaitRequest{
		For: &api.Expr{Op: api.OpFuture, Ref: v.ID}, Timeout: held.hold, CancelOnLeave: cancels,
	}, func(w http.ResponseWriter, r *http.Request, a *await.WaitAnswer, err error) error {
		if err != nil {
			return s.fetched(w, r, v, true)
		}
		return s.fetched(w, r, awaitedFuture(a), true)
	})
}

// fetched answers with the future of a fetch.
func (s *Server) fetched(w http.ResponseWriter, r *http.Request, v await.View, held bool) error {
	w.Header().Set("Location", pathOf(v.ID))
	w.Header().Set("ETag", etagOf(v.Future))
	if v.State.Settled() {
		return s.answerWith(w, r, http.StatusOK, v)
	}
	if held {
		comeBack(w)
	}
	return s.answerWith(w, r, http.StatusAccepted, v)
}

// fetchRequest reads the body, or ?url= instead of one.
func (s *Server) fetchRequest(w http.ResponseWriter, r *http.Request) (*api.FetchRequest, error) {
	q := &api.FetchRequest{}
	query := queryOf(r)
	if !query.Has("url") {
		return q, s.decode(w, r, SubmitBytesMax, q)
	}
	body, err := s.body(w, r, SubmitBytesMax)
	switch {
	case err != nil:
		return nil, err
	case len(body) > 0:
		return nil, badParameter("url", "Give the fetch in the query or in the body, not in both.")
	}
	q.URL = query.Get("url")
	if faults := q.Check(); len(faults) > 0 {
		return nil, inQuery(api.InvalidRequest(faults...), r)
	}
	return q, nil
}

// inQuery moves a fault of the URL to where it was given.
func inQuery(err error, r *http.Request) error {
	p, ok := errors.AsType[*api.Problem](err)
	if !ok || !queryOf(r).Has("url") {
		return err
	}
	for i, e := range p.Errors {
		if e.Pointer == "/url" {
			p.Errors[i] = api.FieldError{Parameter: "url", Detail: e.Detail}
		}
	}
	if p.Code == api.CodeInvalidRequest {
		return api.InvalidRequest(p.Errors...)
	}
	return p
}

// fetchBatch is POST /fetch/batch.
func (s *Server) fetchBatch(w http.ResponseWriter, r *http.Request) error {
	var q api.BatchRequest
	if err := s.decode(w, r, BatchBytesMax, &q); err != nil {
		return err
	}
	traceparent := traceparentOf(r)
	futures, places := make([]record.NewFuture, len(q.Fetches)), make([]place, len(q.Fetches))
	for i := range q.Fetches {
		places[i] = placeOf(&q.Fetches[i])
		places[i].document = "/fetches/" + strconv.Itoa(i)
		var err error
		if futures[i], err = s.newFetch(&q.Fetches[i], traceparent); err != nil {
			return below(places[i].document, err)
		}
	}
	created, err := s.submit(w, r, futures...)
	if err != nil {
		return s.located(r.Context(), err, places...)
	}
	v := s.view()
	a := api.BatchAnswer{Futures: make([]api.Future, len(created))}
	for i, f := range created {
		a.Futures[i] = *v.future(f)
	}
	return answer(w, http.StatusAccepted, a)
}

// below moves the faults of a part to where the part stands.
func below(pointer string, err error) error {
	p, ok := errors.AsType[*api.Problem](err)
	if !ok {
		return err
	}
	for i := range p.Errors {
		p.Errors[i].Pointer = pointer + p.Errors[i].Pointer
	}
	if p.Code == api.CodeInvalidRequest {
		return api.InvalidRequest(p.Errors...)
	}
	return p
}
