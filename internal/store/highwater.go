package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// highWater is a file that holds the serial of the last commit known to be on the disk. The end of a log that is
// damaged looks like one that was torn by a crash, and is cut off without a word; this file knows that there was more.
//
// It is written after the commit is durable and is not synced itself: a crash may leave an older serial in it, never
// a newer one than the log has. Its few bytes lie in one sector, so that they are never torn.
type highWater struct{ file vfs.File }

const (
	highWaterName  = "high-water"
	highWaterBytes = 12 // serial, CRC-32C of it
)

// openHighWater opens the file for set, and makes it when there is none.
func openHighWater(dir string, disk vfs.FS) (*highWater, error) {
	f, err := disk.OpenReadWrite(disk.PathJoin(dir, highWaterName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("open the high-water mark: %w", err)
	}
	return &highWater{f}, nil
}

func (h *highWater) set(serial uint64) {
	var b [highWaterBytes]byte
	binary.LittleEndian.PutUint64(b[:], serial)
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b[:8], castagnoli))
	_, _ = h.file.WriteAt(b[:], 0) // on ice, it cannot fail
}

// close makes it durable: the end of a log that was closed is known for sure.
func (h *highWater) close() error { return errors.Join(h.file.Sync(), h.file.Close()) }

// readHighWater reads the serial; 0 when nothing is known. A mark that cannot be read is no loss but that of its
// knowledge.
func readHighWater(dir string, disk vfs.FS, log *slog.Logger) (uint64, error) {
	f, err := disk.Open(disk.PathJoin(dir, highWaterName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("open the high-water mark: %w", err)
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, highWaterBytes)
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return 0, fmt.Errorf("read the high-water mark: %w", err)
	}
	if n == 0 {
		return 0, nil // it was made and never written
	}
	if n < len(b) || crc32.Checksum(b[:8], castagnoli) != binary.LittleEndian.Uint32(b[8:]) {
		log.Warn("the high-water mark is damaged: a commit missing at the end of the log would go unnoticed this time",
			"store", dir)
		return 0, nil
	}
	return binary.LittleEndian.Uint64(b), nil
}
