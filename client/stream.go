package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/go-json-experiment/json"
)

const (
	// streamSilenceMax is how long a stream may say nothing before it is taken for broken: three of the comments that a
	// server sends every 15 s.
	streamSilenceMax = 45 * time.Second
	// streamLineBytesMax bounds one line of a stream.
	streamLineBytesMax = 64 << 20
)

// stream follows the wait as the server sends it, resuming where a connection broke. decided is false, without an
// error, on a server that does not stream.
func (w *waiting) stream(ctx context.Context) (decided bool, err error) {
	what, err := post("/wait", w.request())
	if err != nil {
		return false, err
	}
	what.repeatable = true
	what.header.Set("Accept", "text/event-stream")
	for {
		asked := time.Now()
		decided, err := w.follow(ctx, what)
		broken := false
		if _, broken = errors.AsType[*brokenError](err); !broken {
			return decided, err
		}
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		if err := sleep(ctx, pollPauseMin-time.Since(asked)); err != nil {
			return false, err
		}
	}
}

// follow reads one connection's part of the stream; a *brokenError says that there is more.
func (w *waiting) follow(ctx context.Context, what call) (decided bool, err error) {
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	resp, err := w.c.open(ctx, what)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media != "text/event-stream" {
		w.c.streamless.Store(true)
		return w.answered(resp)
	}
	watchdog := time.AfterFunc(streamSilenceMax, cut)
	defer watchdog.Stop()
	events := eventReader{lines: bufio.NewReader(resp.Body)}
	for {
		event, err := events.next(func() { watchdog.Reset(streamSilenceMax) })
		if err != nil {
			return false, err
		}
		if event.id != "" {
			what.header.Set("Last-Event-ID", event.id)
		}
		decided, goOn, err := w.happened(event)
		if err != nil || decided || !goOn {
			return true, err
		}
	}
}

// answered takes the plain answer of a server that does not stream. It may be the last.
func (w *waiting) answered(resp *http.Response) (decided bool, err error) {
	if err := decode(resp, &w.answer); err != nil {
		return false, plain(err)
	}
	return !w.tell() || w.answer.Outcome != api.OutcomePending, nil
}

// happened takes one event of the stream. Those of other names are for others.
func (w *waiting) happened(e event) (decided, goOn bool, err error) {
	switch e.name {
	case "completed":
		var leaf api.Leaf
		if err := json.Unmarshal(e.text, &leaf); err != nil {
			return false, false, fmt.Errorf("decode a completed leaf: %w", err)
		}
		return false, w.complete(leaf), nil
	case "decided":
		var a api.WaitAnswer
		if err := json.Unmarshal(e.text, &a); err != nil {
			return false, false, fmt.Errorf("decode the decision: %w", err)
		}
		w.answer.Outcome = a.Outcome
		if a.Pending != nil {
			w.answer.Pending = a.Pending
		}
		return true, true, nil
	}
	return false, true, nil
}

// event is one event of a stream.
type event struct {
	name, id string
	text     []byte
}

// eventReader reads a stream as the HTML standard says.
type eventReader struct {
	lines *bufio.Reader
}

// next is the next event; alive is told of each line, comments too.
func (r *eventReader) next(alive func()) (event, error) {
	var e event
	any := false
	for {
		line, err := r.line()
		if err != nil {
			return e, err
		}
		alive()
		if len(line) == 0 {
			if any {
				return event{e.name, e.id, bytes.TrimSuffix(e.text, []byte("\n"))}, nil
			}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			e.name, any = string(value), true
		case "id":
			e.id, any = string(value), true
		case "data":
			e.text, any = append(append(e.text, value...), '\n'), true
		}
	}
}

// line is the next line without its end.
func (r *eventReader) line() ([]byte, error) {
	var line []byte
	for {
		piece, err := r.lines.ReadSlice('\n')
		line = append(line, piece...)
		switch {
		case len(line) > streamLineBytesMax:
			return nil, fmt.Errorf("a line of the stream is longer than %d bytes", streamLineBytesMax)
		case err == nil:
			return bytes.TrimRight(line, "\r\n"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, &brokenError{err}
		}
	}
}
