package await

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/fnv"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/events"
	"github.com/awaitd/awaitd/internal/record"
)

// ErrCursor says that a wait was given a cursor that no answer about these things gave.
var ErrCursor = errors.New("await: the cursor is not of a wait for the same things")

// Cursor is where a conversation about some leaves stands: when it began, which leaves have been reported, and how
// far events had been counted by then. It is all that the next wait must know, so the server keeps nothing of it.
// It is bound to the leaves, not to the operators above them: a caller may ask for one of them, and then for two.
type Cursor struct {
	sum     uint64      // of the leaves
	began   record.Time // what sleeps count from
	serial  uint64      // of the last set or pulse that the conversation knows of
	decided bits
	failed  bits // of the decided ones
	untold  bits // of the decided ones, while a stream tells of several that came together
}

// bits are numbered from 0; what lies beyond the end is 0.
type bits []byte

func (b bits) has(n int) bool { return n/8 < len(b) && b[n/8]>>(n%8)&1 != 0 }

func (b *bits) add(n int) {
	for n/8 >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[n/8] |= 1 << (n % 8)
}

func (b bits) remove(n int) {
	if n/8 < len(b) {
		b[n/8] &^= 1 << (n % 8)
	}
}

// trimmed is b without the zeros at its end.
func (b bits) trimmed() bits {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return b
}

// cursorVersion is the first byte of an encoded cursor.
const cursorVersion = 1

// String is c as an answer carries it. It has at most api.WaitCursorBytesMax characters.
func (c *Cursor) String() string { return string(c.Append(nil)) }

// Append appends c to b, as String has it.
func (c *Cursor) Append(b []byte) []byte {
	n := len(b)
	b = c.appendRaw(b)
	end := len(b)
	b = base64.RawURLEncoding.AppendEncode(b, b[n:])
	return append(b[:n], b[end:]...)
}

func (c *Cursor) appendRaw(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(append(b, cursorVersion), c.sum)
	b = binary.AppendUvarint(b, uint64(c.began))
	b = binary.AppendUvarint(b, c.serial)
	for _, set := range []bits{c.decided, c.failed, c.untold.trimmed()} {
		b = binary.AppendUvarint(b, uint64(len(set)))
		b = append(b, set...)
	}
	return b
}

// readCursor reads what String wrote, for leaves of this sum and number. The error is ErrCursor.
func readCursor(text string, sum uint64, leaves int) (*Cursor, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) < 9 || b[0] != cursorVersion || binary.BigEndian.Uint64(b[1:]) != sum {
		return nil, ErrCursor
	}
	b = b[9:]
	take := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			err, n = ErrCursor, 0
		}
		b = b[n:]
		return v
	}
	c := &Cursor{sum: sum, began: record.Time(take()), serial: take()}
	for _, set := range []*bits{&c.decided, &c.failed, &c.untold} {
		size := take()
		if err != nil || size > uint64(len(b)) {
			return nil, ErrCursor
		}
		*set, b = bits(b[:size]), b[size:]
	}
	size := max(len(c.decided), len(c.failed), len(c.untold))
	if len(b) > 0 || size > (leaves+7)/8 {
		return nil, ErrCursor
	}
	for n := range 8 * size {
		if c.decided.has(n) && n >= leaves || (c.failed.has(n) || c.untold.has(n)) && !c.decided.has(n) {
			return nil, ErrCursor
		}
	}
	return c, nil
}

// leafSum tells expressions apart by their leaves, in order.
func leafSum(e *api.Expr) (sum uint64, leaves int) {
	h := fnv.New64a()
	var text []byte
	e.Each(func(leaf *api.Expr) {
		leaves++
		text = appendLeaf(text[:0], leaf)
		_, _ = h.Write(text) // it never fails
	})
	return h.Sum64(), leaves
}

// appendLeaf appends all that makes one leaf another, the length first.
func appendLeaf(b []byte, leaf *api.Expr) []byte {
	b = append(b, byte(leaf.Op))
	b = binary.AppendUvarint(b, uint64(len(leaf.Ref)))
	b = append(b, leaf.Ref...)
	if leaf.After != nil {
		b = binary.AppendUvarint(append(b, 1), *leaf.After)
	}
	b = binary.AppendUvarint(append(b, 0), leaf.Times)
	b = binary.AppendUvarint(b, uint64(leaf.Sleep))
	if !leaf.Until.IsZero() {
		b = binary.AppendUvarint(b, uint64(record.TimeOf(leaf.Until)))
	}
	return b
}

// goOn lets w, of which nothing has been looked at, begin where c stands. What was not told in time is left to look.
func (w *wait) goOn(c *Cursor) {
	w.began, w.since = c.began, c.serial
	for n := range w.leaves {
		if c.decided.has(n) && !c.untold.has(n) {
			w.leaves[n].enter(c.outcome(n))
			w.leaves[n].rise(c.outcome(n))
		}
	}
	w.told = len(w.order)
}

// knows reports whether every leaf of e that waits for a future is decided. Nil knows of none.
func (c *Cursor) knows(e *api.Expr, future string) bool {
	if c == nil {
		return false
	}
	n, all := 0, true
	e.Each(func(leaf *api.Expr) {
		if leaf.Op == api.OpFuture && leaf.Ref == future && !c.decided.has(n) {
			all = false
		}
		n++
	})
	return all
}

// outcome is that of a decided leaf.
func (c *Cursor) outcome(n int) Outcome {
	if c.failed.has(n) {
		return Failed
	}
	return Satisfied
}

// retold is a leaf of c that was not told in time, with what is still known of what decided it.
func (l *leaf) retold(c *Cursor, known map[string]*record.Future) happening {
	at, fact := l.stands(known)
	return happening{l, c.outcome(int(l.number)), at, fact}
}

func (l *leaf) stands(known map[string]*record.Future) (record.Time, any) {
	s := l.wait.state
	switch l.expr.Op {
	case api.OpEvent:
		if fact := s.events.Look(l.expr.Ref); fact.SetAt != 0 {
			return fact.SetAt, fact
		}
	case api.OpGroup:
		if g := s.groups[l.expr.Ref]; g != nil {
			return events.Time(g.fact.Serial), g.fact
		}
	case api.OpFuture:
		fact := known[l.expr.Ref]
		if f := s.futures[l.expr.Ref]; f != nil {
			fact = f.fact
		}
		if fact != nil && fact.State.Settled() {
			return fact.SettledAt, fact
		}
	}
	return s.at, nil
}

// cursor is where the conversation stands once the first so many decided leaves of w have been told.
func (w *wait) cursor(told int) *Cursor {
	c := &Cursor{sum: w.sum, began: w.began, serial: w.known()}
	for _, n := range w.order[:told] {
		c.decided.add(int(n))
		if w.leaves[n].outcome == Failed {
			c.failed.add(int(n))
		}
	}
	return c
}

// known is the serial up to which all sets have been followed to every leaf of w. In the middle of a set that is not
// that of the set: its event may have more leaves here.
func (w *wait) known() uint64 {
	serial := w.state.events.Serial()
	if len(w.order) == 0 {
		return serial
	}
	last := uint64(0)
	switch fact := w.leaves[w.order[len(w.order)-1]].about.(type) {
	case *record.Event:
		last = fact.Serial
	case *record.Group:
		last = fact.Serial // 0 when it was forgotten and nobody had joined it
	}
	if last == serial && serial > w.since {
		return serial - 1
	}
	return serial
}
