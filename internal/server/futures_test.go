package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/record"
)

// Who has the version gets none of it again; who waits gets the next one.
func TestIfNoneMatchSparesWhatTheCallerHas(t *testing.T) {
	h := newHouse(t)
	id := h.submit("/hang")
	h.started(1)
	path := "/futures/" + id
	etag := h.want(202, h.get(path)).header.Get("ETag")
	for _, match := range []string{etag, "W/" + etag, `"x", ` + etag, "*"} {
		if r := h.want(304, h.get(path, "If-None-Match: "+match)); r.header.Get("ETag") != etag || r.body != "" {
			t.Errorf("%s: ETag %s, body %q", match, r.header.Get("ETag"), r.body)
		}
		h.want(304, h.get(path+"/result", "If-None-Match: "+match))
		h.want(304, h.get(path+"?wait=1ms", "If-None-Match: "+match))
	}
	h.want(202, h.get(path, `If-None-Match: "999"`))
	waiting := h.background(1, "GET", path+"?wait=20s", "", "If-None-Match: "+etag)
	h.targets.release(id)
	r := h.want(200, <-waiting)
	h.want(304, h.get(path, "If-None-Match: "+r.header.Get("ETag")))
	h.want(304, h.get(path+"/result", "If-None-Match: "+r.header.Get("ETag")))
}

// The rules of RFC 7240 for the two preferences that are known here.
func TestPreferIsReadAsTheRFCSays(t *testing.T) {
	const none = time.Duration(-1)
	for _, c := range []struct {
		prefer []string
		async  bool
		wait   time.Duration
	}{
		{nil, false, none},
		{[]string{"wait=5"}, false, 5 * time.Second},
		{[]string{`WAIT = "5"`}, false, 5 * time.Second},
		{[]string{"wait=5, wait=9"}, false, 5 * time.Second},
		{[]string{"return=minimal; x=y, wait=7;z"}, false, 7 * time.Second},
		{[]string{"respond-async, wait=10"}, true, 10 * time.Second},
		{[]string{"handling=lenient", "Respond-Async"}, true, none},
		{[]string{`note="a, wait=3, \", respond-async"`}, false, none},
		{[]string{"wait=-1"}, false, none},
		{[]string{"wait=1.5"}, false, none},
		{[]string{"wait=soon, wait=4"}, false, 4 * time.Second},
		{[]string{"wait"}, false, none},
		{[]string{"wait=0"}, false, 0},
		{[]string{"wait=99999999999999999999"}, false, 1 << 31 * time.Second},
		{[]string{",,;=,"}, false, none},
	} {
		async, wait := preferences(c.prefer)
		got := none
		if wait != nil {
			got = *wait
		}
		if async != c.async || got != c.wait {
			t.Errorf("%q: async %v, wait %v; want %v, %v", c.prefer, async, got, c.async, c.wait)
		}
	}
}

// What is asked for in the query wins over Prefer, respond-async over both, and the server's bound over all.
func TestPatienceWeighsQueryAgainstPrefer(t *testing.T) {
	s := &Server{Options: Options{WaitMax: 10 * time.Second}}
	for _, c := range []struct {
		query, prefer string
		want          patience
	}{
		{"", "", patience{}},
		{"?wait=3s", "", patience{hold: 3 * time.Second}},
		{"?wait=1.5", "", patience{hold: 1500 * time.Millisecond}},
		{"?wait=3s", "wait=5", patience{hold: 3 * time.Second}},
		{"?wait=60s", "", patience{hold: 10 * time.Second}},
		{"", "wait=5", patience{5 * time.Second, "wait=5"}},
		{"", "wait=500", patience{10 * time.Second, "wait=10"}},
		{"?wait=3s", "respond-async", patience{applied: "respond-async"}},
		{"", "wait=5, respond-async", patience{applied: "respond-async"}},
	} {
		r := httptest.NewRequest("GET", "/futures/p"+c.query, nil)
		r.Header.Set("Prefer", c.prefer)
		r.Form = r.URL.Query()
		if got, err := s.patience(r); err != nil || got != c.want {
			t.Errorf("%s, Prefer %q: %+v, %v; want %+v", c.query, c.prefer, got, err, c.want)
		}
	}
}

// A wish above the server's bound is clipped, and the caller is told to what.
func TestALongWaitIsClippedNotRefused(t *testing.T) {
	h := newHouse(t, plans{options: func(o *Options) { o.WaitMax = time.Millisecond }})
	h.want(201, h.post("/futures", `{"kind":"promise","id":"p"}`))
	r := h.want(202, h.get("/futures/p", "Prefer: wait=3600"))
	if r.header.Get("Preference-Applied") != "wait=0" || r.header.Get("Retry-After") == "" {
		t.Errorf("headers: %v", r.header)
	}
	h.want(202, h.get("/futures/p?wait=1h"))
	h.want(202, h.get("/events/a?wait=1h"))
	h.want(202, h.get("/events/a", "Prefer: wait=3600"))
	h.want(202, h.get("/wait?all=a&timeout=1h"))
	h.want(202, h.get("/wait?all=a"))
	h.want(202, h.post("/wait", `{"for":"event:a"}`, "Prefer: respond-async"))
	h.want(202, h.get("/futures/p/result?wait=1h"))
}

