package store

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/awaitd/awaitd/internal/record"
)

// Downgrade makes a store that is closed one of format 1, in one commit, as servers of that format would have left it:
// the first running future, the third, and so on without a mark, as one of the first days did. It returns how many run.
func Downgrade(t *testing.T, dir string, disk vfs.FS) (running int) {
	t.Helper()
	r, err := openRing(Options{Dir: dir, FS: disk})
	if err = errors.Join(err, r.begin()); err != nil {
		t.Fatal(err)
	}
	db := bare(t, dir, disk)
	stored, closer, err := db.Get([]byte{keyHead})
	if err != nil {
		t.Fatal(err)
	}
	h, err := decodeHead(stored)
	h.serial++
	b := db.NewBatch()
	if err = errors.Join(err, closer.Close(), b.Set([]byte{keyHead}, h.append(nil), nil)); err != nil {
		t.Fatal(err)
	}
	visitRunning(t, db, func(key, value []byte) {
		fact, err := r.open(nil, key, value)
		old := append([]byte{keyPending}, key[1:]...)
		if err = errors.Join(err, b.Set(old, r.seal(nil, old, fact), nil), b.Delete(key, nil)); err != nil {
			t.Fatal(err)
		}
		if running++; running%2 == 0 {
			_ = b.Set(key, nil, nil) // as before, it cannot fail
		}
	})
	if err := b.Commit(pebble.Sync); err != nil {
		t.Fatal(err)
	}
	f, err := disk.Create(disk.PathJoin(dir, formatName), vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = f.Write([]byte(formatLine(1)))
	}
	if err = errors.Join(err, f.Sync(), f.Close(), syncDir(dir, disk), db.Close()); err != nil {
		t.Fatal(err)
	}
	return running
}

// visitRunning visits what lies under keyRunning.
func visitRunning(t *testing.T, db *pebble.DB, visit func(key, value []byte)) {
	t.Helper()
	at, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyRunning}, UpperBound: []byte{keyRunning + 1}})
	if err != nil {
		t.Fatal(err)
	}
	for more := at.First(); more; more = at.Next() {
		visit(at.Key(), at.Value())
	}
	if err := at.Close(); err != nil {
		t.Fatal(err)
	}
}

// Layout reads of a store that is not open what its file FORMAT says, and how many facts of running futures lie where
// format 2 has them.
func Layout(t *testing.T, dir string, disk vfs.FS) (format string, moved int) {
	t.Helper()
	f, err := disk.Open(disk.PathJoin(dir, formatName))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(f)
	db := bare(t, dir, disk)
	visitRunning(t, db, func(_, value []byte) {
		if len(value) > 0 {
			moved++
		}
	})
	if err = errors.Join(err, f.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	return string(text), moved
}

// A store of format 1 in which the fact of a running future is lost or damaged is refused, by name, and stays as it is:
// of format 1, nothing moved, and no key to seal with more at each start.
func TestAnUpgradeRefusesWhatIsDamaged(t *testing.T) {
	for name, damage := range map[string]func(db *pebble.DB, key []byte) error{
		"lost":    func(db *pebble.DB, key []byte) error { return db.Delete(key, pebble.Sync) },
		"garbled": func(db *pebble.DB, key []byte) error { return db.Set(key, []byte{7, 7, 7}, pebble.Sync) },
		"shut": func(db *pebble.DB, key []byte) error {
			return db.Set(key, append([]byte{sealed}, make([]byte, 64)...), pebble.Sync)
		},
	} {
		t.Run(name, func(t *testing.T) {
			shut := name == "shut" // sealed with a key that is gone: who reads it does not know whose it is
			disk := vfs.NewMem()
			s := opened(t, disk, 0)
			kept, hit := secretive(1), secretive(2)
			kept.State, hit.State = record.StateRunning, record.StateRunning
			committed(t, s, record.FutureChange{Is: kept}, record.FutureChange{Is: hit})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			Downgrade(t, "s", disk)
			db := bare(t, "s", disk)
			key := append([]byte{keyPending}, appendPlace(nil, hit.ID, hit.CreatedAt)...)
			if err := errors.Join(damage(db, key), db.Close()); err != nil {
				t.Fatal(err)
			}
			keys := len(filesOf(t, disk)["s/"+ringName])
			for range 2 {
				_, err := Open(Options{Dir: "s", FS: disk, Sync: true})
				if unnamed := !strings.Contains(err.Error(), hit.ID); !errors.Is(err, ErrDamaged) || unnamed && !shut {
					t.Errorf("err = %v", err)
				}
				if format, moved := Layout(t, "s", disk); format != formatLine(1) || moved != 0 {
					t.Errorf("it says %q, and %d are moved", format, moved)
				}
			}
			if now := len(filesOf(t, disk)["s/"+ringName]); now != keys || keys == 0 {
				t.Errorf("%s has %d bytes, had %d", ringName, now, keys)
			}
		})
	}
}

// What an upgrade moves is sealed where it comes to lie, in a commit that counts.
func TestAnUpgradeSealsWhatItMoves(t *testing.T) {
	disk := vfs.NewMem()
	s := opened(t, disk, 0)
	f := secretive(1)
	f.State = record.StateRunning
	committed(t, s, record.FutureChange{Is: f})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := s.head.serial + 1
	if n := Downgrade(t, "s", disk); n != 1 {
		t.Fatalf("%d futures are running", n)
	}
	s = opened(t, disk, 0)
	wantRequest(t, s, f)
	if h, err := s.lastHead(); h != s.head || h.serial != before+2 || h.position != 1 || err != nil {
		t.Errorf("head %+v, stored %+v, %v, after commit %d", s.head, h, err, before)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range filesOf(t, disk) {
		if bytes.Contains(text, []byte(secretText)) {
			t.Errorf("the secret is in %s", name)
		}
	}
	if format, moved := Layout(t, "s", disk); format != formatLine(formatVersion) || moved != 1 {
		t.Errorf("it says %q, and %d are moved", format, moved)
	}
}
