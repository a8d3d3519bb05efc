package client

import (
	"time"

	"github.com/awaitd/awaitd/api"
)

// Ref is what can be waited for: a *Future, an *Event, a *Group, or an Expr over them.
type Ref interface {
	Expr() api.Expr
}

// Expr is a wait expression.
type Expr api.Expr

// Expr makes an Expr a Ref.
func (e Expr) Expr() api.Expr { return api.Expr(e) }

// All is satisfied when every ref is, and failed as soon as one failed; the others run on.
func All(refs ...Ref) Expr { return Expr{Op: api.OpAll, Of: exprs(refs)} }

// Any is satisfied as soon as one ref is, and failed when all failed.
func Any(refs ...Ref) Expr { return Expr{Op: api.OpAny, Of: exprs(refs)} }

// AtLeast is satisfied when k refs are, and failed when fewer than k can still be.
func AtLeast(k int, refs ...Ref) Expr { return Expr{Op: api.OpAtLeast, K: k, Of: exprs(refs)} }

// Settled is satisfied when ref is decided, either way.
func Settled(ref Ref) Expr { return Expr{Op: api.OpSettled, Of: exprs([]Ref{ref})} }

// Sleep is satisfied once d has passed since the wait began.
func Sleep(d time.Duration) Expr { return Expr{Op: api.OpSleep, Sleep: d} }

// Until is satisfied once the server's clock has reached t.
func Until(t time.Time) Expr { return Expr{Op: api.OpUntil, Until: api.TimeOf(t).Time} }

// ParseRef reads the short form of one thing to wait for: "event:NAME", a bare NAME for the same, "fut_…", "future:ID",
// "group:ID", "sleep:5s" or "until:TIME".
func ParseRef(text string) (Expr, error) {
	e, err := api.ParseQueryRef(text)
	return Expr(e), err
}

func exprs(refs []Ref) []api.Expr {
	of := make([]api.Expr, len(refs))
	for i, ref := range refs {
		of[i] = ref.Expr()
	}
	return of
}

// leaves appends the leaves of e to found, in the order of the expression.
func leaves(found []api.Expr, e api.Expr) []api.Expr {
	if e.Leaf() {
		return append(found, e)
	}
	for _, part := range e.Of {
		found = leaves(found, part)
	}
	return found
}
