package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// disk is the back end on Pebble.
type disk struct {
	db      *pebble.DB
	ice     *ice
	ring    *ring // nil while the store is made: nothing is sealed yet
	batch   *pebble.Batch
	sealed  []byte // the last value of it that was
	wait    *pebble.WriteOptions
	mark    *highWater
	applied uint64         // serial of the last commit
	marked  uint64         // and of the last one that is known to be on the disk
	writing sync.WaitGroup // the batch that Pebble is writing

	// seen is what readers see: the last commit that is durable. Pebble shows a batch to readers before it is.
	seen atomic.Pointer[diskView]
}

// pebbleOptions are how Pebble is used here, until its files are on ice.
func pebbleOptions(o Options, fs vfs.FS, end *ice) *pebble.Options {
	p := &pebble.Options{
		FS:                          fs,
		FormatMajorVersion:          pebble.FormatValueSeparation,
		CacheSize:                   o.CacheBytes,
		MemTableSize:                uint64(o.MemtableBytes),
		MemTableStopWritesThreshold: 4,
		Logger:                      logger{o.Log, end.freeze},
		EventListener: &pebble.EventListener{
			BackgroundError: end.freeze,
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				if end.err() != nil {
					return // it misses what was not written
				}
				o.Log.Error("damaged data on the disk", "store", o.Dir, "file", i.Path, "error", i.Details)
			},
		},
	}
	p.Experimental.SpanPolicyFunc = apart
	for i := range p.Levels {
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return p
}

// apart keeps kinds of keys in tables of their own. Settled facts arrive nearly in the order in which they lie; a table
// that holds nothing else overlaps no older one and sinks to the last level without being written again.
func apart(key []byte) (policy pebble.SpanPolicy, until []byte, err error) {
	if key[0] == keySettled {
		return policy, end(key[:2]), nil
	}
	return policy, end(key[:1]), nil
}

