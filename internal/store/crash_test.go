package store_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand"
	randv2 "math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"pgregory.net/rapid"

	"github.com/awaitd/awaitd/internal/store"
)

const dir = "var/store"

// optionsOn are those of a store whose tables are so small that a short script makes many of them: all that a long life
// brings happens in a short one.
func optionsOn(disk vfs.FS) store.Options {
	return store.Options{Dir: dir, Sync: true, FS: reusing{disk}, CacheBytes: 1 << 20, MemtableBytes: 64 << 10}
}

func openOn(disk vfs.FS) (*store.Store, error) { return store.Open(optionsOn(disk)) }

// reusing is a disk on which a file is reused in two steps. In one, errorfs loses sight of it, and MemFS takes a lock
// twice, for ever when somebody makes a clone in between.
type reusing struct{ vfs.FS }

func (r reusing) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := r.Rename(old, name); err != nil {
		return nil, err
	}
	return r.OpenReadWrite(name, category)
}

// crashable is a disk in memory that loses what was not synced.
type crashable struct{ *vfs.MemFS }

func newCrashable() crashable { return crashable{vfs.NewCrashableMem()} }

// after is what is on the disk when the power fails now. Of what was not synced, percent survives by chance; 100 is
// what is there when the process was killed. MemFS brings back every file whose removal was not synced, and so it is
// removed here: what was missing both before and after the clone was missing then.
func (c crashable) after(percent int, random *randv2.Rand) crashable {
	before := namesOn(c)
	clone := crashable{c.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: random})}
	now := namesOn(c)
	for _, name := range slices.Sorted(maps.Keys(namesOn(clone))) {
		if percent > 0 && !before[name] && !now[name] && random.IntN(100) < percent {
			must(clone.Remove(name))
			folder, err := clone.OpenDir(clone.PathDir(name))
			must(err)
			must(errors.Join(folder.Sync(), folder.Close()))
		}
	}
	return clone
}

// namesOn are the files on a disk in memory.
func namesOn(disk vfs.FS) map[string]bool {
	names := map[string]bool{}
	must(walk(disk, "", func(name string) error { names[name] = true; return nil }))
	return names
}

// walk visits all files under a folder. What is removed meanwhile is passed over.
func walk(disk vfs.FS, folder string, visit func(name string) error) error {
	names, err := disk.List(folder)
	for _, name := range names {
		full := disk.PathJoin(folder, name)
		about, e := disk.Stat(full)
		switch {
		case errors.Is(e, fs.ErrNotExist):
		case e != nil:
			err = errors.Join(err, e)
		case about.IsDir():
			err = errors.Join(err, walk(disk, full, visit))
		default:
			err = errors.Join(err, visit(full))
		}
	}
	return err
}

// read reads all files on a disk.
func read(t *testing.T, disk vfs.FS) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := walk(disk, "", func(name string) error {
		f, err := disk.Open(name)
		if err != nil {
			return err
		}
		files[name], err = io.ReadAll(f)
		return errors.Join(err, f.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// must is for what cannot fail on a disk in memory.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// seeded chooses by a seed.
func seeded(seed int64) func(n int) int { return rand.New(rand.NewSource(seed)).Intn }

// script is two lives of a store, as long as they last: opened, turns committed, closed.
type script struct {
	disk vfs.FS

	mu     sync.Mutex
	worlds []*world // by position; the last is that of the commit that was asked for last
	acked  int
}

func (s *script) run(seed int64, turns int) error {
	w := newWorld(seeded(seed))
	s.ask(w)
	for range 2 {
		if err := s.live(w, turns/2); err != nil {
			return err
		}
	}
	return nil
}

func (s *script) live(w *world, turns int) (err error) {
	opened, err := openOn(s.disk)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	for range turns {
		b, err := w.turn(6, keepIn(opened))
		if err != nil {
			return err
		}
		s.ask(w)
		if err := commit(opened, b); err != nil {
			if again := commit(opened, b); again == nil {
				return fmt.Errorf("%w with: %w", errAcknowledged, err)
			}
			return err
		}
		s.acknowledge()
	}
	return nil
}

// errAcknowledged says that something was acknowledged after what was not.
var errAcknowledged = errors.New("a commit went well after one failed")

func (s *script) ask(w *world) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worlds = append(s.worlds, w.copy())
}

func (s *script) acknowledge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked++
}

// acknowledged is how many commits were.
func (s *script) acknowledged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked
}

// asked are the worlds of all commits that were asked for, by position.
func (s *script) asked() []*world {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.worlds
}

// demand opens a store from a disk and demands that it holds exactly what it did after one of the commits, from the
// last that had been acknowledged to the last that was asked for. It returns which.
func (s *script) demand(t *testing.T, what string, disk vfs.FS, acked int) (position int) {
	t.Helper()
	worlds := s.asked()
	opened, err := openOn(disk)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return 0
	}
	defer func() {
		if err := opened.Close(); err != nil {
			t.Errorf("%s: close: %v", what, err)
		}
	}()
	at, err := opened.Position()
	if position = int(at); err != nil || position < acked || position >= len(worlds) {
		t.Errorf("%s: at commit %d, acknowledged were %d of %d: %v", what, position, acked, len(worlds)-1, err)
		return position
	}
	if diff, err := worlds[position].differs(opened); diff != "" || err != nil {
		t.Errorf("%s: %v\n%s", what, err, diff)
	}
	return position
}

