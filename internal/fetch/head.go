package fetch

import (
	"bytes"
	"context"
	"net"
	"sync/atomic"
	"time"
)

// headLinesMax bounds the lines of the head of an answer, those of interim answers (1xx) with it. net/http bounds its
// bytes alone, and 64 KiB of the shortest lines cost it 1.3 MiB.
const headLinesMax = 1000

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// headed makes the connections of a dial count the lines of heads.
func headed(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &headConn{Conn: conn}, nil
	}
}

// headConn is a connection that ends an attempt when the head of an answer has too many lines, or
// takes too long from its
// first byte. A target may think for as long as the attempt lasts; once it speaks, dripping would hold the worker.
type headConn struct {
	net.Conn
	asks atomic.Pointer[attempt] // is about to send a request: a new head will be read

	// The reader's own.
	of   *attempt // whose answer is read; nil when the head has ended
	head head
	rest int         // bytes that came with the end of the head
	slow *time.Timer // runs while a head has come in part
}

func (c *headConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if a := c.asks.Swap(nil); a != nil {
		c.of, c.head = a, head{under: true}
	}
	if c.of == nil {
		c.rest = 0
		return n, err
	}
	if !c.head.take(p[:n]) {
		c.of.cancel(failHeaders) // of an error in the middle of a line net/http makes one of its own
		n, err = 0, failHeaders
	}
	if a := c.of; n > 0 && err == nil && c.head.under && c.slow == nil {
		c.slow = time.AfterFunc(HeaderTimeMax, func() {
			if a.waits.Load() {
				a.cancel(failHeader)
			}
		})
	}
	if err != nil || !c.head.under {
		c.rest = n - c.head.piece
		c.end()
	}
	return n, err
}

// end is the end of a head. An idle connection holds no request.
func (c *headConn) end() {
	if c.slow != nil {
		c.slow.Stop()
	}
	c.of, c.slow = nil, nil
}

// head is how much of the head of an answer was read.
type head struct {
	under  bool // it has not ended
	begun  bool // the line has something besides carriage returns
	status byte // the first character of the status; 0 while the status line is being read
	spaced bool // the space before it was read
	lines  int
	bytes  int
	piece  int // bytes of the last piece that belong to it
}

// take reads on, and reports whether the head is within its bound.
func (h *head) take(p []byte) bool {
	for from := 0; ; {
		line, _, ended := bytes.Cut(p[from:], []byte{'\n'})
		h.read(line)
		if !ended {
			break
		}
		from += len(line) + 1
		if !h.begun && h.status != '1' {
			h.under, h.piece = false, from
			return h.within()
		}
		if !h.begun {
			h.status, h.spaced = 0, false // an interim answer ends, and another head follows
		}
		h.lines, h.begun = h.lines+1, false
	}
	h.bytes += len(p)
	h.under = h.bytes <= AnswerHeaderBytesMax // else net/http has seen an end that we have not, or will fail by itself
	return h.within()
}

func (h *head) within() bool { return h.lines <= headLinesMax }

// read reads a part of a line.
func (h *head) read(part []byte) {
	h.begun = h.begun || len(bytes.TrimLeft(part, "\r")) > 0
	for i := 0; h.status == 0 && i < len(part); i++ {
		switch {
		case part[i] == ' ':
			h.spaced = true
		case h.spaced:
			h.status = part[i]
		}
	}
}
