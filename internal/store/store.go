package store

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/awaitd/awaitd/internal/record"
)

// SweepMax is the most expired futures that one commit forgets, so that a commit stays short.
const SweepMax = 1000

// backend holds ordered keys.
type backend interface {
	// get returns the value of key, nil when there is none.
	get(key []byte) ([]byte, error)
	// scan visits the keys in [from, to) in order, backwards if reverse, until each returns false. What is
	// committed meanwhile may or may not be seen. Key and value are valid during the call only.
	scan(from, to []byte, reverse bool, each func(key, value []byte) bool) error
	// apply makes all of w durable, or nothing, and then calls done once, from any goroutine.
	apply(w *writes, done func(error))
	close() error
}

// writes are the changes of one commit, later ones over earlier ones.
type writes struct {
	puts []put
}

// put sets key to value; a nil value removes it.
type put struct{ key, value []byte }

func (w *writes) set(key, value []byte) { w.puts = append(w.puts, put{key, value}) }
func (w *writes) remove(key []byte)     { w.puts = append(w.puts, put{key, nil}) }

var present = []byte{}

// Store is the one store of a server.
type Store struct {
	backend backend
	bodies  bodies
	counts  [5][6]atomic.Int64 // committed futures by kind and state
}

// Commit makes b durable and then calls done exactly once, from any goroutine. The next Commit must not come
// before that. An error is final: the server must end, because nothing after b may be promised.
func (s *Store) Commit(b *record.Batch, done func(error)) {
	w := &writes{}
	for _, c := range b.Futures {
		s.putFuture(w, c.Was, c.Is)
	}
	for _, e := range b.Events {
		if e.Is == nil {
			w.remove(eventKey(e.Name))
		} else {
			w.set(eventKey(e.Name), record.EncodeEvent(e.Is))
		}
	}
	refs, err := s.forget(w, b)
	if err != nil {
		done(err)
		return
	}
	w.set([]byte{keyPosition}, binary.BigEndian.AppendUint64(nil, b.Position))
	s.backend.apply(w, func(err error) {
		if err == nil {
			s.bodies.remove(refs)
		}
		done(err)
	})
}

// putFuture writes the fact and moves its index entries from where was stood to where is stands.
func (s *Store) putFuture(w *writes, was, is *record.Future) {
	if was == nil {
		w.set(append([]byte{keyByTime}, place(is)...), present)
		for _, l := range is.Labels {
			w.set(append(labelPrefix(l), place(is)...), present)
		}
	} else {
		s.counts[was.Kind][was.State].Add(-1)
		if was.State.Settled() != is.State.Settled() {
			w.remove(append(standing(was), place(was)...))
		}
	}
	if was == nil || was.State.Settled() != is.State.Settled() {
		w.set(append(standing(is), place(is)...), present)
	}
	if is.State.Settled() && is.ExpiresAt != 0 {
		w.set(expiryKey(is.ExpiresAt, is.ID), present)
	}
	s.counts[is.Kind][is.State].Add(1)
	w.set(futureKey(is.ID), record.EncodeFuture(is))
}

// forget removes what b drops and what has expired by b.At. It returns the bodies that go with them.
func (s *Store) forget(w *writes, b *record.Batch) (refs []string, err error) {
	ids := b.Dropped
	err = s.backend.scan([]byte{keyExpires}, expiryKey(b.At+1, ""), false, func(key, _ []byte) bool {
		ids = append(ids, string(key[9:]))
		return len(ids) < SweepMax
	})
	if err != nil {
		return nil, fmt.Errorf("look for expired futures: %w", err)
	}
	gone := make(map[string]bool, len(ids))
	for _, id := range ids {
		f, err := s.Future(id)
		if err != nil {
			return nil, err
		}
		if f == nil || gone[id] {
			continue
		}
		gone[id] = true
		s.removeFuture(w, f)
		if f.Result != nil && f.Result.Body.Ref != "" {
			refs = append(refs, f.Result.Body.Ref)
		}
	}
	return refs, nil
}

func (s *Store) removeFuture(w *writes, f *record.Future) {
	w.remove(futureKey(f.ID))
	w.remove(append([]byte{keyByTime}, place(f)...))
	w.remove(append(standing(f), place(f)...))
	for _, l := range f.Labels {
		w.remove(append(labelPrefix(l), place(f)...))
	}
	if f.ExpiresAt != 0 {
		w.remove(expiryKey(f.ExpiresAt, f.ID))
	}
	s.counts[f.Kind][f.State].Add(-1)
}

// Sweepable reports whether something has expired by now, so that a commit is worth making.
func (s *Store) Sweepable(now record.Time) (found bool, err error) {
	err = s.backend.scan([]byte{keyExpires}, expiryKey(now+1, ""), false, func(_, _ []byte) bool {
		found = true
		return false
	})
	return found, err
}

// Position is that of the last commit, 0 before the first.
func (s *Store) Position() (uint64, error) {
	v, err := s.backend.get([]byte{keyPosition})
	if err != nil || v == nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(v), nil
}

// Count is how many futures of a kind are committed in a state.
func (s *Store) Count(k record.Kind, st record.State) int64 { return s.counts[k][st].Load() }

// Close ends the store. Nothing may be called after it.
func (s *Store) Close() error { return s.backend.close() }
