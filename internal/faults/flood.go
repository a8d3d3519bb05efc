package faults

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// streams is how many calls one connection of a flood carries at once: no more than the server allows.
const streams = 200

// flood is many calls at once, all the same: too many for a goroutine and a connection each.
type flood struct {
	t                testing.TB
	taken, refused   atomic.Int64 // answered 200, and 429
	cut              atomic.Int64 // served, but the answer was not out in the time that the server gives it
	total            int64
	connections, end chan struct{} // connections takes one from each that is done
}

// pour makes n calls, rounded up to whole connections, and does not wait for the answers. All connections stand before
// the first call: a server gives a new one little time to introduce itself.
func pour(t testing.TB, address, path string, n int) *flood {
	t.Helper()
	f := &flood{t: t, end: make(chan struct{}), connections: make(chan struct{})}
	var lines []net.Conn
	for ; f.total < int64(n); f.total += streams {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := greet(c); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, c)
	}
	calls := f.calls(address, path)
	for _, c := range lines {
		if _, err := c.Write(calls); err != nil {
			t.Fatal(err)
		}
		go f.answers(c)
	}
	go func() {
		for range lines {
			<-f.connections
		}
		close(f.end)
	}()
	return f
}

// greet begins HTTP/2 without TLS, the prior-knowledge way of RFC 9113, section 3.3, and waits until the server has
// heard it.
func greet(c net.Conn) error {
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		return err
	}
	framer := http2.NewFramer(c, c)
	if err := framer.WriteSettings(); err != nil {
		return err
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return err
		}
		s, ok := frame.(*http2.SettingsFrame)
		switch {
		case ok && s.IsAck():
			return nil
		case ok:
			if err := framer.WriteSettingsAck(); err != nil {
				return err
			}
		}
	}
}

// calls is what one connection sends.
func (f *flood) calls(address, path string) []byte {
	var out, block bytes.Buffer
	framer, headers := http2.NewFramer(&out, nil), hpack.NewEncoder(&block)
	for i := range uint32(streams) {
		block.Reset()
		for _, h := range [][2]string{
			{":method", http.MethodPost}, {":scheme", "http"}, {":authority", address}, {":path", path},
		} {
			_ = headers.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}) // into memory; it does not fail
		}
		_ = framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: 2*i + 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true,
		})
	}
	return out.Bytes()
}

// answers counts the answers of one connection.
func (f *flood) answers(c net.Conn) {
	defer func() { f.connections <- struct{}{} }()
	framer := http2.NewFramer(c, c)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	ended := map[uint32]bool{}
	for len(ended) < streams {
		frame, err := framer.ReadFrame()
		if err != nil {
			f.t.Errorf("a connection of the flood broke with %d calls unanswered: %v", streams-len(ended), err)
			return
		}
		stream := frame.Header().StreamID
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			f.answered(frame.PseudoValue("status"))
			ended[stream] = true
		case *http2.RSTStreamFrame:
			if frame.ErrCode != http2.ErrCodeInternal {
				f.t.Errorf("a call of the flood was cut with %v", frame.ErrCode)
			}
			if !ended[stream] {
				f.cut.Add(1)
			}
			ended[stream] = true
		}
	}
}

func (f *flood) answered(status string) {
	switch status {
	case "200":
		f.taken.Add(1)
	case "429":
		f.refused.Add(1)
	default:
		f.t.Errorf("a call of the flood was answered %s", status)
	}
}
