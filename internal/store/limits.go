package store

import (
	"errors"
	"fmt"

	"github.com/awaitd/awaitd/internal/record"
)

func (w *writing) limit(l record.LimitFact) {
	if l.Is == nil {
		w.remove(w.name(keyLimit, l.Key))
		return
	}
	w.value = record.AppendLimit(w.value[:0], l.Is)
	w.set(w.name(keyLimit, l.Key), w.value)
}

// Limits visits the facts of limits in the order of their keys. An error of a visit ends it. Any goroutine.
func (s *Store) Limits(visit func(*record.Limit) error) error {
	v := s.backend.view()
	defer v.close()
	var err error
	entries := v.scan([]byte{keyLimit}, []byte{keyLimit + 1}, false)
	for err == nil && entries.next() {
		var l *record.Limit
		l, err = record.DecodeLimit(entries.value())
		if err == nil && l.Key != string(entries.key()[1:]) {
			err = fmt.Errorf("%w: it is the fact of another", record.ErrCorrupt)
		}
		if err == nil {
			err = visit(l)
		}
	}
	if err = errors.Join(err, entries.close()); err != nil {
		return fmt.Errorf("read limits: %w", err)
	}
	return nil
}
