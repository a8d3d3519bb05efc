package store

import (
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

func (n *renewal) begin(now time.Time) { n.due, n.began, n.from = false, now, []byte{keyOpen} }

// renewSome seals some facts anew, in a commit of its own, and when these were the last ones forgets the old keys. When
// it fails, what lies on the disk can be opened as before.
func (s *Store) renewSome() {
	n := &s.renewal
	h := s.head.after(&record.Batch{Position: s.head.position}, nil)
	last, err := s.sealAnew(h)
	if err == nil {
		s.backend.apply(h.serial, func(failed error) {
			if err = failed; err == nil {
				s.head = h
			}
		})
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
	facts := v.scan(s.renewal.from, end([]byte{keyOpen}), false)
	last = true
	for count, size := 0, 0; facts.next(); count++ {
		if count == renewFactsMax || size > renewBytesMax {
			last = false
			s.renewal.from = append(s.renewal.from[:0], facts.key()...)
			break
		}
		w.set(facts.key(), facts.value())
		size += len(facts.value())
	}
	return last, facts.close()
}

// renewAtEnd is the last sealing anew. With too many open facts it is left to the next start.
func (s *Store) renewAtEnd() {
	n := &s.renewal
	open := int64(0)
	for k := range s.counts {
		open += s.counts[k][record.StatePending].Load() + s.counts[k][record.StateRunning].Load()
	}
	if open > renewEndMax {
		return
	}
	if open == 0 {
		if err := s.forget(true); err != nil {
			n.log.Warn("what is settled stays readable to who has the folder", "error", err)
		}
		return
	}
	n.next = time.Time{}
	s.renew(time.Now())
	for n.from != nil {
		s.renewSome()
	}
}
