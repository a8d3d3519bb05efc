package api

import (
	"errors"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// diagnosis walks over a body along the Go type it should have and collects faults. Only a fault of the syntax, or
// too many faults, end the walk.
type diagnosis struct {
	dec    *jsontext.Decoder
	faults []FieldError
}

var (
	rawType         = reflect.TypeFor[jsontext.Value]()
	bytesType       = reflect.TypeFor[[]byte]()
	unmarshalerType = reflect.TypeFor[json.UnmarshalerFrom]()
)

// value reads one value that should be a t. emptyOK says whether a plain string may be empty.
func (d *diagnosis) value(t reflect.Type, emptyOK bool) error {
	if t.Kind() == reflect.Pointer {
		t, emptyOK = t.Elem(), true
	}
	switch {
	case t == rawType:
		return d.dec.SkipValue()
	case t == bytesType || reflect.PointerTo(t).Implements(unmarshalerType):
		return d.whole(t, true)
	case t.Kind() == reflect.Struct:
		fields := fieldsOf(t)
		return d.object(func(name string) error {
			f, known := fields[name]
			if !known {
				return errors.Join(d.fault(unknownName(name, fields)), d.dec.SkipValue())
			}
			return d.value(f.Type, f.required)
		})
	case t.Kind() == reflect.Map:
		return d.object(func(string) error { return d.value(t.Elem(), true) })
	case t.Kind() == reflect.Slice:
		return d.list(func() error { return d.value(t.Elem(), true) })
	default:
		return d.whole(t, emptyOK)
	}
}

func (d *diagnosis) object(member func(name string) error) error {
	if kind := d.dec.PeekKind(); kind != '{' {
		return d.wrongKind("an object", kind)
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	for d.dec.PeekKind() != '}' {
		name, err := d.dec.ReadToken()
		if err != nil {
			return err
		}
		if err := member(name.String()); err != nil {
			return err
		}
	}
	_, err := d.dec.ReadToken()
	return err
}

func (d *diagnosis) list(item func() error) error {
	if kind := d.dec.PeekKind(); kind != '[' {
		return d.wrongKind("a list", kind)
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	for d.dec.PeekKind() != ']' {
		if err := item(); err != nil {
			return err
		}
	}
	_, err := d.dec.ReadToken()
	return err
}

// whole reads a value that is decoded in one piece.
func (d *diagnosis) whole(t reflect.Type, emptyOK bool) error {
	raw, err := d.dec.ReadValue()
	if err != nil {
		return err
	}
	want, kinds := wanted(t)
	err = json.Unmarshal(raw, reflect.New(t).Interface())
	inner, isInner := errors.AsType[FieldError](err)
	switch semantic, _ := errors.AsType[*json.SemanticError](err); {
	case isInner:
		return d.add(string(d.dec.StackPointer()+semantic.JSONPointer), inner.Detail)
	case !strings.ContainsRune(kinds, rune(raw.Kind())):
		return d.fault("Give " + want + ", not " + kindName(raw.Kind()) + ".")
	case err != nil:
		return d.fault("Give " + want + ".")
	case !emptyOK && string(raw) == `""`:
		return d.fault("Give a value, or leave the field out.")
	}
	return nil
}

// wanted is what to give for a t, and the kinds of JSON values that it may be. A type that reads itself has refused
// whatever it does not take.
func wanted(t reflect.Type) (want, kinds string) {
	switch kind := t.Kind(); {
	case reflect.PointerTo(t).Implements(unmarshalerType):
		return "another value", `"0tfn{[`
	case t == bytesType:
		return "bytes in base64", `"`
	case kind == reflect.String:
		return "a string", `"`
	case kind == reflect.Bool:
		return "true or false", "tf"
	default:
		return "a whole number", "0"
	}
}

func (d *diagnosis) wrongKind(want string, kind jsontext.Kind) error {
	if err := d.dec.SkipValue(); err != nil {
		return err
	}
	return d.fault("Give " + want + ", not " + kindName(kind) + ".")
}

// fault notes a fault of what was read last.
func (d *diagnosis) fault(detail string) error { return d.add(string(d.dec.StackPointer()), detail) }

func (d *diagnosis) add(pointer, detail string) error {
	d.faults = append(d.faults, FieldError{Pointer: pointer, Detail: detail})
	if len(d.faults) == faultsMax {
		return errEnough
	}
	return nil
}

type field struct {
	reflect.Type
	required bool // the tag does not have omitzero
}

// fieldsOf is the fields of a request type by their names on the wire.
func fieldsOf(t reflect.Type) map[string]field {
	fields := make(map[string]field, t.NumField())
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields[name] = field{f.Type, options != "omitzero"}
	}
	return fields
}
