package api

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// CheckQuery is what is wrong with the names of q: parameters that are not among known, and parameters given twice
// (label, all, any and of are lists and may be).
func CheckQuery(q url.Values, known ...string) []FieldError {
	var f []FieldError
	for _, name := range slices.Sorted(maps.Keys(q)) {
		switch {
		case !slices.Contains(known, name):
			f = append(f, FieldError{Parameter: name, Detail: unknownParameter(known)})
		case len(q[name]) > 1 && !slices.Contains([]string{"label", "all", "any", "of"}, name):
			f = append(f, FieldError{Parameter: name, Detail: "Give it once."})
		}
	}
	return f
}

func unknownParameter(known []string) string {
	if len(known) == 0 {
		return "There are no parameters here."
	}
	return fmt.Sprintf("There is no such parameter here; there are %s.", strings.Join(known, ", "))
}

// ParseWaitQuery reads the query of GET /wait as the request that POST /wait would have. The first fault of the
// expression is reported, and every other.
func ParseWaitQuery(q url.Values) (WaitRequest, []FieldError) {
	f := CheckQuery(q, "all", "any", "at_least", "of", "timeout", "results", "cancel_rest", "on_disconnect",
		"cursor")
	expr, err := ParseQuery(q)
	if err != nil {
		f = append(f, err.(FieldError)) //nolint:errorlint // its documented type
	}
	r := WaitRequest{
		For: expr, Results: Results(q.Get("results")), Cursor: q.Get("cursor"),
		OnDisconnect: OnDisconnect(q.Get("on_disconnect")),
	}
	if q.Has("timeout") {
		d, err := ParseDuration(q.Get("timeout"))
		if err != nil {
			f = append(f, FieldError{Parameter: "timeout", Detail: err.Error()})
		}
		r.Timeout = &d
	}
	if q.Has("cancel_rest") {
		if r.CancelRest, err = strconv.ParseBool(q.Get("cancel_rest")); err != nil {
			f = append(f, FieldError{Parameter: "cancel_rest", Detail: "Give true or false."})
		}
	}
	for _, fault := range r.Check() {
		if name := strings.TrimPrefix(fault.Pointer, "/"); name != "for" {
			f = append(f, FieldError{Parameter: name, Detail: fault.Detail})
		}
	}
	return r, f
}
