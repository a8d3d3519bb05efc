package server

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
)

// getResult is GET /futures/{id}/result.
func (s *Server) getResult(w http.ResponseWriter, r *http.Request) error {
	return s.awaited(w, r, (*Server).resultAnswer)
}

func (s *Server) resultAnswer(w http.ResponseWriter, r *http.Request, v await.View) error {
	switch {
	case !v.State.Settled():
		if unchanged(w, r, etagOf(v.Future)) {
			return nil
		}
		return s.pending(w, v)
	case v.State != record.StateSucceeded:
		p := api.NewProblem(api.CodeResultUnavailable, "The future has no result; its error says why.")
		return s.with(r.Context(), p, v)
	default:
		return s.serveResult(w, r, v)
	}
}

// serveResult hands out what a stranger sent: the browser may not guess its type, run anything in it, or show it in
// place. The stranger's status is a number in a header, never that of this answer.
func (s *Server) serveResult(w http.ResponseWriter, r *http.Request, v await.View) error {
	opened, size, err := s.openResult(v)
	if err != nil {
		if _, gone := s.kernel.Future(r.Context(), v.ID); gone != nil {
			return gone // and its body with it, since it was looked at
		}
		return fmt.Errorf("result of %s: %w", v.ID, err)
	}
	body := &servedBody{open: opened}
	defer body.close()
	headResult(w.Header(), v)
	if !strings.HasPrefix(r.Header.Get("Range"), "bytes=") {
		r.Header.Del("Range") // of a unit that nobody has here (RFC 9110, section 14.2)
	}
	late := &lateWriter{ResponseWriter: w}
	http.ServeContent(late, r, "", time.Time{}, body)
	fault := body.fault()
	switch {
	case fault != nil && late.begun:
		s.Log.Error("a result was cut off", "future", v.ID, "error", fault)
		panic(http.ErrAbortHandler) // half an answer is seen as what it is
	case fault != nil:
		fault = fmt.Errorf("result of %s: %w", v.ID, fault)
	case late.status == http.StatusRequestedRangeNotSatisfiable:
		fault = api.NewProblem(api.CodeRangeNotSatisfiable, fmt.Sprintf("The result has %d bytes.", size))
	case late.status == http.StatusPreconditionFailed:
		fault = api.NewProblem(api.CodePreconditionFailed, "The result has the ETag "+etagOf(v.Future)+".")
	default:
		late.begin()
		return nil
	}
	h := w.Header()
	for _, name := range headersOfAResult {
		h.Del(name)
	}
	if late.status == http.StatusRequestedRangeNotSatisfiable {
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
	}
	h.Set("Cache-Control", "no-store") // ServeContent has taken it away
	return fault
}

// headResult sets what is said of a result before it.
func headResult(h http.Header, v await.View) {
	h.Set("Content-Type", "application/json")
	if v.Kind == record.KindFetch {
		h.Set("Awaitd-Upstream-Status", strconv.Itoa(v.Result.Status))
		h.Set("Content-Type", "application/octet-stream")
		for _, sent := range v.Result.Headers {
			if sent.Name == "Content-Type" || sent.Name == "Content-Encoding" {
				h.Set(sent.Name, sent.Values[0])
			}
		}
	}
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Content-Disposition", "attachment")
	h.Set("ETag", etagOf(v.Future))
}

// headersOfAResult are those that a problem in its place must not have.
var headersOfAResult = []string{
	"Accept-Ranges", "Awaitd-Upstream-Status", "Content-Disposition", "Content-Encoding", "Content-Length",
	"Content-Range",
}

// openResult opens what v brought home. The answer of a wait is not kept as text.
func (s *Server) openResult(v await.View) (io.ReadSeekCloser, int64, error) {
	if v.Kind != record.KindWait {
		body, err := s.Bodies.OpenBody(v.Result.Body)
		return body, v.Result.Body.Bytes, err
	}
	whole := s.view()
	whole.room = math.MaxInt64
	text, err := encode(whole.decided(v.Future).WaitAnswer)
	return struct {
		io.ReadSeeker
		io.Closer
	}{bytes.NewReader(text), io.NopCloser(nil)}, int64(len(text)), err
}

// servedBody is a body while http.ServeContent reads it: of several ranges on a goroutine that may still be at it when
// the caller has gone.
type servedBody struct {
	mu   sync.Mutex
	open io.ReadSeekCloser // nil once it is closed
	err  error             // of a read
}

func (b *servedBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == nil {
		return 0, fs.ErrClosed
	}
	n, err := b.open.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

func (b *servedBody) Seek(offset int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == nil {
		return 0, fs.ErrClosed
	}
	return b.open.Seek(offset, whence)
}

// fault is why the body cannot be read, if that has been seen.
func (b *servedBody) fault() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *servedBody) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.open.Close() // it was only read
	b.open = nil
}

// lateWriter begins the answer of http.ServeContent with the first byte of a body, so that a body that cannot be read,
// a range that is not there and a condition that does not hold can still be problems. Their plain text it drops.
type lateWriter struct {
	http.ResponseWriter
	status int
	begun  bool
}

func (w *lateWriter) WriteHeader(status int) { w.status = status }

func (w *lateWriter) Write(p []byte) (int, error) {
	if w.status >= http.StatusBadRequest {
		return len(p), nil
	}
	w.begin()
	return w.ResponseWriter.Write(p)
}

func (w *lateWriter) begin() {
	if !w.begun {
		w.begun = true
		w.ResponseWriter.WriteHeader(w.status)
	}
}
