package store_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/store"
	"github.com/awaitd/awaitd/internal/store/storetest"
)

func TestADiskIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *store.Store {
		s, err := store.Open(store.Options{Dir: t.TempDir(), Sync: true})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestADiskInMemoryIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *store.Store {
		s, err := openOn(vfs.NewMem())
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestADiskThatIsNotWaitedForIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *store.Store {
		s, err := store.Open(store.Options{Dir: "a", FS: vfs.NewMem()})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// mustOpen opens a store on the machine's disk.
func mustOpen(t *testing.T, folder string) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{Dir: folder, Sync: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustClose(t *testing.T, s *store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// says reports whether an error names all of that.
func says(err error, all ...string) bool {
	for _, what := range all {
		if !strings.Contains(err.Error(), what) {
			return false
		}
	}
	return true
}

// A store of a format that this version does not know is refused, whether it is a later one or no store at all.
func TestAnUnknownFormatIsRefused(t *testing.T) {
	for content, want := range map[string]string{
		"awaitd store, format 0\n": "it is of format 0, this version of awaitd knows 1 to 2",
		"awaitd store, format 3\n": "it is of format 3, this version of awaitd knows 1 to 2",
		"awaitd store, format \n":  "its file FORMAT says",
		"<html>":                   "its file FORMAT says",
		"":                         "its file FORMAT says",
	} {
		folder := t.TempDir()
		mustClose(t, mustOpen(t, folder))
		if err := os.WriteFile(filepath.Join(folder, "FORMAT"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(store.Options{Dir: folder})
		if !errors.Is(err, store.ErrFormat) || !says(err, want, folder) {
			t.Errorf("%q: store %v, err %v", content, s, err)
		}
	}
}

// The second server on a folder is told so, whether it is in the same process or in another one, and does no harm.
func TestASecondServerIsRefused(t *testing.T) {
	folder := os.Getenv("STORE_TO_OPEN")
	if folder != "" { // this is the other process
		_, err := store.Open(store.Options{Dir: folder})
		if !errors.Is(err, store.ErrInUse) || !says(err, folder) {
			t.Errorf("err = %v", err)
		}
		return
	}
	folder = t.TempDir()
	s := mustOpen(t, folder)
	if _, err := store.Open(store.Options{Dir: folder}); !errors.Is(err, store.ErrInUse) || !says(err, folder) {
		t.Errorf("in the same process: %v", err)
	}
	other := exec.Command(os.Args[0], "-test.run=^TestASecondServerIsRefused$")
	other.Env = append(os.Environ(), "STORE_TO_OPEN="+folder)
	if said, err := other.CombinedOutput(); err != nil {
		t.Errorf("in another process: %v\n%s", err, said)
	}
	if err := commit(s, &record.Batch{Position: 1}); err != nil {
		t.Errorf("the first one: %v", err)
	}
	mustClose(t, s)
	mustClose(t, mustOpen(t, folder))
}

// A folder that cannot be used is an error that names it, and says nothing of another server.
func TestAFolderThatCannotBeUsedIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{file, filepath.Join(file, "below")} {
		_, err := store.Open(store.Options{Dir: folder})
		if err == nil || errors.Is(err, store.ErrInUse) || !says(err, folder) {
			t.Errorf("%s: %v", folder, err)
		}
	}
}

// What a store keeps is for the server alone: requests carry credentials.
func TestOthersCannotReadTheStore(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "deep", "down")
	mustClose(t, mustOpen(t, folder))
	about, err := os.Stat(folder)
	if err != nil {
		t.Fatal(err)
	}
	if about.Mode() != fs.ModeDir|0o700 {
		t.Errorf("mode = %v", about.Mode())
	}
}

// What a crash has left among the bodies goes at the next start: halves, and bodies whose future was never committed.
// Bodies with a future stay, and so do files that are not the store's.
func TestOrphansAreSweptAtStart(t *testing.T) {
	folder := t.TempDir()
	s := mustOpen(t, folder)
	keep := keepIn(s)
	text := strings.Repeat("x", store.InlineBytesMax+1)
	owned, err := keep(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keep(text); err != nil { // an orphan
		t.Fatal(err)
	}
	f := &record.Future{
		ID: "job", Kind: record.KindFetch, State: record.StateSucceeded, Result: &record.Result{Body: owned},
	}
	if err := commit(s, &record.Batch{Position: 1, Futures: []record.FutureChange{{Is: f}}}); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	for _, name := range []string{"0123456789abcdef.part", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(folder, "bodies", name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, mustOpen(t, folder))
	entries, err := os.ReadDir(filepath.Join(folder, "bodies"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if len(names) != 2 || names[0] != owned.Ref || names[1] != "notes.txt" {
		t.Errorf("left: %q, want %q and notes.txt", names, owned.Ref)
	}
}

// A folder of bodies that is not there, as after a copy that leaves out what is empty, is said to be missing, and
// nothing else in the store is touched.
func TestAStoreWithoutItsFolderOfBodiesIsRefused(t *testing.T) {
	folder := t.TempDir()
	mustClose(t, mustOpen(t, folder))
	bodies := filepath.Join(folder, "bodies")
	if err := os.Remove(bodies); err != nil {
		t.Fatal(err)
	}
	before := contents(t, folder)
	_, err := store.Open(store.Options{Dir: folder})
	if !errors.Is(err, store.ErrDamaged) || !says(err, bodies+" is missing") {
		t.Errorf("err = %v", err)
	}
	if diff := cmp.Diff(before, contents(t, folder)); diff != "" {
		t.Errorf("the store is another (-before +after):\n%s", diff)
	}
	if err := os.Mkdir(bodies, 0o700); err != nil {
		t.Fatal(err)
	}
	mustClose(t, mustOpen(t, folder))
}

// contents is every file below a folder.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		found[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// There is room until what is left of the disk is less than what is kept for the work under way.
func TestRoomEndsBeforeTheDiskDoes(t *testing.T) {
	mem := vfs.NewMem()
	s, err := store.Open(store.Options{Dir: dir, FS: mem, SpareBytes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Room(); err != nil {
		t.Errorf("on a disk that does not say: %v", err)
	}
	for _, c := range []struct {
		left, total uint64
		room        bool
	}{
		{1001, 1 << 30, true},
		{1000, 1 << 30, true},
		{999, 1 << 30, false},
		{0, 1 << 30, false},
		{100, 1000, true},
		{99, 1000, false}, // a tenth of a small disk
	} {
		mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: c.left, TotalBytes: c.total})
		if err := s.Room(); (err == nil) != c.room || err != nil && !errors.Is(err, store.ErrFull) {
			t.Errorf("%d of %d left: %v", c.left, c.total, err)
		}
	}
	mustClose(t, s)
	if err := store.OpenMemory().Room(); err != nil {
		t.Errorf("in memory: %v", err)
	}
	on := mustOpen(t, t.TempDir())
	if err := on.Room(); err != nil {
		t.Errorf("on this machine: %v", err)
	}
	mustClose(t, on)
}