// A caller that leaves frees its place, whatever it was held at. Nothing else would show it: the server has nobody to
// answer.
func TestACallerThatLeavesIsNotHeldAnyMore(t *testing.T) {
	h := newHouse(t)
	h.want(201, h.post("/futures", `{"kind":"promise","id":"p"}`))
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/futures/p?wait=20s", ""},
		{"GET", "/futures/p/result?wait=20s", ""},
		{"GET", "/events/a?wait=20s", ""},
		{"GET", "/wait?all=a&timeout=20s", ""},
		{"POST", "/wait", `{"for":{"all":["event:a","future:p"]},"timeout":"20s"}`},
		{"POST", "/fetch?wait=20s", `{"url":"https://target.test/hang"}`},
	} {
		ctx, leave := context.WithCancel(context.Background())
		left := make(chan error, 1)
		go func() {
			_, err := h.send(ctx, h.plain, c.method, c.path, c.body)
			left <- err
		}()
		h.parked(1)
		leave()
		if err := <-left; err == nil {
			t.Errorf("%s %s: it was answered", c.method, c.path)
		}
		h.parked(0)
	}
	for !strings.Contains(h.log.String(), `route="POST /wait" status=499`) { // it is logged once the handler has ended
		h.parked(0)
	}
	if strings.Contains(h.log.String(), "level=ERROR") {
		t.Errorf("the log blames somebody:\n%s", h.log)
	}
}

// A list is walked page by page: everything once, newest first, whatever the size of a page.
func TestAListIsWalkedToItsEndInPages(t *testing.T) {
	h := newHouse(t)
	for i := range 25 {
		h.want(201, h.post("/futures", fmt.Sprintf(`{"kind":"promise","id":"p%02d","labels":{"half":"%d"}}`, i, i%2)))
	}
	walk := func(path string) (ids []string, pages int) {
		for path != "" {
			r := h.want(200, h.get(path))
			for _, f := range r.at("futures").([]any) {
				ids = append(ids, f.(map[string]any)["id"].(string))
			}
			pages++
			path, _, _ = strings.Cut(strings.TrimPrefix(r.header.Get("Link"), "<"), ">")
			if (path == "") != (r.at("next_cursor") == nil) {
				t.Errorf("Link and next_cursor disagree: %q, %v", path, r.at("next_cursor"))
			}
		}
		return ids, pages
	}
	var want []string
	for i := 24; i >= 0; i-- {
		want = append(want, fmt.Sprintf("p%02d", i))
	}
	if got, pages := walk("/futures?limit=10&kind=promise"); !slices.Equal(got, want) || pages != 3 {
		t.Errorf("%d pages: %v", pages, got)
	}
	if got, _ := walk("/futures?limit=1"); !slices.Equal(got, want) {
		t.Errorf("one by one: %v", got)
	}
	got, _ := walk("/futures?label=half:1&limit=5&state=pending")
	if len(got) != 12 || got[0] != "p23" || got[11] != "p01" {
		t.Errorf("by label: %v", got)
	}
	for _, query := range []string{
		"state=gone", "kind=thing", "label=half", "label=%20:a", "cursor=%25",
		"label=" + strings.Repeat("a:b&label=", 70) + "a:b",
	} {
		h.wantProblem(400, "invalid-request", h.get("/futures?"+query))
	}
	h.wantProblem(400, "invalid-request", h.get("/events?prefix=a%20b"))
	h.wantProblem(400, "invalid-request", h.get("/events?cursor=%25"))
}

// The rules of each kind: what belongs to another is refused, and a chosen id is kept to its grammar.
func TestCreatingAFutureKeepsTheRulesOfItsKind(t *testing.T) {
	h := newHouse(t)
	for body, pointer := range map[string]string{
		`{"kind":"fetch"}`:                                          "/kind",
		`{"kind":"promise","after":"1s"}`:                           "/after",
		`{"kind":"promise","id":"fut_abc"}`:                         "/id",
		`{"kind":"promise","id":"a b"}`:                             "/id",
		`{"kind":"timer","after":"1s","at":"2030-01-01T00:00:00Z"}`: "/after",
		`{"kind":"timer","after":"1s","id":"a"}`:                    "/id",
		`{"kind":"timer","after":"1s","timeout":"1s"}`:              "/timeout",
		`{"kind":"promise","labels":{"a b":"c"}}`:                   "/labels/a b",
	} {
		r := h.wantProblem(400, "invalid-request", h.post("/futures", body))
		if got := r.text("errors.0.pointer"); got != pointer {
			t.Errorf("%s: pointer %q, want %q", body, got, pointer)
		}
	}
	h.wantNothing()
	r := h.want(201, h.post("/futures", `{"kind":"timer","at":"2001-01-01T00:00:00Z"}`))
	if r := h.want(200, h.get("/futures/"+r.text("id")+"?wait=20s")); r.text("state") != "succeeded" {
		t.Errorf("a timer for a moment that has passed: %s", r.body)
	}
	id := "a" + strings.Repeat("b", api.PromiseIDBytesMax-1)
	r = h.want(201, h.post("/futures", `{"kind":"promise","id":"`+id+`","timeout":"1ms"}`))
	if r := h.want(200, h.get(r.text("links.self")+"?wait=20s")); r.text("state") != "failed" {
		t.Errorf("a promise that nobody kept: %s", r.body)
	}
}

