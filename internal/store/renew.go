package store

import (
	"bytes"
	"errors"
	"log/slog"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

const (
	renewEvery    = time.Minute // at least, between two keys
	renewShare    = 20          // at most one part in so many of the time is spent on sealing anew
	renewFactsMax = 500         // in one commit
	renewBytesMax = 4 << 20     // in one commit, one fact more
	renewEndMax   = 10_000      // facts that are sealed anew when the store is closed
)

// renewal is the sealing anew of what is not settled. It belongs to the committer.
type renewal struct {
	ring  *ring // nil: nothing is sealed
	log   *slog.Logger
	every time.Duration
	due   bool      // something was settled since the last one began
	began time.Time // the last one
	next  time.Time // no earlier
	from  []byte    // where it goes on; nil: none is under way
}

// renewing is ready while one is under way.
func (s *Store) renewing() <-chan struct{} {
	if s.renewal.from == nil {
		return nil
	}
	return always
}

var always = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// renew begins to seal anew what is not settled, if something was settled since the last time.
func (s *Store) renew(now time.Time) {
	n := &s.renewal
	if !n.due || n.from != nil || now.Before(n.next) {
		return
	}
	if err := n.ring.begin(); err != nil {
		n.log.Warn("no new key to seal with: what is settled stays readable to who has the folder", "error", err)
		return
	}
	n.begin(now)
}

func (n *renewal) begin(now time.Time) { n.due, n.began, n.from = false, now, []byte{renewed[0]} }

// renewed are the prefixes of what leads to sealed facts, in the order of the walk: the facts themselves, and the marks
// of those that are settled and whose callback is pending.
var renewed = []byte{keyPending, keyRunning, keyCalls}

// renewSome seals some facts anew, in a commit of its own, and when these were the last ones forgets the old keys. When
// it fails, what lies on the disk can be opened as before.
func (s *Store) renewSome() {
	n := &s.renewal
	h := s.head.after(&record.Batch{Position: s.head.position}, nil)
	last, err := s.sealAnew(h)
	if err == nil {
		err = s.applyAlone(h)
	}
	if err == nil && !last {
		return
	}
	if err == nil {
		err = s.forget(false)
	}
	if err != nil {
		n.log.Warn("what is settled stays readable to who has the folder", "error", err)
	}
	now := time.Now()
	n.from, n.next = nil, now.Add(max(n.every, renewShare*now.Sub(n.began)))
}

// applyAlone makes durable what was put together for nobody who asked.
func (s *Store) applyAlone(h head) (err error) {
	s.backend.apply(h.serial, func(failed error) {
		if err = failed; err == nil {
			s.head = h
		}
	})
	return err
}

// forget forgets the keys, if what is sealed anew is durable. Else what lies on the disk may need the old ones.
func (s *Store) forget(end bool) error {
	if err := s.backend.flush(); err != nil {
		return err
	}
	return s.renewal.ring.forget(end)
}

// sealAnew puts a commit of some facts together, and reports whether they are the last.
func (s *Store) sealAnew(h head) (last bool, err error) {
	v := s.backend.view()
	defer v.close()
	w := &s.writing
	w.begin(s.backend.begin(), &h)
	from := s.renewal.from
	places := v.scan(from, end(from[:1]), false)
	for count, size := 0, 0; err == nil && places.next(); count++ {
		if count == renewFactsMax || size > renewBytesMax {
			s.renewal.from = append([]byte(nil), places.key()...)
			return false, places.close()
		}
		key, fact := places.key(), places.value()
		if key[0] == keyCalls {
			key, fact, err = settledAt(v, key[1:])
		}
		if fact != nil {
			w.seal(key, fact)
			size += len(fact)
		}
	}
	if from[0] == renewed[len(renewed)-1] {
		return true, errors.Join(err, places.close())
	}
	s.renewal.from = []byte{renewed[bytes.IndexByte(renewed, from[0])+1]}
	return false, errors.Join(err, places.close())
}

// settledAt is the settled fact at a place, encoded, and its key; nil when there is none.
func settledAt(v view, place []byte) (key, fact []byte, err error) {
	for _, prefix := range everywhere {
		if prefix[0] == keySettled && fact == nil && err == nil {
			key = append([]byte(prefix), place...)
			fact, err = v.get(key)
		}
	}
	return key, fact, err
}

// renewAtEnd is the last sealing anew. With too many facts it is left to the next start.
func (s *Store) renewAtEnd() {
	n := &s.renewal
	count, err := s.countSealed(renewEndMax + 1)
	switch {
	case err != nil || count > renewEndMax:
	case count == 0:
		err = s.forget(true)
	default:
		n.next = time.Time{}
		s.renew(time.Now())
		for n.from != nil {
			s.renewSome()
		}
	}
	if err != nil {
		n.log.Warn("what is settled stays readable to who has the folder", "error", err)
	}
}

// countSealed counts the facts that are sealed, up to most.
func (s *Store) countSealed(most int) (count int, err error) {
	v := s.backend.view()
	defer v.close()
	for _, prefix := range renewed {
		places := v.scan([]byte{prefix}, end([]byte{prefix}), false)
		for count < most && places.next() {
			count++
		}
		err = errors.Join(err, places.close())
	}
	return count, err
}
