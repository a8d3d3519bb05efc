package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/awaitd/awaitd/internal/record"
)

// SweepMax is the most facts that one commit forgets because they have expired, so that a commit stays short.
const SweepMax = 1000

// listMax is how many facts one list of expiries holds at most. Lists are swept whole.
const listMax = SweepMax / 4

// never is later than any expiry.
const never = record.Time(math.MaxInt64)

// gone is what a commit forgets.
type gone struct {
	futures []*record.Future
	keys    [][]byte    // of what is forgotten without further ado: used idempotency keys, lists that are done with
	next    record.Time // the earliest expiry that stays
}

// forgotten finds what b drops and what has expired by b.At.
func (s *Store) forgotten(v view, b *record.Batch) (g gone, err error) {
	seen := map[string]bool{}
	for _, id := range b.Dropped {
		f, err := readFuture(v, id)
		if err != nil {
			return g, err
		}
		if f != nil && !seen[id] {
			seen[id] = true
			g.futures = append(g.futures, f)
		}
	}
	if g.next = record.Time(s.earliest.Load()); g.next > b.At {
		return g, nil
	}
	lists := v.scan(appendTime([]byte{keyExpires}, g.next), end([]byte{keyExpires}), false)
	g.next = never
	for swept := 0; err == nil && lists.next(); {
		at := timeOf(lists.key()[1:])
		if at > b.At || swept+listMax > SweepMax {
			g.next = at
			break
		}
		g.keys = append(g.keys, bytes.Clone(lists.key()))
		err = each(lists.value(), func(key []byte) error {
			swept++
			return g.expire(v, key, b.At, seen)
		})
	}
	if err = errors.Join(err, lists.close()); err != nil {
		return g, fmt.Errorf("look for what has expired: %w", err)
	}
	return g, nil
}

// each calls do for every key in a list of expiries.
func each(list []byte, do func(key []byte) error) error {
	for len(list) > 0 {
		size, n := binary.Uvarint(list)
		if n <= 0 || size == 0 || size > uint64(len(list)-n) {
			return fmt.Errorf("%w: list of expiries", record.ErrCorrupt)
		}
		if err := do(list[n : n+int(size)]); err != nil {
			return err
		}
		list = list[n+int(size):]
	}
	return nil
}

// expire adds the fact with this key, unless it is gone already, or is another one that came after it and has time.
func (g *gone) expire(v view, key []byte, now record.Time, seen map[string]bool) error {
	stored, err := v.get(key)
	if err != nil || stored == nil {
		return err
	}
	switch key[0] {
	case keyUsed:
		k, err := record.DecodeKey(stored)
		if err == nil && k.ExpiresAt <= now {
			g.keys = append(g.keys, bytes.Clone(key))
		}
		return err
	case keySettled:
		f, err := decodeAt(key[len("s?"):], stored)
		if err == nil && f.ExpiresAt != 0 && f.ExpiresAt <= now && !seen[f.ID] {
			seen[f.ID] = true
			g.futures = append(g.futures, f)
		}
		return err
	default:
		return fmt.Errorf("%w: list of expiries", record.ErrCorrupt)
	}
}

// firstExpiry is the earliest expiry in the store; never when there is none.
func firstExpiry(v view) (record.Time, error) {
	lists := v.scan([]byte{keyExpires}, end([]byte{keyExpires}), false)
	at := never
	if lists.next() {
		at = timeOf(lists.key()[1:])
	}
	return at, lists.close()
}

// Sweepable reports whether something has expired by now, so that a commit is worth making. Any goroutine.
func (s *Store) Sweepable(now record.Time) (bool, error) {
	return record.Time(s.earliest.Load()) <= now, nil
}
