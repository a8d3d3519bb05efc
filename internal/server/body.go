package server

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
)

// Bounds of bodies that are read.
const (
	SubmitBytesMax  = 1 << 20   // one fetch, future or wait
	BatchBytesMax   = 16 << 20  // a batch
	ResolveBytesMax = 256 << 10 // the value of a promise
	ReadingBytesMax = 256 << 20 // all bodies that are being read at one time

	// Each bodyChunkBytes must come within bodyPatience.
	bodyChunkBytes = 64 << 10
	bodyPatience   = 10 * time.Second
)

// body reads the whole body of r. That comes before anything parks: as long as a body is not read to its end, net/http
// does not notice that the caller has gone.
func (s *Server) body(w http.ResponseWriter, r *http.Request, bytesMax int64) ([]byte, error) {
	expected := r.ContentLength
	if expected < 0 {
		expected = bytesMax
	}
	if expected > bytesMax {
		return nil, tooLarge(w, r, bytesMax)
	}
	if expected == 0 {
		return nil, nil
	}
	defer s.reading.Add(-expected)
	if s.reading.Add(expected) > ReadingBytesMax {
		return nil, await.ErrBusy
	}
	deadlines := http.NewResponseController(w)
	first := min(expected, bodyChunkBytes)
	if r.ContentLength < 0 {
		first = 1 << 10
	}
	b := make([]byte, 0, first+1) // one more, to see that it has ended
	for within := bodyChunkBytes; ; {
		if len(b) == cap(b) {
			b = slices.Grow(b, len(b))
		}
		n, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) > bytesMax:
			return nil, tooLarge(w, r, bytesMax)
		case errors.Is(err, io.EOF):
			// Else the deadline would end the watch for the caller's leaving.
			_ = deadlines.SetReadDeadline(time.Time{})
			if once := w.(*exchange).once; once != nil {
				once.body = b
			}
			return b, nil
		case err != nil:
			return nil, cutOff(w, r, err)
		case len(b) >= within:
			within = len(b) + bodyChunkBytes
			expectBody(deadlines)
		}
	}
}

// expectBody sets the deadline for the next piece of a body. The first is set before anything else is done: what a
// handler leaves unread net/http reads after it, for as long as it takes.
func expectBody(deadlines *http.ResponseController) {
	_ = deadlines.SetReadDeadline(time.Now().Add(bodyPatience)) // not every reader has deadlines
}

func tooLarge(w http.ResponseWriter, r *http.Request, bytesMax int64) error {
	hangUp(w, r)
	return api.NewProblem(api.CodeBodyTooLarge, fmt.Sprintf("Send at most %d bytes here.", bytesMax))
}

// cutOff is the fault of a body that ended early or came too slowly. After either the context of r has ended, so that
// it cannot tell whether the caller is still there; it is told in any case.
func cutOff(w http.ResponseWriter, r *http.Request, err error) error {
	hangUp(w, r)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return api.InvalidRequest(api.FieldError{
			Detail: fmt.Sprintf("Send the body without pause; nothing came for %v.", bodyPatience),
		})
	}
	return api.InvalidRequest(api.FieldError{Detail: "Send the whole body; it ended before its end or is badly framed."})
}

// hangUp ends the connection of HTTP/1 with this answer: what is left of the body need not be read then.
func hangUp(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
}

// decode reads a request body of JSON into v.
func (s *Server) decode(
	w http.ResponseWriter, r *http.Request, bytesMax int64, v interface{ Check() []api.FieldError },
) error {
	if r.ContentLength != 0 {
		if err := isJSONBody(r); err != nil {
			return err
		}
	}
	body, err := s.body(w, r, bytesMax)
	if err != nil {
		return err
	}
	return api.Decode(body, v)
}

// decodeIfAny is decode where a body may be left out.
func (s *Server) decodeIfAny(
	w http.ResponseWriter, r *http.Request, bytesMax int64, v interface{ Check() []api.FieldError },
) error {
	body, err := s.body(w, r, bytesMax)
	if err != nil || len(body) == 0 {
		return err
	}
	if err := isJSONBody(r); err != nil {
		return err
	}
	return api.Decode(body, v)
}

// isJSONBody is nil if the header of r says that its body is plain JSON.
func isJSONBody(r *http.Request) error {
	if !isJSONRequest(r) {
		return api.NewProblem(api.CodeUnsupportedMediaType,
			"Send Content-Type: application/json; with curl add -H 'Content-Type: application/json', or write --json DATA "+
				"instead of -d DATA (7.82 or newer).")
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return api.NewProblem(api.CodeUnsupportedMediaType, "Send the body as it is, without a Content-Encoding.")
	}
	return nil
}

func isJSONRequest(r *http.Request) bool {
	media, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset, given := parameters["charset"]
	return err == nil && media == "application/json" && (!given || strings.EqualFold(charset, "utf-8"))
}

// noBody refuses a body where none is taken: what it asks for would be ignored. An empty object asks for nothing.
func (s *Server) noBody(w http.ResponseWriter, r *http.Request) error {
	body, err := s.body(w, r, 1<<10)
	p, refused := errors.AsType[*api.Problem](err)
	if err != nil && !(refused && p.Code == api.CodeBodyTooLarge) {
		return err
	}
	if text := strings.TrimSpace(string(body)); refused || text != "" && text != "{}" {
		return api.InvalidRequest(api.FieldError{Detail: "This call takes no body."})
	}
	return nil
}
