package store

import (
	"sync"

	"github.com/tidwall/btree"
)

// OpenMemory is a store that keeps everything in memory and forgets it at the end of the process.
func OpenMemory() *Store {
	return &Store{backend: &memory{keys: btree.NewMap[string, []byte](32)}, bodies: newMemoryBodies()}
}

// memory is an ordered map. Readers scan a copy-on-write copy, so that they never hold up a commit.
type memory struct {
	mu   sync.RWMutex
	keys *btree.Map[string, []byte]
}

func (m *memory) get(key []byte) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	v, _ := m.keys.Get(string(key))
	return v, nil
}

func (m *memory) scan(from, to []byte, reverse bool, each func(key, value []byte) bool) error {
	if m.nothingIn(from, to) {
		return nil
	}
	m.mu.Lock() // copying marks the tree as shared, which is a write
	keys := m.keys.Copy()
	m.mu.Unlock()
	if reverse {
		keys.Descend(string(to), func(k string, v []byte) bool {
			if k >= string(to) {
				return true // to itself is not in the range
			}
			return k >= string(from) && each([]byte(k), v)
		})
		return nil
	}
	keys.Ascend(string(from), func(k string, v []byte) bool {
		return k < string(to) && each([]byte(k), v)
	})
	return nil
}

// nothingIn spares the copy, whose price the next commits pay, in the common case of a look that finds nothing.
func (m *memory) nothingIn(from, to []byte) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	nothing := true
	m.keys.Ascend(string(from), func(k string, _ []byte) bool {
		nothing = k >= string(to)
		return false
	})
	return nothing
}

func (m *memory) apply(w *writes, done func(error)) {
	m.mu.Lock()
	for _, p := range w.puts {
		if p.value == nil {
			m.keys.Delete(string(p.key))
		} else {
			m.keys.Set(string(p.key), p.value)
		}
	}
	m.mu.Unlock()
	done(nil)
}

func (m *memory) close() error { return nil }
