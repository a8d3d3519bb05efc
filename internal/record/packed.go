package record

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Packed is a Request as its future keeps it: encoded once, at the door. A future that waits takes half the memory so,
// each commit copies bytes instead of encoding them again, and a restart decodes nothing that is not about to be sent.
// Empty is none.
type Packed string

// Pack encodes r.
func (r *Request) Pack() Packed {
	e := make(encoder, 0, 512)
	r.fields(&e)
	return Packed(e)
}

// Open decodes p, which Pack made or DecodeFuture has checked; anything else is a fault of ours, and panics. An empty p
// is nil.
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
	return r, decode([]byte(p), "request", r.take)
}

// URL is where the request goes; empty when p is.
func (p Packed) URL() (url string) {
	for n, whole := range p.fields {
		if n == requestURL {
			_, _, tag := protowire.ConsumeTag(whole)
			value, _ := protowire.ConsumeBytes(whole[tag:])
			return string(value)
		}
	}
	return ""
}

// WithoutSecrets is what may still be known when the future is settled: where the request went, without the query, and
// not what it said.
func (p Packed) WithoutSecrets() Packed {
	kept := make(encoder, 0, len(p))
	for n, whole := range p.fields {
		switch n {
		case requestMethod, requestTraceparent:
			kept = append(kept, whole...)
		case requestURL:
			path, _, _ := strings.Cut(p.URL(), "?")
			kept.string(requestURL, path)
		}
	}
	return Packed(kept)
}

// fields visits the fields of p with their tags, in order.
func (p Packed) fields(yield func(n protowire.Number, whole []byte) bool) {
	for rest := []byte(p); len(rest) > 0; {
		n, _, size := protowire.ConsumeField(rest)
		if size < 0 || !yield(n, rest[:size]) {
			return
		}
		rest = rest[size:]
	}
}