// openDisk opens Pebble's part of a store.
func openDisk(o Options, ring *ring) (*disk, error) {
	d := &disk{ice: newIce(), ring: ring, wait: pebble.Sync}
	if !o.Sync {
		d.wait = pebble.NoSync
	}
	cold := icyFS{o.FS, d.ice}
	var err error
	if d.db, err = pebble.Open(o.path(pebbleName), pebbleOptions(o, cold, d.ice)); err != nil {
		return nil, errors.Join(err, d.ice.err())
	}
	d.batch = d.db.NewBatch(pebble.WithInitialSizeBytes(batchBytes), pebble.WithMaxRetainedSizeBytes(batchBytesMax))
	d.mark, err = openHighWater(o.Dir, cold)
	d.seen.Store(d.now())
	d.ice.armed.Store(true)
	if err = errors.Join(err, d.ice.err()); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// A batch that was larger than batchBytesMax does not serve again, lest one giant holds its memory for good.
const (
	batchBytes    = 64 << 10
	batchBytesMax = 16 << 20
)

func (d *disk) begin() changes {
	d.batch.Reset()
	return batch{d.batch, d}
}

// batch is a Pebble batch as changes. Its methods return errors only for kinds of batches that this is not.
type batch struct {
	*pebble.Batch
	of *disk
}

func (b batch) set(key, value []byte) { _ = b.Set(key, value, nil) }
func (b batch) remove(key []byte)     { _ = b.Delete(key, nil) }

func (b batch) seal(key, value []byte) {
	b.of.sealed = b.of.ring.seal(b.of.sealed[:0], key, value)
	b.set(key, b.of.sealed)
}

func (d *disk) apply(serial uint64, done func(error)) {
	now, err := d.write(d.batch)
	if err != nil {
		d.batch = d.db.NewBatch() // Pebble may still hold the one that failed
		done(fmt.Errorf("write to the store: %w", whenFull(err)))
		return
	}
	d.applied = serial
	if d.wait.Sync {
		d.marked = serial
		d.mark.set(serial)
	}
	old := d.seen.Swap(now)
	done(nil)
	old.close()
}

// write has Pebble write a batch, and returns the state after it. That is made while the disk is at work, so that
// little is left to do when it has done.
//
// It does not wait when that has become vain: Pebble may be waiting for a table, to have room in memory again, and on
// ice there is none before the end.
func (d *disk) write(b *pebble.Batch) (*diskView, error) {
	if err := d.ice.err(); err != nil {
		return nil, err
	}
	taken, synced := make(chan error, 1), make(chan error, 1)
	d.writing.Go(func() {
		if !d.wait.Sync {
			taken <- d.db.Apply(b, d.wait)
			synced <- nil
			return
		}
		err := d.db.ApplyNoSyncWait(b, d.wait)
		taken <- err
		if err == nil {
			err = b.SyncWait()
		}
		synced <- err
	})
	if err := d.await(taken); err != nil {
		return nil, err
	}
	now := d.now()
	if err := d.await(synced); err != nil {
		now.close()
		return nil, err
	}
	return now, nil
}

// await waits for a result, as long as it can be one.
func (d *disk) await(result <-chan error) error {
	select {
	case err := <-result:
		return errors.Join(err, d.ice.err())
	case <-d.ice.frozen:
		return d.ice.err()
	}
}

// now is the state after everything that Pebble has taken.
func (d *disk) now() *diskView {
	v := &diskView{of: d.db.NewSnapshot(), ring: d.ring}
	v.users.Store(1)
	return v
}

func (d *disk) flush() error {
	if err := d.ice.err(); err != nil || d.marked == d.applied {
		return err
	}
	if err := errors.Join(d.db.LogData(nil, pebble.Sync), d.ice.err()); err != nil {
		return err
	}
	d.marked = d.applied
	d.mark.set(d.marked)
	return nil
}

func (d *disk) close() error {
	close(d.ice.thawed)
	d.writing.Wait()
	d.seen.Load().close()
	err := errors.Join(d.batch.Close(), d.db.Close())
	if err == nil && d.applied > 0 {
		d.mark.set(d.applied) // the log was synced when it was closed
	}
	return whenFull(errors.Join(err, d.mark.close(), d.ice.err()))
}

func (d *disk) view() view {
	for {
		if v := d.seen.Load(); v.open() {
			return v
		}
	}
}

// diskView is the state after one commit. It ends when nobody uses it any more.
type diskView struct {
	of    *pebble.Snapshot
	ring  *ring
	users atomic.Int64
}

func (v *diskView) open() bool {
	for {
		n := v.users.Load()
		if n == 0 {
			return false
		}
		if v.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (v *diskView) close() {
	if v.users.Add(-1) == 0 {
		_ = v.of.Close() // it returns no error
	}
}

func (v *diskView) get(key []byte) ([]byte, error) {
	value, closer, err := v.of.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, whenDamaged(err)
	}
	own := make([]byte, 0, len(value))
	if isSealed(key, value) {
		own, err = v.ring.open(own, key, value)
	} else {
		own = append(own, value...)
	}
	return own, errors.Join(err, closer.Close())
}

func (v *diskView) scan(from, to []byte, reverse bool) cursor {
	at, err := v.of.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	return &diskCursor{at: at, ring: v.ring, err: err, reverse: reverse}
}

// diskCursor is a Pebble iterator.
type diskCursor struct {
	at      *pebble.Iterator
	ring    *ring
	current []byte
	opened  []byte // the last value that was sealed
	err     error
	reverse bool
	begun   bool
}

func (c *diskCursor) next() bool {
	if c.err != nil {
		return false
	}
	var more bool
	switch {
	case c.reverse && c.begun:
		more = c.at.Prev()
	case c.reverse:
		more = c.at.Last()
	case c.begun:
		more = c.at.Next()
	default:
		more = c.at.First()
	}
	c.begun = true
	if more {
		c.current, c.err = c.at.ValueAndErr()
	}
	if more && c.err == nil && isSealed(c.at.Key(), c.current) {
		c.opened, c.err = c.ring.open(c.opened[:0], c.at.Key(), c.current)
		c.current = c.opened
	}
	return more && c.err == nil
}

func (c *diskCursor) key() []byte   { return c.at.Key() }
func (c *diskCursor) value() []byte { return c.current }

func (c *diskCursor) close() error {
	if c.at == nil {
		return whenDamaged(c.err)
	}
	return whenDamaged(errors.Join(c.err, c.at.Close()))
}

// logger is the log as Pebble sees it: its own affairs are for who debugs.
type logger struct {
	log   *slog.Logger
	fatal func(error)
}

func (l logger) Infof(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("pebble: " + fmt.Sprintf(format, args...))
	}
}

func (l logger) Errorf(format string, args ...any) {
	l.log.Warn("pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf must not return as far as Pebble is concerned, and does.
func (l logger) Fatalf(format string, args ...any) { l.fatal(fmt.Errorf("pebble: "+format, args...)) }
