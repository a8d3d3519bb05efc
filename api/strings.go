package api

import (
	"github.com/go-json-experiment/json/jsontext"
)

// Strings are the values of one header, in order. On the wire it may come as one string; it is always written as
// a list.
type Strings []string

// UnmarshalJSONFrom accepts a string, or a list of at least one.
func (s *Strings) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	switch tok.Kind() {
	case '"':
		*s = Strings{tok.String()}
		return nil
	case '[':
		return s.list(dec)
	default:
		return fault("Give a string or a list of strings, not " + kindName(tok.Kind()) + ".")
	}
}

func (s *Strings) list(dec *jsontext.Decoder) error {
	at := dec.StackPointer()
	*s = Strings{}
	for dec.PeekKind() != ']' {
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if tok.Kind() != '"' {
			return faultAt(dec.StackPointer(), "Give a string, not "+kindName(tok.Kind())+".")
		}
		*s = append(*s, tok.String())
	}
	if len(*s) == 0 {
		return faultAt(at, "Give at least one value, or leave the name out.")
	}
	_, err := dec.ReadToken()
	return err
}
