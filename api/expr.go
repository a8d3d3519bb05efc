package api

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of a wait expression, checked while it is parsed.
const (
	LeavesMax = 10_000    // events, futures, sleeps and moments in one expression
	DepthMax  = 16        // operators around a leaf
	CountMax  = 1<<53 - 1 // of after and times: what every JSON reader holds exactly
)

// Op says what an Expr is: a leaf (event, future, sleep, until) or an operator over others.
type Op uint8

// The leaves and operators of a wait expression.
const (
	OpEvent   Op = 1 // Ref is set, or its generation passed After, or it was set Times times
	OpFuture  Op = 2 // Ref settled
	OpSleep   Op = 3 // Sleep passed since the wait began
	OpUntil   Op = 4 // the moment Until is reached
	OpAll     Op = 5 // every one of Of
	OpAny     Op = 6 // one of Of
	OpAtLeast Op = 7 // K of Of
	OpSettled Op = 8 // the one of Of is decided, either way
	OpGroup   Op = 9 // the group Ref has members, and none of them is pending
)

var opNames = [...]string{
	OpEvent: "event", OpFuture: "future", OpSleep: "sleep", OpUntil: "until",
	OpAll: "all", OpAny: "any", OpAtLeast: "at_least", OpSettled: "settled", OpGroup: "group",
}

// String is the name of op on the wire.
func (op Op) String() string {
	if op == 0 || int(op) >= len(opNames) {
		return "Op(" + strconv.Itoa(int(op)) + ")"
	}
	return opNames[op]
}

// Expr is a wait expression. Only the fields that its Op names are set.
type Expr struct {
	Op    Op
	Ref   string        // OpEvent: the event's name. OpFuture: the future's id. OpGroup: the group's
	After *uint64       // OpEvent: a generation to get past; nil for a plain wait until the event is set
	Times uint64        // OpEvent: sets to count (after After, if given); 0 is the same as 1
	Sleep time.Duration // OpSleep
	Until time.Time     // OpUntil, in UTC, whole milliseconds
	K     int           // OpAtLeast: how many, from 1 to len(Of)
	Of    []Expr        // operators: the parts, never empty; OpSettled has one
}

// Leaf reports whether e is an event, future, group, sleep or moment.
func (e Expr) Leaf() bool { return e.Op <= OpUntil || e.Op == OpGroup }

// Each visits the leaves of e in order.
func (e *Expr) Each(visit func(leaf *Expr)) {
	if e.Leaf() {
		visit(e)
		return
	}
	for i := range e.Of {
		e.Of[i].Each(visit)
	}
}

// Find is the JSON pointer, from e, to the first leaf that is wanted.
func (e *Expr) Find(wanted func(leaf *Expr) bool) (pointer string, found bool) {
	if e.Leaf() {
		return "", wanted(e)
	}
	for i := range e.Of {
		below, found := e.Of[i].Find(wanted)
		switch {
		case !found:
		case e.Op == OpSettled:
			return "/settled" + below, true
		case e.Op == OpAtLeast:
			return "/of/" + strconv.Itoa(i) + below, true
		default:
			return "/" + e.Op.String() + "/" + strconv.Itoa(i) + below, true
		}
	}
	return "", false
}

// Leaves is the number of leaves in e.
func (e *Expr) Leaves() int {
	n := 0
	e.Each(func(*Expr) { n++ })
	return n
}

// Equal reports whether e and f are written alike.
func (e Expr) Equal(f Expr) bool {
	after := e.After == f.After || e.After != nil && f.After != nil && *e.After == *f.After
	return after && e.Op == f.Op && e.Ref == f.Ref && e.Times == f.Times && e.Sleep == f.Sleep &&
		e.Until.Equal(f.Until) && e.K == f.K && slices.EqualFunc(e.Of, f.Of, Expr.Equal)
}

// String is the short form: what ParseRef accepts for a leaf, and what answers show as its ref (after and times
// do not show in it). Of an operator it is a reading aid, such as all(event:a, fut_…).
func (e Expr) String() string {
	switch e.Op {
	case OpEvent:
		return "event:" + e.Ref
	case OpFuture:
		if strings.HasPrefix(e.Ref, futurePrefix) {
			return e.Ref
		}
		return "future:" + e.Ref
	case OpGroup:
		return "group:" + e.Ref
	case OpSleep:
		return "sleep:" + e.Sleep.String()
	case OpUntil:
		return "until:" + TimeOf(e.Until).String()
	default:
		var parts []string
		if e.Op == OpAtLeast {
			parts = append(parts, strconv.Itoa(e.K))
		}
		for _, part := range e.Of {
			parts = append(parts, part.String())
		}
		return e.Op.String() + "(" + strings.Join(parts, ", ") + ")"
	}
}

// ParseRef reads the short form of a leaf: "event:NAME", "fut_…", "future:ID", "group:ID", "sleep:5s" or "until:TIME".
// An error is a FieldError without a place.
func ParseRef(text string) (Expr, error) {
	if strings.HasPrefix(text, futurePrefix) {
		return futureRef(text)
	}
	prefix, rest, _ := strings.Cut(text, ":")
	switch prefix {
	case "event":
		return eventRef(rest)
	case "future":
		return futureRef(rest)
	case "group":
		return groupRef(rest)
	case "sleep":
		d, err := ParseDuration(rest)
		return Expr{Op: OpSleep, Sleep: time.Duration(d)}, err
	case "until":
		t, err := ParseTime(rest)
		return Expr{Op: OpUntil, Until: t.Time}, err
	default:
		return Expr{}, fault(`Write "event:NAME", "fut_…", "future:ID", "group:ID", "sleep:5s" or "until:TIME".`)
	}
}

func eventRef(name string) (Expr, error) {
	if !ValidEventName(name) {
		return Expr{}, fault(wantEventName)
	}
	return Expr{Op: OpEvent, Ref: name}, nil
}

func futureRef(id string) (Expr, error) {
	if !ValidFutureID(id) {
		return Expr{}, fault(wantFutureID)
	}
	return Expr{Op: OpFuture, Ref: id}, nil
}

func groupRef(id string) (Expr, error) {
	if !ValidGroupID(id) {
		return Expr{}, fault(wantGroupID)
	}
	return Expr{Op: OpGroup, Ref: id}, nil
}

const (
	wantGroupID   = `A group's id is "grp_" and 26 characters, as the server gave it.`
	wantEventName = "An event's name has 1 to 200 of the characters A-Z a-z 0-9 _ . : / and -, and is not . or .."
	wantFutureID  = `A future's id is "fut_" and 26 characters, as the server gave it, or the id that was chosen ` +
		"for a promise: 1 to 128 of the characters A-Z a-z 0-9 _ . : and -."
)
