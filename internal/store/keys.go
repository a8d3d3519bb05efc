package store

import (
	"encoding/binary"

	"github.com/awaitd/awaitd/internal/record"
)

// The key space. All numbers are big-endian, so that byte order is number order.
//
//	p                                    position of the last commit (8 bytes)
//	f <id>                               the fact of a future
//	e <name>                             the fact of an event
//	t <created> <id>                     futures by time
//	o <created> <id>                     futures that are pending or running, by time
//	s <state> <created> <id>             settled futures by state and time
//	l <key> 00 <value> 00 <created> <id> futures by label and time
//	x <expires> <id>                     settled futures by the time they are forgotten
const (
	keyPosition = 'p'
	keyFuture   = 'f'
	keyEvent    = 'e'
	keyByTime   = 't'
	keyOpen     = 'o'
	keySettled  = 's'
	keyLabel    = 'l'
	keyExpires  = 'x'
)

func futureKey(id string) []byte { return append([]byte{keyFuture}, id...) }

func eventKey(name string) []byte { return append([]byte{keyEvent}, name...) }

func appendTime(b []byte, t record.Time) []byte { return binary.BigEndian.AppendUint64(b, uint64(t)) }

func expiryKey(at record.Time, id string) []byte {
	return append(appendTime([]byte{keyExpires}, at), id...)
}

// place is where f stands in an index that is ordered by time: what follows the index's prefix.
func place(f *record.Future) []byte {
	return append(appendTime(make([]byte, 0, 8+len(f.ID)), f.CreatedAt), f.ID...)
}

// standing is the prefix of the one index that says where f stands in its life.
func standing(f *record.Future) []byte {
	if f.State.Settled() {
		return []byte{keySettled, byte(f.State)}
	}
	return []byte{keyOpen}
}

func labelPrefix(l record.Label) []byte {
	b := append([]byte{keyLabel}, l.Key...)
	b = append(b, 0)
	b = append(b, l.Value...)
	return append(b, 0)
}

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
