package api

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Decode reads one request body into v, a pointer to one of the request types, as strictly as the contract says:
// one JSON object in UTF-8, no name twice, no unknown field, no null or empty string in place of a value, right
// types, and then v's own Check.
//
// An error is always a *Problem, malformed-json or invalid-request, that names each bad part; v is then undefined.
func Decode(data []byte, v interface{ Check() []FieldError }) error {
	err := json.Unmarshal(data, v, json.RejectUnknownMembers(true))
	if err != nil || lenient(data) {
		if problem := diagnose(data, v, err); problem != nil {
			return problem
		}
	}
	if faults := v.Check(); len(faults) > 0 {
		return InvalidRequest(faults...)
	}
	return nil
}

// lenient reports whether data may hold what the decoder takes for a value left out: null and, in some places, "".
func lenient(data []byte) bool {
	return bytes.Contains(data, []byte("null")) || bytes.Contains(data, []byte(`""`))
}

// faultsMax is the number of faults after which looking for more stops.
const faultsMax = 20

// diagnose reads data a second time, slowly, to say everything that is wrong with it; nil when nothing is. Only a
// body that is refused, or may have to be, is read twice.
func diagnose(data []byte, v any, decodeErr error) *Problem {
	d := diagnosis{dec: jsontext.NewDecoder(bytes.NewBuffer(data))}
	err := d.value(reflect.TypeOf(v).Elem(), true)
	if err == nil && len(d.faults) == 0 {
		err = decodeErr // something after the object, which the walk does not read
	}
	switch {
	case errors.Is(err, errEnough), err == nil && len(d.faults) > 0:
		return InvalidRequest(d.faults...)
	case err != nil:
		return malformed(data, err)
	default:
		return nil
	}
}

var errEnough = errors.New("enough faults found")

// malformed says where and why reading stopped.
func malformed(data []byte, err error) *Problem {
	var fault FieldError
	switch syntax, ok := errors.AsType[*jsontext.SyntacticError](err); {
	case len(bytes.TrimSpace(data)) == 0:
		fault.Detail = "Send one JSON object; the body is empty."
	case ok && errors.Is(err, jsontext.ErrDuplicateName):
		fault.Pointer = string(syntax.JSONPointer)
		fault.Detail = "Give each name once in an object; here is one twice: " + place(data, syntax.ByteOffset) + "."
	case ok:
		fault.Pointer = string(syntax.JSONPointer)
		fault.Detail = fmt.Sprintf("Send one well-formed JSON object: %v at %s.", syntax.Err, place(data, syntax.ByteOffset))
	default:
		fault.Detail = fmt.Sprintf("Send one well-formed JSON object: %v.", err)
	}
	return NewProblem(CodeMalformedJSON, fault.Detail, fault)
}

// place is an offset as people count: lines and columns from 1, columns in octets.
func place(data []byte, offset int64) string {
	before := data[:min(offset, int64(len(data)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Sprintf("line %d, column %d", line, column)
}
