package server

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
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
	body, size, err := s.openResult(v)
	if err != nil {
		if _, gone := s.kernel.Future(r.Context(), v.ID); gone != nil {
			return gone // and its body with it, since it was looked at
		}
		return fmt.Errorf("result of %s: %w", v.ID, err)
	}
	defer func() { _ = body.Close() }()
	h := w.Header()
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
	ranged := &rangeWriter{ResponseWriter: w}
	http.ServeContent(ranged, r, "", time.Time{}, body)
	if !ranged.refused {
		return nil
	}
	for _, name := range []string{"Content-Encoding", "Content-Disposition", "Awaitd-Upstream-Status"} {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store") // ServeContent has taken it away
	return api.NewProblem(api.CodeRangeNotSatisfiable, fmt.Sprintf("The result has %d bytes.", size))
}

// openResult opens what v brought home. The answer of a wait is not kept as text.
func (s *Server) openResult(v await.View) (io.ReadSeekCloser, int64, error) {
	if v.Kind != record.KindWait {
		body, err := s.Bodies.OpenBody(v.Result.Body)
		return body, v.Result.Body.Bytes, err
	}
	whole := &view{bodies: s.Bodies, room: math.MaxInt64}
	text, err := encode(whole.decided(v.Future).WaitAnswer)
	return struct {
		io.ReadSeeker
		io.Closer
	}{bytes.NewReader(text), io.NopCloser(nil)}, int64(len(text)), err
}

// rangeWriter keeps back the plain text with which http.ServeContent refuses a range, so that it can be a problem.
type rangeWriter struct {
	http.ResponseWriter
	refused bool
}

func (w *rangeWriter) WriteHeader(status int) {
	if w.refused = status == http.StatusRequestedRangeNotSatisfiable; !w.refused {
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *rangeWriter) Write(p []byte) (int, error) {
	if w.refused {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}
