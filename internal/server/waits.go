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
	err := s.waitFor(w, r, &q)
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
	if err = s.waitFor(w, r, &q); errors.Is(err, await.ErrCursor) {
		return badParameter("cursor", foreignCursor)
	}
	return inParameters(err)
}

const foreignCursor = "Give the cursor of an earlier answer about the same things in the same order."

// waitFor answers when the expression is decided or the time is over.
func (s *Server) waitFor(w http.ResponseWriter, r *http.Request, q *api.WaitRequest) error {
	at := place{waits: "/for", expr: &q.For}
	if err := s.near(at); err != nil {
		return err
	}
	if wantsStream(r) {
		return s.located(r.Context(), s.streamWait(w, r, q), at)
	}
	held := s.prefer(r, (*time.Duration)(q.Timeout), s.WaitMax)
	held.heeded(w)
	expr, results := q.For, q.Results // without the rest of q
	err := s.hold(w, r, await.WaitRequest{
		For: &expr, Timeout: held.hold, CancelRest: q.CancelRest, Cursor: q.Cursor,
		CancelOnLeave: q.OnDisconnect == api.DisconnectCancel,
	}, func(w http.ResponseWriter, _ *http.Request, a *await.WaitAnswer, err error) error {
		if err != nil {
			return err
		}
		status := http.StatusOK
		if a.Outcome == await.Pending {
			status = http.StatusAccepted
			comeBack(w)
		}
		return answer(w, status, s.view().wait(a, results))
	})
	return s.located(r.Context(), err, at)
}

// near is nil if no moment that is waited for is too far away.
func (s *Server) near(at place) error {
	pointer, beyond := at.find(func(leaf *api.Expr) bool {
		return leaf.Op == api.OpUntil && leaf.Until.Sub(s.Now()) > api.DurationMax
	})
	if beyond {
		return api.InvalidRequest(api.FieldError{Pointer: pointer, Detail: tooFar})
	}
	return nil
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
