package record

import (
	"fmt"
	"strings"
	"sync"
	"unsafe"
)

// Packed is a Request as its future keeps it: encoded once, at the door. A future that waits takes half the memory so,
// each commit copies bytes instead of encoding them again, and a restart decodes nothing that is not about to be sent.
// Empty is none.
type Packed string

// Pack encodes r.
func (r *Request) Pack() Packed { return pack(r.fields) }

// pack is what fields writes, in as much memory as that takes.
func pack(fields func(*encoder)) Packed {
	e := scratch.Get().(*encoder)
	defer scratch.Put(e)
	*e = (*e)[:0]
	fields(e)
	return Packed(*e)
}

var scratch = sync.Pool{New: func() any { return new(encoder) }}

// Open decodes p, which Pack made or DecodeFuture has checked; anything else is a fault of ours, and panics. An empty p
// is nil. Its strings and its body are parts of p.
func (p Packed) Open() *Request {
	if p == "" {
		return nil
	}
	r, err := p.decode()
	if err != nil {
		panic(fmt.Sprintf("record: a packed request cannot be opened: %v", err))
	}
	return r
}

func (p Packed) decode() (*Request, error) {
	r := &Request{}
	return r, decode(p.bytes(), "request", r.take)
}

// check says why Open would panic, and makes hardly any garbage: a restart checks millions.
func (p Packed) check() error {
	r := checked.Get().(*Request)
	defer checked.Put(r)
	*r = Request{Headers: r.Headers[:0]}
	return decode(p.bytes(), "request", r.take)
}

var checked = sync.Pool{New: func() any { return new(Request) }}

// bytes are p itself: nobody writes to them, nor to a request that was opened.
func (p Packed) bytes() []byte { return unsafe.Slice(unsafe.StringData(string(p)), len(p)) }

// URL is where the request goes; empty when p is. It is a part of p.
func (p Packed) URL() (url string) {
	for f := range p.fields {
		if f.n == requestURL {
			return f.string()
		}
	}
	return ""
}

// WithoutSecrets is what may still be known when the future is settled: where the request went, without the query, and
// not what it said.
func (p Packed) WithoutSecrets() Packed {
	return pack(func(e *encoder) {
		for f, whole := range p.fields {
			switch f.n {
			case requestUsual:
				e.uint(requestUsual, f.num&uint64(usualMethod))
			case requestMethod, requestTraceparent, requestTrace:
				*e = append(*e, whole...)
			case requestURL:
				path, _, _ := strings.Cut(f.string(), "?")
				e.string(requestURL, path)
			}
		}
	})
}

// fields visits the fields of p, and each as it is written, in order.
func (p Packed) fields(yield func(f field, whole []byte) bool) {
	for rest := p.bytes(); len(rest) > 0; {
		f, size := consume(rest)
		if size < 0 || !yield(f, rest[:size]) {
			return
		}
		rest = rest[size:]
	}
}
