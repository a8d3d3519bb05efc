package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/awaitd/awaitd/internal/record"
)

// ring seals what is not done with, and forgets how to open it.
//
// The fact of a future that is not settled holds its request, with whatever secrets a caller gave it, and that of one
// whose callback is pending holds the callback's. What was once
// written stays in logs and tables long after it was replaced, so that no later write takes it away. It is therefore
// sealed with a key that lives for a minute or so: then what is still open is sealed anew with the next key (renew.go)
// and the old one is overwritten, and with it everything that it sealed. See docs/decisions/0005-secrets-at-rest.md.
//
// The committer seals, begins and forgets; everybody may open.
type ring struct {
	dir  string
	disk vfs.FS
	held atomic.Pointer[keys]
	old  bool // when it was opened, something might be sealed with another key than the current one, or not at all
}

// keys are those in force. A value is never changed.
type keys struct {
	current uint64
	secret  map[uint64][]byte
	opens   map[uint64]cipher.AEAD // with those that were forgotten last: a reader may still see what they sealed
}

const (
	ringName = "sealing-keys"
	ringText = "awaitd sealing keys, format 1\n"
	keyBytes = 32 // AES-256

	// sealed begins what is sealed; then come eight bytes that say with which key. A fact that an older version wrote
	// begins with its own version.
	sealed      = 0xff
	sealedBytes = 1 + 8
)

// openRing reads the keys of a store. What was sealed before can be opened; nothing can be sealed before begin.
func openRing(o Options) (*ring, error) {
	r := &ring{dir: o.Dir, disk: o.FS}
	secret, err := r.read()
	if err != nil {
		return nil, err
	}
	_, err = r.disk.Stat(r.path())
	r.old = err != nil || len(secret) > 0
	opens, err := openers(secret)
	r.held.Store(&keys{secret: secret, opens: opens})
	return r, err
}

func (r *ring) path() string { return r.disk.PathJoin(r.dir, ringName) }

// begin makes a new key the current one, durably.
func (r *ring) begin() error {
	var random [8 + keyBytes]byte
	_, _ = rand.Read(random[:]) // it never fails
	old := r.held.Load()
	next := keys{current: binary.BigEndian.Uint64(random[:8]), secret: maps.Clone(old.secret), opens: old.opens}
	next.secret[next.current] = random[8:]
	return r.install(&next)
}

// forget takes every key but the current one away from the disk; at the end that one, too. What they sealed can be
// opened in this process until the next time.
func (r *ring) forget(end bool) error {
	old := r.held.Load()
	next := keys{current: old.current, secret: map[uint64][]byte{}, opens: map[uint64]cipher.AEAD{}}
	if !end {
		next.secret[old.current] = old.secret[old.current]
	}
	for id := range old.secret {
		next.opens[id] = old.opens[id]
	}
	return r.install(&next)
}

// install writes the secrets of next and puts it in force.
func (r *ring) install(next *keys) error {
	opens, err := openers(next.secret)
	if err != nil {
		return err
	}
	maps.Copy(opens, next.opens)
	if err := r.write(next.secret); err != nil {
		return fmt.Errorf("write %s: %w", ringName, whenFull(err))
	}
	next.opens = opens
	r.held.Store(next)
	return nil
}

// openers are what opens, by key.
func openers(secret map[uint64][]byte) (map[uint64]cipher.AEAD, error) {
	opens := map[uint64]cipher.AEAD{}
	for id, key := range secret {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("%w: a key of %s: %w", ErrDamaged, ringName, err)
		}
		if opens[id], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, err
		}
	}
	return opens, nil
}

// seal appends value to b, sealed for the place where it will lie.
func (r *ring) seal(b, place, value []byte) []byte {
	k := r.held.Load()
	b = binary.BigEndian.AppendUint64(append(b, sealed), k.current)
	return k.opens[k.current].Seal(b, nil, value, place)
}

// isSealed reports whether what lies at a key is sealed. Only facts of futures are.
func isSealed(key, value []byte) bool {
	switch key[0] {
	case keyPending, keyRunning, keySettled:
		return len(value) > 0 && value[0] == sealed
	default:
		return false
	}
}

// open appends to b what was sealed for this place.
func (r *ring) open(b, place, value []byte) ([]byte, error) {
	if len(value) < sealedBytes {
		return nil, fmt.Errorf("%w: it is sealed, and too short", record.ErrCorrupt)
	}
	with := r.held.Load().opens[binary.BigEndian.Uint64(value[1:])]
	if with == nil {
		return nil, fmt.Errorf("%w: the key that it is sealed with is not in %s", ErrDamaged, ringName)
	}
	b, err := with.Open(b, nil, value[sealedBytes:], place)
	if err != nil {
		return nil, fmt.Errorf("%w: its seal is broken", record.ErrCorrupt)
	}
	return b, nil
}

// read reads the file; none is no keys.
func (r *ring) read() (map[uint64][]byte, error) {
	secret := map[uint64][]byte{}
	f, err := r.disk.Open(r.path())
	if errors.Is(err, fs.ErrNotExist) {
		return secret, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ringName, err)
	}
	body, ok := bytes.CutPrefix(text, []byte(ringText))
	if size := len(body) - 4; !ok || size < 0 || size%(8+keyBytes) != 0 ||
		crc32.Checksum(body[:size], castagnoli) != binary.BigEndian.Uint32(body[size:]) {
		return nil, fmt.Errorf("%w: %s is not as it was written", ErrDamaged, ringName)
	}
	for entry := range slices.Chunk(body[:len(body)-4], 8+keyBytes) {
		secret[binary.BigEndian.Uint64(entry)] = entry[8:]
	}
	return secret, nil
}

// write replaces the file, and then overwrites what was in it: a file that was merely removed can be found again.
func (r *ring) write(secret map[uint64][]byte) error {
	body := []byte{}
	for _, id := range slices.Sorted(maps.Keys(secret)) {
		body = append(binary.BigEndian.AppendUint64(body, id), secret[id]...)
	}
	text := binary.BigEndian.AppendUint32(append([]byte(ringText), body...), crc32.Checksum(body, castagnoli))
	path := r.path()
	f, err := r.disk.Create(path+".part", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	old, size := r.last(path)
	if err := r.disk.Rename(path+".part", path); err != nil {
		return err
	}
	if err := syncDir(r.dir, r.disk); err != nil {
		return err
	}
	if old != nil {
		_, err = old.WriteAt(make([]byte, size), 0)
		err = errors.Join(err, old.Sync(), old.Close())
	}
	return err
}

// last opens the file that is about to be replaced; nil when there is none.
func (r *ring) last(path string) (f vfs.File, size int64) {
	about, err := r.disk.Stat(path)
	if err != nil {
		return nil, 0
	}
	if f, err = r.disk.OpenReadWrite(path, vfs.WriteCategoryUnspecified); err != nil {
		return nil, 0
	}
	return f, about.Size()
}
