package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/awaitd/awaitd/internal/record"
)

// leafNumber is the bytes that end the key of a leaf: its number.
const leafNumber = 4

// leaf writes or forgets a decided leaf of a wait that goes on.
func (w *writing) leaf(c record.LeafChange) {
	w.at(c.Of)
	w.buffer = append(append(w.buffer[:0], keyLeaf), w.place...)
	w.buffer = binary.BigEndian.AppendUint32(w.buffer, uint32(c.N))
	if c.Is == nil {
		w.remove(w.buffer)
		return
	}
	w.value = record.AppendLeaf(w.value[:0], c.Is)
	w.set(w.buffer, w.value)
}

// Leaves visits the decided leaves of all waits that go on, which is what a restart needs beside Load.
func (s *Store) Leaves(visit func(id string, l *record.Leaf) error) error {
	v := s.backend.view()
	defer v.close()
	entries := v.scan([]byte{keyLeaf}, []byte{keyLeaf + 1}, false)
	var err error
	for err == nil && entries.next() {
		var l *record.Leaf
		id, number := leafKey(entries.key()[1:])
		if l, err = record.DecodeLeaf(entries.value()); err == nil && (id == "" || l.N != number) {
			err = fmt.Errorf("%w: it is another leaf's", record.ErrCorrupt)
		}
		if err == nil {
			err = visit(id, l)
		}
	}
	if err = errors.Join(err, entries.close()); err != nil {
		return fmt.Errorf("read the decided leaves: %w", err)
	}
	return nil
}

// leafKey is whose leaf it is, and its number; an empty id when the key is none.
func leafKey(key []byte) (id string, number int) {
	if len(key) <= leafNumber {
		return "", 0
	}
	place := key[:len(key)-leafNumber]
	return idAt(place), int(binary.BigEndian.Uint32(key[len(place):]))
}
