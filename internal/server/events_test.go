package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/awaitd/awaitd/internal/await"
	"github.com/google/go-cmp/cmp"
)

// The name in a path is decoded once: what net/http leaves escaped is unescaped, and nothing twice.
func TestANameInThePathIsDecodedOnce(t *testing.T) {
	h := newHouse(t)
	for path, name := range map[string]string{
		"build%2F42":             "build/42",
		"build%2f42%2Fdone":      "build/42/done",
		"%62uild%2F42":           "build/42",
		"a:b.c-d_e":              "a:b.c-d_e",
		"a%3Ab":                  "a:b",
		strings.Repeat("n", 200): strings.Repeat("n", 200),
	} {
		r := h.want(200, h.post("/events/"+path+"/set", ""))
		if got := r.text("name"); got != name {
			t.Errorf("%s is the event %q, want %q", path, got, name)
		}
		if r := h.want(200, h.get(r.text("links.self"))); r.text("name") != name {
			t.Errorf("the link of %q leads to %q", name, r.text("name"))
		}
	}
	for _, path := range []string{"a%252Fb", "a%20b", "a+b", "%C3%BC", "a%00", strings.Repeat("n", 201)} {
		r := h.wantProblem(400, "invalid-request", h.get("/events/"+path))
		if got := r.text("errors.0.parameter"); got != "name" {
			t.Errorf("%s: parameter %q", path, got)
		}
		h.wantProblem(400, "invalid-request", h.post("/events/"+path+"/set", ""))
		h.wantProblem(400, "invalid-request", h.post("/events/"+path+"/pulse", ""))
		h.wantProblem(400, "invalid-request", h.post("/events/"+path+"/clear", ""))
		h.wantProblem(400, "invalid-request", h.do("DELETE", "/events/"+path, ""))
	}
}

// Whatever a webhook sends becomes the payload; of a CloudEvent, its data does.
func TestAnyBodyBecomesThePayload(t *testing.T) {
	h := newHouse(t)
	const ce = `{"specversion":"1.0","id":"1","source":"/ci","type":"done","extension":7`
	const structured = "application/cloudevents+json; charset=utf-8"
	for _, c := range []struct{ contentType, body, want string }{
		{"application/json", `{"sha":"1f3c"}`, `{"content_type":"application/json","json":{"sha":"1f3c"}}`},
		{"text/plain", "done", `{"content_type":"text/plain","text":"done"}`},
		{"", "done", `{"content_type":"","text":"done"}`},
		{"image/png", "\x89PNG", `{"base64":"iVBORw==","content_type":"image/png"}`},
		{"application/json", `{"a":`, `{"content_type":"application/json","text":"{\"a\":"}`},
		{"text/plain", "", `null`},
		{structured, ce + `,"data":{"sha":1}}`, `{"content_type":"application/json","json":{"sha":1}}`},
		{
			structured, ce + `,"data":"x","datacontenttype":"application/json"}`,
			`{"content_type":"application/json","json":"x"}`,
		},
		{structured, ce + `,"data":"<a/>","datacontenttype":"text/xml"}`, `{"content_type":"text/xml","text":"<a/>"}`},
		{structured, ce + `,"data":[1],"datacontenttype":"text/xml"}`, `{"content_type":"text/xml","text":"[1]"}`},
		{
			structured, ce + `,"data_base64":"iVBORw==","datacontenttype":"image/png"}`,
			`{"base64":"iVBORw==","content_type":"image/png"}`,
		},
		{structured, ce + `,"data":null}`, `{"content_type":"application/json","json":null}`},
		{structured, ce + `}`, `null`},
	} {
		r := h.want(200, h.post("/events/e/set", c.body, "Content-Type: ", "Content-Type: "+c.contentType))
		if d := cmp.Diff(c.want, compact(t, r.at("payload"))); d != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.contentType, c.body, d)
		}
	}
	// In binary mode the attributes are headers and the body is the data.
	r := h.want(200, h.post("/events/e/pulse", `{"sha":2}`,
		"Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Type: done", "Ce-Source: /ci"))
	if got := compact(t, r.at("payload")); got != `{"content_type":"application/json","json":{"sha":2}}` {
		t.Errorf("binary: %s", got)
	}
}

// What calls itself a CloudEvent and is none is refused; the event is not set.
func TestABrokenCloudEventIsRefusedAndSetsNothing(t *testing.T) {
	h := newHouse(t)
	const rest = `"id":"1","source":"/ci","type":"done"`
	for body, pointer := range map[string]string{
		`[]`:                                 "",
		`{"specversion":"1.0",` + rest:       "",
		`{"specversion":"0.3",` + rest + `}`: "/specversion",
		`{"specversion":1.0,` + rest + `}`:   "",
		`{"specversion":"1.0","id":"1"}`:     "",
		`{"specversion":"1.0",` + rest + `,"data":1,"data_base64":""}`: "/data_base64",
		`{"specversion":"1.0",` + rest + `,"data_base64":"!"}`:         "/data_base64",
	} {
		r := h.wantProblem(400, "invalid-request",
			h.post("/events/e/set", body, "Content-Type: ", "Content-Type: application/cloudevents+json"))
		if got := r.text("errors.0.pointer"); got != pointer {
			t.Errorf("%s: pointer %q, want %q", body, got, pointer)
		}
	}
	h.wantNothing()
}

