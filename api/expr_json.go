package api

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MarshalJSONTo writes the short form of a leaf where there is one, else an object.
func (e Expr) MarshalJSONTo(enc *jsontext.Encoder) error {
	switch e.Op {
	case OpEvent:
		if e.After != nil || e.Times > 0 {
			return writeObject(enc, "event", e.Ref, e.counts())
		}
		return enc.WriteToken(jsontext.String(e.String()))
	case OpFuture, OpGroup, OpSleep, OpUntil:
		return enc.WriteToken(jsontext.String(e.String()))
	case OpAll:
		return writeObject(enc, "all", e.Of, nil)
	case OpAny:
		return writeObject(enc, "any", e.Of, nil)
	case OpAtLeast:
		return writeObject(enc, "at_least", e.K, []member{{"of", e.Of}})
	case OpSettled:
		if len(e.Of) == 1 {
			return writeObject(enc, "settled", e.Of[0], nil)
		}
	}
	return fmt.Errorf("expression with operator %d and %d parts", e.Op, len(e.Of))
}

type member struct {
	name  string
	value any
}

func (e Expr) counts() []member {
	var more []member
	if e.After != nil {
		more = append(more, member{"after", *e.After})
	}
	if e.Times > 0 {
		more = append(more, member{"times", e.Times})
	}
	return more
}

func writeObject(enc *jsontext.Encoder, name string, value any, more []member) error {
	if err := enc.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for _, m := range append([]member{{name, value}}, more...) {
		if err := enc.WriteToken(jsontext.String(m.name)); err != nil {
			return err
		}
		if err := json.MarshalEncode(enc, m.value); err != nil {
			return err
		}
	}
	return enc.WriteToken(jsontext.EndObject)
}
