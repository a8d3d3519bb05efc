package server

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func compact(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The expressions nest, in the body as in the kernel; the answer lists the leaves flat, decided ones in their order.
func TestNestedExpressionsAreDecidedAsWritten(t *testing.T) {
	h := newHouse(t)
	h.want(201, h.post("/futures", `{"kind":"promise","id":"p"}`))
	held := h.background(1, "POST", "/wait", `{"timeout":"20s","results":"state","for":
		{"all":[{"any":["event:a",{"all":["event:b","event:c"]}]},{"settled":"future:p"},{"event":"d","times":2}]}}`)
	h.want(200, h.post("/events/c/set", ""))
	h.want(200, h.post("/events/d/pulse", ""))
	h.want(200, h.post("/futures/p/reject", `{"message":"no"}`))
	h.want(200, h.post("/events/b/set", ""))
	if r := h.want(200, h.post("/events/d/pulse", "")); r.at("woken") != 1.0 {
		t.Errorf("woken %v", r.at("woken"))
	}
	r := h.want(200, <-held)
	var order []string
	for _, l := range r.at("done").([]any) {
		leaf := l.(map[string]any)
		order = append(order, leaf["ref"].(string)+" "+leaf["outcome"].(string))
	}
	want := "event:c satisfied, future:p failed, event:b satisfied, event:d satisfied"
	if got := strings.Join(order, ", "); got != want || r.text("outcome") != "satisfied" {
		t.Errorf("%s: %s\nwant %s", r.text("outcome"), got, want)
	}
	if r.count("pending") != 1 || r.text("pending.0.ref") != "event:a" {
		t.Errorf("pending: %v", r.at("pending"))
	}
}

// The three amounts that an answer may show of each leaf.
func TestResultsSaysHowMuchIsShown(t *testing.T) {
	h := newHouse(t)
	h.want(200, h.post("/events/a/set", "x"))
	h.want(201, h.post("/futures", `{"kind":"promise","id":"p"}`))
	h.want(200, h.post("/futures/p/resolve", `{"value":[1]}`))
	for results, want := range map[string]string{
		"none":  `["at","outcome","ref"] ["at","outcome","ref"] ["at","outcome","ref"]`,
		"state": `["at","outcome","ref"] ["at","generation","outcome","ref"] ["at","outcome","ref","state"]`,
		"full":  `["at","outcome","ref"] ["at","event","outcome","ref"] ["at","future","outcome","ref"]`,
		"":      `["at","outcome","ref"] ["at","event","outcome","ref"] ["at","future","outcome","ref"]`,
	} {
		body := `{"for":{"all":["event:a","future:p","until:2001-01-01T00:00:00Z"]},"results":"` + results + `"}`
		if results == "" {
			body = strings.Replace(body, `,"results":""`, "", 1)
		}
		r := h.want(200, h.post("/wait", body))
		var shown []string
		for _, l := range r.at("done").([]any) {
			var names []string
			for _, name := range []string{"at", "event", "future", "generation", "outcome", "ref", "state"} {
				if _, ok := l.(map[string]any)[name]; ok {
					names = append(names, name)
				}
			}
			shown = append(shown, compact(t, names))
		}
		if got := strings.Join(shown, " "); got != want {
			t.Errorf("results %q shows %s\nwant %s", results, got, want)
		}
	}
	h.wantProblem(400, "invalid-request", h.get("/wait?all=a&results=some"))
	h.wantProblem(400, "invalid-request", h.get("/wait?all=a&cancel_rest=maybe"))
}

// The GET form is the same wait: bare names, prefixed ones, ids, times, lists given twice.
func TestTheQueryFormSaysTheSameAsTheBody(t *testing.T) {
	h := newHouse(t)
	id := h.submit("/hang")
	h.want(200, h.post("/events/build:42/set", ""))
	r := h.want(202, h.get("/wait?at_least=2&of=event:build:42,"+id+"&of=sleep:1h&timeout=0"))
	refs := r.text("done.0.ref") + " " + r.text("pending.0.ref") + " " + r.text("pending.1.ref")
	if refs != "event:build:42 "+id+" sleep:1h0m0s" {
		t.Errorf("refs %s", refs)
	}
	held := h.background(1, "GET", "/wait?any="+id+"&any=sleep:1h&results=none", "", "Prefer: wait=20")
	h.targets.release(id)
	if r := h.want(200, <-held); r.header.Get("Preference-Applied") != "wait=20" || r.text("done.0.ref") != id {
		t.Errorf("answer: %v %s", r.header, r.body)
	}
}

// A sleep is a wait that needs nothing, and a moment that has passed is reached.
func TestSleepsAndMomentsAreReached(t *testing.T) {
	h := newHouse(t)
	h.want(200, h.get("/wait?all=sleep:1ms,until:2001-01-01T00:00:00Z"))
	h.want(200, h.post("/wait", `{"for":{"sleep":0.001}}`))
	soon := api.TimeOf(time.Now().Add(5 * time.Millisecond)).String()
	h.want(200, h.post("/wait", `{"for":"until:`+soon+`"}`))
}

// From the decision of a wait to its written answer: what operators watch, counted only for who slept.
func TestAWokenAnswerIsMeasured(t *testing.T) {
	h := newHouse(t)
	h.want(200, h.post("/events/a/set", ""))
	h.want(200, h.get("/wait?all=a"))
	if n := h.wakes(); n != 0 {
		t.Errorf("%d wakes before anybody slept", n)
	}
	id := h.submit("/hang")
	for n, path := range []string{"/wait?all=b", "/events/b?wait=20s&after=1", "/futures/" + id + "?wait=20s"} {
		held := h.background(1, "GET", path, "")
		if n < 2 {
			h.want(200, h.post("/events/b/set", ""))
		} else {
			h.targets.release(id)
		}
		h.want(200, <-held)
		for h.wakes() != uint64(n+1) { // counted once the handler has ended
			h.parked(0)
		}
	}
}

// wakes is how many woken answers were measured.
func (h *house) wakes() uint64 {
	h.t.Helper()
	families, err := h.registry.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "awaitd_wake_seconds" {
			return f.GetMetric()[0].GetHistogram().GetSampleCount()
		}
	}
	h.t.Fatal("no awaitd_wake_seconds")
	return 0
}

