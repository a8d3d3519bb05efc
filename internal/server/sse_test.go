package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
)

const wantsEvents = "Accept: text/event-stream"

// message is one of a stream.
type message struct{ event, id, data string }

// listener reads a stream message by message.
type listener struct {
	h     *house
	resp  *http.Response
	lines *bufio.Scanner
	last  string // id
	said  []string
	leave context.CancelFunc
}

// listen begins a stream; want is the status, 200 or what refuses it.
func (h *house) listen(method, path, body string, headers ...string) *listener {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, line := range append(headers, wantsEvents) {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	l := &listener{h: h, resp: resp, lines: bufio.NewScanner(resp.Body), leave: cancel}
	l.lines.Buffer(nil, 4<<20)
	h.t.Cleanup(l.close)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		h.t.Fatalf("%s %s: %s, %s", method, path, resp.Status, resp.Header.Get("Content-Type"))
	}
	return l
}

func (l *listener) close() {
	l.leave()
	_ = l.resp.Body.Close()
}

// next is the next message; an empty event at the end of the stream.
func (l *listener) next() (m message) {
	for l.lines.Scan() {
		name, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch name {
		case "event":
			m.event = value
		case "id":
			m.id, l.last = value, value
		case "data":
			m.data += value
		case "":
			if m.event != "" {
				return m
			}
		default:
			l.said = append(l.said, l.lines.Text())
		}
	}
	return message{}
}

// want reads one message and demands that it is this event with these places, such as "ref event:a, outcome satisfied".
func (l *listener) want(event string, places ...string) message {
	l.h.t.Helper()
	m := l.next()
	if m.event != event {
		l.h.t.Fatalf("message %q %s, want %q", m.event, m.data, event)
	}
	r := reply{body: m.data}
	for _, place := range places {
		at, value, _ := strings.Cut(place, " ")
		if got := fmt.Sprint(r.at(at)); got != value {
			l.h.t.Errorf("%s: %s is %s, want %s\n%s", event, at, got, value, m.data)
		}
	}
	return m
}

// end demands that the stream ends here.
func (l *listener) end() {
	l.h.t.Helper()
	if m := l.next(); m.event != "" {
		l.h.t.Errorf("one more message: %s %s", m.event, m.data)
	}
}

// Each leaf is told as it completes, before the next one happens; then how the whole was decided.
func TestAStreamOfAWaitIsAsCompleted(t *testing.T) {
	h := newHouse(t)
	h.want(201, h.post("/futures", `{"kind":"promise","id":"p"}`))
	h.want(200, h.post("/events/before/set", ""))
	l := h.listen("POST", "/wait",
		`{"for":{"all":["event:before","event:a",{"settled":"future:p"},"event:b"]},"results":"state"}`)
	l.want("completed", "ref event:before")
	h.want(200, h.post("/events/b/set", ""))
	l.want("completed", "ref event:b", "outcome satisfied", "generation 1")
	h.want(200, h.post("/futures/p/reject", `{"message":"no"}`))
	l.want("completed", "ref future:p", "outcome failed", "state failed")
	if r := h.want(200, h.post("/events/a/pulse", "")); r.at("woken") != 1.0 {
		t.Errorf("woken: %s", r.body)
	}
	l.want("completed", "ref event:a")
	m := l.want("decided", "outcome satisfied", "done.0.ref event:before", "done.3.ref event:a")
	if r := (reply{body: m.data}); r.count("done") != 4 || r.count("pending") != 0 {
		t.Errorf("decided: %s", m.data)
	}
	l.end()
	if l.said[0] != "retry: 1000" {
		t.Errorf("said %q", l.said)
	}
	h.parked(0)
}

