package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/awaitd/awaitd/internal/record"
)

// formatVersion is the version of the folder: which files lie where, and what keys mean (keys.go). In format 1, which
// is upgraded, the facts of running futures lie under keyPending, and under keyRunning lie empty marks, or nothing.
const formatVersion = 2

const (
	formatName = "FORMAT"
	formatText = "awaitd store, format "
)

// ErrFormat says that a folder was written by another version, or by something else.
var ErrFormat = errors.New("store: unknown format")

// readFormat reads the format of the store in a folder, 0 when there is none. One that is not known is an error.
func readFormat(dir string, disk vfs.FS) (version int, err error) {
	f, err := disk.Open(disk.PathJoin(dir, formatName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, 100))
	if err != nil {
		return 0, err
	}
	for version := 1; version <= formatVersion; version++ {
		if string(text) == formatLine(version) {
			return version, nil
		}
	}
	number, ok := strings.CutPrefix(strings.TrimSuffix(string(text), "\n"), formatText)
	if _, err := strconv.Atoi(number); !ok || err != nil {
		return 0, fmt.Errorf("%w: its file %s says %q", ErrFormat, formatName, text)
	}
	const unknown = "%w: it is of format %s, this version of awaitd knows 1 to %d"
	return 0, fmt.Errorf(unknown, ErrFormat, number, formatVersion)
}

func formatLine(version int) string { return formatText + strconv.Itoa(version) + "\n" }

// writeFormat makes a folder a store of this format. It is the last step of making one, and the first of an upgrade.
func writeFormat(dir string, disk vfs.FS) error {
	temporary := disk.PathJoin(dir, formatName+".part")
	f, err := disk.Create(temporary, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(formatLine(formatVersion)))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := disk.Rename(temporary, disk.PathJoin(dir, formatName)); err != nil {
		return err
	}
	return syncDir(dir, disk)
}

// upgrade makes a store of format 1 one of this format, or goes on with what a crash has cut short. places are those
// that toMove found.
//
// The format comes first, durably, so that a server which knows only format 1 refuses the folder from then on: it would
// not find the facts that are moved. Then each commit moves some facts as a whole. It counts like every other, so that
// the head, the chain of commits and the high-water mark agree after a crash at any point. It needs no sync of its own:
// one that is lost is made again at the next start, because what is still to be moved shows in the marks.
func (s *Store) upgrade(o Options, places [][]byte) error {
	version, err := readFormat(o.Dir, o.FS)
	if err == nil && version < formatVersion {
		o.Log.Info("the folder is upgraded: an earlier version of awaitd refuses it from now on", "store", o.Dir,
			"from_format", version, "to_format", formatVersion)
		err = writeFormat(o.Dir, o.FS)
	}
	for len(places) > 0 && err == nil {
		places, err = s.moveSome(places)
	}
	return err
}

// toMove are the places of running futures whose facts lie with those of pending ones: the marks, which are the empty
// entries under keyRunning. In format 1 every fact that is not settled is read before, so that a store in which one is
// damaged stays as it is, and those that run get their mark if a server from before there were marks wrote them.
func (s *Store) toMove(o Options, d *disk) ([][]byte, error) {
	version, err := readFormat(o.Dir, o.FS)
	if err == nil && version < formatVersion {
		err = s.markRunning()
	}
	if err != nil {
		return nil, err
	}
	v := d.view()
	defer v.close()
	bounds := &pebble.IterOptions{LowerBound: []byte{keyRunning}, UpperBound: []byte{keyRunning + 1}}
	entries, err := d.db.NewIter(bounds) // it opens no fact that is moved
	if err != nil {
		return nil, err
	}
	var places [][]byte
	for more := entries.First(); more && err == nil; more = entries.Next() {
		var value []byte
		if value, err = entries.ValueAndErr(); err == nil && len(value) == 0 {
			place := bytes.Clone(entries.Key()[1:])
			places = append(places, place)
			_, err = unmovedAt(v, place)
		}
	}
	return places, errors.Join(err, entries.Close())
}

// markRunning marks the running futures that are not, in a commit that is durable when it returns.
func (s *Store) markRunning() error {
	v := s.backend.view()
	defer v.close()
	h := s.head.after(&record.Batch{Position: s.head.position}, nil)
	w := &s.writing
	w.begin(s.backend.begin(), &h)
	facts, marks := v.scan([]byte{keyPending}, end([]byte{keyPending}), false), 0
	var err error
	for err == nil && facts.next() {
		var f *record.Future
		if f, err = decodeAt(facts.key()[1:], facts.value()); err != nil || f.State != record.StateRunning {
			continue
		}
		w.at(f)
		mark := w.key(factPrefix(record.StateRunning))
		var old []byte
		if old, err = v.get(mark); old == nil && err == nil {
			w.set(mark, nil)
			marks++
		}
	}
	if err = errors.Join(err, facts.close()); err != nil {
		return err
	}
	if marks == 0 {
		return nil
	}
	return errors.Join(s.applyAlone(h), s.backend.flush())
}

// unmovedAt is the fact of a running future that lies with those of pending ones, encoded.
func unmovedAt(v view, place []byte) ([]byte, error) {
	fact, err := v.get(append([]byte{keyPending}, place...))
	if err != nil {
		return nil, fmt.Errorf("read future %s: %w", idAt(place), err)
	}
	if fact == nil {
		return nil, fmt.Errorf("%w: future %s is running, and not there", ErrDamaged, idAt(place))
	}
	return fact, nil
}

// moveSome moves the first of these facts, in a commit of its own, and returns the places of the rest.
func (s *Store) moveSome(places [][]byte) (rest [][]byte, err error) {
	h := s.head.after(&record.Batch{Position: s.head.position}, nil)
	w := &s.writing
	w.begin(s.backend.begin(), &h)
	v := s.backend.view()
	defer v.close()
	for count, size := 0, 0; len(places) > 0 && count < renewFactsMax && size <= renewBytesMax; count++ {
		fact, err := unmovedAt(v, places[0])
		if err != nil {
			return nil, err
		}
		w.place, places, size = append(w.place[:0], places[0]...), places[1:], size+len(fact)
		w.seal(w.key(factPrefix(record.StateRunning)), fact) // it opens at its own key alone
		w.remove(w.key(factPrefix(record.StatePending)))
	}
	return places, s.applyAlone(h)
}

func syncDir(dir string, disk vfs.FS) error {
	d, err := disk.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
