package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// FieldError says what is wrong with one part of a request, in a sentence that says what to do. Pointer (a JSON
// pointer into the body) or Parameter (the name of a query parameter, path parameter or header) say where;
// neither is set when it is the body as a whole.
type FieldError struct {
	Pointer   string `json:"pointer,omitzero"`
	Parameter string `json:"parameter,omitzero"`
	Detail    string `json:"detail"`
}

// Error is the place and the sentence.
func (e FieldError) Error() string {
	switch {
	case e.Pointer != "":
		return e.Pointer + ": " + e.Detail
	case e.Parameter != "":
		return e.Parameter + ": " + e.Detail
	default:
		return e.Detail
	}
}

// fault is a FieldError whose place is filled in by whoever knows it.
func fault(detail string) error { return FieldError{Detail: detail} }

// faultAt is a fault in the JSON value at pointer of what is being decoded.
func faultAt(pointer jsontext.Pointer, detail string) error {
	return &json.SemanticError{JSONPointer: pointer, Err: FieldError{Detail: detail}}
}

// kindName is the kind of a JSON value with its article.
func kindName(kind jsontext.Kind) string {
	switch kind {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	default:
		return "a list"
	}
}

// unknownName is the sentence about a name that is not among known: with the name that was meant, when it differs
// only in case or in a dash, or else with all of them.
func unknownName[V any](name string, known map[string]V) string {
	names := slices.Sorted(maps.Keys(known))
	for _, k := range names {
		if strings.EqualFold(strings.ReplaceAll(name, "-", "_"), k) {
			return fmt.Sprintf("There is no field %q: write %q.", name, k)
		}
	}
	return fmt.Sprintf("There is no field %q here; there are %s.", name, strings.Join(names, ", "))
}