// Wherever a stream was cut, it goes on after the last message that arrived: nothing is lost, nothing comes twice,
// although the flags have fallen since.
func TestAStreamGoesOnWhereItWasCut(t *testing.T) {
	h := newHouse(t)
	h.want(201, h.post("/futures", `{"kind":"promise","id":"p"}`))
	query := "/wait?all=event:a,event:b,event:a,future:p,sleep:0s&results=none"
	whole := h.listen("GET", query, "")
	ids := []string{whole.want("completed", "ref sleep:0s").id}
	h.want(200, h.post("/events/b/pulse", ""))
	h.want(200, h.post("/events/a/pulse", ""))
	h.want(200, h.post("/futures/p/resolve", `{"value":1}`))
	for _, ref := range []string{"event:b", "event:a", "event:a", "future:p"} {
		ids = append(ids, whole.want("completed", "ref "+ref).id)
	}
	ids = append(ids, whole.want("decided").id)
	whole.end()
	all := map[string]int{"sleep:0s": 1, "event:a": 2, "event:b": 1, "future:p": 1}
	order := []string{"sleep:0s", "event:b", "event:a", "event:a", "future:p"}
	for n, id := range ids[:len(ids)-1] {
		rest := map[string]int{}
		for ref, times := range all {
			rest[ref] = times
		}
		for _, ref := range order[:n+1] {
			rest[ref]--
		}
		l := h.listen("GET", query, "", "Last-Event-ID: "+id)
		for range len(order) - n - 1 {
			rest[reply{body: l.want("completed").data}.text("ref")]--
		}
		l.want("decided", "outcome satisfied")
		l.end()
		for ref, left := range rest {
			if left != 0 {
				t.Errorf("after message %d %s came %d times too few", n, ref, left)
			}
		}
	}
	h.want(204, h.get(query, wantsEvents, "Last-Event-ID: "+ids[len(ids)-1]))
	h.want(204, h.post("/wait", `{"for":"event:a"}`, wantsEvents, "Last-Event-ID: "+ids[len(ids)-1]))
	r := h.wantProblem(400, "invalid-request", h.get("/wait?all=a", wantsEvents, "Last-Event-ID: "+ids[0]))
	if r.text("errors.0.parameter") != "Last-Event-ID" {
		t.Errorf("refusal: %s", r.body)
	}
	h.wantProblem(400, "invalid-request", h.get("/wait?all=a&cursor=x", wantsEvents))
	h.wantProblem(404, "unknown-future", h.get("/wait?all=future:nobody", wantsEvents))
	h.parked(0)
}

// A stream with a time ends with how things stand, and can be taken up again.
func TestAStreamWithATimeEndsPending(t *testing.T) {
	h := newHouse(t)
	l := h.listen("POST", "/wait", `{"for":{"all":["event:a","event:b"]},"timeout":"1ms"}`)
	m := l.want("pending", "outcome pending", "pending.0.ref event:a")
	l.end()
	h.want(200, h.post("/events/a/pulse", ""))
	l = h.listen("GET", "/wait?all=a,b", "", "Last-Event-ID: "+m.id, "Prefer: wait=0")
	l.want("completed", "ref event:a")
	l.want("pending", "outcome pending", "pending.0.ref event:b")
	l.end()
}

// Who loses the race is cancelled by a stream too, and who leaves a stream leaves no trace.
func TestAStreamCancelsTheRest(t *testing.T) {
	h := newHouse(t)
	id := h.submit("/hang")
	l := h.listen("POST", "/wait", `{"for":{"any":["`+id+`","event:a"]},"cancel_rest":true,"results":"none"}`)
	h.want(200, h.post("/events/a/set", ""))
	l.want("completed", "ref event:a")
	l.want("decided", "outcome satisfied", "pending.0.ref "+id)
	if r := h.want(200, h.get("/futures/"+id+"?wait=20s")); r.text("state") != "cancelled" {
		t.Errorf("the rest: %s", r.body)
	}
	l = h.listen("GET", "/wait?all=x,y,z", "")
	h.parked(1)
	l.close()
	h.parked(0)
	if r := h.want(200, h.get("/loop")); r.at("events") != 1.0 {
		t.Errorf("events: %v", r.at("events"))
	}
}

// A future's stream has each state and each attempt; the last message is how it was settled.
func TestAStreamOfAFuture(t *testing.T) {
	h := newHouse(t)
	h.want(200, h.post("/events/go/clear", ""))
	l := h.listen("POST", "/fetch", `{"url":"https://target.test/again","after":"event:go"}`)
	first := l.want("changed", "state pending", "reason waiting")
	id := reply{body: first.data}.text("id")
	if got := l.resp.Header.Get("Location"); got != "/futures/"+id {
		t.Errorf("Location %s", got)
	}
	h.want(200, h.post("/events/go/set", ""))
	running := l.want("changed", "state running")
	l.want("changed", "state pending", "reason backoff", "attempts.0.n 1")
	other := h.listen("GET", "/futures/"+id, "", "Last-Event-ID: "+running.id)
	other.want("changed", "state pending", "reason backoff")
	h.want(200, h.post("/futures/"+id+"/cancel", ""))
	last := l.want("settled", "state cancelled", "error.type cancelled")
	l.end()
	other.want("settled", "state cancelled")
	other.end()

	l = h.listen("GET", "/futures/"+id, "") // from the store
	if got := l.want("settled").id; got != last.id {
		t.Errorf("id %s, was %s", got, last.id)
	}
	l.end()
	h.want(204, h.get("/futures/"+id, wantsEvents, "Last-Event-ID: "+last.id))
	h.wantProblem(404, "unknown-future", h.get("/futures/nobody", wantsEvents))
	h.wantProblem(404, "unknown-future", h.get("/futures/nobody", wantsEvents, "Last-Event-ID: x"))
	h.wantProblem(400, "invalid-request", h.get("/futures/a%20b", wantsEvents))
	h.wantProblem(400, "invalid-request", h.get("/futures/p?wait=soon", wantsEvents))

	id = h.submit("/hang")
	l = h.listen("GET", "/futures/"+id+"?wait=10ms", "")
	for m := l.next(); m.event != ""; m = l.next() {
		if m.event != "changed" {
			t.Errorf("%+v", m)
		}
	}
	h.parked(0)
}

