package store

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/tidwall/btree"
)

// OpenMemory is a store that keeps everything in memory, however much, and forgets it at the end of the process.
func OpenMemory() *Store { return OpenMemoryWithin(math.MaxInt64) }

// OpenMemoryWithin is OpenMemory with a bound. Of bytesMax a tenth is kept for what is under way: Room is an error
// before it is touched, Spare and every new body when it is used up. What is small and cannot be refused is kept
// beyond it.
func OpenMemoryWithin(bytesMax int64) *Store {
	b := &budget{max: bytesMax}
	s := &Store{
		backend: &memory{keys: btree.NewMap[string, []byte](32), budget: b}, bodies: newMemoryBodies(b),
		room:  func() error { return b.room(bytesMax - bytesMax/10) },
		spare: func() error { return b.room(bytesMax) },
	}
	s.earliest.Store(int64(never))
	return s
}

// budget is how many bytes a store in memory keeps, and may. Any goroutine.
type budget struct {
	used atomic.Int64
	max  int64
}

// room is an error when so many bytes are used.
func (b *budget) room(bytes int64) error {
	if used := b.used.Load(); used >= bytes {
		return fmt.Errorf("%w: %d of %d bytes of memory are used", ErrFull, used, b.max)
	}
	return nil
}

// take adds n bytes to what is used, unless that were too many.
func (b *budget) take(n int64) error {
	if b.used.Add(n) > b.max {
		b.used.Add(-n)
		return fmt.Errorf("%w: %d of %d bytes of memory are used", ErrFull, b.used.Load(), b.max)
	}
	return nil
}

// memory is an ordered map. A commit waits for views, which are short; who scans reads a copy-on-write copy, and
// holds up nobody.
type memory struct {
	mu      sync.RWMutex // held by each view that has no copy
	copying sync.Mutex   // copying marks the map as shared
	keys    *btree.Map[string, []byte]
	next    []put
	budget  *budget
}

// entryBytes is about what an entry of the map takes beside its key and value.
const entryBytes = 64

func entrySize(key string, value []byte) int64 { return int64(entryBytes + len(key) + len(value)) }

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

func (m *memory) seal(key, value []byte) { m.set(key, value) }

func (m *memory) remove(key []byte) { m.next = append(m.next, put{string(key), nil}) }

func (m *memory) apply(_ uint64, done func(error)) {
	m.mu.Lock()
	more := int64(0)
	for _, p := range m.next {
		var old []byte
		var had bool
		if p.value == nil {
			old, had = m.keys.Delete(p.key)
		} else {
			old, had = m.keys.Set(p.key, p.value)
			more += entrySize(p.key, p.value)
		}
		if had {
			more -= entrySize(p.key, old)
		}
	}
	m.budget.used.Add(more)
	m.mu.Unlock()
	done(nil)
}

func (m *memory) flush() error { return nil }
func (m *memory) close() error { return nil }
func (m *memory) view() view {
	m.mu.RLock()
	return &memoryView{m, m.keys}
}

// memoryView copies when it is first scanned: a copy costs the next commits, and most views only look something up.
type memoryView struct {
	of   *memory
	keys *btree.Map[string, []byte]
}

func (v *memoryView) get(key []byte) ([]byte, error) {
	value, _ := v.keys.Get(string(key))
	return value, nil
}

func (v *memoryView) copied() bool { return v.keys != v.of.keys }

func (v *memoryView) scan(from, to []byte, reverse bool) cursor {
	if !v.copied() {
		v.of.copying.Lock()
		v.keys = v.of.keys.Copy()
		v.of.copying.Unlock()
		v.of.mu.RUnlock()
	}
	return &memoryCursor{at: v.keys.Iter(), from: string(from), to: string(to), reverse: reverse}
}

func (v *memoryView) close() {
	if !v.copied() {
		v.of.mu.RUnlock()
	}
}

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
