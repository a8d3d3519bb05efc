package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/awaitd/awaitd/internal/record"
)

// Options are the settings of a store on disk.
type Options struct {
	// Dir is the folder of the store; it is made if need be. It holds
	//
	//	FORMAT      which version of all this it is; the last thing that is made
	//	LOCK        locked while a server has the store open
	//	high-water  the last commit that is known to be on the disk (highwater.go)
	//	sealing-keys  what opens the facts of futures that are not settled (ring.go)
	//	pebble/     futures, events, everything but long bodies: Pebble's files (keys.go)
	//	bodies/     one file for each body longer than InlineBytesMax (files.go)
	Dir string

	// Sync makes every commit wait for the disk. Without it a commit is written within flushEvery: what was
	// acknowledged in that time may be lost when the process is killed or the power fails, and nothing before.
	Sync bool

	CacheBytes    int64 // memory for what was read lately; 0: 64 MiB
	MemtableBytes int64 // memory for what was written lately, and up to four times that in a burst; 0: 32 MiB
	SpareBytes    int64 // below this much room on the disk, Room is an error; 0: 256 MiB. A tenth of a small disk

	FS  vfs.FS       // nil: the machine's
	Log *slog.Logger // nil: silence

	renewEvery time.Duration // 0: renewEvery
}

const (
	pebbleName = "pebble"
	bodiesName = "bodies"

	cacheBytesDefault    = 64 << 20
	memtableBytesDefault = 32 << 20
	spareBytesDefault    = 256 << 20
	flushEvery           = 100 * time.Millisecond
)

// ErrInUse says that another server has the folder open.
var ErrInUse = errors.New("store: in use by another server")

// Open opens the store in a folder, and makes it when the folder is new. One of an earlier format is upgraded, and then
// refused by earlier versions. Errors: ErrInUse, ErrFormat (a later version wrote it, or something else), ErrDamaged
// (what was acknowledged is not all there), ErrFull.
func Open(o Options) (*Store, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = cacheBytesDefault
	}
	if o.MemtableBytes == 0 {
		o.MemtableBytes = memtableBytesDefault
	}
	if o.SpareBytes == 0 {
		o.SpareBytes = spareBytesDefault
	}
	if o.renewEvery == 0 {
		o.renewEvery = renewEvery
	}
	s, err := open(o)
	if err != nil {
		return nil, fmt.Errorf("open the store in %s: %w", o.Dir, whenDamaged(whenFull(err)))
	}
	return s, nil
}

// whenDamaged marks an error as ErrDamaged if Pebble or a record means that.
func whenDamaged(err error) error {
	corrupt := pebble.IsCorruptionError(err) || errors.Is(err, record.ErrCorrupt)
	if corrupt && !errors.Is(err, ErrDamaged) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

func open(o Options) (_ *Store, err error) {
	if err := o.FS.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := o.lock()
	if err != nil {
		return nil, err
	}
	undo := []func() error{lock.Close}
	defer func() {
		for i := len(undo) - 1; err != nil && i >= 0; i-- {
			err = errors.Join(err, undo[i]())
		}
	}()
	serial, err := o.check()
	if err != nil {
		return nil, err
	}
	ring, err := openRing(o)
	if err != nil {
		return nil, err
	}
	d, err := openDisk(o, ring)
	if err != nil {
		return nil, err
	}
	undo = append(undo, d.close)
	kept := &files{o.FS, o.path(bodiesName), o.Log}
	s := &Store{
		backend: d, bodies: kept, lock: lock, room: roomIn(o.Dir, o.FS, uint64(o.SpareBytes)),
		queue: make(chan request, 1), idle: make(chan struct{}), failed: d.ice.frozen,
		renewal: renewal{ring: ring, log: o.Log, every: o.renewEvery},
	}
	if err := s.start(); err != nil {
		return nil, err
	}
	if s.head.serial != serial {
		return nil, fmt.Errorf("%w: commit %d is the last, %d was found before", ErrDamaged, s.head.serial, serial)
	}
	places, err := s.toMove(o, d)
	if err == nil {
		err = ring.begin() // not before nothing is refused: it adds a key
	}
	if err == nil {
		err = s.upgrade(o, places)
	}
	if err != nil {
		return nil, err
	}
	if err := kept.sweep(s.owns); err != nil {
		return nil, err
	}
	s.renewal.due = ring.old && serial > 0 // not at once: a server that recovers has enough to do
	if !o.Sync {
		s.every = flushEvery
	}
	go s.commitAll()
	return s, nil
}

func (o *Options) path(name string) string { return o.FS.PathJoin(o.Dir, name) }

func (o *Options) lock() (io.Closer, error) {
	lock, err := o.FS.Lock(o.path("LOCK"))
	var broken *fs.PathError
	if err != nil && !errors.As(err, &broken) { // else the file could not even be opened
		err = fmt.Errorf("%w (%w)", ErrInUse, err)
	}
	return lock, err
}

// check demands that all is there that should be, and makes what a new store consists of. It returns the serial of
// the last commit.
func (o *Options) check() (serial uint64, err error) {
	format, err := readFormat(o.Dir, o.FS)
	if err != nil {
		return 0, err
	}
	marked, err := readHighWater(o.Dir, o.FS, o.Log)
	if err != nil {
		return 0, err
	}
	exists, begun := format != 0, false // begun: Pebble's part is there
	if _, err := o.FS.Stat(o.path(pebbleName)); err == nil {
		about, err := pebble.Peek(o.path(pebbleName), o.FS)
		if err != nil {
			return 0, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		begun = about.Exists
	}
	if begun {
		if serial, err = lastCommit(*o); err != nil {
			return 0, err
		}
	}
	switch {
	case serial < marked:
		return 0, fmt.Errorf("%w: commits %d to %d were acknowledged and are missing. Nothing was changed. Restore the "+
			"folder from a copy; or, to go on without them, remove %s", ErrDamaged, serial+1, marked, o.path(highWaterName))
	case exists && !begun:
		return 0, fmt.Errorf("%w: %s is missing or empty", ErrDamaged, o.path(pebbleName))
	case !exists && serial > 0:
		return 0, fmt.Errorf("%w: %s is missing", ErrDamaged, o.path(formatName))
	case !exists:
		return 0, o.make()
	}
	if _, err := o.FS.Stat(o.path(bodiesName)); errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%w: %s is missing. Restore the folder from a copy; or, if no answer was longer than 64 KiB, "+
			"or to go on without those, make an empty one", ErrDamaged, o.path(bodiesName))
	}
	return serial, nil
}

// make makes a new store, or ends the making of one that was cut short.
func (o *Options) make() error {
	for dir := o.Dir; ; dir = o.FS.PathDir(dir) { // the folders above may be new, too
		err := syncDir(dir, o.FS)
		if errors.Is(err, fs.ErrPermission) && dir != o.Dir {
			err = nil // it is not new
		}
		if err != nil {
			return err
		}
		if o.FS.PathDir(dir) == dir {
			break
		}
	}
	// Pebble begins in its oldest format. Its second log is the first to tell damage from a crash better.
	d, err := openDisk(*o, nil)
	if err == nil {
		err = d.close()
	}
	if err == nil {
		err = o.FS.MkdirAll(o.path(bodiesName), 0o700)
	}
	if err == nil {
		err = syncDir(o.Dir, o.FS) // all of it is there before it is called a store
	}
	if err != nil {
		return err
	}
	return writeFormat(o.Dir, o.FS)
}
