package store

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// InlineBytesMax is the longest body that lies in the fact itself.
const InlineBytesMax = 64 << 10

// bodies keeps the bodies that are too long to be inline, by reference. Any goroutine.
type bodies interface {
	create() (longBody, error)
	open(b record.Body) (io.ReadSeekCloser, error)
	remove(refs []string)
}

// longBody takes a body that is too long to be inline. Exactly one of commit and discard is called, last; a commit
// that fails leaves nothing behind.
type longBody interface {
	io.Writer
	commit() (ref string, err error)
	discard()
}

// NewBody starts a body whose length is not known yet. It ends with Commit or Discard. An error wraps ErrFull. Any
// goroutine.
func (s *Store) NewBody() (*BodyWriter, error) {
	if err := s.Spare(); err != nil {
		return nil, err
	}
	return &BodyWriter{store: s}, nil
}

// OpenBody reads a body that lies in a fact or beside it. Any goroutine.
func (s *Store) OpenBody(b record.Body) (io.ReadSeekCloser, error) {
	if b.Ref == "" {
		return nopSeekCloser{bytes.NewReader(b.Inline)}, nil
	}
	return s.bodies.open(b)
}

type nopSeekCloser struct{ io.ReadSeeker }

func (nopSeekCloser) Close() error { return nil }

// BodyWriter gathers one body. Up to InlineBytesMax it stays in memory; what is longer streams to where long bodies
// lie. One goroutine.
type BodyWriter struct {
	store *Store
	bytes int64
	held  []byte
	long  longBody // nil while the body may still be inline
}

// Write appends p. After an error, which wraps ErrFull when there is no room, only Discard is left.
func (w *BodyWriter) Write(p []byte) (int, error) {
	if w.long == nil && len(w.held)+len(p) <= InlineBytesMax {
		w.held = append(w.held, p...)
		w.bytes += int64(len(p))
		return len(p), nil
	}
	if w.long == nil {
		long, err := w.store.bodies.create()
		if err != nil {
			return 0, err
		}
		w.long = long
		if _, err := long.Write(w.held); err != nil {
			return 0, err
		}
		w.held = nil
	}
	n, err := w.long.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Commit ends the body and says where it lies: from then on it survives a crash. It is kept for a future that is
// committed with it soon (see LooseMax). An empty body is inline and not nil. An error wraps ErrFull when there is
// no room; it leaves nothing behind.
func (w *BodyWriter) Commit() (record.Body, error) {
	b := record.Body{Bytes: w.bytes}
	if w.long == nil {
		b.Inline = append(make([]byte, 0, len(w.held)), w.held...)
		w.held = nil
		return b, nil
	}
	long := w.long
	w.long = nil
	ref, err := long.commit()
	if err != nil {
		return record.Body{}, err
	}
	w.store.loose.add(ref)
	b.Ref = ref
	return b, nil
}

// Discard forgets what was written. It does nothing after Commit.
func (w *BodyWriter) Discard() {
	w.held = nil
	if w.long != nil {
		w.long.discard()
		w.long = nil
	}
}

// LooseMax is how long a body is kept, at least, that no committed future refers to: that of an attempt which is
// followed by another, or comes too late. It is gone after twice that time, with the next commit.
const LooseMax = time.Hour

// looseBodies are those that do not belong to a committed future yet, in two generations, so that a commit costs the
// same however many they are. Any goroutine.
type looseBodies struct {
	mu         sync.Mutex
	young, old map[string]bool
	turned     record.Time // when the young became old
}

func (l *looseBodies) add(ref string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.young == nil {
		l.young = map[string]bool{}
	}
	l.young[ref] = true
}

// committed learns of a commit and which bodies it has given to futures. It returns those that nobody wants, in no
// order.
func (l *looseBodies) committed(at record.Time, kept []string) (unwanted []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ref := range kept {
		delete(l.young, ref)
		delete(l.old, ref)
	}
	if at.Sub(l.turned) > LooseMax {
		unwanted = slices.Collect(maps.Keys(l.old)) // each is removed for itself
		l.old, l.young, l.turned = l.young, nil, at
	}
	return unwanted
}

// memoryBodies keeps long bodies in memory.
type memoryBodies struct {
	budget *budget
	mu     sync.Mutex
	last   uint64
	held   map[string][]byte
}

func newMemoryBodies(b *budget) *memoryBodies {
	return &memoryBodies{budget: b, held: map[string][]byte{}}
}

func (m *memoryBodies) create() (longBody, error) { return &memoryBody{of: m}, nil }

func (m *memoryBodies) open(b record.Body) (io.ReadSeekCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	body, ok := m.held[b.Ref]
	if !ok {
		return nil, fmt.Errorf("open body %s: %w", b.Ref, fs.ErrNotExist)
	}
	return nopSeekCloser{bytes.NewReader(body)}, nil
}

func (m *memoryBodies) remove(refs []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, ref := range refs {
		m.budget.used.Add(-int64(len(m.held[ref])))
		delete(m.held, ref)
	}
}

// memoryBody is a long body on its way into memory.
type memoryBody struct {
	of   *memoryBodies
	held []byte
}

func (b *memoryBody) Write(p []byte) (int, error) {
	if err := b.of.budget.take(int64(len(p))); err != nil {
		return 0, err
	}
	b.held = append(b.held, p...)
	return len(p), nil
}

func (b *memoryBody) commit() (string, error) {
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	b.of.last++
	ref := strconv.FormatUint(b.of.last, 10)
	b.of.held[ref] = b.held
	return ref, nil
}

func (b *memoryBody) discard() {
	b.of.budget.used.Add(-int64(len(b.held)))
	b.held = nil
}
