package server

import (
	"net/http"
	"time"

	"github.com/awaitd/awaitd/internal/await"
)

// A caller gets answerPatience to take each answerChunkBytes of an answer; then it is a reader that never reads.
const (
	answerPatience   = 10 * time.Second
	answerChunkBytes = 64 << 10
)

// exchange is one request's answer on its way out: it keeps the status, and a deadline on each write. It belongs to the
// goroutine of its request, but for the time in which another begins.
type exchange struct {
	http.ResponseWriter
	began   time.Time
	route   *route
	serves  http.HandlerFunc // the endpoint; nil: none
	segment string           // the parameter in the path, as it was sent
	caller  string           // the id of the key; empty without one
	status  int              // 0 before the header is written
	once    *once            // of a call that creates; nil without an idempotency key

	held *await.Held // nil: it is answered
	then then        // how it is when it was held
}

func newExchange(w http.ResponseWriter, rt *route) *exchange {
	return &exchange{ResponseWriter: w, began: time.Now(), route: rt}
}

// deadlines are those of the connection, or of the stream.
func (x *exchange) deadlines() *http.ResponseController {
	return http.NewResponseController(x.ResponseWriter)
}

// Unwrap lets http.ResponseController reach the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// WriteHeader keeps the status of the answer; informational ones come before it.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 && status >= http.StatusOK {
		x.status = status
		h := x.Header()
		for name, values := range secure {
			if _, given := h[name]; !given {
				h[name] = values
			}
		}
	}
	x.extend()
	x.ResponseWriter.WriteHeader(status)
}

// FlushError is how http.ResponseController flushes. The header goes out with it.
func (x *exchange) FlushError() error {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	return x.deadlines().Flush()
}

// Write takes p in pieces, each with its own deadline.
func (x *exchange) Write(p []byte) (written int, err error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	for {
		piece := p[:min(len(p), answerChunkBytes)]
		x.extend()
		n, err := x.ResponseWriter.Write(piece)
		written += n
		if p = p[len(piece):]; err != nil || len(p) == 0 {
			return written, err
		}
	}
}

// extend is real time, not Options.Now: the deadline is kept by the system.
func (x *exchange) extend() {
	_ = x.deadlines().SetWriteDeadline(time.Now().Add(answerPatience)) // not every writer has deadlines
}
