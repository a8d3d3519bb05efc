package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/internal/record"
)

const secretText = "c4n4ry"

// secretive is a pending fetch with a secret in its request.
func secretive(n int) *record.Future {
	r := record.Request{
		Method: "POST", URL: "http://a.example/?t=" + secretText, Body: []byte(secretText),
		Headers: []record.Header{{Name: "X-Key", Values: []string{secretText}}},
	}
	return &record.Future{
		ID: fmt.Sprintf("fut_%026d", n), Kind: record.KindFetch, State: record.StatePending, Version: 1, CreatedAt: 1,
		Request: r.Pack(),
	}
}

func settledOf(f *record.Future) *record.Future {
	is := *f
	is.State, is.Version, is.Request = record.StateSucceeded, 2, f.Request.WithoutSecrets()
	return &is
}

// committed commits changes and demands that it goes well.
func committed(t *testing.T, s *Store, changes ...record.FutureChange) {
	t.Helper()
	done := make(chan error, 1)
	s.Commit(&record.Batch{At: 1, Position: 1, Futures: changes}, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func opened(t *testing.T, disk vfs.FS, every time.Duration) *Store {
	t.Helper()
	s, err := Open(Options{Dir: "s", FS: disk, Sync: true, renewEvery: every})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// filesOf is everything in the files of a store, by name.
func filesOf(t *testing.T, disk vfs.FS) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, dir := range []string{"s", "s/pebble", "s/bodies"} {
		names, err := disk.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			f, err := disk.Open(disk.PathJoin(dir, name))
			if err != nil {
				continue // Pebble has removed it meanwhile, or it is a folder
			}
			text, err := io.ReadAll(f)
			if err == nil {
				all[dir+"/"+name] = text
			}
			_ = f.Close()
		}
	}
	return all
}

func secretsOf(t *testing.T, disk vfs.FS) map[uint64][]byte {
	t.Helper()
	r := ring{dir: "s", disk: disk}
	secrets, err := r.read()
	if err != nil {
		t.Fatal(err)
	}
	return secrets
}

// wantRequest demands that an open future is there with all of its request.
func wantRequest(t *testing.T, s *Store, want *record.Future) {
	t.Helper()
	f, err := s.Future(want.ID)
	if err != nil || f == nil || f.Request != want.Request {
		t.Errorf("%s: %v, %v", want.ID, f, err)
	}
}

// The goal: what is sealed is opened at its own place, as it was, and nowhere else.
func TestWhatIsSealedOpensAtItsPlaceAlone(t *testing.T) {
	disk := vfs.NewMem()
	if err := disk.MkdirAll("s", 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := openRing(Options{Dir: "s", FS: disk})
	if err = errors.Join(err, r.begin()); err != nil {
		t.Fatal(err)
	}
	value := r.seal([]byte("before"), []byte("o1"), []byte(secretText))
	if bytes.Contains(value, []byte(secretText)) || !bytes.HasPrefix(value, []byte("before")) {
		t.Fatalf("%q", value)
	}
	value = value[len("before"):]
	got, err := r.open([]byte("before"), []byte("o1"), value)
	if err != nil || string(got) != "before"+secretText {
		t.Errorf("%q %v", got, err)
	}
	if _, err := r.open(nil, []byte("o2"), value); !errors.Is(err, record.ErrCorrupt) {
		t.Errorf("at another place: %v", err)
	}
	for n := range len(value) {
		broken := bytes.Clone(value)
		broken[n] ^= 1
		if text, err := r.open(nil, []byte("o1"), broken); n > 0 && err == nil {
			t.Errorf("byte %d changed: %q", n, text)
		}
		if text, err := r.open(nil, []byte("o1"), value[:n]); n > 0 && err == nil {
			t.Errorf("cut at %d: %q", n, text)
		}
	}
	plain := record.EncodeFuture(secretive(1))
	if isSealed([]byte("o1"), plain) || !isSealed([]byte("o1"), value) || isSealed([]byte("e1"), value) {
		t.Error("what is sealed is not told from what is not")
	}
	if a, b := r.seal(nil, nil, plain), r.seal(nil, nil, plain); bytes.Equal(a, b) {
		t.Error("the same is sealed twice as the same")
	}
}

// The goal: no request is in the clear in any file at any time, not in one that is stale either; and once the store is
// closed with nothing open, no key is left that could open one.
func TestNoRequestLiesInTheClear(t *testing.T) {
	disk := vfs.NewMem()
	s := opened(t, disk, 0)
	first := secretsOf(t, disk)
	f := secretive(1)
	running := *f
	running.State = record.StateRunning
	settled := settledOf(f)
	for _, c := range []record.FutureChange{{Is: f}, {Was: f, Is: &running}, {Was: &running, Is: settled}} {
		committed(t, s, c)
		for name, text := range filesOf(t, disk) {
			if bytes.Contains(text, []byte(secretText)) {
				t.Errorf("the secret is in %s", name)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left := secretsOf(t, disk); len(first) != 1 || len(left) != 0 {
		t.Errorf("%d keys at first, %d at the end", len(first), len(left))
	}
	sealedThere := false
	for name, text := range filesOf(t, disk) {
		if bytes.Contains(text, []byte(secretText)) {
			t.Errorf("the secret is in %s", name)
		}
		for id, key := range first {
			sealedThere = sealedThere || bytes.Contains(text, binary.BigEndian.AppendUint64(nil, id))
			if bytes.Contains(text, key) {
				t.Errorf("the key is in %s", name)
			}
		}
	}
	if !sealedThere {
		t.Error("what was sealed is nowhere: this test looks in the wrong place")
	}
}

// untilForgotten waits until none of the keys is on the disk.
func untilForgotten(t *testing.T, disk vfs.FS, keys map[uint64][]byte) {
	t.Helper()
	r := ring{dir: "s", disk: disk}
	for range 10_000_000 {
		left, err := r.read()
		gone := err == nil // it is being overwritten
		for id := range keys {
			gone = gone && left[id] == nil
		}
		if gone {
			return
		}
		runtime.Gosched()
	}
	t.Fatal("a key is not forgotten")
}

// The goal: while a store is open, the key of what was settled is forgotten soon, and what is open stays readable:
// by who
// reads now, by who began to read before, and by the next server.
func TestKeysAreForgottenWhileOthersStayOpen(t *testing.T) {
	disk := vfs.NewMem()
	s := opened(t, disk, time.Millisecond)
	var open []*record.Future
	var changes []record.FutureChange
	for n := range 3*renewFactsMax + 7 {
		open = append(open, secretive(n))
		if n%2 == 1 {
			open[n].State = record.StateRunning
		}
		changes = append(changes, record.FutureChange{Is: open[n]})
	}
	committed(t, s, changes...)
	for range 3 {
		before := secretsOf(t, disk)
		committed(t, s, record.FutureChange{Was: open[0], Is: settledOf(open[0])})
		open = open[1:]
		old := s.backend.view()
		untilForgotten(t, disk, before)
		if f, err := readFuture(old, open[0].ID); err != nil || f.Request != open[0].Request {
			t.Errorf("who began to read before: %v %v", f, err)
		}
		old.close()
		for _, f := range []*record.Future{open[0], open[1], open[len(open)/2], open[len(open)-1]} {
			wantRequest(t, s, f)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left := secretsOf(t, disk); len(left) != 1 {
		t.Errorf("%d keys are left", len(left))
	}
	next := opened(t, disk, 0)
	n := 0
	err := next.Load(func(f *record.Future) error {
		if f.Request != open[n].Request {
			t.Errorf("%s is another", f.ID)
		}
		n++
		return nil
	}, func(*record.Event) error { return nil }, nil)
	if err != nil || n != len(open) {
		t.Errorf("%d of %d: %v", n, len(open), err)
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
}

// The goal: what a callback carries is as secret as what its fetch did, until it is done: sealed although its future is
// settled, sealed anew with the others, and readable for the next server.
func TestAPendingCallbackIsSealed(t *testing.T) {
	disk := vfs.NewMem()
	s := opened(t, disk, time.Millisecond)
	f := settledOf(secretive(1))
	f.Callback = &record.Callback{
		URL: "http://b.example/?t=" + secretText, State: record.CallbackPending,
		Headers: []record.Header{{Name: "X-Key", Values: []string{secretText}}},
	}
	first := secretsOf(t, disk)
	other := secretive(2)
	committed(t, s, record.FutureChange{Is: f}, record.FutureChange{Is: other})
	committed(t, s, record.FutureChange{Was: other, Is: settledOf(other)})
	untilForgotten(t, disk, first)
	want := func(s *Store) {
		t.Helper()
		got, err := s.Future(f.ID)
		if err != nil || got == nil || cmp.Diff(f.Callback, got.Callback) != "" {
			t.Errorf("%+v, %v", got, err)
		}
		for name, text := range filesOf(t, disk) {
			if bytes.Contains(text, []byte(secretText)) {
				t.Errorf("the secret is in %s", name)
			}
		}
	}
	want(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = opened(t, disk, 0)
	want(s)
	done := *f
	done.Callback = &record.Callback{URL: "http://b.example/", State: record.CallbackDelivered}
	committed(t, s, record.FutureChange{Was: f, Is: &done})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left := secretsOf(t, disk); len(left) != 0 {
		t.Errorf("%d keys are left", len(left))
	}
	s = opened(t, disk, 0)
	if got, err := s.Future(f.ID); err != nil || got.Callback.State != record.CallbackDelivered {
		t.Errorf("%+v, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// The goal: after a crash, what was settled before it can be opened until the first renewal after the next start, and
// not after it.
func TestACrashIsMadeGoodAtTheNextStart(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s := opened(t, disk, 0)
	gone, kept := secretive(1), secretive(2)
	committed(t, s, record.FutureChange{Is: gone}, record.FutureChange{Is: kept})
	committed(t, s, record.FutureChange{Was: gone, Is: settledOf(gone)})
	crashed := disk.CrashClone(vfs.CrashCloneCfg{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := secretsOf(t, crashed)
	if len(before) != 1 {
		t.Fatalf("%d keys", len(before))
	}
	next := opened(t, crashed, time.Millisecond)
	wantRequest(t, next, kept)
	untilForgotten(t, crashed, before)
	wantRequest(t, next, kept)
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
}

// failingSyncs is a disk on which nothing in a log becomes durable any more once fail is set.
func failingSyncs(disk vfs.FS, fail *atomic.Bool) vfs.FS {
	return errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData
		if sync && strings.HasSuffix(op.Path, ".log") && fail.Load() {
			return syscall.EIO
		}
		return nil
	}))
}

// wantOpen demands that a restart finds the futures that are not settled.
func wantOpen(t *testing.T, disk vfs.FS, want int) {
	t.Helper()
	s := opened(t, disk, 0)
	n := 0
	err := s.Load(
		func(*record.Future) error { n++; return nil }, func(*record.Event) error { return nil }, nil,
	)
	if err != nil || n != want {
		t.Errorf("loaded %d, want %d: %v", n, want, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// The goal: no key is forgotten while something may be left that is sealed with it. What could not be made durable may
// be on the disk all the same: here it is, and nothing else is open.
func TestAFailedCommitIsOpenedIfItIsThere(t *testing.T) {
	disk, fail := vfs.NewMem(), atomic.Bool{}
	s := opened(t, failingSyncs(disk, &fail), 0)
	fail.Store(true)
	b := &record.Batch{At: 1, Position: 1, Futures: []record.FutureChange{{Is: secretive(1)}}}
	done := make(chan error, 1)
	s.Commit(b, func(err error) { done <- err })
	if err := <-done; !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	if err := s.Close(); !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	wantOpen(t, disk, 1)
}

// And the other way round: what was sealed anew is not on the disk, and what was sealed before is.
func TestAFailedRenewalLeavesWhatWasSealedBefore(t *testing.T) {
	disk, fail := vfs.NewCrashableMem(), atomic.Bool{}
	s, err := Open(Options{Dir: "s", FS: failingSyncs(disk, &fail), renewEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	settles, stays := secretive(1), secretive(2)
	committed(t, s, record.FutureChange{Is: settles}, record.FutureChange{Is: stays})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(Options{Dir: "s", FS: failingSyncs(disk, &fail), renewEvery: time.Hour}); err != nil {
		t.Fatal(err)
	}
	fail.Store(true)
	s.Commit(&record.Batch{
		At: 1, Position: 2, Futures: []record.FutureChange{{Was: settles, Is: settledOf(settles)}},
	}, func(error) {})
	if err := s.Close(); !errors.Is(err, syscall.EIO) { // what is still open is sealed anew
		t.Error(err)
	}
	wantOpen(t, disk.CrashClone(vfs.CrashCloneCfg{}), 2)
}

// The goal: keys that are damaged or gone are told, not taken for an empty store.
func TestLostKeysAreTold(t *testing.T) {
	whole := vfs.NewCrashableMem()
	s := opened(t, whole, 0)
	committed(t, s, record.FutureChange{Is: secretive(1)})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	disk := whole.CrashClone(vfs.CrashCloneCfg{})
	if err := disk.Remove("s/" + ringName); err != nil {
		t.Fatal(err)
	}
	lost := opened(t, disk, 0)
	err := lost.Load(func(*record.Future) error { return nil }, func(*record.Event) error { return nil }, nil)
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), ringName) {
		t.Errorf("keys that are gone: %v", err)
	}
	if err := lost.Close(); err != nil {
		t.Fatal(err)
	}
	text := filesOf(t, whole)["s/"+ringName]
	for at := range len(text) {
		disk := whole.CrashClone(vfs.CrashCloneCfg{})
		broken := slices.Clone(text)
		broken[at] ^= 1
		f, err := disk.Create("s/"+ringName, vfs.WriteCategoryUnspecified)
		if err == nil {
			_, err = f.Write(broken)
			err = errors.Join(err, f.Sync(), f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Options{Dir: "s", FS: disk, Sync: true}); !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d is changed: %v", at, err)
		}
	}
}

// The goal: a store of a version that did not seal is read, and is sealed from then on.
func TestWhatAnOlderVersionWroteIsSealed(t *testing.T) {
	disk := vfs.NewMem()
	s := opened(t, disk, 0)
	f := secretive(1)
	committed(t, s, record.FutureChange{Is: f})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db := bare(t, "s", disk)
	place := append([]byte{keyPending}, appendPlace(nil, f.ID, f.CreatedAt)...)
	err := errors.Join(db.Set(place, record.EncodeFuture(f), pebble.Sync), db.Close(), disk.Remove("s/"+ringName))
	if err != nil {
		t.Fatal(err)
	}
	s = opened(t, disk, 0)
	wantRequest(t, s, f)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db = bare(t, "s", disk)
	value, closer, err := db.Get(place)
	if err != nil || value[0] != sealed {
		t.Errorf("it is not sealed: %q %v", value, err)
	}
	if err := errors.Join(closer.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// bare is the Pebble of a store that is closed.
func bare(t *testing.T, dir string, disk vfs.FS) *pebble.DB {
	t.Helper()
	options := pebbleOptions(Options{Log: slog.New(slog.DiscardHandler)}, disk, newIce())
	db, err := pebble.Open(disk.PathJoin(dir, pebbleName), options)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// BenchmarkSeal is what sealing a fact costs its commit, and opening it its reader.
func BenchmarkSeal(b *testing.B) {
	disk := vfs.NewMem()
	if err := disk.MkdirAll("s", 0o700); err != nil {
		b.Fatal(err)
	}
	r, err := openRing(Options{Dir: "s", FS: disk})
	if err = errors.Join(err, r.begin()); err != nil {
		b.Fatal(err)
	}
	value, place := record.EncodeFuture(secretive(1)), []byte("o-some-place-or-other")
	var sealed, opened []byte
	b.Run("seal", func(b *testing.B) {
		for b.Loop() {
			sealed = r.seal(sealed[:0], place, value)
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if opened, err = r.open(opened[:0], place, sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
