package store_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	randv2 "math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"
	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/internal/store"
)

var flips = flag.Int("flips", max(5/every, 2), "damage this many places in each file of a store")

// write makes a disk of files.
func write(t *testing.T, files map[string][]byte) *vfs.MemFS {
	t.Helper()
	disk := vfs.NewMem()
	if err := disk.MkdirAll(dir+"/bodies", 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := disk.MkdirAll(path.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		f, err := disk.Create(name, vfs.WriteCategoryUnspecified)
		if err == nil {
			_, err = f.Write(slices.Clone(content))
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return disk
}

// aged are the files of stores with a history, and what they hold: tables on two levels, several logs that are not
// in tables yet, bodies; closed in order, or not at all.
func aged(t *testing.T, memtable int64, lives, turns int, closed bool) (map[string][]byte, *world) {
	t.Helper()
	disk := newCrashable()
	w := newWorld(seeded(4))
	for life := range lives {
		o := optionsOn(disk)
		o.MemtableBytes = memtable
		s, err := store.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		for range turns {
			b, err := w.turn(6, keepIn(s))
			if err == nil {
				err = commit(s, b)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if life == lives-1 && !closed {
			defer func() { _ = s.Close() }()
			disk = disk.after(100, randv2.New(randv2.NewPCG(1, 2))) // the process is killed
			break
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return read(t, disk), w
}

// harm opens a store of files of which one is damaged, and tells what came of it. The test fails when something was
// lost without a word, or by opening.
func harm(t *testing.T, what string, files map[string][]byte, name string, w *world) string {
	t.Helper()
	disk := write(t, files)
	s, err := openOn(disk)
	if err != nil {
		if !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrFormat) {
			t.Errorf("%s: %v", what, err)
		}
		after := read(t, disk)
		if maps.EqualFunc(files, after, bytes.Equal) {
			return "refused"
		}
		if !bytes.Equal(after[name], files[name]) || path.Ext(name) != ".sst" {
			t.Errorf("%s: refused, yet files changed:\n%s", what, cmp.Diff(sizes(files), sizes(after)))
		}
		return "refused in the end" // what was found before that may have been tidied up
	}
	defer func() { _ = s.Close() }()
	diff, err := w.differs(s)
	switch {
	case err != nil:
		return "noticed when read"
	case diff != "":
		t.Errorf("%s: went unnoticed:\n%s", what, diff)
		return "unnoticed"
	default:
		return "harmless"
	}
}

func sizes(files map[string][]byte) map[string]int {
	sizes := map[string]int{}
	for name, content := range files {
		sizes[name] = len(content)
	}
	return sizes
}

// kindOf is what sort of file it is.
func kindOf(name string) string {
	base := path.Base(name)
	switch {
	case strings.Contains(name, "/bodies/"):
		return "body"
	case strings.Contains(base, "."):
		return path.Ext(base)
	default:
		return strings.TrimRight(base, "-0123456789")
	}
}

// Whatever byte of whatever file is damaged: it is noticed, or it does not matter. Nothing is ever lost without a word.
func TestNoDamagedByteGoesUnnoticed(t *testing.T) {
	damageAll(t, func(content []byte, at int) []byte {
		damaged := slices.Clone(content)
		damaged[at] ^= 1 << (at % 8)
		return damaged
	})
}

// The same for files that end too early, in the middle of something…
func TestNoMissingEndGoesUnnoticed(t *testing.T) {
	damageAll(t, func(content []byte, at int) []byte { return content[:at] })
}

// … or exactly where a log would end that ended in order.
func TestNoLogCutBetweenCommitsGoesUnnoticed(t *testing.T) {
	files, w := aged(t, 32<<20, 1, 120, false)
	logs, err := wal.Scan(wal.Dir{FS: write(t, files), Dirname: dir + "/pebble"})
	if err != nil || len(logs) < 2 {
		t.Fatalf("%d logs are too few: %v", len(logs), err)
	}
	for _, log := range logs {
		_, name := log.SegmentLocation(0)
		content := files[name]
		r := log.OpenForRead()
		cuts := 0
		for ; ; cuts++ {
			_, at, err := r.NextRecord()
			if err != nil {
				break
			}
			if cuts%7 > 0 {
				continue
			}
			files[name] = content[:at.Physical]
			what := fmt.Sprintf("%s, cut at %d of %d", name, at.Physical, len(content))
			if outcome := harm(t, what, files, name, w); outcome != "refused" {
				t.Errorf("%s: %s", what, outcome)
			}
		}
		if err := r.Close(); err != nil || cuts < 10 {
			t.Errorf("%s: %d commits, %v", name, cuts, err)
		}
		files[name] = content
	}
}

// And for files and folders that are not there at all.
func TestNothingMissingGoesUnnoticed(t *testing.T) {
	files, w := aged(t, 64<<10, 2, 40, false)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		left := maps.Clone(files)
		delete(left, name)
		t.Logf("%s: %s", name, harm(t, name, left, name, w))
	}
	left := maps.Clone(files)
	maps.DeleteFunc(left, func(name string, _ []byte) bool { return strings.Contains(name, "/pebble/") })
	if outcome := harm(t, "pebble", left, "", w); outcome != "refused" {
		t.Errorf("without Pebble's folder: %s", outcome)
	}
}

// damageAll damages every file of stores with different histories, one place at a time.
func damageAll(t *testing.T, damage func(content []byte, at int) []byte) {
	t.Parallel()
	for _, history := range []struct {
		name         string
		memtable     int64
		lives, turns int
		closed       bool
	}{
		{"closed", 64 << 10, 2, 40, true},
		{"killed", 64 << 10, 2, 40, false},
		{"logs", 32 << 20, 1, 120, false},
	} {
		t.Run(history.name, func(t *testing.T) {
			files, w := aged(t, history.memtable, history.lives, history.turns, history.closed)
			if len(w.bodies) == 0 || len(w.futures) < 20 {
				t.Fatalf("%d futures and %d bodies are no history", len(w.futures), len(w.bodies))
			}
			if outcome := harm(t, "undamaged", files, "", w); outcome != "harmless" {
				t.Fatalf("undamaged: %s", outcome)
			}
			outcomes := map[string]int{}
			for _, name := range slices.Sorted(maps.Keys(files)) {
				damaged := maps.Clone(files)
				for _, at := range places(len(files[name])) {
					damaged[name] = damage(files[name], at)
					what := fmt.Sprintf("%s, byte %d of %d", name, at, len(files[name]))
					outcomes[kindOf(name)+" "+harm(t, what, damaged, name, w)]++
				}
			}
			for _, outcome := range slices.Sorted(maps.Keys(outcomes)) {
				t.Logf("%5d %s", outcomes[outcome], outcome)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// places are the first of size places, the last, and some between.
func places(size int) (at []int) {
	n := min(size, *flips)
	for i := range n {
		at = append(at, i*(size-1)/max(n-1, 1))
	}
	return at
}
