package sim

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/loop"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/sequence"
	"github.com/awaitd/awaitd/internal/store"
)

// life is one kernel from its start to its death, with the edges that the world plays for it. Whatever crosses an edge
// is written into the journal: by the loop in the order in which it happens, and by a caller who reads the store
// after the turn that sent it there, and before the one in which it asks again.
type life struct {
	number   int // from 1
	kernel   *await.Kernel
	clock    *gate
	disk     *disk
	pen      sync.Mutex   // over the journal, in which callers write, too
	journal  []any        // *record.Turn, *record.Batch, launched, aborted, read
	posts    atomic.Int64 // how often callers have asked the loop something
	ended    chan error   // what Run returned
	dead     bool         // nothing that it does counts any more
	waking   bool         // its first turn has not come
	draining bool
	gates    []chan struct{} // that the slow read has still to pass; none: there is no slow read
	holding  bool            // commits are not finished when a step ends
}

type (
	launched struct{ job fetch.Job }
	aborted  string
	read     struct {
		id     string
		begins bool // the rest is not known yet
		future *record.Future
	}
)

func (l *life) write(entry any) {
	l.pen.Lock()
	defer l.pen.Unlock()
	if !l.dead {
		l.journal = append(l.journal, entry)
	}
}

func newLife(w *world) *life {
	l := &life{number: 1, waking: true, ended: make(chan error, 1), clock: &gate{goOn: make(chan struct{})}}
	if w.life != nil {
		l.number = w.life.number + 1
	}
	l.disk = &disk{Store: w.medium.store(), life: l}
	kernel, err := await.New(await.Options{
		Limits: w.limits, Store: l.disk, Sequencer: &order{sequence.NewLocal(w.position), l}, Fetcher: network{l},
		Clock: l.clock, Wall: w.origin,
	})
	if err != nil {
		w.Fatalf("new kernel: %v", err)
	}
	l.kernel = kernel
	if err := kernel.Recover(nil); err != nil {
		w.Fatalf("recover: %v", err)
	}
	go func() { l.ended <- kernel.Run() }()
	return l
}

// gate is a clock that the world sets, and the place where the loop stands still until it is let through.
type gate struct {
	at    atomic.Int64
	until time.Duration // when the loop wants to be woken, if timed
	timed bool
	goOn  chan struct{}
}

func (g *gate) Now() time.Duration  { return time.Duration(g.at.Load()) }
func (g *gate) set(t time.Duration) { g.at.Store(int64(t)) }

// Pass is the loop with nothing to run.
func (g *gate) Pass(p *loop.Pause) {
	g.until, g.timed = p.Until, p.Timed
	if !p.Timed || p.Until > g.Now() {
		<-g.goOn
	}
}

// order is the sequencer, overheard.
type order struct {
	*sequence.Local
	life *life
}

func (o *order) Sequence(t *record.Turn, deliver func(uint64, *record.Turn)) {
	o.life.write(t)
	o.life.disk.onLoop.Store(true)
	o.Local.Sequence(t, deliver)
	o.life.disk.onLoop.Store(false)
}

// network is the fetcher: attempts are under way until the world ends them.
type network struct{ life *life }

func (n network) Launch(j fetch.Job) { n.life.write(launched{j}) }
func (n network) Abort(id string)    { n.life.write(aborted(id)) }

// disk is the store, whose commits are made when the world says so.
type disk struct {
	*store.Store
	life   *life
	held   *commit
	onLoop atomic.Bool // a turn is being applied: reads are the loop's

	// before and after are what the next read of a caller waits for: before it reads, and before it returns. Nil: nothing.
	before, after chan struct{}
}

type commit struct {
	batch *record.Batch
	done  func(error)
}

var errDisk = errors.New("disk on fire")

func (d *disk) Commit(b *record.Batch, done func(error)) {
	d.life.write(b)
	d.held = &commit{b, done}
}

// Future reads. What a caller reads is written down.
func (d *disk) Future(id string) (*record.Future, error) {
	if d.onLoop.Load() {
		return d.Store.Future(id)
	}
	before, after := d.before, d.after
	if before != nil {
		d.life.write(read{id: id, begins: true})
		<-before
	}
	f, err := d.Store.Future(id)
	if err != nil {
		return nil, err
	}
	d.life.write(read{id: id, future: f})
	if after != nil {
		<-after
	}
	return f, nil
}
