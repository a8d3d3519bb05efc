package server

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of what one answer shows of bodies, values and payloads. What finds no room is truncated, with a link to it.
const (
	InlineBytesMax       = 256 << 10 // of one
	AnswerInlineBytesMax = 8 << 20   // of all in one answer
)

// depthMax is how deep JSON of others may be nested to be shown as JSON in an answer: ours is around it, and every
// reader has a bound.
const depthMax = 1000

// view turns facts into what the wire shows, for one answer.
type view struct {
	bodies Bodies
	log    *slog.Logger
	room   int64 // bytes that may still be shown
	unread bool  // a body could not be read
}

func (s *Server) view() *view { return &view{bodies: s.Bodies, log: s.Log, room: AnswerInlineBytesMax} }

// shown is a body in the one form that fits it.
type shown struct {
	json      jsontext.Value
	text      *string
	base64    []byte
	truncated bool
}

// show chooses the form of a body by its media type and its bytes.
func (v *view) show(contentType string, body []byte) shown {
	size := int64(len(body))
	if size > InlineBytesMax || size > v.room {
		return shown{truncated: true}
	}
	v.room -= size
	if isJSON(contentType) && embeddable(body) {
		return shown{json: body}
	}
	if utf8.Valid(body) {
		text := string(body)
		return shown{text: &text}
	}
	return shown{base64: body}
}

// value shows a JSON value that was checked when it came.
func (v *view) value(value []byte) shown {
	if int64(len(value)) > v.room {
		return shown{truncated: true}
	}
	v.room -= int64(len(value))
	return shown{json: value}
}

// read is the bytes of a stored body, if there is room for it. A body that cannot be read now is truncated, too: it may
// have been forgotten since it was looked at, else it is lost, and the log says why.
func (v *view) read(b record.Body) (body []byte, ok bool) {
	if b.Ref == "" {
		return b.Inline, true
	}
	if b.Bytes > InlineBytesMax || b.Bytes > v.room {
		return nil, false
	}
	body = make([]byte, b.Bytes)
	file, err := v.bodies.OpenBody(b)
	if err == nil {
		_, err = io.ReadFull(file, body)
		_ = file.Close() // it was only read
	}
	if err == nil {
		return body, true
	}
	v.unread = true
	if !errors.Is(err, fs.ErrNotExist) {
		v.log.Error("a body cannot be read, and its future is shown without", "error", err)
	}
	return nil, false
}

// isJSON reports whether a Content-Type says JSON: application/json, text/json or anything with the suffix +json.
func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json"))
}

// embeddable reports whether body is one JSON value that can stand inside an answer: well-formed, in UTF-8, no name
// twice in an object, not nested too deeply.
func embeddable(body []byte) bool {
	return jsontext.Value(body).IsValid() && !deep(body)
}

// deep reports whether a valid value is nested more than depthMax deep. Few brackets cannot be, and most values have
// few.
func deep(body []byte) bool {
	if bytes.Count(body, []byte("["))+bytes.Count(body, []byte("{")) <= depthMax {
		return false
	}
	dec := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		if _, err := dec.ReadToken(); err != nil {
			return false // the end of a valid value
		}
		if dec.StackDepth() > depthMax {
			return true
		}
	}
}

// payload shows what a set carried.
func (v *view) payload(p *record.Payload) *api.Payload {
	if p == nil {
		return nil
	}
	s := v.show(p.ContentType, p.Data)
	return &api.Payload{ContentType: p.ContentType, JSON: s.json, Text: s.text, Base64: s.base64, Truncated: s.truncated}
}
