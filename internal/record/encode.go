package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
)

// FormatVersion is the first byte of every encoded fact. A reader refuses any other: a store written by a newer
// version must not be half understood.
const FormatVersion = 1

// ErrCorrupt says that stored bytes are not what was written: too short, or their checksum does not match.
var ErrCorrupt = errors.New("record: stored bytes are damaged (checksum mismatch)")

// ErrVersion says that stored bytes were written by another version of the format.
var ErrVersion = errors.New("record: stored by an unknown version of awaitd")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// EncodeFuture is f as stored bytes: version, tagged fields (protobuf's wire format), CRC-32C of all before it.
func EncodeFuture(f *Future) []byte { return AppendFuture(make([]byte, 0, 256), f) }

// EncodeEvent is e as stored bytes, in the same envelope as EncodeFuture.
func EncodeEvent(e *Event) []byte { return AppendEvent(make([]byte, 0, 256), e) }

// AppendFuture appends f to b as EncodeFuture writes it.
func AppendFuture(b []byte, f *Future) []byte { return seal(b, f.fields) }

// AppendEvent appends e to b as EncodeEvent writes it.
func AppendEvent(b []byte, e *Event) []byte { return seal(b, e.fields) }

func seal(b []byte, fields func(*encoder)) []byte {
	start := len(b)
	e := encoder(append(b, FormatVersion))
	fields(&e)
	return binary.LittleEndian.AppendUint32(e, crc32.Checksum(e[start:], castagnoli))
}

// open checks the envelope and returns the fields in it: a copy, which the strings and bytes of the decoded fact are
// parts of. One copy for all costs a fraction of one for each; it lives as long as any part of the fact.
func open(b []byte) ([]byte, error) {
	if len(b) < 5 {
		return nil, ErrCorrupt
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, ErrCorrupt
	}
	if body[0] != FormatVersion {
		return nil, fmt.Errorf("%w: version %d, this is %d", ErrVersion, body[0], FormatVersion)
	}
	return append(make([]byte, 0, len(body)-1), body[1:]...), nil
}

// encoder appends tagged fields. Zero values are left out: absent means zero.
type encoder []byte

// varint is protowire.AppendVarint with the way of most numbers, which are small, made short.
func (e *encoder) varint(v uint64) {
	if v < 1<<7 {
		*e = append(*e, byte(v))
		return
	}
	*e = protowire.AppendVarint(*e, v)
}

func (e *encoder) tag(n protowire.Number, t protowire.Type) { e.varint(protowire.EncodeTag(n, t)) }

func (e *encoder) uint(n protowire.Number, v uint64) {
	if v != 0 {
		e.tag(n, protowire.VarintType)
		e.varint(v)
	}
}

func (e *encoder) int(n protowire.Number, v int64)              { e.uint(n, protowire.EncodeZigZag(v)) }
func (e *encoder) time(n protowire.Number, t Time)              { e.int(n, int64(t)) }
func (e *encoder) duration(n protowire.Number, d time.Duration) { e.int(n, int64(d)) }
func (e *encoder) bool(n protowire.Number, v bool)              { e.uint(n, protowire.EncodeBool(v)) }

func (e *encoder) string(n protowire.Number, s string) {
	if s != "" {
		e.tag(n, protowire.BytesType)
		e.varint(uint64(len(s)))
		*e = append(*e, s...)
	}
}

// bytes keeps the difference between nil (absent) and empty (present).
func (e *encoder) bytes(n protowire.Number, b []byte) {
	if b != nil {
		e.tag(n, protowire.BytesType)
		e.varint(uint64(len(b)))
		*e = append(*e, b...)
	}
}

// message writes fields as one nested value, behind one byte for its length: enough for most. A longer one is moved to
// make room.
func (e *encoder) message(n protowire.Number, fields func(*encoder)) {
	e.tag(n, protowire.BytesType)
	*e = append(*e, 0)
	start := len(*e)
	fields(e)
	size := len(*e) - start
	if room := protowire.SizeVarint(uint64(size)) - 1; room > 0 {
		*e = append(*e, make([]byte, room)...)
		copy((*e)[start+room:], (*e)[start:start+size])
	}
	protowire.AppendVarint((*e)[:start-1], uint64(size))
}

// field is one decoded field: num for varints, raw for everything with a length.
type field struct {
	n   protowire.Number
	num uint64
	raw []byte
}

func (f field) int() int64              { return protowire.DecodeZigZag(f.num) }
func (f field) time() Time              { return Time(f.int()) }
func (f field) duration() time.Duration { return time.Duration(f.int()) }

// string is part of the copy that open made: nobody writes to it.
func (f field) string() string { return unsafe.String(unsafe.SliceData(f.raw), len(f.raw)) }

// bytes is part of the same copy, without room to grow into the rest. Never nil.
func (f field) bytes() []byte { return f.raw[:len(f.raw):len(f.raw)] }

// decode calls each for every field of b; each returns false for a field it does not know, which is an error: the
// bytes come from a version that knows more than this one.
func decode(b []byte, what string, each func(field) (known bool, err error)) error {
	for len(b) > 0 {
		f, size := consume(b)
		if size < 0 {
			return fmt.Errorf("%w: %s, field %d", ErrCorrupt, what, f.n)
		}
		b = b[size:]
		known, err := each(f)
		if err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("%w: %s has a field %d, or more in it than is known", ErrVersion, what, f.n)
		}
	}
	return nil
}

// consume reads the first field of b and how long it is with its tag; less than 0: b is damaged.
func consume(b []byte) (f field, size int) {
	n, typ, tag := protowire.ConsumeTag(b)
	if tag < 0 {
		return f, tag
	}
	f.n = n
	switch typ {
	case protowire.VarintType:
		f.num, size = protowire.ConsumeVarint(b[tag:])
	case protowire.BytesType:
		f.raw, size = protowire.ConsumeBytes(b[tag:])
	default:
		size = -1
	}
	if size < 0 {
		return f, size
	}
	return f, tag + size
}
