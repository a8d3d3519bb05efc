package fetch

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// Bodies is where the bodies of answers go. It may be used by several goroutines.
type Bodies interface {
	// Create begins one body. It is not called for an empty one.
	Create() (BodyWriter, error)
}

// BodyWriter takes one body, in order, on one goroutine. Either Commit or Discard is called, once, last. Nothing
// is visible before Commit, and a failed Commit leaves nothing behind.
type BodyWriter interface {
	io.Writer
	Commit() (record.Body, error)
	Discard()
}

// The slowest body that is waited for, averaged over each interval after the first.
const (
	BodyRateLeast = 1 << 10 // bytes a second, as on the wire
	rateInterval  = 10 * time.Second
)

const copyBytes = 32 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copyBytes]byte) }}

// keep streams the body of resp into the store, counted as on the wire, and closes it.
func (a *attempt) keep(resp *http.Response) (record.Body, error) {
	defer func() { _ = resp.Body.Close() }()
	if resp.Body == http.NoBody {
		return record.Body{}, nil // to HEAD and with 304, whatever Content-Length says
	}
	bytesMax := a.asked.BodyBytesMax
	if resp.ContentLength > bytesMax {
		return record.Body{}, failTooLarge(bytesMax)
	}
	s := &sink{bodies: a.f.options.Bodies, bytesMax: bytesMax}
	defer s.discard()
	if !a.hasBody(resp) {
		s.rate.watch(a.cancel)
		defer s.rate.stop()
	}
	buffer := copyBuffers.Get().(*[copyBytes]byte)
	defer copyBuffers.Put(buffer)
	for {
		n, err := resp.Body.Read(buffer[:])
		if n > 0 {
			if err := s.write(buffer[:n]); err != nil {
				return record.Body{}, a.storeFailure(err)
			}
		}
		switch err {
		case nil:
		case io.EOF:
			body, err := s.commit()
			return body, a.storeFailure(err)
		default:
			return record.Body{}, err
		}
	}
}

// hasBody reports whether the whole body came with the head: then there is nothing to wait for.
func (a *attempt) hasBody(resp *http.Response) bool {
	return a.conn != nil && resp.ContentLength >= 0 && int64(a.conn.rest) >= resp.ContentLength
}

// storeFailure lets a too_large pass and logs what the store itself reports; the caller learns no more than that.
func (a *attempt) storeFailure(err error) error {
	if err == nil {
		return nil
	}
	if f, ok := err.(*failure); ok {
		return f
	}
	a.f.log.Error("body of an answer not stored", "future", a.job.ID, "err", err)
	return failStore
}

// sink is one body on its way into the store.
type sink struct {
	bodies   Bodies
	bytesMax int64
	rate     rate
	writer   BodyWriter // nil before the first byte and after the end
}

func (s *sink) write(p []byte) error {
	if s.rate.bytes.Add(int64(len(p))) > s.bytesMax {
		return failTooLarge(s.bytesMax)
	}
	if s.writer == nil {
		w, err := s.bodies.Create()
		if err != nil {
			return err
		}
		s.writer = w
	}
	_, err := s.writer.Write(p)
	return err
}

func (s *sink) commit() (record.Body, error) {
	w := s.writer
	if w == nil {
		return record.Body{}, nil
	}
	s.writer = nil
	return w.Commit()
}

func (s *sink) discard() {
	if s.writer != nil {
		s.writer.Discard()
	}
}

// rate cancels the attempt when a body comes too slowly: a drip would hold its worker for the whole time of the
// attempt. The first interval is free; each later one needs its share.
type rate struct {
	bytes  atomic.Int64 // of the body so far
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	timer  *time.Timer // nil when the watch is over
	before int64       // bytes at the last look; -1 before the first
}

func (r *rate) watch(cancel context.CancelCauseFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel, r.before = cancel, -1
	r.timer = time.AfterFunc(rateInterval, r.look)
}

func (r *rate) look() {
	const share = BodyRateLeast * int64(rateInterval/time.Second)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.bytes.Load()
	switch {
	case r.timer == nil:
	case r.before >= 0 && now-r.before < share:
		r.cancel(failSlow)
	default:
		r.before = now
		r.timer.Reset(rateInterval)
	}
}

func (r *rate) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer.Stop()
	r.timer = nil
}
