package store

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrFull says that there is no room left on the disk, or in memory.
var ErrFull = errors.New("store: full")

// whenFull marks an error as ErrFull if it is one.
func whenFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// roomIn looks at the disk under dir. spare bytes must stay free for what is under way: settling what runs, and
// Pebble's own housekeeping. On a small disk it is a tenth.
func roomIn(dir string, disk vfs.FS, spare uint64) func() error {
	return func() error {
		usage, err := disk.GetDiskUsage(dir)
		if errors.Is(err, vfs.ErrUnsupported) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look how full the disk is: %w", err)
		}
		if need := min(spare, usage.TotalBytes/10); usage.AvailBytes < need {
			return fmt.Errorf("%w: %d bytes left, %d are kept for what is under way", ErrFull, usage.AvailBytes, need)
		}
		return nil
	}
}
