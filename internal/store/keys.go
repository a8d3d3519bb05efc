package store

import (
	"encoding/binary"

	"github.com/oklog/ulid/v2"

	"github.com/awaitd/awaitd/internal/record"
)

// The key space. All numbers are big-endian, so that byte order is number order.
//
//	h                              the head: what is true of the store as a whole (head.go)
//	o <place>                      the fact of a pending future
//	r <place>                      the fact of a running future
//	s <state> <place>              the fact of a settled future
//	i <id>                         the time in the place of a future whose id does not tell it
//	l <key> 00 <value> 00 <place>  futures by label
//	c <place>                      a settled future whose callback is pending
//	b <ref>                        a body that lies in a file of its own and belongs to a future
//	e <name>                       the fact of an event
//	k <name>                       the fact of an idempotency key
//	m <key>                        the fact of a limit
//	g <id>                         the fact of a group
//	w <place> <n>                  the n-th leaf of what a future waits for, decided before the whole is
//	x <expires> <serial> <n>       keys of facts that are forgotten at that time: a list, the n-th of a commit
//
// The fact moves with the future's life, and there is no index beside it: a life that starts at once costs the writes
// of the running fact, its removal, the settled fact and a place in a list. Who lists futures reads facts in the order
// in which they lie, and a restart reads the open ones and nothing else.
//
// In format 1 the facts of running futures lay with those of pending ones, and r <place> was an empty mark; in its
// first days there was none (format.go).
const (
	keyHead    = 'h'
	keyPending = 'o'
	keyRunning = 'r'
	keySettled = 's'
	keyTime    = 'i'
	keyLabel   = 'l'
	keyCalls   = 'c'
	keyBody    = 'b'
	keyEvent   = 'e'
	keyUsed    = 'k'
	keyLimit   = 'm'
	keyGroup   = 'g'
	keyLeaf    = 'w'
	keyExpires = 'x'
)

// ownPrefix begins the ids that the server makes.
const ownPrefix = "fut_"

// A place is where a future stands in every order by time: six bytes of Unix milliseconds, then how it is called.
// An id that the server made tells its time, and lies here as the 16 bytes of its ULID, cut in two by a 0. An id
// that a caller chose is preceded by a 1, and by the time its future was created.
const (
	placeOwn    = 0
	placeChosen = 1
	placeTime   = 6 // bytes of time
)

// ownID reads an id that the server made. Only the one spelling that the server uses is one.
func ownID(id string) (u ulid.ULID, ok bool) {
	if len(id) != len(ownPrefix)+ulid.EncodedSize || id[:len(ownPrefix)] != ownPrefix {
		return u, false
	}
	if err := u.UnmarshalText([]byte(id[len(ownPrefix):])); err != nil {
		return u, false
	}
	var text [ulid.EncodedSize]byte
	_ = u.MarshalTextTo(text[:]) // it fits
	return u, string(text[:]) == id[len(ownPrefix):]
}

// appendPlace appends the place of the future with this id. The time it was created matters only if the id does not
// tell.
func appendPlace(b []byte, id string, created record.Time) []byte {
	if u, ok := ownID(id); ok {
		b = append(append(b, u[:placeTime]...), placeOwn)
		return append(b, u[placeTime:]...)
	}
	return append(append(appendTime(b, created), placeChosen), id...)
}

// idAt is the id of the future at a place; empty when it is none.
func idAt(place []byte) string {
	switch {
	case len(place) <= placeTime:
		return ""
	case place[placeTime] == placeChosen:
		return string(place[placeTime+1:])
	case place[placeTime] == placeOwn && len(place) == 1+len(ulid.ULID{}):
		var u ulid.ULID
		copy(u[copy(u[:], place[:placeTime]):], place[placeTime+1:])
		return ownPrefix + u.String()
	default:
		return ""
	}
}

// appendTime appends the six bytes of t; times that they cannot say become the nearest that they can.
func appendTime(b []byte, t record.Time) []byte {
	var eight [8]byte
	binary.BigEndian.PutUint64(eight[:], uint64(min(max(t, 0), 1<<(8*placeTime)-1)))
	return append(b, eight[2:]...)
}

func timeOf(b []byte) (t record.Time) {
	for _, c := range b[:placeTime] {
		t = t<<8 | record.Time(c)
	}
	return t
}

// factPrefix is the prefix under which futures in this state lie.
func factPrefix(state record.State) string { return factPrefixes[state] }

var factPrefixes = [...]string{
	record.StatePending:   "o",
	record.StateRunning:   "r",
	record.StateSucceeded: "s\x03",
	record.StateFailed:    "s\x04",
	record.StateCancelled: "s\x05",
}

// callsPrefix is the prefix of the places of settled futures whose callback is pending: few among many.
const callsPrefix = string(keyCalls)

// unsettled are the prefixes under which facts of futures lie that are not settled.
var unsettled = []string{factPrefixes[record.StatePending], factPrefixes[record.StateRunning]}

// everywhere are the prefixes under which facts of futures lie, the likeliest first.
var everywhere = []string{
	factPrefixes[record.StateSucceeded], factPrefixes[record.StatePending], factPrefixes[record.StateRunning],
	factPrefixes[record.StateFailed], factPrefixes[record.StateCancelled],
}

func appendLabel(b []byte, l record.Label) []byte {
	b = append(append(b, keyLabel), l.Key...)
	b = append(append(b, 0), l.Value...)
	return append(b, 0)
}

// appendName appends a key that is a letter and a name: of an event, of a body, of a chosen id.
func appendName(b []byte, letter byte, name string) []byte { return append(append(b, letter), name...) }

// end is the first key after all that begin with prefix.
func end(prefix []byte) []byte {
	b := append([]byte(nil), prefix...)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i]++; b[i] != 0 {
			return b[:i+1]
		}
	}
	return nil
}
