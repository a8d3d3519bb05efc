package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/store"
)

// failing is an errorfs.Injector that fails the operations that are picked.
type failing struct {
	mu    sync.Mutex
	pick  func(n int, op errorfs.Op) bool // n counts from 1
	with  error
	ops   int
	where string // the first operation that failed
}

func (f *failing) String() string { return "failing" }

func (f *failing) MaybeError(op errorfs.Op) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ops++
	if !f.pick(f.ops, op) {
		return nil
	}
	if f.where == "" {
		f.where = fmt.Sprintf("operation %d (%v of %s)", f.ops, op.Kind, op.Path)
	}
	return f.with
}

// SQLite's loop: the first operation on the disk fails, then, in another life, the second, and so on until a life has
// fewer operations than that. Whatever fails, nothing is acknowledged after it, and what had been is there after a
// restart, whether the power failed as well or not.
func TestWhateverOperationFailsNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	for n := 1; ; n += every {
		disk := newCrashable()
		f := &failing{with: syscall.EIO, pick: func(i int, _ errorfs.Op) bool { return i == n }}
		s := &script{disk: errorfs.Wrap(disk, f)}
		err := s.run(1, 14)
		if errors.Is(err, errAcknowledged) {
			t.Errorf("%s: %v", f.where, err)
		}
		if f.where == "" {
			if err != nil || n < 100 {
				t.Fatalf("nothing failed at %d: %v", n, err)
			}
			return
		}
		s.demand(t, f.where, disk.after(0, nil), s.acknowledged())
		s.demand(t, f.where, disk, s.acknowledged())
		if t.Failed() {
			return
		}
	}
}

// onLogs picks operations of these kinds on Pebble's logs, from the n-th one on.
func onLogs(n int, kinds ...errorfs.OpKind) func(int, errorfs.Op) bool {
	return func(_ int, op errorfs.Op) bool {
		if !strings.HasSuffix(op.Path, ".log") || !slices.Contains(kinds, op.Kind) {
			return false
		}
		n--
		return n < 0
	}
}

// A disk that cannot sync, or has no room, is the end of acknowledgements: the error says which it was, whoever waits
// for nothing hears of it too, and what is committed is still read. A restart goes on from there.
func TestAFailedWriteEndsTheStoreInOrder(t *testing.T) {
	for name, fault := range map[string]struct {
		with  error
		full  bool
		kinds []errorfs.OpKind
	}{
		"sync":       {syscall.EIO, false, []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData}},
		"disk full":  {syscall.ENOSPC, true, []errorfs.OpKind{errorfs.OpFileWrite}},
		"quota used": {syscall.EDQUOT, true, []errorfs.OpKind{errorfs.OpFileWrite}},
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewMem()
			f := &failing{with: fault.with, pick: onLogs(20, fault.kinds...)}
			s, err := openOn(errorfs.Wrap(mem, f))
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(seeded(1))
			var before *world
			for err == nil {
				before = w.copy()
				select {
				case <-s.Failed():
					t.Fatal("it failed before a commit did")
				default:
				}
				b, e := w.turn(4, keepIn(s))
				if e != nil || w.position > 1000 {
					t.Fatalf("commit %d: %v", w.position, e)
				}
				err = commit(s, b)
			}
			if !errors.Is(err, fault.with) || errors.Is(err, store.ErrFull) != fault.full {
				t.Errorf("err = %v", err)
			}
			<-s.Failed()
			if diff, err := before.differs(s); diff != "" || err != nil {
				t.Errorf("read after the failure: %v\n%s", err, diff)
			}
			if again := commit(s, &record.Batch{Position: 1000, At: w.at}); !errors.Is(again, fault.with) {
				t.Errorf("the next commit: %v", again)
			}
			if err := s.Close(); !errors.Is(err, fault.with) {
				t.Errorf("close: %v", err)
			}
			f.pick = func(int, errorfs.Op) bool { return false } // there is room again
			if s, err = openOn(errorfs.Wrap(mem, f)); err != nil {
				t.Fatal(err)
			}
			if position, err := s.Position(); err != nil || position < before.position || position > w.position {
				t.Errorf("after a restart at commit %d, acknowledged were %d: %v", position, before.position, err)
			}
			if err := commit(s, &record.Batch{Position: 1000, At: w.at}); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A commit that waits for room in memory, because the disk does not keep up with the tables, is told when the disk
// fails meanwhile. What was committed before is still read, and the store ends in order.
func TestACommitThatWaitsForTheDiskHearsOfItsFailure(t *testing.T) {
	for _, wait := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			failed := make(chan struct{})
			o := optionsOn(errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".sst") {
					<-failed
					return syscall.ENOSPC
				}
				return nil
			})))
			o.Sync = wait
			s, err := store.Open(o)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(seeded(1))
			done := make(chan error, 1)
			var before *world
			for waits := false; !waits; waits = len(done) == 0 {
				if len(done) > 0 {
					err = <-done
				}
				before = w.copy()
				b, e := w.turn(4, inline)
				if err = errors.Join(err, e); err != nil || w.position > 1000 {
					t.Fatalf("commit %d: %v", w.position, err)
				}
				s.Commit(b, func(err error) { done <- err })
				synctest.Wait()
			}
			close(failed)
			if err := <-done; !errors.Is(err, store.ErrFull) {
				t.Errorf("after %d commits: %v", before.position, err)
			}
			if diff, err := before.differs(s); diff != "" || err != nil {
				t.Errorf("read after the failure: %v\n%s", err, diff)
			}
			if err := commit(s, &record.Batch{Position: 1000, At: w.at}); !errors.Is(err, store.ErrFull) {
				t.Errorf("the next commit: %v", err)
			}
			time.Sleep(time.Second) // the store is flushed in vain
			if err := s.Close(); !errors.Is(err, store.ErrFull) {
				t.Errorf("close: %v", err)
			}
		})
	}
}

