package store

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// backend holds ordered keys.
type backend interface {
	// view is everything that was committed when it is made. It must be closed. Any goroutine.
	view() view
	// begin gives the changes of the next commit, none yet. What begin gave before is void.
	begin() changes
	// apply makes all of them durable, or nothing, calls done once, and then tidies up. serial is that of the commit. An
	// error is final.
	apply(serial uint64, done func(error))
	// flush makes durable what a back end that does not wait for the disk has only handed over. Nil: all that was
	// applied is durable, and no commit has failed.
	flush() error
	close() error
}

// view reads. It may be used by one goroutine at a time.
type view interface {
	// get returns the value of key, nil when there is none. It is the caller's.
	get(key []byte) ([]byte, error)
	// scan visits the keys in [from, to) in order, backwards if reverse. It must be closed before the view.
	scan(from, to []byte, reverse bool) cursor
	close()
}

// cursor is one pass over keys. Key and value are valid until the next call of next.
type cursor interface {
	next() bool
	key() []byte
	value() []byte
	close() error // tells what went wrong on the way, too
}

// changes are what one commit does, later ones over earlier ones. Keys and values are copied.
type changes interface {
	set(key, value []byte)
	// seal is set for what may hold a secret: on a disk it does not lie in the clear.
	seal(key, value []byte)
	remove(key []byte)
}

// Store is the one store of a server.
type Store struct {
	backend backend
	bodies  bodies
	loose   looseBodies
	room    func() error // nil: there always is
	spare   func() error // nil: that shows when it is written

	queue  chan request  // to the committer; nil: a commit is made where it is asked for
	every  time.Duration // how often what commits did not wait for is flushed; 0: they wait
	idle   chan struct{} // closed when the committer has ended
	lock   io.Closer     // of the folder; nil: there is none
	failed chan struct{} // closed when nothing can be written any more; nil: that never happens

	broken  error // why a commit could not be put together: none after it may be made
	head    head  // as last committed; whoever commits owns it
	writing writing
	renewal renewal                                       // of a store on disk
	counts  [len(counts{})][len(counts{}[0])]atomic.Int64 // those of head, for everybody

	// unused are the bodies that nobody needs when all commits so far are durable. Whoever commits owns them.
	unused []string

	// earliest is that of the first list of expiries in the store, so that looking for what has expired costs nothing,
	// and never walks over what was forgotten before.
	earliest atomic.Int64
}

type request struct {
	batch *record.Batch
	done  func(error)
}

// start reads where the store stands, before its first commit.
func (s *Store) start() error {
	v := s.backend.view()
	defer v.close()
	stored, err := v.get([]byte{keyHead})
	if err != nil {
		return err
	}
	if s.head, err = decodeHead(stored); err != nil {
		return err
	}
	s.publish()
	first, err := firstExpiry(v)
	s.earliest.Store(int64(first))
	return err
}

// owns reports whether a committed future has the body in this file.
func (s *Store) owns(ref string) (bool, error) {
	v := s.backend.view()
	defer v.close()
	value, err := v.get(appendName(nil, keyBody, ref))
	return value != nil, err
}

// publish tells everybody the counts of the head.
func (s *Store) publish() {
	for k := range s.head.counts {
		for st, n := range s.head.counts[k] {
			s.counts[k][st].Store(n)
		}
	}
}

// Commit makes b durable and then calls done exactly once, from any goroutine. The next Commit must not come
// before that. An error is final: the server must end, because nothing after b may be promised.
func (s *Store) Commit(b *record.Batch, done func(error)) {
	r := request{b, done}
	if s.queue == nil {
		s.commit(r)
		return
	}
	s.queue <- r
}

// commitAll is the committer: it makes the commits, beside the loop.
func (s *Store) commitAll() {
	defer close(s.idle)
	var tick <-chan time.Time
	if s.every > 0 {
		ticker := time.NewTicker(s.every)
		defer ticker.Stop()
		tick = ticker.C
	}
	renewals := time.NewTicker(s.renewal.every)
	defer renewals.Stop()
	for {
		select {
		case r, more := <-s.queue:
			if !more {
				return
			}
			s.commit(r)
		case <-tick:
			if err := s.backend.flush(); err == nil { // when it fails, so does the next commit
				s.removeUnused()
			}
		case now := <-renewals.C:
			s.renew(now)
		case <-s.renewing():
			s.renewSome()
		}
	}
}

// Count is how many futures of a kind are committed in a state.
func (s *Store) Count(k record.Kind, st record.State) int64 { return s.counts[k][st].Load() }

// Position is that of the last commit, 0 before the first.
func (s *Store) Position() (uint64, error) {
	h, err := s.lastHead()
	return h.position, err
}

// Counted is the last serial of an event or a group, whether it is forgotten or not; 0 before the first.
func (s *Store) Counted() (uint64, error) {
	h, err := s.lastHead()
	return h.counted, err
}

func (s *Store) lastHead() (head, error) {
	v := s.backend.view()
	defer v.close()
	stored, err := v.get([]byte{keyHead})
	if err != nil {
		return head{}, err
	}
	return decodeHead(stored)
}

// Room reports whether there is room for more work: nil, or an error that wraps ErrFull. What is under way may
// still be committed when there is none. Any goroutine.
func (s *Store) Room() error {
	if s.room == nil {
		return nil
	}
	return s.room()
}

// Spare reports whether there is room even for what is under way: nil, or an error that wraps ErrFull. Nil is no
// promise on a disk, where only writing shows it. Any goroutine.
func (s *Store) Spare() error {
	if s.spare == nil {
		return nil
	}
	return s.spare()
}

// Failed is closed when the store cannot write any more, whether a commit is under way or not: the next one reports
// why, and the server must end. Reading goes on as far as it can. Any goroutine.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Close ends the store, when the last commit is done. Nothing may be called after it.
func (s *Store) Close() error {
	if s.queue != nil {
		close(s.queue)
		<-s.idle
		s.renewAtEnd()
	}
	err := s.backend.close()
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}
