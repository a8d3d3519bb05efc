package store

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ice is where the first failure to write ends everything. The operation that failed, and each one after it that would
// change the disk, does nothing and reports success: what lies on the disk stays as a crash at that moment would
// have left it, and Pebble, which cannot live with such an error (it panics with its lock released, tries a flush again
// without a pause, or ends the process), goes on in the dark until it is closed. Nothing is acknowledged from then
// on, because each commit looks here before it is.
//
// Who would write a table waits until the store is closed: so memory keeps what it holds, and reading goes on.
type ice struct {
	once   sync.Once
	reason error
	frozen chan struct{} // closed when reason is there
	armed  atomic.Bool   // who would write a table waits; not while the store is opened, which waits for tables
	thawed chan struct{} // closed when nobody waits any more
}

func newIce() *ice { return &ice{frozen: make(chan struct{}), thawed: make(chan struct{})} }

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

// do runs an operation on a file that changes the disk, unless or until it is frozen.
func (i *ice) do(name string, operation func() error) {
	if i.err() == nil {
		err := operation()
		if err == nil {
			return
		}
		i.freeze(err)
	}
	if i.armed.Load() && isTable(name) {
		<-i.thawed
	}
}

func isTable(name string) bool { return path.Ext(name) == ".sst" || path.Ext(name) == ".blob" }

// file takes the place of a file that could not be made: it takes everything and keeps nothing.
func (i *ice) file(name string, make func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	i.do(name, func() (err error) {
		f, err = make()
		return err
	})
	if f == nil {
		f = vfs.NewMemFile(nil)
	}
	return icyFile{f, i, name}, nil
}

// icyFS is a file system on ice. Reading is as ever.
type icyFS struct {
	vfs.FS
	ice *ice
}

// inOrder makes durable what is in the folder before one of Pebble's markers there comes or goes. The name of a marker
// says which manifest is in force, and Pebble relies on the file system to keep the order: not to keep the marker and
// lose the manifest, nor to lose the new marker and the old one, too.
func (f icyFS) inOrder(name string) error {
	if !strings.HasPrefix(f.PathBase(name), "marker.") {
		return nil
	}
	return syncDir(f.PathDir(name), f.FS)
}

func (f icyFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.ice.file(name, func() (vfs.File, error) {
		if err := f.inOrder(name); err != nil {
			return nil, err
		}
		return f.FS.Create(name, c)
	})
}

func (f icyFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.ice.file(name, func() (vfs.File, error) { return f.FS.ReuseForWrite(old, name, c) })
}

func (f icyFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return f.ice.file(name, func() (vfs.File, error) { return f.FS.OpenReadWrite(name, c, o...) })
}

func (f icyFS) OpenDir(name string) (vfs.File, error) {
	d, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return icyFile{d, f.ice, name}, nil
}

func (f icyFS) Link(old, name string) error {
	f.ice.do(name, func() error { return f.FS.Link(old, name) })
	return nil
}

func (f icyFS) Rename(old, name string) error {
	f.ice.do(name, func() error { return f.FS.Rename(old, name) })
	return nil
}

func (f icyFS) MkdirAll(name string, mode os.FileMode) error {
	f.ice.do(name, func() error { return f.FS.MkdirAll(name, mode) })
	return nil
}

// List counts as writing: what Pebble does next depends on it, and a failure while it opens makes it panic.
func (f icyFS) List(dir string) (names []string, err error) {
	names, err = f.FS.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.ice.freeze(err)
		return nil, nil
	}
	return names, err
}

// Remove may fail: a file that stays is no loss.
func (f icyFS) Remove(name string) error {
	if f.ice.err() != nil {
		return nil
	}
	if err := f.inOrder(name); err != nil {
		return err
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
	ice  *ice
	name string
}

func (f icyFile) Write(p []byte) (int, error) {
	f.ice.do(f.name, func() error {
		_, err := f.File.Write(p)
		return err
	})
	return len(p), nil
}

func (f icyFile) WriteAt(p []byte, offset int64) (int, error) {
	f.ice.do(f.name, func() error {
		_, err := f.File.WriteAt(p, offset)
		return err
	})
	return len(p), nil
}

func (f icyFile) Sync() error {
	f.ice.do(f.name, f.File.Sync)
	return nil
}

func (f icyFile) SyncData() error {
	f.ice.do(f.name, f.File.SyncData)
	return nil
}

func (f icyFile) SyncTo(length int64) (full bool, err error) {
	f.ice.do(f.name, func() error {
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
