package api

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// UnmarshalJSONFrom reads every form of the contract and refuses all else, naming the place. The bounds hold
// while it reads: input that is too deep or has too many leaves is not read to its end.
func (e *Expr) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	p := exprParser{dec: dec}
	parsed, err := p.expr(0)
	if err != nil {
		return err
	}
	*e = parsed
	return nil
}

// exprParser reads one expression from dec.
type exprParser struct {
	dec    *jsontext.Decoder
	leaves int
}

// expr reads an expression that has depth operators around it.
func (p *exprParser) expr(depth int) (Expr, error) {
	tok, err := p.dec.ReadToken()
	if err != nil {
		return Expr{}, err
	}
	switch kind := tok.Kind(); kind {
	case '"':
		e, err := ParseRef(tok.String())
		if err != nil {
			return Expr{}, p.place(err)
		}
		return e, p.leaf()
	case '{':
		return p.object(depth)
	default:
		return Expr{}, p.fault(`Write a string such as "event:NAME" or "fut_…", or an object with one operator, not ` +
			kindName(kind) + ".")
	}
}

// memberOp says to which leaf or operator a member belongs. All members of one object belong to the same.
var memberOp = map[string]Op{
	"event": OpEvent, "after": OpEvent, "times": OpEvent, "future": OpFuture, "group": OpGroup, "sleep": OpSleep,
	"until": OpUntil,
	"all":   OpAll, "any": OpAny, "at_least": OpAtLeast, "of": OpAtLeast, "settled": OpSettled,
}

// object reads the rest of an object whose brace has been read.
func (p *exprParser) object(depth int) (Expr, error) {
	at := p.dec.StackPointer()
	var e Expr
	for p.dec.PeekKind() != '}' {
		tok, err := p.dec.ReadToken()
		if err != nil {
			return Expr{}, err
		}
		name := tok.String()
		op, known := memberOp[name]
		switch {
		case !known:
			return Expr{}, p.fault(unknownName(name, memberOp))
		case e.Op != 0 && e.Op != op:
			return Expr{}, p.fault(fmt.Sprintf("%q and %q cannot stand in one object.", name, e.Op.String()))
		}
		e.Op = op
		if err := p.member(&e, name, depth); err != nil {
			return Expr{}, err
		}
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return Expr{}, err
	}
	if err := whole(e, at); err != nil {
		return Expr{}, err
	}
	if e.Leaf() {
		return e, p.leaf()
	}
	return e, nil
}

// member reads the value of the member name of e.
func (p *exprParser) member(e *Expr, name string, depth int) (err error) {
	switch name {
	case "event", "future", "group":
		return p.named(e)
	case "after":
		e.After = new(uint64)
		*e.After, err = p.count(0, CountMax)
	case "times":
		e.Times, err = p.count(1, CountMax)
	case "at_least":
		var k uint64
		k, err = p.count(1, LeavesMax)
		e.K = int(k)
	case "sleep":
		var d Duration
		err = p.place(d.UnmarshalJSONFrom(p.dec))
		e.Sleep = time.Duration(d)
	case "until":
		var t Time
		err = p.place(t.UnmarshalJSONFrom(p.dec))
		e.Until = t.Time
	default:
		if depth == DepthMax {
			return p.fault(fmt.Sprintf("Nest at most %d operators in one another.", DepthMax))
		}
		err = p.operands(e, depth+1)
	}
	return err
}

func (p *exprParser) named(e *Expr) error {
	tok, err := p.dec.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() != '"' {
		return p.fault("Write the name as a string, not " + kindName(tok.Kind()) + ".")
	}
	check := eventRef
	switch e.Op {
	case OpFuture:
		check = futureRef
	case OpGroup:
		check = groupRef
	}
	named, err := check(tok.String())
	e.Ref = named.Ref
	return p.place(err)
}

// count reads a whole number from least to most.
func (p *exprParser) count(least, most uint64) (uint64, error) {
	tok, err := p.dec.ReadToken()
	if err != nil {
		return 0, err
	}
	if tok.Kind() == '0' {
		n, err := strconv.ParseUint(tok.String(), 10, 64)
		if err == nil && least <= n && n <= most {
			return n, nil
		}
	}
	return 0, p.fault(fmt.Sprintf("Give a whole number from %d to %d.", least, most))
}

// operands reads the parts of an operator: one expression for settled, a list for the others.
func (p *exprParser) operands(e *Expr, depth int) error {
	if e.Op == OpSettled {
		part, err := p.expr(depth)
		e.Of = []Expr{part}
		return err
	}
	tok, err := p.dec.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() != '[' {
		return p.fault("Give a list of expressions, not " + kindName(tok.Kind()) + ".")
	}
	at := p.dec.StackPointer()
	for p.dec.PeekKind() != ']' {
		part, err := p.expr(depth)
		if err != nil {
			return err
		}
		e.Of = append(e.Of, part)
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	if len(e.Of) == 0 {
		return faultAt(at, "Name at least one thing to wait for: an empty list is never decided.")
	}
	return nil
}

// whole checks what can be known only at the end of an object, since members come in any order.
func whole(e Expr, at jsontext.Pointer) error {
	switch {
	case e.Op == 0:
		return faultAt(at, "Name what to wait for, such as {\"event\":\"NAME\"} or {\"all\":[…]}.")
	case e.Op == OpEvent && e.Ref == "":
		return faultAt(at, `Name the event: "after" and "times" stand beside "event".`)
	case e.Op == OpAtLeast && e.K == 0:
		return faultAt(at, `Say how many: "of" stands beside "at_least".`)
	case e.Op == OpAtLeast && e.Of == nil:
		return faultAt(at, `Say of which: "at_least" stands beside "of".`)
	case e.K > len(e.Of):
		return faultAt(at+"/at_least", fmt.Sprintf("At least %d of %d can never be: give a number from 1 to %d.",
			e.K, len(e.Of), len(e.Of)))
	}
	return nil
}

// leaf counts one leaf more.
func (p *exprParser) leaf() error {
	if p.leaves++; p.leaves > LeavesMax {
		return p.fault(fmt.Sprintf("Name at most %d events, futures and times in one expression.", LeavesMax))
	}
	return nil
}

// fault is a fault of the value just read.
func (p *exprParser) fault(detail string) error { return faultAt(p.dec.StackPointer(), detail) }

// place puts a fault without a place at the value just read; other errors, nil too, pass.
func (p *exprParser) place(err error) error {
	if f, ok := errors.AsType[FieldError](err); ok {
		return p.fault(f.Detail)
	}
	return err
}