// Nothing is read that a crash could still take back: while the disk has not answered, readers see what was before.
func TestReadersSeeWhatIsDurableAndNothingElse(t *testing.T) {
	synced, asked := make(chan struct{}), make(chan struct{})
	var hold atomic.Bool
	s, err := openOn(errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.HasSuffix(op.Path, ".log") && op.Kind == errorfs.OpFileSyncData && hold.CompareAndSwap(true, false) {
			close(asked)
			<-synced
		}
		return nil
	})))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(seeded(1))
	for range 5 {
		b, err := w.turn(4, keepIn(s))
		if err == nil {
			err = commit(s, b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	before := w.copy()
	b, err := w.turn(4, keepIn(s))
	if err != nil {
		t.Fatal(err)
	}
	hold.Store(true)
	done := make(chan error, 1)
	s.Commit(b, func(err error) { done <- err })
	<-asked
	if diff, err := before.differs(s); diff != "" || err != nil {
		t.Errorf("while the disk syncs: %v\n%s", err, diff)
	}
	if len(done) != 0 {
		t.Error("acknowledged while the disk syncs")
	}
	close(synced)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if diff, err := w.differs(s); diff != "" || err != nil {
		t.Errorf("when the disk has synced: %v\n%s", err, diff)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A body for which there is no room is an error that says so, and leaves nothing behind. Nothing else is hurt.
func TestABodyWithoutRoomLeavesNothing(t *testing.T) {
	for name, kind := range map[string]errorfs.OpKind{
		"create": errorfs.OpCreate, "write": errorfs.OpFileWrite, "sync": errorfs.OpFileSync, "rename": errorfs.OpRename,
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewMem()
			f := &failing{with: syscall.ENOSPC}
			s, err := openOn(errorfs.Wrap(mem, &failing{pick: func(int, errorfs.Op) bool { return false }}))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			f.pick = func(_ int, op errorfs.Op) bool { return op.Kind == kind && strings.Contains(op.Path, "bodies") }
			if s, err = openOn(errorfs.Wrap(mem, f)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := keepIn(s)(strings.Repeat("x", 200_000)); !errors.Is(err, store.ErrFull) {
					t.Errorf("err = %v, want ErrFull", err)
				}
			}
			if left, err := mem.List(dir + "/bodies"); len(left) != 0 || err != nil {
				t.Errorf("left behind: %v, %v", left, err)
			}
			if _, err := keepIn(s)("short"); err != nil {
				t.Errorf("a short body: %v", err)
			}
			if err := commit(s, &record.Batch{Position: 1}); err != nil {
				t.Errorf("a commit: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
