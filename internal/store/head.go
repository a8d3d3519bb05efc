package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/awaitd/awaitd/internal/record"
)

// head is what is true of the store as a whole. Every commit writes it anew, as the first of its changes, so that
// what is read is always one commit's.
type head struct {
	position uint64 // of the last turn committed
	serial   uint64 // commits so far, from 1: no two commits share one, and none is missing (chain.go)
	counts   counts
	counted  uint64 // the last serial of an event or a group; 0: none
}

// counts are futures by kind and state.
type counts [len(kinds) + 1][len(factPrefixes)]int64

var kinds = [...]record.Kind{record.KindFetch, record.KindPromise, record.KindTimer, record.KindWait}

// headVersion is the first byte of a stored head. Version 1 does not say what was counted.
const headVersion = 2

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// append appends h as it is stored: version, position, serial, counts, what was counted, and CRC-32C of all before.
func (h *head) append(b []byte) []byte {
	start := len(b)
	b = append(b, headVersion)
	b = binary.AppendUvarint(b, h.position)
	b = binary.AppendUvarint(b, h.serial)
	for _, k := range kinds {
		for state := record.StatePending; state <= record.StateCancelled; state++ {
			b = binary.AppendUvarint(b, uint64(h.counts[k][state]))
		}
	}
	b = binary.AppendUvarint(b, h.counted)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// decodeHead reads what append wrote. No bytes are the head of a store without commits.
func decodeHead(b []byte) (h head, err error) {
	if b == nil {
		return h, nil
	}
	if len(b) < 5 || crc32.Checksum(b[:len(b)-4], castagnoli) != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		return h, fmt.Errorf("read the head of the store: %w", record.ErrCorrupt)
	}
	version := b[0]
	if version < 1 || version > headVersion {
		const format = "read the head of the store: %w: version %d, this is %d"
		return h, fmt.Errorf(format, record.ErrVersion, version, headVersion)
	}
	b = b[1 : len(b)-4]
	take := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			err = fmt.Errorf("read the head of the store: %w", record.ErrCorrupt)
			n = 0
		}
		b = b[n:]
		return v
	}
	h.position = take()
	h.serial = take()
	for _, k := range kinds {
		for state := record.StatePending; state <= record.StateCancelled; state++ {
			h.counts[k][state] = int64(take())
		}
	}
	if version >= 2 {
		h.counted = take()
	}
	return h, err
}