// At drain everybody who is held is answered at once with what there is, new work is refused, reads go on.
func TestADrainAnswersEverybodyAtOnce(t *testing.T) {
	h := newHouse(t)
	id := h.submit("/hang")
	h.want(200, h.get("/readyz"))
	var held []<-chan reply
	for i, path := range []string{
		"/futures/" + id + "?wait=50s", "/futures/" + id + "/result?wait=50s", "/events/a?wait=50s", "/wait?all=a," + id,
	} {
		held = append(held, h.background(i+1, "GET", path, ""))
	}
	held = append(held, h.background(5, "POST", "/fetch?wait=50s", `{"url":"https://target.test/hang"}`))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := h.kernel.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	for _, answer := range held {
		if r := h.want(202, <-answer); r.header.Get("Retry-After") == "" {
			t.Errorf("no Retry-After: %s", r.body)
		}
	}
	for _, path := range []string{"/fetch", "/fetch/batch", "/futures"} {
		r := h.wantProblem(503, "draining", h.post(path, creators[path]))
		if r.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
	h.wantProblem(503, "draining", h.get("/readyz"))
	h.want(200, h.get("/healthz"))
	h.want(202, h.get("/futures/"+id+"?wait=50s"))
	h.want(202, h.get("/wait?all=a"))
	h.targets.release(id)
	for h.get("/futures/"+id).status != 200 {
	}
}

// Who waits shows in /loop and in the metrics, with what for.
func TestWhoWaitsIsShown(t *testing.T) {
	h := newHouse(t)
	held := h.background(1, "GET", "/wait?all=a,b", "")
	h.want(200, h.post("/events/a/set", ""))
	r := h.want(200, h.get("/loop"))
	if got := compact(t, r.at("waits.0.for")); got != `{"all":["event:a","event:b"]}` || r.at("waits.0.done") != 1.0 ||
		r.at("waits.0.pending") != 1.0 || r.at("waiters") != 1.0 {
		t.Errorf("waits: %v", r.at("waits"))
	}
	if err := testutil.GatherAndCompare(h.registry, strings.NewReader(
		"# HELP awaitd_waiters Callers held until a wait is decided.\n# TYPE awaitd_waiters gauge\nawaitd_waiters 1\n",
	), "awaitd_waiters"); err != nil {
		t.Error(err)
	}
	h.want(200, h.post("/events/b/set", ""))
	h.want(200, <-held)
}
