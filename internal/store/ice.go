package store

import (
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ice is where the first failure to write ends everything. The operation that failed, and each one after it that would
// change the disk, does nothing and reports success: what lies on the disk stays as a crash at that moment would
// have left it, and Pebble, which cannot live with such an error (it panics with its lock released, tries a flush again
// without a pause, or ends the process), goes on in the dark until it is closed. Nothing is acknowledged from then
// on, because each commit looks here before it is.
type ice struct {
	once   sync.Once
	reason error
	frozen chan struct{} // closed when reason is there
}

func newIce() *ice { return &ice{frozen: make(chan struct{})} }

func (i *ice) freeze(reason error) {
	i.once.Do(func() {
		i.reason = reason
		close(i.frozen)
	})
}

// err is why it is frozen; nil while it is not.
func (i *ice) err() error {
	select {
	case <-i.frozen:
		return i.reason
	default:
		return nil
	}
}

// do runs an operation that changes the disk, unless or until it is frozen.
func (i *ice) do(operation func() error) {
	if i.err() != nil {
		return
	}
	if err := operation(); err != nil {
		i.freeze(err)
	}
}

// file takes the place of a file that could not be made: it takes everything and keeps nothing.
func (i *ice) file(make func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	i.do(func() (err error) {
		f, err = make()
		return err
	})
	if f == nil {
		f = vfs.NewMemFile(nil)
	}
	return icyFile{f, i}, nil
}

// icyFS is a file system on ice. Reading is as ever.
type icyFS struct {
	vfs.FS
	ice *ice
}

func (f icyFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.ice.file(func() (vfs.File, error) { return f.FS.Create(name, c) })
}

func (f icyFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.ice.file(func() (vfs.File, error) { return f.FS.ReuseForWrite(old, name, c) })
}

func (f icyFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return f.ice.file(func() (vfs.File, error) { return f.FS.OpenReadWrite(name, c, o...) })
}

func (f icyFS) OpenDir(name string) (vfs.File, error) {
	d, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return icyFile{d, f.ice}, nil
}

func (f icyFS) Link(old, name string) error {
	f.ice.do(func() error { return f.FS.Link(old, name) })
	return nil
}

func (f icyFS) Rename(old, name string) error {
	f.ice.do(func() error { return f.FS.Rename(old, name) })
	return nil
}

func (f icyFS) MkdirAll(name string, mode os.FileMode) error {
	f.ice.do(func() error { return f.FS.MkdirAll(name, mode) })
	return nil
}

// Remove may fail: a file that stays is no loss.
func (f icyFS) Remove(name string) error {
	if f.ice.err() != nil {
		return nil
	}
	return f.FS.Remove(name)
}

func (f icyFS) RemoveAll(name string) error {
	if f.ice.err() != nil {
		return nil
	}
	return f.FS.RemoveAll(name)
}

func (f icyFS) Unwrap() vfs.FS { return f.FS }

// icyFile is a file or a folder on ice.
type icyFile struct {
	vfs.File
	ice *ice
}

func (f icyFile) Write(p []byte) (int, error) {
	f.ice.do(func() error {
		_, err := f.File.Write(p)
		return err
	})
	return len(p), nil
}

func (f icyFile) WriteAt(p []byte, offset int64) (int, error) {
	f.ice.do(func() error {
		_, err := f.File.WriteAt(p, offset)
		return err
	})
	return len(p), nil
}

func (f icyFile) Sync() error {
	f.ice.do(f.File.Sync)
	return nil
}

func (f icyFile) SyncData() error {
	f.ice.do(f.File.SyncData)
	return nil
}

func (f icyFile) SyncTo(length int64) (full bool, err error) {
	f.ice.do(func() error {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, nil
}

// Close closes, frozen or not.
func (f icyFile) Close() error {
	if err := f.File.Close(); err != nil {
		f.ice.freeze(err)
	}
	return nil
}

// Preallocate may fail: it only makes writing faster.
func (f icyFile) Preallocate(offset, length int64) error {
	if f.ice.err() != nil {
		return nil
	}
	return f.File.Preallocate(offset, length)
}