// outages is an errorfs.Injector that injects nothing: before each operation that changes the disk, it looks at what
// a restart would find if the power failed now.
type outages struct {
	t      *testing.T
	script *script
	disk   crashable
	random *randv2.Rand

	mu      sync.Mutex
	ops     int
	chances int                       // how many outages of which something survives come before the next operation
	found   map[[sha256.Size]byte]int // position by content of the disk: the same one need not be looked at again
}

func (o *outages) String() string { return "outages" }

func (o *outages) MaybeError(op errorfs.Op) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if op.Kind.ReadOrWrite() == errorfs.OpIsRead || o.t.Failed() {
		return nil
	}
	o.ops++
	if o.ops%every == 0 {
		o.lookAll(op)
	}
	switch op.Kind { // what changes names must come in the right order
	case errorfs.OpRename:
		o.chances = 8 / every
	case errorfs.OpCreate, errorfs.OpLink, errorfs.OpRemove, errorfs.OpReuseForWrite:
		o.chances = 1
	default:
		o.chances = 0
	}
	return nil
}

func (o *outages) lookAll(op errorfs.Op) {
	o.look(op, 0)
	if o.ops%10 == 0 {
		o.chances = max(o.chances, 1)
	}
	if o.chances > 0 {
		o.look(op, 100) // the process was killed, and the power stayed
	}
	for range o.chances {
		o.look(op, 50)
	}
}

func (o *outages) look(op errorfs.Op, percent int) {
	acked := o.script.acknowledged() // before the power fails: others go on meanwhile
	disk := o.disk.after(percent, o.random)
	sum := sumOf(o.t, disk)
	what := fmt.Sprintf("operation %d (%v of %s), %d %% survive", o.ops, op.Kind, op.Path, percent)
	position, known := o.found[sum]
	if !known {
		o.found[sum] = o.script.demand(o.t, what, disk, acked)
	} else if position < acked {
		o.t.Errorf("%s: at commit %d, acknowledged were %d", what, position, acked)
	}
}

// sumOf is a sum of all folders and files on a disk.
func sumOf(t *testing.T, disk crashable) (sum [sha256.Size]byte) {
	t.Helper()
	h := sha256.New()
	_, _ = io.WriteString(h, disk.String()) // names and sizes
	files := read(t, disk)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h.Write(files[name])
	}
	h.Sum(sum[:0])
	return sum
}

// Whenever the power fails, and whatever part of what was not synced survives by chance: everything that was
// acknowledged is there, unchanged, nothing is there in part, and no store is taken for a damaged one.
func TestPowerLossLosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	for seed := range int64(2) {
		disk := newCrashable()
		s := &script{}
		o := &outages{
			t: t, script: s, disk: disk, random: randv2.New(randv2.NewPCG(uint64(seed), 2)),
			found: map[[sha256.Size]byte]int{},
		}
		s.disk = errorfs.Wrap(disk, o)
		if err := s.run(seed, 40); err != nil {
			t.Fatal(err)
		}
		if t.Logf("seed %d: %d operations, %d different disks", seed, o.ops, len(o.found)); o.ops < 200 {
			t.Error("that is too few")
		}
	}
}

// A random life with power failures in it, each followed by what a restart finds.
func TestAnyLifeSurvivesItsPowerFailures(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") }
		disk := newCrashable()
		w := newWorld(draw)
		for range 1 + draw(4) {
			s, err := openOn(disk)
			if err != nil {
				t.Fatal(err)
			}
			if diff, err := w.differs(s); diff != "" || err != nil {
				t.Fatalf("after a restart: %v\n%s", err, diff)
			}
			for range draw(12) {
				b, err := w.turn(1+draw(8), keepIn(s))
				if err == nil {
					err = commit(s, b)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			after := disk
			if draw(4) > 0 {
				after = disk.after(25*draw(5), randv2.New(randv2.NewPCG(uint64(draw(1000)), 0)))
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			disk = after
		}
	})
}

// Without Sync, a power failure takes the end of what was acknowledged and nothing else. What is older than a moment
// is safe.
func TestWithoutSyncOnlyTheLastMomentIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newCrashable()
		o := optionsOn(disk)
		o.Sync = false
		s, err := store.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(seeded(1))
		worlds := []*world{w.copy()}
		turn := func() {
			b, err := w.turn(5, keepIn(s))
			if err == nil {
				err = commit(s, b)
			}
			if err != nil {
				t.Fatal(err)
			}
			worlds = append(worlds, w.copy())
		}
		random := randv2.New(randv2.NewPCG(1, 2))
		for safe := 0; len(worlds) < 60; safe = len(worlds) - 1 {
			for i := range 10 {
				turn()
				if i%every > 0 {
					continue
				}
				for _, percent := range []int{0, 50, 100} {
					if got := positionOn(t, disk.after(percent, random), worlds); got < safe {
						t.Fatalf("found commit %d, %d are old enough to be safe", got, safe)
					}
				}
			}
			time.Sleep(time.Second)
		}
		turn()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := positionOn(t, disk.after(0, nil), worlds); got != len(worlds)-1 {
			t.Errorf("after an orderly end, commit %d of %d is the last", got, len(worlds)-1)
		}
	})
}

// positionOn opens a store, demands that it holds exactly what it did after some commit, and tells which.
func positionOn(t *testing.T, disk vfs.FS, worlds []*world) int {
	t.Helper()
	s, err := openOn(disk)
	if err != nil {
		t.Fatal(err)
	}
	position, err := s.Position()
	if err != nil {
		t.Fatal(err)
	}
	if diff, err := worlds[position].differs(s); diff != "" || err != nil {
		t.Fatalf("commit %d: %v\n%s", position, err, diff)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return int(position)
}
