package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/store"
)

// mistakes is the table from the errors that are no fault of the server to problems.
var mistakes = []struct {
	err    error
	code   api.Code
	detail string
}{
	{await.ErrBusy, api.CodeBusy, "More requests are queued than this server takes."},
	{await.ErrDraining, api.CodeDraining, "The server is about to stop and takes no new work."},
	{await.ErrEnded, api.CodeDraining, "The server has stopped."},
	{await.ErrTooManyFutures, api.CodeTooManyFutures, "As many futures are pending as this server takes."},
	{await.ErrFuturesTooLarge, api.CodeTooManyFutures, "Pending futures take as many bytes as this server keeps."},
	{await.ErrTooManyEvents, api.CodeTooManyEvents, "As many events are remembered as this server takes."},
	{await.ErrEventsTooLarge, api.CodeTooManyEvents, "The payloads of events take as much as this server keeps."},
	{await.ErrTooManyGroups, api.CodeTooManyGroups, "As many groups are remembered as this server takes."},
	{await.ErrTooManyWaiters, api.CodeTooManyWaiters, "As many requests are held as this server takes."},
	{await.ErrTooManyLeaves, api.CodeTooManyWaiters, "Requests that are held wait for as much as this server takes."},
	{store.ErrFull, api.CodeStorageFull, "Hardly any room is left. What is under way goes on; nothing new is taken."},
	{await.ErrKeyReused, api.CodeIdempotencyMismatch, "This Idempotency-Key was used for another request."},
	{await.ErrNotSettleable, api.CodeNotSettleable, "Only a promise can be resolved or rejected; this is none."},
	{await.ErrNotSettled, api.CodeNotSettled, "The future is not settled yet; wait for it, or cancel it first."},
}

// retryAfter is in seconds, for the problems that go away by themselves.
var retryAfter = map[api.Code]string{
	api.CodeBusy: "1", api.CodeTooManyFutures: "5", api.CodeTooManyEvents: "5", api.CodeTooManyGroups: "5",
	api.CodeTooManyWaiters: "5",
	api.CodeDraining:       "5", api.CodeNotReady: "5",
}

// fail answers with the problem that err is. What is no mistake of the caller's is logged here, once, and hidden.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, r.Context().Err()) {
		panic(http.ErrAbortHandler) // the caller has gone
	}
	if errors.Is(err, await.ErrLost) {
		panic(http.ErrAbortHandler) // it may be done: no answer says so, as in a crash, and each other would be a lie
	}
	p := s.problem(r.Context(), err)
	if p.Code == api.CodeInternal {
		s.Log.Error("a request failed", "route", routeOf(w).label, "error", err)
	}
	s.refuse(w, r, p)
}

func (s *Server) problem(ctx context.Context, err error) *api.Problem {
	if p, ok := errors.AsType[*api.Problem](err); ok {
		return p
	}
	if unknown, ok := errors.AsType[*await.UnknownFutureError](err); ok {
		return api.NewProblem(api.CodeUnknownFuture, "There is no future "+unknown.ID+".")
	}
	if unknown, ok := errors.AsType[*await.UnknownGroupError](err); ok {
		return api.NewProblem(api.CodeUnknownGroup, "There is no group "+unknown.ID+".")
	}
	if closed, ok := errors.AsType[*await.GroupClosedError](err); ok {
		why := "It was closed when all its members had succeeded."
		if closed.Group.Failure != nil {
			why = closed.Group.Failure.Message
		}
		return api.NewProblem(api.CodeGroupClosed, "The group takes no members any more: "+why)
	}
	if taken, ok := errors.AsType[*await.IDTakenError](err); ok {
		return api.NewProblem(api.CodeIDTaken, "There is a future "+taken.ID+" already.")
	}
	if settled, ok := errors.AsType[*await.SettledError](err); ok {
		p := api.NewProblem(api.CodeAlreadySettled, "The future is settled already, with another outcome.")
		return s.with(ctx, p, await.View{Future: settled.Future})
	}
	if refused, ok := errors.AsType[*await.RefusedError](err); ok {
		return s.with(ctx, s.problem(ctx, refused.Reason), refused.View)
	}
	if cycle, ok := errors.AsType[*await.CycleError](err); ok {
		if cycle.Unknown {
			return api.NewProblem(api.CodeCyclicWait, "Too much hangs together to say that it would not wait for itself.")
		}
		return api.NewProblem(api.CodeCyclicWait, "It would wait for itself, through "+cycle.Ref+".")
	}
	if errors.Is(err, store.ErrCursor) {
		return badParameter("cursor", "Give the next_cursor of the page before, with the other parameters unchanged.")
	}
	for _, m := range mistakes {
		if errors.Is(err, m.err) {
			return api.NewProblem(m.code, m.detail)
		}
	}
	return api.NewProblem(api.CodeInternal, "The server could not do this; its log says more.")
}

// with adds the future that stands in the way to a problem.
func (s *Server) with(ctx context.Context, p *api.Problem, of await.View) *api.Problem {
	shown, err := s.show(ctx, of)
	if err != nil {
		return s.problem(ctx, err)
	}
	p.Future = shown
	return p
}

// badParameter is the problem of one parameter or header.
func badParameter(name, detail string) *api.Problem {
	return api.InvalidRequest(api.FieldError{Parameter: name, Detail: detail})
}
