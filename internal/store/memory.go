package store

import (
	"sync"

	"github.com/tidwall/btree"
)

// OpenMemory is a store that keeps everything in memory and forgets it at the end of the process.
func OpenMemory() *Store {
	s := &Store{backend: &memory{keys: btree.NewMap[string, []byte](32)}, bodies: newMemoryBodies()}
	s.earliest.Store(int64(never))
	return s
}

// memory is an ordered map. Readers scan a copy-on-write copy, so that they never hold up a commit.
type memory struct {
	mu   sync.RWMutex
	keys *btree.Map[string, []byte]
	next []put
}

// put sets key to value; a nil value removes it.
type put struct {
	key   string
	value []byte
}

func (m *memory) begin() changes {
	clear(m.next)
	m.next = m.next[:0]
	return m
}

func (m *memory) set(key, value []byte) {
	m.next = append(m.next, put{string(key), append(make([]byte, 0, len(value)), value...)})
}

func (m *memory) remove(key []byte) { m.next = append(m.next, put{string(key), nil}) }

func (m *memory) apply(_ uint64, done func(error)) {
	m.mu.Lock()
	for _, p := range m.next {
		if p.value == nil {
			m.keys.Delete(p.key)
		} else {
			m.keys.Set(p.key, p.value)
		}
	}
	m.mu.Unlock()
	done(nil)
}

func (m *memory) flush() error { return nil }
func (m *memory) close() error { return nil }
func (m *memory) view() view   { return &memoryView{of: m} }

// memoryView copies when it is first scanned: a copy costs the next commits, and most views only look something up.
type memoryView struct {
	of   *memory
	keys *btree.Map[string, []byte]
}

func (v *memoryView) get(key []byte) ([]byte, error) {
	if v.keys != nil {
		value, _ := v.keys.Get(string(key))
		return value, nil
	}
	v.of.mu.RLock()
	defer v.of.mu.RUnlock()
	value, _ := v.of.keys.Get(string(key))
	return value, nil
}

func (v *memoryView) scan(from, to []byte, reverse bool) cursor {
	if v.keys == nil {
		v.of.mu.Lock() // copying marks the tree as shared, which is a write
		v.keys = v.of.keys.Copy()
		v.of.mu.Unlock()
	}
	return &memoryCursor{at: v.keys.Iter(), from: string(from), to: string(to), reverse: reverse}
}

func (v *memoryView) close() {}

// memoryCursor walks a copy.
type memoryCursor struct {
	at       btree.MapIter[string, []byte]
	from, to string
	reverse  bool
	begun    bool
}

func (c *memoryCursor) next() bool {
	begun := c.begun
	c.begun = true
	switch {
	case !c.reverse && !begun:
		return c.at.Seek(c.from) && c.at.Key() < c.to
	case !c.reverse:
		return c.at.Next() && c.at.Key() < c.to
	case begun:
		return c.at.Prev() && c.at.Key() >= c.from
	case c.at.Seek(c.to): // on the first key that is not in the range
		return c.at.Prev() && c.at.Key() >= c.from
	default:
		return c.at.Last() && c.at.Key() >= c.from
	}
}

func (c *memoryCursor) key() []byte   { return []byte(c.at.Key()) }
func (c *memoryCursor) value() []byte { return c.at.Value() }
func (c *memoryCursor) close() error  { return nil }
