package server

import (
	"fmt"
	"net/http"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
)

// resolvePromise is POST /futures/{id}/resolve.
func (s *Server) resolvePromise(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(w)
	if err != nil {
		return err
	}
	var q api.ResolveRequest
	if err := s.decode(w, r, ResolveBytesMax, &q); err != nil {
		return err
	}
	if deep(q.Value) {
		return api.InvalidRequest(api.FieldError{Pointer: "/value", Detail: fmt.Sprintf("Nest at most %d deep.", depthMax)})
	}
	// The same value in other spaces is the same value.
	if err := q.Value.Compact(); err != nil {
		return err
	}
	f, err := s.kernel.Resolve(r.Context(), id, q.Value)
	return s.settledAnswer(w, r, f, err)
}

// rejectPromise is POST /futures/{id}/reject.
func (s *Server) rejectPromise(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(w)
	if err != nil {
		return err
	}
	q := api.RejectRequest{Type: api.ErrorRejected}
	if err := s.decode(w, r, SubmitBytesMax, &q); err != nil {
		return err
	}
	f, err := s.kernel.Reject(r.Context(), id, record.Failure{Type: record.FailureType(q.Type), Message: q.Message})
	return s.settledAnswer(w, r, f, err)
}
