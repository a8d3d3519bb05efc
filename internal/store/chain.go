package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/batchrepr"
	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"
)

// ErrDamaged says that what lies on the disk is not what was written. It stays as it is.
var ErrDamaged = errors.New("store: damaged")

// lastCommit finds the serial of the last commit that can be recovered, and demands that all before it can. It changes
// nothing.
//
// Pebble itself takes the first damage in its manifest for the manifest's end, and damage at the end of a log, or a
// log cut at the right place, for the log's end; it would drop what is missing, and the evidence with it. So we go
// along the commits ourselves: from the last one that lies in a table, through every log, none missing.
func lastCommit(o Options) (uint64, error) {
	last, err := lastInTables(o)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	logs, err := wal.Scan(wal.Dir{FS: o.FS, Dirname: o.path(pebbleName)})
	if err != nil {
		return 0, err
	}
	for _, log := range logs {
		if last, err = follow(last, log.OpenForRead()); err != nil {
			return 0, fmt.Errorf("log %s: %w", log.Num, err)
		}
	}
	return last, nil
}

// lastInTables is the serial of the last commit that no log is needed for.
func lastInTables(o Options) (serial uint64, err error) {
	broken := newIce()
	options := pebbleOptions(o, withoutLogs{o.FS}, broken)
	options.ReadOnly = true
	db, err := pebble.Open(o.path(pebbleName), options)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close(), broken.err()) }()
	stored, closer, err := db.Get([]byte{keyHead})
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	h, err := decodeHead(stored)
	return h.serial, errors.Join(err, closer.Close())
}

// withoutLogs is a file system in which there are no logs.
type withoutLogs struct{ vfs.FS }

func (f withoutLogs) List(dir string) ([]string, error) {
	all, err := f.FS.List(dir)
	var left []string
	for _, name := range all {
		if !strings.HasSuffix(name, ".log") {
			left = append(left, name)
		}
	}
	return left, err
}

// follow goes along one log, from the commit after last, and returns the last one in it. What a log holds again is
// passed over.
func follow(last uint64, log wal.Reader) (uint64, error) {
	defer func() { _ = log.Close() }()
	for {
		serial, err := nextCommit(log)
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, record.ErrUnexpectedEOF):
			return last, nil // whether this is too early, the next log or the high-water mark knows
		case err != nil:
			return 0, fmt.Errorf("%w: %w", ErrDamaged, err)
		case serial == last+1:
			last = serial
		case serial > last+1:
			return 0, fmt.Errorf("%w: commits %d to %d are missing", ErrDamaged, last+1, serial-1)
		}
	}
}

// nextCommit reads one record of a log and returns the serial of its commit; 0 if it holds none.
func nextCommit(log wal.Reader) (uint64, error) {
	in, _, err := log.NextRecord()
	if err != nil {
		return 0, err
	}
	const enough = 4 << 10 // the head comes first
	var begin bytes.Buffer
	if _, err := io.CopyN(&begin, in, enough); err != nil && err != io.EOF {
		return 0, err
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return 0, err // the rest must be there, too
	}
	changes := batchrepr.Read(begin.Bytes())
	kind, key, value, ok, err := changes.Next()
	if err != nil || !ok || kind != pebble.InternalKeyKindSet || string(key) != string(keyHead) {
		return 0, err
	}
	h, err := decodeHead(value)
	return h.serial, err
}
