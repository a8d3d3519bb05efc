package server

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/google/go-cmp/cmp"
)

// fetched submits a fetch of a target with this answer and returns the settled future.
func (h *house) fetched(contentType, body string) reply {
	h.t.Helper()
	target := "https://target.test/ok?" + url.Values{"type": {contentType}, "body": {body}}.Encode()
	return h.want(200, h.post("/fetch?wait=20s", `{"url":"`+target+`"}`))
}

// A stranger's body is handed out as it came, as an attachment in a sandbox, and never as HTML of ours.
func TestAResultIsServedByteForByteInASandbox(t *testing.T) {
	h := newHouse(t)
	for contentType, want := range map[string]string{
		"text/html": "text/html", "application/json": "application/json", "": "application/octet-stream",
		"nonsense": "nonsense",
	} {
		const body = "<script>alert(1)</script>\x00"
		r := h.want(200, h.get(h.fetched(contentType, body).text("links.result")))
		if r.body != body || r.header.Get("Content-Type") != want {
			t.Errorf("%q: body %q of type %q", contentType, r.body, r.header.Get("Content-Type"))
		}
		for name, value := range map[string]string{
			"Content-Security-Policy": "sandbox; default-src 'none'", "Content-Disposition": "attachment",
			"X-Content-Type-Options": "nosniff", "Awaitd-Upstream-Status": "200", "Accept-Ranges": "bytes",
		} {
			if got := r.header.Get(name); got != value {
				t.Errorf("%q: %s is %q", contentType, name, got)
			}
		}
	}
}

// A body beyond what a fact holds lies in the store; ranges of it are served all the same.
func TestALongResultIsServedWholeAndInRanges(t *testing.T) {
	h := newHouse(t)
	body := strings.Repeat("0123456789", 10_000)
	id := h.submit("/hang")
	h.started(1)
	h.targets.answer(id, func(job fetch.Job) *record.Outcome { return h.targets.succeeded(job, 200, "text/plain", body) })
	future := h.want(200, h.get("/futures/"+id+"?wait=20s"))
	if got := future.text("result.text"); got != body {
		t.Errorf("the future shows %d bytes", len(got))
	}
	path := "/futures/" + id + "/result"
	if got := h.want(200, h.get(path)).body; got != body {
		t.Errorf("the result has %d bytes", len(got))
	}
	if r := h.want(206, h.get(path, "Range: bytes=99995-")); r.body != "56789" {
		t.Errorf("range: %q", r.body)
	}
	two := h.want(206, h.get(path, "Range: bytes=0-1,10-11"))
	if !strings.HasPrefix(two.header.Get("Content-Type"), "multipart/byteranges") {
		t.Errorf("two ranges: %v", two.header)
	}
	if r := h.want(200, h.get(path, "Range: bytes=0-1", `If-Range: "other"`)); r.body != body {
		t.Error("a range of another version")
	}
	r := h.wantProblem(416, "range-not-satisfiable", h.get(path, "Range: bytes=100000-"))
	if r.header.Get("Content-Range") != "bytes */100000" || r.header.Get("Content-Disposition") != "" ||
		r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", r.header)
	}
}

// answer lets a hanging attempt end as the test says.
func (w *targets) answer(id string, with func(fetch.Job) *record.Outcome) {
	w.mu.Lock()
	job := w.hanging[id]
	delete(w.hanging, id)
	w.mu.Unlock()
	w.house.kernel.Outcome(with(job))
}