// A forgotten event starts again at version 1, so the version alone would say "unchanged" of another payload.
func TestTheETagOfAnEventSurvivesItsForgetting(t *testing.T) {
	h := newHouse(t)
	h.want(200, h.post("/events/e/set", "one"))
	first := h.want(200, h.get("/events/e")).header.Get("ETag")
	h.want(304, h.get("/events/e", "If-None-Match: "+first))
	h.want(304, h.get("/events/e?wait=20s", "If-None-Match: "+first))
	h.want(204, h.do("DELETE", "/events/e", ""))
	h.want(202, h.get("/events/e", "If-None-Match: "+first))
	h.want(202, h.get("/events/e?wait=5ms")) // the next set has another millisecond
	h.want(200, h.post("/events/e/set", "two"))
	if r := h.want(200, h.get("/events/e", "If-None-Match: "+first)); r.text("payload.text") != "two" {
		t.Errorf("payload %v", r.at("payload"))
	}
	h.want(204, h.do("DELETE", "/events/never-set", ""))
}

// A flag with a ttl falls by itself; who waited was woken.
func TestASetWithATTLIsClearedAgain(t *testing.T) {
	h := newHouse(t)
	held := h.background(1, "GET", "/events/e?wait=20s", "")
	r := h.want(200, h.post("/events/e/set?ttl=1ms", ""))
	if r.text("expires_at") == "" || r.at("woken") != 1.0 {
		t.Errorf("set: %s", r.body)
	}
	h.want(200, <-held)
	for h.get("/events/e").status != 202 {
	}
	if r := h.want(200, h.get("/events/e?after=0")); r.at("set") != false || r.at("generation") != 1.0 {
		t.Errorf("after: %s", r.body)
	}
}

// One set wakes everybody who waits, and says how many.
func TestOneSetWakesEverybody(t *testing.T) {
	h := newHouse(t)
	const callers = 200
	held := make([]<-chan reply, callers)
	for i := range held {
		held[i] = h.background(i+1, "GET", "/events/go?wait=20s", "")
	}
	if r := h.want(200, h.post("/events/go/set", "!")); r.at("woken") != float64(callers) {
		t.Errorf("woken %v, want %d", r.at("woken"), callers)
	}
	for _, answer := range held {
		if r := h.want(200, <-answer); r.text("payload.text") != "!" {
			t.Errorf("answer: %s", r.body)
		}
	}
}

// As many events as the server remembers, and one more.
func TestTooManyEventsIs429AndSetsNothing(t *testing.T) {
	h := newHouse(t, plans{limits: func(l *await.Limits) { l.EventsMax = 2 }})
	h.want(200, h.post("/events/a/set", ""))
	h.want(200, h.post("/events/b/pulse", ""))
	for _, path := range []string{"/events/c/set", "/events/c/pulse"} {
		r := h.wantProblem(429, "too-many-events", h.post(path, ""))
		if r.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
	h.wantProblem(429, "too-many-events", h.get("/wait?all=a,b,c"))
	h.wantProblem(429, "too-many-events", h.get("/events/c?wait=20s"))
	h.want(200, h.post("/events/a/set", ""))
	if got := h.get("/events").count("events"); got != 2 {
		t.Errorf("%d events, want 2", got)
	}
}

// Events are listed by name, in pages, with a prefix.
func TestEventsAreListedByNameInPages(t *testing.T) {
	h := newHouse(t)
	for i := range 7 {
		h.want(200, h.post(fmt.Sprintf("/events/b%%2F%d/set", i), ""))
	}
	h.want(200, h.post("/events/a/set", ""))
	h.want(202, h.get("/events/never-set"))
	var names []string
	path := "/events?limit=3&prefix=b/"
	for path != "" {
		r := h.want(200, h.get(path))
		for _, e := range r.at("events").([]any) {
			names = append(names, e.(map[string]any)["name"].(string))
		}
		path, _, _ = strings.Cut(strings.TrimPrefix(r.header.Get("Link"), "<"), ">")
	}
	if got := strings.Join(names, " "); got != "b/0 b/1 b/2 b/3 b/4 b/5 b/6" {
		t.Errorf("names %s", got)
	}
	if got := h.get("/events").count("events"); got != 8 {
		t.Errorf("%d events, want 8", got)
	}
}

// What a body would ask for at clear is not done, so it is refused and not ignored. An empty object asks for nothing.
func TestClearTakesNoBody(t *testing.T) {
	h := newHouse(t)
	h.want(200, h.post("/events/a/set", "x"))
	h.wantProblem(400, "invalid-request", h.plainPost("/events/a/clear", `{"why":"because"}`))
	if r := h.want(200, h.get("/events/a")); r.at("set") != true {
		t.Error("it was cleared")
	}
	h.want(200, h.plainPost("/events/a/clear", ` {} `))
	h.want(202, h.get("/events/a"))
}

func (h *house) plainPost(path, body string) reply {
	h.t.Helper()
	r, err := h.send(h.t.Context(), h.plain, "POST", path, body)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// Who takes JSON as well as a stream gets JSON.
func TestAStreamIsForThoseWhoTakeNothingElse(t *testing.T) {
	h := newHouse(t)
	h.want(202, h.get("/events/a", "Accept: application/json, text/event-stream"))
	h.want(202, h.get("/events/a", "Accept: text/event-stream, */*;q=0.1"))
}
