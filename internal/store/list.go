package store

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/awaitd/awaitd/internal/record"
)

// Futures reads a page, newest first. next is the cursor of the following page, empty after the last. A page may
// be shorter than q.Limit though more follow (see ScanMax). Any goroutine.
func (s *Store) Futures(q record.FutureQuery) (page []*record.Future, next string, err error) {
	order := orderOf(q)
	var before []byte // the place that the page begins below; nil: at the newest
	if q.After != "" {
		at, err := base64.RawURLEncoding.DecodeString(q.After)
		if err != nil || len(at) < 1 || at[0] != order.letter || idAt(at[1:]) == "" {
			return nil, "", ErrCursor
		}
		before = at[1:]
	}
	v := s.backend.view()
	defer v.close()
	m := merge(v, order.prefixes, before, true)
	var last []byte
	for seen := 0; err == nil && m.next(); seen++ {
		if len(page) == q.Limit || seen == ScanMax {
			next = base64.RawURLEncoding.EncodeToString(append([]byte{order.letter}, last...))
			break
		}
		last = append(last[:0], m.place()...)
		var f *record.Future
		if f, err = order.read(v, last, m.value()); f != nil && matches(f, q) {
			page = append(page, f)
		}
	}
	if err = errors.Join(err, m.close()); err != nil {
		return nil, "", fmt.Errorf("list futures: %w", err)
	}
	return page, next, nil
}

// order is one way in which futures lie by time: under one prefix or, merged, under several.
type order struct {
	letter   byte // begins its cursors
	prefixes []string
	facts    bool // the values are the facts; else the facts lie elsewhere
}

// orderOf chooses the narrowest order for q.
func orderOf(q record.FutureQuery) order {
	switch {
	case q.Label != nil:
		return order{keyLabel, []string{string(appendLabel(nil, *q.Label))}, false}
	case q.State != 0:
		return order{factPrefix(q.State)[0], []string{factPrefix(q.State)}, true}
	default:
		return order{'a', everywhere, true}
	}
}

func (o order) read(v view, place, value []byte) (*record.Future, error) {
	if o.facts {
		return decodeAt(place, value)
	}
	return find(v, place)
}

func matches(f *record.Future, q record.FutureQuery) bool {
	return (q.State == 0 || f.State == q.State) &&
		(q.Kind == 0 || f.Kind == q.Kind) &&
		(f.ExpiresAt == 0 || f.ExpiresAt > q.Exists)
}

// merged walks several prefixes as one, by place.
type merged struct {
	parts   []part
	reverse bool // from the newest place to the oldest; else from the oldest
	current int  // the part that stands on the next place; -1 before the first
}

type part struct {
	cursor
	prefix int // bytes of it
	more   bool
}

// merge walks the places below before, or all if it is nil. The walk must be closed before the view.
func merge(v view, prefixes []string, before []byte, reverse bool) *merged {
	m := &merged{reverse: reverse, current: -1}
	for _, prefix := range prefixes {
		to := end([]byte(prefix))
		if before != nil {
			to = append([]byte(prefix), before...)
		}
		c := v.scan([]byte(prefix), to, reverse)
		m.parts = append(m.parts, part{c, len(prefix), c.next()})
	}
	return m
}

func (m *merged) next() bool {
	if m.current >= 0 {
		p := &m.parts[m.current]
		p.more = p.cursor.next()
	}
	m.current = -1
	for i, p := range m.parts {
		if p.more && (m.current < 0 || m.reverse == (bytes.Compare(p.place(), m.place()) > 0)) {
			m.current = i
		}
	}
	return m.current >= 0
}

func (p part) place() []byte    { return p.key()[p.prefix:] }
func (m *merged) place() []byte { return m.parts[m.current].place() }
func (m *merged) value() []byte { return m.parts[m.current].value() }

func (m *merged) close() error {
	var faults []error
	for _, p := range m.parts {
		faults = append(faults, p.close())
	}
	return errors.Join(faults...)
}
