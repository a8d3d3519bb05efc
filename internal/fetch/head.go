package fetch

import (
	"context"
	"net"
	"sync/atomic"
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

// headConn is a connection that ends an attempt when the head of an answer has too many lines.
type headConn struct {
	net.Conn
	asks atomic.Pointer[attempt] // is about to send a request: a new head will be read

	// The reader's own.
	of   *attempt // whose answer is read
	head head
}

func (c *headConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if a := c.asks.Swap(nil); a != nil {
		c.of, c.head = a, head{under: true, first: true}
	}
	if c.head.under && !c.head.take(p[:n]) {
		c.of.cancel(failHeaders) // of an error in the middle of a line net/http makes one of its own
		return 0, failHeaders
	}
	if !c.head.under {
		c.of = nil // an idle connection holds no request
	}
	return n, err
}

// head is how much of the head of an answer was read.
type head struct {
	under   bool // it has not ended
	first   bool // the status line is being read
	spaced  bool // and the space in it was
	interim bool // its status begins with a 1: another head follows
	column  int  // of the line
	lines   int
	bytes   int
}

// take reads on, and reports whether the head is within its bound.
func (h *head) take(p []byte) bool {
	for _, b := range p {
		switch {
		case b == '\n' && h.column == 0 && !h.interim:
			h.under = false
			return h.within()
		case b == '\n':
			h.lines++
			h.first, h.spaced = h.column == 0, false // an empty line ends an interim answer
			h.column = 0
		case b != '\r':
			h.column++
			h.status(b)
		}
	}
	h.bytes += len(p)
	h.under = h.bytes <= AnswerHeaderBytesMax // else net/http has seen an end that we have not, or will fail by itself
	return h.within()
}

func (h *head) within() bool { return h.lines <= headLinesMax }

// status looks for the first digit of the status in the first line.
func (h *head) status(b byte) {
	switch {
	case !h.first:
	case b == ' ':
		h.spaced = true
	case h.spaced:
		h.interim = b == '1'
		h.first = false
	}
}
