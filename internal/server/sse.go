package server

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/awaitd/awaitd/internal/await"
	"github.com/go-json-experiment/json"
)

// Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): the same call that would hold
// its answer tells instead what happens, one by one, until all is said.
const (
	eventStream = "text/event-stream"

	// HeartbeatEvery is the longest silence of a stream: then a comment shows that it lives.
	HeartbeatEvery = 15 * time.Second

	retryNow     = 1000 // ms after which a client that was cut off comes back
	retryDrained = 5000 // and one whose server is about to stop

	flushBytes = 64 << 10 // messages gather up to here before they are written
)

// wantsStream reports whether r takes a stream and nothing else. Who takes JSON as well gets that.
func wantsStream(r *http.Request) bool {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	return strings.Contains(accept, eventStream) && r.Method != http.MethodHead &&
		!strings.Contains(accept, "application/json") && !strings.Contains(accept, "*/*")
}

// messages are what is about to be written to a stream.
type messages struct {
	w      http.ResponseWriter
	buffer bytes.Buffer
	id     []byte // of the last message, for who makes the next one
	fault  error
}

// begin answers with a stream.
func begin(w http.ResponseWriter) *messages {
	w.Header().Set("Content-Type", eventStream)
	w.Header().Set("X-Accel-Buffering", "no") // else nginx keeps it until it is over
	w.WriteHeader(http.StatusOK)
	m := &messages{w: w}
	m.retry(retryNow)
	return m
}

func (m *messages) retry(milliseconds int) {
	m.buffer.WriteString("retry: " + strconv.Itoa(milliseconds) + "\n\n")
}

// add appends one message. An empty id leaves the client with the last one it has.
func (m *messages) add(event string, id []byte, of any) {
	m.buffer.WriteString("event: " + event + "\n")
	if len(id) > 0 {
		m.buffer.WriteString("id: ")
		m.buffer.Write(id)
		m.buffer.WriteByte('\n')
	}
	m.buffer.WriteString("data: ")
	if err := json.MarshalWrite(&m.buffer, of, wire); err != nil { // it writes no line break
		m.fail(err)
	}
	m.buffer.WriteString("\n\n")
	if m.buffer.Len() > flushBytes {
		m.write()
	}
}

func (m *messages) heartbeat() { m.buffer.WriteString(":\n\n") }

func (m *messages) fail(err error) {
	if m.fault == nil {
		m.fault = err
	}
}

// write hands over what has gathered. The client has a deadline for each piece; a reader who never reads ends here.
func (m *messages) write() {
	if m.fault != nil || m.buffer.Len() == 0 {
		return
	}
	if _, err := m.w.Write(m.buffer.Bytes()); err != nil {
		m.fail(err)
	}
	m.buffer.Reset()
}

// flush writes, and sends it on its way. Until there is more no deadline runs: over HTTP/2 it would end the stream.
func (m *messages) flush() error {
	m.write()
	x := m.w.(*exchange)
	if m.fault == nil {
		x.extend()
		m.fail(x.deadlines().Flush())
	}
	_ = x.deadlines().SetWriteDeadline(time.Time{}) // not every writer has deadlines
	return m.fault
}

// stream tells r's caller what st has to say, as show puts it, until it is over or the caller leaves.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, st *await.Stream, show func(*messages, any)) error {
	defer st.Leave()
	m := begin(w)
	idle := time.NewTicker(HeartbeatEvery)
	defer idle.Stop()
	over := false
	for err := m.flush(); !over; err = m.flush() {
		if err != nil {
			return cutStream(err)
		}
		news, err := st.Next(r.Context(), idle.C)
		if err != nil {
			return cutStream(err)
		}
		if over = news.Over; len(news.Items) == 0 && !over {
			m.heartbeat()
			continue
		}
		if news.Missed > 0 {
			m.add("missed", nil, missed{news.Missed})
		}
		for _, item := range news.Items {
			show(m, item)
		}
		if over && s.kernel.Draining() {
			m.retry(retryDrained)
		}
		idle.Reset(HeartbeatEvery)
	}
	return nil
}

// missed says how many messages a slow reader did not get.
type missed struct {
	Count int `json:"count"`
}

// cutStream ends a stream that cannot go on. Its answer has begun, so there is nothing else to say.
func cutStream(error) error { panic(http.ErrAbortHandler) }

// lastEventID is where a client that comes back stands; empty when it comes for the first time.
func lastEventID(r *http.Request) string { return r.Header.Get("Last-Event-ID") }

// nothingMore tells a client that has seen the end of a stream not to come back.
func nothingMore(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}
