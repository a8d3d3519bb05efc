package store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"regexp"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/awaitd/awaitd/internal/record"
)

// blockBytes is how much of a body is checked at once, and held in memory while it is written or read.
const blockBytes = 64 << 10

var blocks = sync.Pool{New: func() any { return new([blockBytes]byte) }}

// files keeps long bodies as files. A file is the body itself, and after it the CRC-32C of each block of the body.
// Its name begins with a hash of length and sums, so that name, sums and blocks vouch for each other and any part of
// a body can be read and checked alone; it ends in a random number, so that no two bodies share a file.
type files struct {
	disk vfs.FS
	dir  string
	log  *slog.Logger
}

const partSuffix = ".part" // of a file that is being written

var refForm = regexp.MustCompile(`^[0-9a-f]{32}-[0-9a-f]{16}$`)

// sumsBytes is how many bytes of sums follow a body.
func sumsBytes(body int64) int64 { return (body + blockBytes - 1) / blockBytes * 4 }

// hashOf is what the name of a body of this length with these sums begins with.
func hashOf(body int64, sums []byte) string {
	h := sha256.New()
	_ = binary.Write(h, binary.LittleEndian, body) // a hash takes everything
	h.Write(sums)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func random() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

func (f *files) path(name string) string { return f.disk.PathJoin(f.dir, name) }

// sweep removes what a crash has left: files half-written, and bodies that no future came to own.
func (f *files) sweep(owned func(ref string) (bool, error)) error {
	names, err := f.disk.List(f.dir)
	if err != nil {
		return fmt.Errorf("list the bodies: %w", err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, partSuffix) {
			if !refForm.MatchString(name) {
				continue // not ours
			}
			if yes, err := owned(name); err != nil {
				return err
			} else if yes {
				continue
			}
		}
		f.remove([]string{name})
	}
	return nil
}

// remove removes files. One that stays is found by the next sweep.
func (f *files) remove(refs []string) {
	for _, ref := range refs {
		if err := f.disk.Remove(f.path(ref)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.log.Warn("a body could not be removed", "file", f.path(ref), "error", err)
		}
	}
}

// create begins a file.
func (f *files) create() (longBody, error) {
	name := random() + partSuffix
	file, err := f.disk.Create(f.path(name), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("create a body: %w", whenFull(err))
	}
	return &fileBody{of: f, name: name, file: file, block: blocks.Get().(*[blockBytes]byte)}, nil
}

// fileBody is a long body on its way to the disk.
type fileBody struct {
	of    *files
	name  string
	file  vfs.File
	block *[blockBytes]byte
	held  int   // bytes in block
	bytes int64 // written, those in block not counted
	sums  []byte
}

func (b *fileBody) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		n := copy(b.block[b.held:], p[done:])
		done += n
		if b.held += n; b.held == blockBytes {
			if err := b.writeBlock(); err != nil {
				return done, err
			}
		}
	}
	return len(p), nil
}

func (b *fileBody) writeBlock() error {
	block := b.block[:b.held]
	b.sums = binary.LittleEndian.AppendUint32(b.sums, crc32.Checksum(block, castagnoli))
	b.bytes += int64(b.held)
	b.held = 0
	if _, err := b.file.Write(block); err != nil {
		return fmt.Errorf("write a body: %w", whenFull(err))
	}
	return nil
}

// commit makes file, name and folder durable, in this order.
func (b *fileBody) commit() (ref string, err error) {
	if b.held > 0 {
		if err := b.writeBlock(); err != nil {
			b.discard()
			return "", err
		}
	}
	ref = hashOf(b.bytes, b.sums) + "-" + random()
	if _, err = b.file.Write(b.sums); err == nil {
		err = b.file.Sync()
	}
	if err == nil {
		if err = b.of.disk.Rename(b.of.path(b.name), b.of.path(ref)); err == nil {
			b.name = ref
			err = syncDir(b.of.dir, b.of.disk)
		}
	}
	if err != nil {
		b.discard()
		return "", fmt.Errorf("keep a body: %w", whenFull(err))
	}
	b.release()
	return ref, nil
}

func (b *fileBody) discard() {
	b.release()
	b.of.remove([]string{b.name})
}

func (b *fileBody) release() {
	_ = b.file.Close() // what matters of it was synced
	blocks.Put(b.block)
	b.block = nil
}

// open opens a body to be read. Its length and its sums are checked at once, each block when it is read.
func (f *files) open(b record.Body) (io.ReadSeekCloser, error) {
	file, err := f.disk.Open(f.path(b.Ref), vfs.SequentialReadsOption)
	if err != nil {
		return nil, fmt.Errorf("open body %s: %w", b.Ref, err)
	}
	r := &fileReader{file: file, ref: b.Ref, bytes: b.Bytes, sums: make([]byte, sumsBytes(b.Bytes)), loaded: -1}
	if err := r.check(); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("open body %s: %w", b.Ref, err)
	}
	return r, nil
}

// fileReader reads a body and never hands out a byte that was not checked.
type fileReader struct {
	file   vfs.File
	ref    string
	bytes  int64
	sums   []byte
	at     int64
	block  *[blockBytes]byte // nil before the first read
	loaded int64             // the block in block; -1: none
}

func (r *fileReader) check() error {
	about, err := r.file.Stat()
	if err != nil {
		return err
	}
	if about.Size() != r.bytes+int64(len(r.sums)) {
		return fmt.Errorf("%w: it is %d bytes long", ErrDamaged, about.Size())
	}
	if _, err := io.ReadFull(io.NewSectionReader(r.file, r.bytes, int64(len(r.sums))), r.sums); err != nil {
		return err
	}
	if !strings.HasPrefix(r.ref, hashOf(r.bytes, r.sums)) {
		return fmt.Errorf("%w: its sums are not those of its name", ErrDamaged)
	}
	return nil
}

func (r *fileReader) Read(p []byte) (int, error) {
	if r.at >= r.bytes {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := r.load(r.at / blockBytes); err != nil {
		return 0, fmt.Errorf("read body %s: %w", r.ref, err)
	}
	begin := r.loaded * blockBytes
	n := copy(p, r.block[r.at-begin:min(blockBytes, r.bytes-begin)])
	r.at += int64(n)
	return n, nil
}

// load reads and checks one block.
func (r *fileReader) load(n int64) error {
	if r.loaded == n {
		return nil
	}
	if r.block == nil {
		r.block = blocks.Get().(*[blockBytes]byte)
	}
	r.loaded = -1
	begin := n * blockBytes
	block := r.block[:min(blockBytes, r.bytes-begin)]
	if _, err := io.ReadFull(io.NewSectionReader(r.file, begin, int64(len(block))), block); err != nil {
		return err
	}
	if crc32.Checksum(block, castagnoli) != binary.LittleEndian.Uint32(r.sums[4*n:]) {
		return fmt.Errorf("%w: bytes %d to %d are not those that were written", ErrDamaged, begin, begin+int64(len(block)))
	}
	r.loaded = n
	return nil
}

// Seek is as io.Seeker asks. Past the end is allowed, before the beginning is not.
func (r *fileReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.bytes
	}
	if offset < 0 {
		return 0, fmt.Errorf("read body %s: seek to %d", r.ref, offset)
	}
	r.at = offset
	return offset, nil
}

func (r *fileReader) Close() error {
	if r.block != nil {
		blocks.Put(r.block)
		r.block = nil
	}
	return r.file.Close()
}
