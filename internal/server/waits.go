package server

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
)

// wait is POST /wait.
func (s *Server) wait(w http.ResponseWriter, r *http.Request) error {
	var q api.WaitRequest
	if err := s.decode(w, r, SubmitBytesMax, &q); err != nil {
		return err
	}
	err := s.hold(w, r, &q)
	if errors.Is(err, await.ErrCursor) {
		return api.InvalidRequest(api.FieldError{Pointer: "/cursor", Detail: foreignCursor})
	}
	return err
}

// waitQuery is GET /wait.
func (s *Server) waitQuery(w http.ResponseWriter, r *http.Request) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badQuery()
	}
	q, faults := api.ParseWaitQuery(values)
	if len(faults) > 0 {
		return api.InvalidRequest(faults...)
	}
	if q.CancelRest || q.OnDisconnect == api.DisconnectCancel {
		if err := s.guard.checkGet(r); err != nil {
			return err
		}
	}
	if err = s.hold(w, r, &q); errors.Is(err, await.ErrCursor) {
		return badParameter("cursor", foreignCursor)
	}
	return err
}

const beyondDetail = "A moment to wait for lies at most ten years from now."

const foreignCursor = "Give the cursor of an earlier answer about the same things in the same order."

// hold waits until the expression is decided or the time is over.
func (s *Server) hold(w http.ResponseWriter, r *http.Request, q *api.WaitRequest) error {
	if s.beyond(&q.For) {
		return api.InvalidRequest(api.FieldError{Detail: beyondDetail})
	}
	if wantsStream(r) {
		return s.streamWait(w, r, q)
	}
	held := s.prefer(r, (*time.Duration)(q.Timeout), s.WaitMax)
	held.heeded(w)
	a, err := s.kernel.Wait(r.Context(), await.WaitRequest{
		For: &q.For, Timeout: held.hold, CancelRest: q.CancelRest, Cursor: q.Cursor,
		CancelOnLeave: q.OnDisconnect == api.DisconnectCancel,
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if a.Outcome == await.Pending {
		status = http.StatusAccepted
		comeBack(w)
	}
	err = answer(w, status, s.view().wait(a, q.Results))
	s.wrote(a)
	return err
}

// beyond reports whether e waits for a moment too far away.
func (s *Server) beyond(e *api.Expr) bool {
	if e.Op == api.OpUntil {
		return e.Until.Sub(s.Now()) > api.DurationMax
	}
	for i := range e.Of {
		if s.beyond(&e.Of[i]) {
			return true
		}
	}
	return false
}

var outcomeWords = map[await.Outcome]api.Outcome{
	await.Pending: api.OutcomePending, await.Satisfied: api.OutcomeSatisfied, await.Failed: api.OutcomeFailed,
}

// wait shows how a wait stands.
func (v *view) wait(a *await.WaitAnswer, results api.Results) *api.WaitAnswer {
	return &api.WaitAnswer{
		Outcome: outcomeWords[a.Outcome], Done: v.leaves(a.Done, results), Pending: v.leaves(a.Pending, results),
		Cursor: a.Cursor.String(),
	}
}

func (v *view) leaves(of []await.Leaf, results api.Results) []api.Leaf {
	shown := make([]api.Leaf, len(of))
	for i, l := range of {
		shown[i] = v.leaf(l, results)
	}
	return shown
}

func (v *view) leaf(l await.Leaf, results api.Results) api.Leaf {
	shown := api.Leaf{Ref: l.Expr.String(), Outcome: outcomeWords[l.Outcome], At: timeOf(l.At)}
	switch results {
	case api.ResultsNone:
	case api.ResultsState:
		shown.State, shown.Generation = standing(l.Future, l.Event)
	default:
		if l.Future != nil {
			shown.Future = v.future(await.View{Future: l.Future, Queue: l.Queue})
		}
		if l.Event != nil {
			shown.Event = v.event(l.Event)
		}
		if l.Group != nil {
			shown.Group = v.group(l.Group)
		}
	}
	return shown
}

// standing is the short form of whichever of the two there is.
func standing(f *record.Future, e *record.Event) (state api.State, generation *uint64) {
	switch {
	case f != nil:
		return stateWords[f.State], nil
	case e != nil:
		return "", &e.Generation
	default:
		return "", nil
	}
}