// A body is shown in the one form that fits it.
func TestABodyIsShownInTheFormThatFitsIt(t *testing.T) {
	h := newHouse(t)
	nested := strings.Repeat("[", depthMax+1) + strings.Repeat("]", depthMax+1)
	for _, c := range []struct{ contentType, body, form string }{
		{"application/json", `{"b":1,"a":[true,null]}`, "json"},
		{"application/problem+json; charset=utf-8", `1`, "json"},
		{"text/json", ` "x" `, "json"},
		{"application/json", `{"a":1,"a":2}`, "text"},
		{"application/json", `{"a":1}{"b":2}`, "text"},
		{"application/json", `{"a":`, "text"},
		{"application/json", ``, "text"},
		{"application/json", nested, "text"},
		{"application/json", "\"\xff\"", "base64"},
		{"text/plain", `{"a":1}`, "text"},
		{"", "häh", "text"},
		{"image/png", "\x89PNG", "base64"},
	} {
		r := h.fetched(c.contentType, c.body)
		for _, form := range []string{"json", "text", "base64"} {
			shown := strings.Contains(r.body, `"bytes":`) && r.at("result."+form) != nil
			if shown != (form == c.form) {
				t.Errorf("%q %.40q: %s shown is %v, want the form %s", c.contentType, c.body, form, shown, c.form)
			}
		}
		if c.form == "text" && r.text("result.text") != c.body {
			t.Errorf("%q: text %q", c.body, r.text("result.text"))
		}
	}
}

// Headers of strangers need not be UTF-8, but an answer must.
func TestAHeaderThatIsNotUTF8IsShownWithReplacements(t *testing.T) {
	h := newHouse(t)
	id := h.submit("/hang")
	h.started(1)
	h.targets.answer(id, func(job fetch.Job) *record.Outcome {
		o := h.targets.succeeded(job, 200, "text/plain", "x")
		o.Result.Headers = append(o.Result.Headers, record.Header{Name: "X-Name", Values: []string{"J\xe4rn"}})
		return o
	})
	r := h.want(200, h.get("/futures/"+id+"?wait=20s"))
	if d := cmp.Diff([]any{"J\ufffdrn"}, r.at("result.headers.X-Name")); d != "" {
		t.Error(d)
	}
}

// What is encoded stays encoded, and says so.
func TestAContentEncodingIsHandedOn(t *testing.T) {
	h := newHouse(t)
	id := h.submit("/hang")
	h.started(1)
	h.targets.answer(id, func(job fetch.Job) *record.Outcome {
		o := h.targets.succeeded(job, 200, "text/plain", "\x1f\x8bzipped")
		o.Result.Headers = append(o.Result.Headers, record.Header{Name: "Content-Encoding", Values: []string{"gzip"}})
		return o
	})
	r := h.want(200, h.get("/futures/"+id+"/result?wait=20s"))
	if r.header.Get("Content-Encoding") != "gzip" || r.body != "\x1f\x8bzipped" {
		t.Errorf("%q, %v", r.body, r.header)
	}
}

// One body above 256 KiB is truncated in the future, and whole behind its link; so are values once an answer is full.
func TestOneAnswerShowsABoundedNumberOfBytes(t *testing.T) {
	h := newHouse(t, plans{limits: func(l *await.Limits) { l.WorkersMax = 100 }})
	big := func(n int) string {
		id := h.submit("/hang")
		h.started(1)
		for h.get("/futures/"+id).text("state") != "running" {
		}
		h.targets.answer(id, func(job fetch.Job) *record.Outcome {
			return h.targets.succeeded(job, 200, "text/plain", strings.Repeat("x", n))
		})
		return id
	}
	id := big(InlineBytesMax + 1)
	r := h.want(200, h.get("/futures/"+id+"?wait=20s"))
	if r.at("result.truncated") != true || r.at("result.text") != nil ||
		r.at("result.bytes") != float64(InlineBytesMax+1) {
		t.Errorf("%.500s", r.body)
	}
	if got := len(h.want(200, h.get(r.text("links.result"))).body); got != InlineBytesMax+1 {
		t.Errorf("the result has %d bytes", got)
	}
	for range 2 * AnswerInlineBytesMax / InlineBytesMax {
		h.want(200, h.get("/futures/"+big(InlineBytesMax)+"?wait=20s"))
	}
	r = h.want(200, h.get("/futures?limit=1000"))
	if n := len(r.body); n < AnswerInlineBytesMax/2 || n > AnswerInlineBytesMax+1<<20 {
		t.Errorf("a page has %d bytes", n)
	}
	futures := r.at("futures").([]any)
	last := futures[len(futures)-2].(map[string]any)["result"].(map[string]any)
	if last["truncated"] != true || last["status"] != 200.0 {
		t.Errorf("the last but one shows %v", last)
	}
}

