package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// formatVersion is the version of the folder: which files lie where, and what keys mean (keys.go).
const formatVersion = 1

const (
	formatName = "FORMAT"
	formatText = "awaitd store, format "
)

// ErrFormat says that a folder was written by another version, or by something else.
var ErrFormat = errors.New("store: unknown format")

// readFormat reports whether the folder holds a store. A store of another format is an error.
func readFormat(dir string, disk vfs.FS) (exists bool, err error) {
	f, err := disk.Open(disk.PathJoin(dir, formatName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, 100))
	if err != nil {
		return false, err
	}
	if string(text) == formatLine() {
		return true, nil
	}
	version, ok := strings.CutPrefix(strings.TrimSuffix(string(text), "\n"), formatText)
	if _, err := strconv.Atoi(version); !ok || err != nil {
		return false, fmt.Errorf("%w: its file %s says %q", ErrFormat, formatName, text)
	}
	return false, fmt.Errorf("%w: it is of format %s, this version of awaitd knows %d", ErrFormat, version, formatVersion)
}

func formatLine() string { return formatText + strconv.Itoa(formatVersion) + "\n" }

// writeFormat makes a folder a store. It is the last step of making one.
func writeFormat(dir string, disk vfs.FS) error {
	temporary := disk.PathJoin(dir, formatName+".part")
	f, err := disk.Create(temporary, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(formatLine()))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := disk.Rename(temporary, disk.PathJoin(dir, formatName)); err != nil {
		return err
	}
	return syncDir(dir, disk)
}

func syncDir(dir string, disk vfs.FS) error {
	d, err := disk.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
