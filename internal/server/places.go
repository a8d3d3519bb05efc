package server

import (
	"context"
	"errors"
	"strings"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
)

// place is what a request says of one future, or of a wait, and where: so that who is refused for a thing that is named
// somewhere among thousands is shown where.
type place struct {
	document string    // pointer to the object; empty for the whole body
	waits    string    // pointer to the expression, from the object
	expr     *api.Expr // nil: none
	group    string    // that it joins; empty for none
}

// located adds to the problem that err is where the request names its cause. places are in the order of the submit.
func (s *Server) located(ctx context.Context, err error, places ...place) error {
	var wrong func(leaf *api.Expr) bool
	group := ""
	if unknown, ok := errors.AsType[*await.UnknownFutureError](err); ok {
		wrong = func(leaf *api.Expr) bool { return leaf.Op == api.OpFuture && leaf.Ref == unknown.ID }
	}
	if unknown, ok := errors.AsType[*await.UnknownGroupError](err); ok {
		group = unknown.ID
		wrong = func(leaf *api.Expr) bool { return leaf.Op == api.OpGroup && leaf.Ref == group }
	}
	if closed, ok := errors.AsType[*await.GroupClosedError](err); ok {
		group = closed.Group.ID
	}
	pointer, found := "", false
	if cycle, ok := errors.AsType[*await.CycleError](err); ok {
		at := places[cycle.Future]
		pointer, found = at.document+at.waits, true
	}
	for _, at := range places {
		if found {
			break
		}
		if pointer, found = at.find(wrong); !found && group != "" && at.group == group {
			pointer, found = at.document+"/group", true
		}
	}
	if !found {
		return err
	}
	p := s.problem(ctx, err)
	p.Errors = []api.FieldError{{Pointer: pointer, Detail: p.Detail}}
	return p
}

// find is the pointer to the first leaf that is wrong.
func (at place) find(wrong func(leaf *api.Expr) bool) (pointer string, found bool) {
	if at.expr == nil || wrong == nil {
		return "", false
	}
	pointer, found = at.expr.Find(wrong)
	return at.document + at.waits + pointer, found
}

// inParameters moves faults of an expression to the parameters that it was read from.
func inParameters(err error) error {
	p, ok := errors.AsType[*api.Problem](err)
	if !ok {
		return err
	}
	for i, e := range p.Errors {
		if rest, within := strings.CutPrefix(e.Pointer, "/for/"); within {
			name, _, _ := strings.Cut(rest, "/")
			p.Errors[i] = api.FieldError{Parameter: name, Detail: e.Detail}
		}
	}
	if p.Code == api.CodeInvalidRequest {
		return api.InvalidRequest(p.Errors...)
	}
	return p
}
