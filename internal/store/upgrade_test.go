package store_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	randv2 "math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/store"
)

// unsettled are futures by age, every fourth of them pending, the others running.
func unsettled(n int) (all []*record.Future) {
	for i := range n {
		f := &record.Future{
			ID: fmt.Sprintf("fut_%026d", i), Kind: record.KindFetch, State: record.StateRunning, Version: 1, CreatedAt: 1,
			Request: (&record.Request{Method: "GET", URL: fmt.Sprintf("http://a.example/%d", i)}).Pack(),
		}
		if i%4 == 0 {
			f.State = record.StatePending
		}
		all = append(all, f)
	}
	return all
}

// holdsUnsettled demands that a store holds exactly these futures, each once, and the oldest first when it is loaded.
func holdsUnsettled(s *store.Store, all []*record.Future) error {
	var loaded, listed, want []*record.Future
	visit := func(f *record.Future) error { loaded = append(loaded, f); return nil }
	if err := s.Load(visit, func(*record.Event) error { return nil }, nil); err != nil {
		return err
	}
	q := record.FutureQuery{Limit: 100, State: record.StateRunning}
	for more := true; more; more = q.After != "" {
		page, next, err := s.Futures(q)
		if err != nil {
			return err
		}
		listed, q.After = append(listed, page...), next
	}
	for i := range all {
		if f := all[len(all)-1-i]; f.State == record.StateRunning {
			want = append(want, f)
		}
	}
	if diff := differ(all, loaded) + differ(want, listed); diff != "" {
		return errors.New(diff)
	}
	return nil
}

// Wherever the power fails while a store of format 1 is upgraded, and whatever part of what was not synced survives by
// chance: the next start finds every future exactly once. Once a single fact is moved, the file FORMAT says so, and a
// server that knows only format 1 refuses the folder.
func TestAnUpgradeSurvivesPowerFailures(t *testing.T) {
	t.Parallel()
	t.Run("waits for the disk", func(t *testing.T) { cutUpgradesShort(t, true) })
	t.Run("does not wait", func(t *testing.T) { cutUpgradesShort(t, false) })
}

func cutUpgradesShort(t *testing.T, waits bool) {
	t.Helper()
	disk, all := newCrashable(), unsettled(680) // facts are moved in two commits
	s, err := openOn(disk)
	if err != nil {
		t.Fatal(err)
	}
	b := &record.Batch{Position: 1}
	for _, f := range all {
		b.Futures = append(b.Futures, record.FutureChange{Is: f})
	}
	if err := errors.Join(commit(s, b), s.Close()); err != nil {
		t.Fatal(err)
	}
	if n := store.Downgrade(t, dir, disk); n != len(all)*3/4 {
		t.Fatalf("%d futures are running", n)
	}
	open := func(on vfs.FS) (*store.Store, error) {
		o := optionsOn(on)
		o.MemtableBytes, o.Sync = 1<<20, waits
		return store.Open(o)
	}
	seen, random := map[string]bool{}, randv2.New(randv2.NewPCG(1, 2))
	found := map[[sha256.Size]byte]bool{} // the same disk need not be looked at again
	look := func(what string, crashed crashable) {
		sum := sumOf(t, crashed)
		if found[sum] {
			return
		}
		found[sum] = true
		format, moved := store.Layout(t, dir, crashable{crashed.CrashClone(vfs.CrashCloneCfg{})})
		seen[fmt.Sprintf("%sand %d are moved", format, moved)] = true
		if format != "awaitd store, format 2\n" && moved > 0 {
			t.Errorf("%s: %d are moved, and it says %q", what, moved, format)
		}
		s, err := open(crashed)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		if err := errors.Join(holdsUnsettled(s, all), s.Close()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	var mu sync.Mutex
	ops, upgraded := 0, false
	s, err = open(errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind.ReadOrWrite() == errorfs.OpIsRead || upgraded || t.Failed() {
			return nil
		}
		if ops++; ops%every > 0 {
			return nil
		}
		for _, percent := range []int{0, 50, 100} {
			if percent > 0 && ops%(8*every) > 0 {
				break
			}
			look(fmt.Sprintf("operation %d (%v of %s), %d %% survive", ops, op.Kind, op.Path, percent),
				disk.after(percent, random))
		}
		return nil
	})))
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	upgraded = true
	mu.Unlock()
	for _, percent := range []int{0, 50, 100} {
		look(fmt.Sprintf("when it is open, %d %% survive", percent), disk.after(percent, random))
	}
	// It goes on as a store of this format.
	is := *all[1]
	is.State = record.StatePending
	err = commit(s, &record.Batch{Position: 2, Futures: []record.FutureChange{{Was: all[1], Is: &is}}})
	all[1] = &is
	if err = errors.Join(err, holdsUnsettled(s, all), s.Close()); err != nil {
		t.Error(err)
	}
	look("when it is closed", disk.after(0, random))
	for _, stage := range []string{
		"awaitd store, format 1\nand 0 are moved", "awaitd store, format 2\nand 0 are moved",
		"awaitd store, format 2\nand 500 are moved", "awaitd store, format 2\nand 510 are moved",
		"awaitd store, format 2\nand 509 are moved",
	} {
		if waits && every == 1 && !seen[stage] {
			t.Errorf("in %d operations, never seen: %s", ops, stage)
		}
	}
}
