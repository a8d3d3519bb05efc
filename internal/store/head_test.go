package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/awaitd/awaitd/internal/record"
)

// The head is read as it was written, and as nothing else: not when a bit of it is another one, nor when it is of a
// version that is not known here.
func TestAHeadIsReadAsItWasWrittenOrNotAtAll(t *testing.T) {
	h := head{position: 1 << 40, serial: 300}
	for _, k := range kinds {
		for state := record.StatePending; state <= record.StateCancelled; state++ {
			h.counts[k][state] = int64(k)*1000 + int64(state)
		}
	}
	h.counted = 1 << 60
	stored := h.append(nil)
	if got, err := decodeHead(stored); got != h || err != nil {
		t.Errorf("read %+v, %v", got, err)
	}
	if got, err := decodeHead(nil); got != (head{}) || err != nil {
		t.Errorf("of nothing read %+v, %v", got, err)
	}
	for bit := range 8 * len(stored) {
		stored[bit/8] ^= 1 << (bit % 8)
		if _, err := decodeHead(stored); !errors.Is(err, record.ErrCorrupt) {
			t.Errorf("bit %d: %v", bit, err)
		}
		stored[bit/8] ^= 1 << (bit % 8)
	}
	seal := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)) }
	for size := range len(stored) - 4 {
		if _, err := decodeHead(seal(append([]byte(nil), stored[:size]...))); !errors.Is(err, record.ErrCorrupt) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	first, uncounted := append([]byte{1}, stored[1:len(stored)-4-9]...), h
	uncounted.counted = 0
	if got, err := decodeHead(seal(first)); got != uncounted || err != nil {
		t.Errorf("of version 1 read %+v, %v", got, err)
	}
	next := append([]byte{headVersion + 1}, stored[1:len(stored)-4]...)
	if _, err := decodeHead(seal(next)); !errors.Is(err, record.ErrVersion) {
		t.Errorf("version %d: %v", headVersion+1, err)
	}
}