// An event's stream has each generation with its payload, and after a break what came last.
func TestAStreamOfAnEvent(t *testing.T) {
	h := newHouse(t)
	l := h.listen("GET", "/events/a%2Fb", "")
	for n, payload := range []string{"one", "two", "three"} {
		h.want(200, h.post("/events/a%2Fb/pulse", payload))
		h.want(200, h.post("/events/a%2Fb/clear", ""))
		l.want("set", fmt.Sprintf("generation %d", n+1), "payload.text "+payload)
	}
	l.close()
	h.want(200, h.post("/events/a%2Fb/set", "four"))
	h.want(200, h.post("/events/a%2Fb/set", "five"))
	again := h.listen("GET", "/events/a%2Fb", "", "Last-Event-ID: "+l.last)
	again.want("set", "generation 5", "payload.text five")
	again = h.listen("GET", "/events/a%2Fb?after=5", "", "Last-Event-ID: "+again.last)
	h.want(204, h.do("DELETE", "/events/a%2Fb", "")) // it begins anew
	h.want(200, h.post("/events/a%2Fb/set", "new"))
	again.want("set", "generation 1", "payload.text new")

	h.listen("GET", "/events/a%2Fb", "").want("set", "generation 1") // it is set
	h.listen("GET", "/events/a%2Fb?after=0", "").want("set", "generation 1")
	h.listen("GET", "/events/a%2Fb?after=1&wait=1ms", "").end()
	h.wantProblem(400, "invalid-request", h.get("/events/a", wantsEvents, "Last-Event-ID: x"))
	h.wantProblem(400, "invalid-request", h.get("/events/a?wait=x", wantsEvents))
}

// The list as a stream: every change that the filters let pass.
func TestAStreamOfTheList(t *testing.T) {
	h := newHouse(t)
	l := h.listen("GET", "/futures?kind=promise&label=a:1", "")
	h.want(201, h.post("/futures", `{"kind":"promise","id":"p","labels":{"a":"1","b":"2"}}`))
	h.want(201, h.post("/futures", `{"kind":"promise","id":"q"}`))
	h.want(201, h.post("/futures", `{"kind":"timer","after":"1h","labels":{"a":"1"}}`))
	h.want(200, h.post("/futures/p/resolve", `{"value":1}`))
	l.want("future", "id p", "state pending")
	l.want("future", "id p", "state succeeded")
	h.wantProblem(400, "invalid-request", h.get("/futures?limit=5", wantsEvents))
	l.close()
	h.parked(0)
}