// Values of promises and payloads of events share the room of an answer.
func TestValuesAndPayloadsShareTheRoomOfAnAnswer(t *testing.T) {
	v := &view{room: 10}
	if s := v.value([]byte(`"123456"`)); s.truncated || string(s.json) != `"123456"` {
		t.Errorf("the first: %+v", s)
	}
	if s := v.value([]byte(`123`)); !s.truncated || s.json != nil {
		t.Errorf("one that finds no room: %+v", s)
	}
	if p := v.payload(&record.Payload{ContentType: "text/plain", Data: []byte("ab")}); p.Truncated || *p.Text != "ab" {
		t.Errorf("one that fits: %+v", p)
	}
	if p := v.payload(&record.Payload{ContentType: "text/plain", Data: []byte("c")}); !p.Truncated || p.Text != nil {
		t.Errorf("one more: %+v", p)
	}
	shown := v.result(&record.Future{Kind: record.KindFetch, Result: &record.Result{
		Status: 200, Headers: []record.Header{{Name: "A", Values: []string{"b"}}}, Body: record.Body{Inline: []byte{}},
	}})
	if !shown.Truncated || len(shown.Headers) != 0 {
		t.Errorf("a result without room even for its headers: %+v", shown)
	}
}

var errFire = errors.New("the disk is on fire")

// lostBodies has lost them all.
type lostBodies struct{}

func (lostBodies) OpenBody(record.Body) (io.ReadSeekCloser, error) { return nil, errFire }

// burntBodies opens each, and reads it up to where it is damaged.
type burntBodies struct{ whole int64 }

func (b burntBodies) OpenBody(of record.Body) (io.ReadSeekCloser, error) {
	return &burntBody{io.NewSectionReader(zeros{}, 0, of.Bytes), b.whole}, nil
}

type burntBody struct {
	*io.SectionReader
	whole int64
}

func (b *burntBody) Read(p []byte) (int, error) {
	at, _ := b.Seek(0, io.SeekCurrent)
	if at >= b.whole {
		return 0, errFire
	}
	return b.SectionReader.Read(p[:min(int64(len(p)), b.whole-at)])
}

func (*burntBody) Close() error { return nil }

type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

// A body that cannot be read is a fault of the server's where it is asked for, and a truncated one in a future.
func TestABodyThatIsLostIs500AndNoSecretIsTold(t *testing.T) {
	h := newHouse(t, plans{bodies: lostBodies{}})
	id := h.submit("/hang")
	h.started(1)
	h.targets.answer(id, func(job fetch.Job) *record.Outcome {
		return h.targets.succeeded(job, 200, "text/plain", strings.Repeat("x", 100_000))
	})
	r := h.want(200, h.get("/futures/"+id+"?wait=20s"))
	if r.at("result.truncated") != true {
		t.Errorf("shown: %.300s", r.body)
	}
	r = h.wantProblem(500, "internal", h.get("/futures/"+id+"/result"))
	if strings.Contains(r.body, "fire") || !strings.Contains(h.log.String(), "fire") {
		t.Errorf("the reason is shown, or not logged: %s", r.body)
	}
}

