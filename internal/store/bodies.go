package store

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/awaitd/awaitd/internal/record"
)

// InlineBytesMax is the longest body that lies in the fact itself.
const InlineBytesMax = 64 << 10

// bodies keeps the bodies that are too long to be inline, by reference.
type bodies interface {
	create() (*BodyWriter, error)
	open(ref string) (io.ReadSeekCloser, error)
	remove(refs []string)
}

// NewBody starts a body whose length is not known yet. It ends with Commit or Discard. Any goroutine.
func (s *Store) NewBody() (*BodyWriter, error) { return s.bodies.create() }

// OpenBody reads a body that lies in a fact or beside it. Any goroutine.
func (s *Store) OpenBody(b record.Body) (io.ReadSeekCloser, error) {
	if b.Ref == "" {
		return nopSeekCloser{bytes.NewReader(b.Inline)}, nil
	}
	return s.bodies.open(b.Ref)
}

type nopSeekCloser struct{ io.ReadSeeker }

func (nopSeekCloser) Close() error { return nil }

// BodyWriter gathers one body. Up to InlineBytesMax it stays inline.
type BodyWriter struct {
	held []byte
	keep func([]byte) string
}

// Write appends p. It never fails.
func (w *BodyWriter) Write(p []byte) (int, error) {
	w.held = append(w.held, p...)
	return len(p), nil
}

// Commit ends the body and says where it lies. An empty body is inline and not nil.
func (w *BodyWriter) Commit() (record.Body, error) {
	b := record.Body{Bytes: int64(len(w.held))}
	if len(w.held) > InlineBytesMax {
		b.Ref = w.keep(w.held)
	} else {
		b.Inline = append(make([]byte, 0, len(w.held)), w.held...)
	}
	w.held = nil
	return b, nil
}

// Discard forgets what was written.
func (w *BodyWriter) Discard() { w.held = nil }

// memoryBodies keeps long bodies in memory.
type memoryBodies struct {
	mu   sync.Mutex
	last uint64
	held map[string][]byte
}

func newMemoryBodies() *memoryBodies { return &memoryBodies{held: map[string][]byte{}} }

func (m *memoryBodies) create() (*BodyWriter, error) { return &BodyWriter{keep: m.keep}, nil }

func (m *memoryBodies) keep(body []byte) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	ref := strconv.FormatUint(m.last, 10)
	m.held[ref] = body
	return ref
}

func (m *memoryBodies) open(ref string) (io.ReadSeekCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	body, ok := m.held[ref]
	if !ok {
		return nil, fmt.Errorf("open body %s: it is gone", ref)
	}
	return nopSeekCloser{bytes.NewReader(body)}, nil
}

func (m *memoryBodies) remove(refs []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, ref := range refs {
		delete(m.held, ref)
	}
}
