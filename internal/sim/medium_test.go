package sim

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"pgregory.net/rapid"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/store"
)

// medium is what survives a death: the store, and what is left of it when the power fails.
type medium interface {
	fmt.Stringer
	open(w *world)
	store() *store.Store // that is open
	// cut lets the power fail, in the middle of the commit of b if that is not nil.
	cut(w *world, b *record.Batch)
}

// drawMedium prefers memory, which is faster.
func drawMedium(t *rapid.T) medium {
	if chance(t, "on a disk", 25) {
		return &platter{disk: vfs.NewCrashableMem()}
	}
	return &memory{}
}

// commitTo commits b and waits.
func commitTo(w *world, s *store.Store, b *record.Batch) {
	done := make(chan error, 1)
	s.Commit(b, func(err error) { done <- err })
	if err := <-done; err != nil {
		w.Fatalf("the store: %v", err)
	}
}

// memory is a store that outlives its server.
type memory struct{ kept *store.Store }

func (m *memory) open(*world) {
	if m.kept == nil {
		m.kept = store.OpenMemory()
	}
}

func (m *memory) String() string { return "in memory" }

func (m *memory) store() *store.Store { return m.kept }

func (m *memory) cut(w *world, b *record.Batch) {
	if b != nil && chance(w.T, "it reached the disk", 50) {
		commitTo(w, m.kept, b)
	}
}

// platter is a store on a disk that keeps what was synced, and all or nothing of what was not: which part of it is
// chance that no seed decides, and is the concern of the store's own tests.
type platter struct {
	disk   *vfs.MemFS
	power  *power
	opened *store.Store
}

func (p *platter) open(w *world) {
	p.power = &power{disk: p.disk}
	on := errorfs.Wrap(p.disk, p.power)
	opened, err := store.Open(store.Options{Dir: "store", Sync: true, FS: on, CacheBytes: 1 << 20})
	if err != nil {
		w.Fatalf("the store does not open after the power failed: %v", err)
	}
	p.opened = opened
}

func (p *platter) String() string { return "on disk" }

func (p *platter) store() *store.Store { return p.opened }

func (p *platter) cut(w *world, b *record.Batch) {
	survives := oneOf(w.T, "of what was not synced survives, in percent", 0, 100)
	if b != nil {
		p.power.failBefore(die(4).Draw(w.T, "the power fails before"), survives)
		commitTo(w, p.opened, b)
	}
	p.disk = p.power.left(survives)
	if err := p.opened.Close(); err != nil { // it writes to a disk that is not there any more
		w.Fatalf("the store: %v", err)
	}
}

// power is an errorfs.Injector that injects nothing: it keeps the disk as it is when the power fails.
type power struct {
	mu      sync.Mutex
	disk    *vfs.MemFS
	armed   bool
	before  int // which of the operations that change the disk, from 0
	percent int // of what was not synced that survives
	kept    *vfs.MemFS
}

func (p *power) failBefore(operation, percent int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed, p.before, p.percent = true, operation, percent
}

func (p *power) String() string { return "power" }

func (p *power) MaybeError(op errorfs.Op) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.armed || op.Kind.ReadOrWrite() == errorfs.OpIsRead {
		return nil
	}
	if p.before == 0 {
		p.keep(p.percent)
	}
	p.before--
	return nil
}

func (p *power) keep(percent int) {
	p.armed = false
	p.kept = p.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(0, 0))})
}

// left is the disk after the power failed, which happens now at the latest.
func (p *power) left(percent int) *vfs.MemFS {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept == nil {
		p.keep(percent)
	}
	p.armed = false
	return p.kept
}
