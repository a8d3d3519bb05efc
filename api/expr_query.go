package api

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// ParseQuery reads the expression of GET /wait: all=REF,REF or any=REF,REF or at_least=K&of=REF,REF. A REF is what
// ParseRef reads, or a bare name without a colon, which is an event's. A list may also be given as a parameter
// repeated. An error is a FieldError with the parameter's name.
func ParseQuery(q url.Values) (Expr, error) {
	forms := 0
	for _, name := range []string{"all", "any", "at_least"} {
		if q.Has(name) {
			forms++
		}
	}
	switch {
	case forms != 1:
		return Expr{}, FieldError{Detail: "Say what to wait for with one of all=REF,…, any=REF,… or at_least=K&of=REF,…."}
	case q.Has("at_least"):
		return atLeastQuery(q)
	case q.Has("of"):
		return Expr{}, FieldError{Parameter: "of", Detail: `"of" stands beside "at_least".`}
	case q.Has("all"):
		of, err := refList("all", q["all"])
		return Expr{Op: OpAll, Of: of}, err
	default:
		of, err := refList("any", q["any"])
		return Expr{Op: OpAny, Of: of}, err
	}
}

func atLeastQuery(q url.Values) (Expr, error) {
	of, err := refList("of", q["of"])
	if err != nil {
		return Expr{}, err
	}
	k, err := strconv.Atoi(q.Get("at_least"))
	if err != nil || len(q["at_least"]) != 1 || k < 1 || k > len(of) {
		return Expr{}, FieldError{Parameter: "at_least", Detail: fmt.Sprintf("Give one number from 1 to %d.", len(of))}
	}
	return Expr{Op: OpAtLeast, K: k, Of: of}, nil
}

// refList reads the values of one parameter, each a list of short forms between commas. No comma can be part of a
// name, so none needs an escape.
func refList(parameter string, values []string) ([]Expr, error) {
	var of []Expr
	for _, value := range values {
		for ref := range strings.SplitSeq(value, ",") {
			e, err := ParseQueryRef(ref)
			switch {
			case err != nil:
				return nil, FieldError{Parameter: parameter, Detail: fmt.Sprintf("Item %d: %v", len(of)+1, err)}
			case len(of) == LeavesMax:
				return nil, FieldError{Parameter: parameter, Detail: fmt.Sprintf("Name at most %d things.", LeavesMax)}
			}
			of = append(of, e)
		}
	}
	if of == nil {
		return nil, FieldError{Parameter: parameter, Detail: "Name at least one thing to wait for."}
	}
	return of, nil
}

// ParseQueryRef is ParseRef for queries and command lines: it takes a bare name for an event's, but not one with a
// colon, for a mistyped prefix would wait for an event that nobody sets.
func ParseQueryRef(ref string) (Expr, error) {
	if ref == "" {
		return Expr{}, fault("Name something to wait for between two commas.")
	}
	if !strings.Contains(ref, ":") && !strings.HasPrefix(ref, futurePrefix) {
		return eventRef(ref)
	}
	return ParseRef(ref)
}