// A body that is damaged is never whole: it is a fault of the server's before the first byte, after that the answer is
// cut off, and a future is shown without. The log says why each time.
func TestADamagedBodyIsSeenAsWhatItIs(t *testing.T) {
	for _, whole := range []int64{0, 70_000} {
		h := newHouse(t, plans{bodies: burntBodies{whole}})
		id := h.submit("/hang")
		h.started(1)
		h.targets.answer(id, func(job fetch.Job) *record.Outcome {
			return h.targets.succeeded(job, 200, "text/plain", strings.Repeat("x", 100_000))
		})
		logged := 0
		burns := func(what string) {
			t.Helper()
			if n := strings.Count(h.log.String(), "fire"); n <= logged {
				t.Errorf("damaged from %d on, %s: it is not logged", whole, what)
			} else {
				logged = n
			}
		}
		if r := h.want(200, h.get("/futures/"+id+"?wait=20s")); r.at("result.truncated") != true {
			t.Errorf("damaged from %d on, it is shown as %.300s", whole, r.body)
		}
		burns("shown")
		for _, part := range []string{"", "Range: bytes=90000-", "Range: bytes=0-9,90000-90009"} {
			w := httptest.NewRecorder()
			w.Code = 0 // until there is one
			r := httptest.NewRequest("GET", "/futures/"+id+"/result", nil)
			if name, value, ok := strings.Cut(part, ": "); ok {
				r.Header.Set(name, value)
			}
			cut := panics(func() { h.server.ServeHTTP(w, r) })
			begun := whole > 0 && part == "" || strings.Contains(part, ",") // with the head of a part
			if begun && cut != http.ErrAbortHandler || !begun && (cut != nil || w.Code != 500) {
				t.Errorf("damaged from %d on, %q: %d, and it panics with %v", whole, part, w.Code, cut)
			}
			burns(part)
		}
	}
}

func panics(f func()) (with any) {
	defer func() { with = recover() }()
	f()
	return nil
}

// Who asks for several ranges and hangs up ends nobody's read in the middle.
func TestWhoHangsUpOnSeveralRangesHarmsNobody(t *testing.T) {
	body := &closingBody{SectionReader: io.NewSectionReader(zeros{}, 0, 100_000), reading: make(chan bool)}
	served := &servedBody{open: body}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Range", "bytes=0-9,90000-99999")
	http.ServeContent(&deafWriter{httptest.NewRecorder(), body.reading}, r, "", time.Time{}, served)
	served.close()
	if _, err := served.Read(make([]byte, 1)); err != fs.ErrClosed {
		t.Errorf("a read after the end: %v", err)
	}
	if _, err := served.Seek(0, io.SeekStart); err != fs.ErrClosed {
		t.Errorf("a seek after the end: %v", err)
	}
}

// closingBody is a body that must not be closed while it is read. It says so when its second part is.
type closingBody struct {
	*io.SectionReader
	reading chan bool
	said    bool
	closed  bool
}

func (b *closingBody) Read(p []byte) (int, error) {
	if at, _ := b.Seek(0, io.SeekCurrent); at >= 90_000 && !b.said {
		b.said = true
		close(b.reading)
		for range 1000 {
			runtime.Gosched() // the caller hangs up
		}
	}
	if b.closed {
		panic("it is closed")
	}
	return b.SectionReader.Read(p)
}

func (b *closingBody) Close() error {
	b.closed = true
	return nil
}

// deafWriter fails as soon as a second part is read.
type deafWriter struct {
	http.ResponseWriter
	reading chan bool
}

func (w *deafWriter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("bytes 90000-")) {
		<-w.reading
		return 0, io.ErrClosedPipe
	}
	return w.ResponseWriter.Write(p)
}

// Ranges of other units are ignored; those that make no sense, and conditions that do not hold, are problems.
func TestConditionsOfAResult(t *testing.T) {
	h := newHouse(t)
	id := h.submit("/ok?type=text/plain&body=0123456789")
	h.want(200, h.get("/futures/"+id+"?wait=20s"))
	path := "/futures/" + id + "/result"
	if r := h.want(200, h.get(path, "Range: lines=1-2")); r.body != "0123456789" {
		t.Errorf("lines of it: %s", r.body)
	}
	r := h.wantProblem(416, "range-not-satisfiable", h.get(path, "Range: bytes=5-2"))
	if got := r.header.Get("Content-Range"); got != "bytes */10" {
		t.Errorf("Content-Range: %s", got)
	}
	h.wantProblem(412, "precondition-failed", h.get(path, `If-Match: "other"`))
	h.want(200, h.get(path, "If-Match: "+h.get(path).header.Get("ETag")))
}