// Who wants nothing kept finds nothing, shortly after.
func TestATTLOfZeroKeepsAFutureForTheShortestTime(t *testing.T) {
	h := newHouse(t)
	h.want(201, h.post("/futures", `{"kind":"promise","id":"p","ttl":0}`))
	h.want(200, h.post("/futures/p/resolve", `{"value":1}`))
	for h.get("/futures/p").status != 404 {
	}
}

// A value may be anything that JSON has, as deep as a reader can be asked to go, and comes back as it was given.
func TestAPromiseTakesAnyJSONValueOfModestDepth(t *testing.T) {
	h := newHouse(t)
	for i, value := range []string{`null`, `false`, `"ü\u0000"`, `-1.50e+3`, `[]`, `{"a":{"b":[1,2]}}`} {
		id := fmt.Sprint("p", i)
		h.want(201, h.post("/futures", `{"kind":"promise","id":"`+id+`"}`))
		h.want(200, h.post("/futures/"+id+"/resolve", `{"value":`+value+`}`))
		if got := h.want(200, h.get("/futures/"+id+"/result")).body; got != value {
			t.Errorf("resolved with %s, result %s", value, got)
		}
	}
	h.want(201, h.post("/futures", `{"kind":"promise","id":"deep"}`))
	nested := func(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }
	h.wantProblem(400, "invalid-request", h.post("/futures/deep/resolve", `{"value":`+nested(depthMax+1)+`}`))
	h.want(200, h.post("/futures/deep/resolve", `{"value":`+nested(depthMax)+`}`))
	h.want(200, h.get("/wait?all=future:deep"))
	h.wantProblem(400, "invalid-request", h.post("/futures/deep/resolve", `{}`))
}

// hasty are bodies whose future is deleted just before they are opened, as another caller may do.
type hasty struct{ h *house }

func (b hasty) OpenBody(body record.Body) (io.ReadSeekCloser, error) {
	page, _, err := b.h.kernel.Futures(context.Background(), record.FutureQuery{Limit: 1})
	if err != nil {
		return nil, err
	}
	for _, f := range page {
		if err := b.h.kernel.Delete(context.Background(), f.ID); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("it is gone")
}

// A future may be forgotten between the look at it and that at its body, which lies in a file. Whoever asked for it is
// told so, however it was asked for.
func TestAFutureForgottenMeanwhileIsUnknown(t *testing.T) {
	bodies := &hasty{}
	h := newHouse(t, plans{bodies: bodies})
	bodies.h = h
	for i, ask := range []func(id string) reply{
		func(id string) reply { return h.get("/futures/" + id) },
		func(id string) reply { return h.get("/futures/" + id + "?wait=1s") },
		func(id string) reply { return h.get("/futures/" + id + "/result") },
		func(id string) reply { return h.post("/futures/"+id+"/cancel", "") },
		func(id string) reply { return h.post("/futures/"+id+"/resolve", `{"value":1}`) },
	} {
		id := h.submit("/hang")
		h.started(i + 1)
		h.targets.answer(id, func(job fetch.Job) *record.Outcome {
			return h.targets.succeeded(job, 200, "text/plain", strings.Repeat("x", 100_000))
		})
		h.want(200, h.get("/wait?results=none&all="+id))
		h.wantProblem(404, "unknown-future", ask(id))
	}
}

// A refusal carries the future as it was when it stood in the way. Looked at afterwards it might be settled, or gone,
// and the refusal would contradict itself.
func TestARefusalCarriesTheFutureAsItStoodInTheWay(t *testing.T) {
	h := newHouse(t)
	h.want(201, h.post("/futures", `{"kind":"promise","id":"p"}`))
	refused := h.kernel.Delete(t.Context(), "p")
	h.want(200, h.post("/futures/p/resolve", `{"value":1}`))
	p := h.server.problem(t.Context(), refused)
	if p.Code != api.CodeNotSettled || p.Future == nil || p.Future.State != api.StatePending {
		t.Errorf("problem %+v", p)
	}
}