// A reader who is too slow for the list is told how much it missed.
func TestASlowReaderIsToldWhatItMissed(t *testing.T) {
	h := newHouse(t)
	st, err := h.kernel.Stream(t.Context(), await.StreamRequest{Futures: func(*record.Future) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	for range await.NewsMax + 10 {
		h.want(201, h.post("/futures", `{"kind":"promise"}`))
	}
	w := &recorder{header: http.Header{}}
	ctx, cancel := context.WithCancel(t.Context())
	w.wrote = func() {
		if strings.Contains(w.text.String(), "event: future") {
			cancel()
		}
	}
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("the stream did not end with its caller")
		}
		text := w.text.String()
		if !strings.Contains(text, "event: missed\ndata: {\"count\":10}\n") ||
			strings.Count(text, "event: future") != await.NewsMax {
			t.Errorf("%.200s", text)
		}
	}()
	req, err := http.NewRequestWithContext(ctx, "GET", "/futures", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = h.server.stream(newExchange(w, h.server.tally.nowhere), req, st, func(m *messages, item any) {
		m.add("future", nil, item.(*record.Future).ID)
	})
}

// recorder is a writer that tells when it was flushed.
type recorder struct {
	header http.Header
	text   strings.Builder
	wrote  func()
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(p []byte) (int, error) { return r.text.Write(p) }
func (r *recorder) Flush()                      { r.wrote() }

// What cannot be shown ends the stream: half a message would be taken for a whole.
func TestAMessageThatCannotBeEncodedEndsTheStream(t *testing.T) {
	m := begin(newExchange(&recorder{header: http.Header{}, wrote: func() {}}, nil))
	m.add("x", nil, func() {})
	if err := m.flush(); err == nil {
		t.Error("no error")
	}
}

// Before the server stops every stream says when to come back, and ends.
func TestADrainEndsEveryStream(t *testing.T) {
	h := newHouse(t)
	id := h.submit("/hang")
	var all []*listener
	for _, path := range []string{"/wait?all=a,b", "/events/a", "/futures/" + id, "/futures", "/loop"} {
		all = append(all, h.listen("GET", path, ""))
	}
	h.parked(4)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := h.kernel.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	for _, l := range append(all, h.listen("GET", "/events/b", "")) {
		for l.next().event != "" {
		}
		if len(l.said) != 2 || l.said[1] != "retry: 5000" {
			t.Errorf("%s said %q", l.resp.Request.URL.Path, l.said)
		}
	}
	h.targets.release(id)
	h.stop()
	h.wantProblem(503, "draining", h.get("/futures", wantsEvents))
}

// Streams of the loop are bounded by themselves, all others by the seats there are.
func TestStreamsAreBounded(t *testing.T) {
	h := newHouse(t, plans{limits: func(l *await.Limits) { l.WaitersMax, l.EventsMax = 1, 2 }})
	h.server.watching.Store(loopStreamsMax)
	h.wantProblem(429, "too-many-waiters", h.get("/loop", wantsEvents))
	h.wantProblem(429, "too-many-events", h.get("/wait?all=a,b,c", wantsEvents))
	h.listen("GET", "/events/a", "")
	for _, path := range []string{"/events/a", "/wait?all=a", "/futures", "/futures/" + h.submit("/hang")} {
		h.wantProblem(429, "too-many-waiters", h.get(path, wantsEvents))
	}
}

// Over HTTP/2 a stream lives as over HTTP/1.1, longer than any deadline of a write.
func TestStreamsLiveInSilence(t *testing.T) {
	inBubble(t, func(t *testing.T, dial func() *caller) {
		c := dial()
		c.say("GET /events/a HTTP/1.1\nHost: localhost\nAccept: text/event-stream\n\n")
		resp, err := http.ReadResponse(c.answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(resp.Body)
		began := time.Now()
		heartbeats := 0
		for heartbeats < 10 && lines.Scan() {
			if lines.Text() == ":" {
				heartbeats++
			}
		}
		if took := time.Since(began); took != 10*HeartbeatEvery {
			t.Errorf("%d heartbeats in %v", heartbeats, took)
		}
		setter := dial()
		setter.say("POST /events/a/set HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n")
		if got := setter.hear(); got != 200 {
			t.Fatal(got)
		}
		for lines.Scan() && lines.Text() != "event: set" {
		}
		if lines.Text() != "event: set" {
			t.Error("the stream had ended")
		}
	})
}

// The loop tells how it is once a second.
func TestTheLoopIsToldEverySecond(t *testing.T) {
	inBubble(t, func(t *testing.T, dial func() *caller) {
		c := dial()
		c.say("GET /loop HTTP/1.1\nHost: localhost\nAccept: text/event-stream\n\n")
		resp, err := http.ReadResponse(c.answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(resp.Body)
		began := time.Now()
		told := 0
		for told < 60 && lines.Scan() {
			if lines.Text() == "event: loop" {
				told++
			}
		}
		if took := time.Since(began); took != 59*loopEvery {
			t.Errorf("%d messages in %v", told, took)
		}
	})
}

// A reader who never reads is cut off at the deadline of a write, and leaves no seat taken.
func TestAStreamThatIsNeverReadFreesItsSeat(t *testing.T) {
	inBubble(t, func(t *testing.T, dial func() *caller) {
		c := dial()
		c.say("GET /events/a HTTP/1.1\nHost: localhost\nAccept: text/event-stream\n\n")
		time.Sleep(answerPatience + time.Second)
		waiters := dial()
		waiters.say("GET /loop HTTP/1.1\nHost: localhost\n\n")
		resp, err := http.ReadResponse(waiters.answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || !strings.Contains(string(body), `"waiters":0`) {
			t.Errorf("%s %v", body, err)
		}
	})
}
