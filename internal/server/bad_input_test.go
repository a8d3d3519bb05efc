package server

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/awaitd/awaitd/api"
)

// creators are the calls that take JSON and create or settle something, each with a body that would be taken.
var creators = map[string]string{
	"/fetch":             `{"url":"https://target.test/ok"}`,
	"/fetch/batch":       `{"fetches":[{"url":"https://target.test/ok"}]}`,
	"/futures":           `{"kind":"promise"}`,
	"/groups":            `{"lease":"1h"}`,
	"/futures/p/resolve": `{"value":1}`,
	"/futures/p/reject":  `{"message":"no"}`,
	"/wait":              `{"for":"event:a","timeout":0}`,
}

// Whoever sends half an object, two, or none gets told where reading stopped.
func TestMalformedJSONIsRefusedWithThePlaceAndCreatesNothing(t *testing.T) {
	h := newHouse(t)
	for path, good := range creators {
		for name, body := range map[string]string{
			"cut off":     good[:len(good)-1],
			"twice":       good + good,
			"a list":      "[" + good + "]",
			"not UTF-8":   strings.Replace(good, `":`, "\xff\":", 1),
			"a comment":   "/* hello */ " + good,
			"single word": "true",
		} {
			r := h.post(path, body, "Content-Type: application/json")
			if r.status != 400 || r.header.Get("Content-Type") != "application/problem+json" || r.count("errors") == 0 {
				t.Errorf("%s, %s: %d %s", path, name, r.status, r.body)
			}
		}
		h.wantProblem(400, "malformed-json", h.post(path, good[:len(good)-1]))
		if path == "/groups" {
			continue // it takes no body for an answer
		}
		r := h.wantProblem(400, "malformed-json", h.post(path, "", "Content-Type: application/json"))
		if !strings.Contains(r.text("detail"), "empty") {
			t.Errorf("%s: an empty body is called %q", path, r.text("detail"))
		}
	}
	h.wantNothing()
}

// The decoder of the standard library takes the last of two equal names, and "URL" for "url": checked and used values
// could differ.
func TestADuplicateKeyIsRefusedAndCreatesNothing(t *testing.T) {
	h := newHouse(t)
	r := h.wantProblem(400, "malformed-json",
		h.post("/fetch", `{"url":"https://target.test/ok","url":"https://target.test/other"}`))
	if got := r.text("errors.0.pointer"); got != "/url" {
		t.Errorf("pointer %q, want /url", got)
	}
	r = h.wantProblem(400, "invalid-request",
		h.post("/fetch", `{"url":"https://target.test/ok","URL":"https://target.test/other"}`))
	if got := r.text("errors.0.pointer"); got != "/URL" {
		t.Errorf("pointer %q, want /URL", got)
	}
	h.wantProblem(400, "malformed-json",
		h.post("/fetch", `{"url":"https://target.test/ok","headers":{"A":"1","A":"2"}}`))
	h.wantNothing()
}

// A typing error must not pass for a default.
func TestAnUnknownFieldIsRefusedByNameAndCreatesNothing(t *testing.T) {
	h := newHouse(t)
	for path, good := range creators {
		r := h.wantProblem(400, "invalid-request", h.post(path, `{"retires":1,`+good[1:]))
		if got := r.text("errors.0.pointer"); got != "/retires" {
			t.Errorf("%s: pointer %q, want /retires", path, got)
		}
	}
	r := h.wantProblem(400, "invalid-request",
		h.post("/fetch/batch", `{"fetches":[{"url":"https://target.test/ok","retry":{"max-attempts":1}}]}`))
	if got := r.text("errors.0.pointer"); got != "/fetches/0/retry/max-attempts" {
		t.Errorf("pointer %q", got)
	}
	h.wantNothing()
}

// An unknown parameter is refused as an unknown field is, and one given twice too.
func TestAnUnknownParameterIsRefusedByName(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{
		"/futures?sate=pending", "/futures?limit=1&limit=2", "/events?prefx=a", "/events/a?wiat=1s", "/wait?all=a&timeot=1s",
		"/loop?x=1", "/futures/p?timeout=1s", "/futures/p/result?wait=1s&wait=2s",
	} {
		r := h.wantProblem(400, "invalid-request", h.get(path))
		if r.text("errors.0.parameter") == "" {
			t.Errorf("%s: %s", path, r.body)
		}
	}
	h.want(200, h.get("/healthz?t=1")) // what needs no key takes no parameters, and is left in peace by probes
	h.wantProblem(400, "invalid-request", h.post("/fetch?ur=https://target.test/ok", ""))
	h.wantProblem(400, "invalid-request", h.post("/events/a/set?tll=1s", ""))
	h.wantProblem(400, "invalid-request", h.get("/futures?state=%zz"))
	h.wantProblem(400, "invalid-request", h.get("/wait?all=a;b"))
	h.wantNothing()
}

// Each wrong type is refused at its own place, all of them at once.
func TestWrongTypesAreRefusedEachWithItsPointerAndCreateNothing(t *testing.T) {
	h := newHouse(t)
	r := h.wantProblem(400, "invalid-request", h.post("/fetch", `{"url":7,"method":["GET"],"headers":"A: b","timeout":true,
		"retry":[],"accept_status":"2xx","max_redirects":"5","max_bytes":1.5,"labels":{"a":1},"redact":{},"ttl":null}`))
	want := []string{
		"/url", "/method", "/headers", "/timeout", "/retry", "/accept_status", "/max_redirects", "/max_bytes", "/labels/a",
		"/redact", "/ttl",
	}
	var got []string
	for i := range r.count("errors") {
		got = append(got, fmt.Sprint(r.at("errors").([]any)[i].(map[string]any)["pointer"]))
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("pointers %v\nwant     %v", got, want)
	}
	h.wantProblem(400, "invalid-request", h.post("/futures", `{"kind":"promise","id":7}`))
	h.wantProblem(400, "invalid-request", h.post("/wait", `{"for":7}`))
	h.wantNothing()
}

// A URL is judged by its spelling before anything is stored, and in a batch with the number of its fetch.
func TestABadURLIsRefusedAndCreatesNothing(t *testing.T) {
	h := newHouse(t)
	for _, url := range []string{
		"", "target.test/ok", "ftp://target.test/", "http:/target.test/", "https://", "https://user:pw@target.test/",
		"https://target.test/#part", "https://target.test/a b", `https://target.test\\evil/`, "https://0x7f.1/",
		"https://2130706433/", "https://127.1/", "https://target.test:0/", "https://target.test:99999/",
		"https://[fe80::1%25eth0]/", "https://tar_get..test/", "javascript:alert(1)",
		"https://target.test/" + strings.Repeat("a", 8192),
	} {
		r := h.post("/fetch", `{"url":"`+url+`"}`)
		h.wantProblem(400, "invalid-request", r)
		if got := r.text("errors.0.pointer"); got != "/url" {
			t.Errorf("%q: pointer %q, want /url", url, got)
		}
	}
	fetches := strings.Repeat(`{"url":"https://target.test/ok"},`, 17) + `{"url":"nonsense"}`
	r := h.wantProblem(400, "invalid-request", h.post("/fetch/batch", `{"fetches":[`+fetches+`]}`))
	if got := r.text("errors.0.pointer"); got != "/fetches/17/url" {
		t.Errorf("pointer %q, want /fetches/17/url", got)
	}
	r = h.wantProblem(400, "invalid-request", h.post("/fetch?url=nonsense", ""))
	if got := r.text("errors.0.parameter"); got != "url" {
		t.Errorf("parameter %q, want url", got)
	}
	h.wantProblem(400, "invalid-request", h.post("/fetch?url=", ""))
	h.wantProblem(400, "invalid-request", h.post("/fetch?url=https://target.test/ok", `{"url":"https://target.test/ok"}`))
	h.wantNothing()
}

// A body beyond its bound is refused, whether it says its length or not, and the connection is not read to its end.
func TestAnOversizedBodyIsRefusedAndCreatesNothing(t *testing.T) {
	h := newHouse(t)
	padding := strings.Repeat(" ", SubmitBytesMax)
	for path, good := range creators {
		pad := padding
		if path == "/fetch/batch" {
			pad = strings.Repeat(" ", BatchBytesMax)
		}
		r := h.wantProblem(413, "body-too-large", h.post(path, pad+good, "Content-Type: application/json"))
		if !r.closes {
			t.Errorf("%s: the connection is kept, and with it the rest of the body", path)
		}
	}
	h.wantProblem(413, "body-too-large", h.post("/events/a/set", strings.Repeat("x", api.PayloadBytesMax+1)))
	h.wantProblem(413, "body-too-large", h.post("/events/a/pulse", strings.Repeat("x", api.PayloadBytesMax+1)))
	h.wantNothing()

	// Chunked, the length shows only as it comes.
	chunks := io.MultiReader(strings.NewReader(padding), strings.NewReader("{}"))
	req, err := http.NewRequest("POST", h.url+"/fetch", chunks)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := h.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != 413 {
		t.Errorf("status %d, want 413", resp.StatusCode)
	}
	h.wantNothing()
}

// The bound itself is allowed.
func TestABodyOfExactlyTheBoundIsTaken(t *testing.T) {
	h := newHouse(t)
	r := h.want(200, h.post("/events/a/set", strings.Repeat("x", api.PayloadBytesMax)))
	if got := len(r.text("payload.text")); got != api.PayloadBytesMax {
		t.Errorf("payload has %d bytes", got)
	}
	good := `{"url":"https://target.test/ok"}`
	h.want(202, h.post("/fetch", strings.Repeat(" ", SubmitBytesMax-len(good))+good, "Content-Type: application/json"))
}

// Every verb on a future that does not exist says so and names it; an id that no future can have is a fault of its own.
func TestAnUnknownIDIs404AndAMalformedOneIs400(t *testing.T) {
	h := newHouse(t)
	const id = "fut_01JD8Q2V9GZ5W0M4T7R1X3K6BC"
	for _, c := range []struct{ method, path, body string }{
		{"GET", "", ""},
		{"GET", "?wait=1s", ""},
		{"GET", "/result", ""},
		{"GET", "/result?wait=1s", ""},
		{"POST", "/cancel", ""},
		{"POST", "/resolve", `{"value":1}`},
		{"POST", "/reject", `{"message":"no"}`},
		{"DELETE", "", ""},
	} {
		path, query, _ := strings.Cut(c.path, "?")
		for _, unknown := range []string{id, "a-promise:7"} {
			r := h.wantProblem(404, "unknown-future", h.do(c.method, "/futures/"+unknown+path+"?"+query, c.body))
			if !strings.Contains(r.text("detail"), unknown) {
				t.Errorf("%s %s: %q does not name the future", c.method, c.path, r.text("detail"))
			}
		}
		for _, bad := range []string{
			"fut_short", "a%20b", "a%2Fb", "fut_01jd8q2v9gz5w0m4t7r1x3k6bc", strings.Repeat("a", 129),
		} {
			r := h.wantProblem(400, "invalid-request", h.do(c.method, "/futures/"+bad+path+"?"+query, c.body))
			if got := r.text("errors.0.parameter"); got != "id" {
				t.Errorf("%s: parameter %q, want id", bad, got)
			}
		}
	}
	h.wantNothing()
}

// A promise settles once. Repeating what settled it is no error; anything else is, and shows the future.
func TestADoubleSettleWithAnotherOutcomeIs409WithTheFuture(t *testing.T) {
	h := newHouse(t)
	h.want(201, h.post("/futures", `{"kind":"promise","id":"p"}`))
	h.want(200, h.post("/futures/p/resolve", `{"value":{"a":[1,2]}}`))
	h.want(200, h.post("/futures/p/resolve", `{ "value" : { "a" : [ 1, 2 ] } }`))
	for path, body := range map[string]string{
		"/futures/p/resolve": `{"value":{"a":[2,1]}}`,
		"/futures/p/reject":  `{"message":"no"}`,
		"/futures/p/cancel":  ``,
	} {
		r := h.wantProblem(409, "already-settled", h.post(path, body))
		if r.text("future.state") != "succeeded" || r.text("future.id") != "p" {
			t.Errorf("%s: future %v", path, r.at("future"))
		}
	}
	h.want(201, h.post("/futures", `{"kind":"promise","id":"q"}`))
	h.want(200, h.post("/futures/q/reject", `{"message":"no"}`))
	h.want(200, h.post("/futures/q/reject", `{"message":"no","type":"rejected"}`))
	h.wantProblem(409, "already-settled", h.post("/futures/q/reject", `{"message":"never"}`))
	h.wantProblem(409, "already-settled", h.post("/futures/q/resolve", `{"value":null}`))
}

// A wait that names an unknown future does not begin, not even for the parts that are known.
func TestAWaitOnAnUnknownFutureIs404BeforeAnythingWaits(t *testing.T) {
	h := newHouse(t)
	r := h.wantProblem(404, "unknown-future",
		h.post("/wait", `{"for":{"any":["event:a","future:nobody"]},"timeout":"20s"}`))
	if !strings.Contains(r.text("detail"), "nobody") {
		t.Errorf("%q does not name the future", r.text("detail"))
	}
	h.wantProblem(404, "unknown-future", h.get("/wait?all=a,fut_01JD8Q2V9GZ5W0M4T7R1X3K6BC&timeout=20s"))
	if got := h.want(200, h.get("/loop")).at("events"); got != 0.0 {
		t.Errorf("%v names of events are held", got)
	}
	h.wantNothing()
}

// An empty list would never be decided, or always: nobody means it.
func TestAnEmptyListIsRefusedAndCreatesNothing(t *testing.T) {
	h := newHouse(t)
	for body, pointer := range map[string]string{
		`{"for":{"all":[]}}`:                      "/for/all",
		`{"for":{"any":[]}}`:                      "/for/any",
		`{"for":{"at_least":1,"of":[]}}`:          "/for/of",
		`{"for":{"any":["event:a",{"all":[]}]}}`:  "/for/any/1/all",
		`{"for":{"at_least":3,"of":["event:a"]}}`: "/for/at_least",
		`{"for":{"at_least":0,"of":["event:a"]}}`: "/for/at_least",
		`{"for":{"event":"a","all":["event:b"]}}`: "/for/all",
		`{"for":"evnt:a"}`:                        "/for",
		`{"for":{"event":"a b"}}`:                 "/for/event",
	} {
		r := h.wantProblem(400, "invalid-request", h.post("/wait", body))
		if got := r.text("errors.0.pointer"); got != pointer {
			t.Errorf("%s: pointer %q, want %q", body, got, pointer)
		}
	}
	for _, query := range []string{"", "?all=", "?any=", "?at_least=1", "?at_least=1&of=", "?all=a&any=b", "?of=a"} {
		h.wantProblem(400, "invalid-request", h.get("/wait"+query))
	}
	h.wantProblem(400, "invalid-request", h.post("/fetch/batch", `{"fetches":[]}`))
	h.wantNothing()
}

// Durations below zero, above their bound, or no durations at all.
func TestAbsurdDurationsAreRefusedWithTheirPointerAndCreateNothing(t *testing.T) {
	h := newHouse(t)
	fetch := func(field string) string { return `{"url":"https://target.test/ok",` + field + `}` }
	for _, c := range []struct{ path, body, pointer string }{
		{"/fetch", fetch(`"timeout":"-5s"`), "/timeout"},
		{"/fetch", fetch(`"timeout":0`), "/timeout"},
		{"/fetch", fetch(`"timeout":"16m"`), "/timeout"},
		{"/fetch", fetch(`"deadline":-1`), "/deadline"},
		{"/fetch", fetch(`"deadline":1e30`), "/deadline"},
		{"/fetch", fetch(`"deadline":"999999h"`), "/deadline"},
		{"/fetch", fetch(`"deadline":"2001-01-01T00:00:00Z"`), "/deadline"},
		{"/fetch", fetch(`"deadline":"2199-01-01T00:00:00Z"`), "/deadline"},
		{"/fetch", fetch(`"deadline":"1m","delay":"1h"`), "/deadline"},
		{"/fetch", fetch(`"deadline":"2030-01-01T00:00:00Z","not_before":"2030-01-02T00:00:00Z"`), "/deadline"},
		{"/fetch", fetch(`"delay":"a while"`), "/delay"},
		{"/fetch", fetch(`"delay":"292471209h"`), "/delay"},
		{"/fetch", fetch(`"not_before":"2199-01-01T00:00:00Z"`), "/not_before"},
		{"/fetch", fetch(`"not_before":"1969-12-31T00:00:00Z"`), "/not_before"},
		{"/fetch", fetch(`"delay":"1s","not_before":"2030-01-01T00:00:00Z"`), "/not_before"},
		{"/fetch", fetch(`"ttl":"-1h"`), "/ttl"},
		{"/fetch", fetch(`"retry":{"min_backoff":"0s"}`), "/retry/min_backoff"},
		{"/fetch", fetch(`"retry":{"min_backoff":"1h","max_backoff":"1s"}`), "/retry/max_backoff"},
		{"/fetch", fetch(`"retry":{"max_backoff":"25h"}`), "/retry/max_backoff"},
		{"/futures", `{"kind":"timer","after":"-1s"}`, "/after"},
		{"/futures", `{"kind":"timer","after":"99999999h"}`, "/after"},
		{"/futures", `{"kind":"timer","at":"2199-01-01T00:00:00Z"}`, "/at"},
		{"/futures", `{"kind":"timer"}`, "/after"},
		{"/futures", `{"kind":"promise","timeout":0}`, "/timeout"},
		{"/futures", `{"kind":"promise","group":"g"}`, "/group"},
		{"/fetch", `{"url":"https://target.test/ok","group":"grp_1"}`, "/group"},
		{"/groups", `{"lease":0}`, "/lease"},
		{"/groups", `{"deadline":"0s"}`, "/deadline"},
		{"/groups", `{"deadline":"2001-01-01T00:00:00Z"}`, "/deadline"},
		{"/groups", `{"deadline":"2199-01-01T00:00:00Z"}`, "/deadline"},
		{"/wait", `{"for":"sleep:-1s"}`, "/for"},
		{"/wait", `{"for":{"sleep":1e300}}`, "/for/sleep"},
		{"/wait", `{"for":"event:a","timeout":"-1s"}`, "/timeout"},
	} {
		r := h.post(c.path, c.body)
		h.wantProblem(400, "invalid-request", r)
		if got := r.text("errors.0.pointer"); got != c.pointer {
			t.Errorf("%s: pointer %q, want %q", c.body, got, c.pointer)
		}
	}
	for _, path := range []string{
		"/events/a?wait=-1s", "/events/a?wait=soon", "/events/a?wait=1e99", "/events/a?after=-1", "/events/a?after=1.5",
		"/wait?all=a&timeout=NaN", "/wait?all=sleep:-1s", "/futures?limit=0", "/futures?limit=1001", "/events?limit=x",
	} {
		h.wantProblem(400, "invalid-request", h.get(path))
	}
	h.wantProblem(400, "invalid-request", h.post("/fetch?wait=-1&url=https://target.test/ok", ""))
	h.wantProblem(400, "invalid-request", h.post("/events/a/set?ttl=0", ""))
	h.wantProblem(400, "invalid-request", h.post("/events/a/set?ttl=-1s", ""))
	h.wantProblem(400, "invalid-request", h.post("/wait", `{"for":{"any":["event:a","until:2199-01-01T00:00:00Z"]}}`))
	h.wantNothing()
}

// The bound on the size of an expression holds while it is read.
func TestTenThousandAndOneLeavesAreRefusedAndTenThousandAreNot(t *testing.T) {
	h := newHouse(t)
	wait := func(leaves int) string {
		return `{"for":{"any":["event:e"` + strings.Repeat(`,"event:e"`, leaves-1) + `]},"timeout":0,"results":"none"}`
	}
	h.wantProblem(400, "invalid-request", h.post("/wait", wait(10_001)))
	if got := h.want(202, h.post("/wait", wait(10_000))).count("pending"); got != 10_000 {
		t.Errorf("%d pending leaves", got)
	}
	deep := strings.Repeat(`{"settled":`, 17) + `"event:a"` + strings.Repeat("}", 17)
	h.wantProblem(400, "invalid-request", h.post("/wait", `{"for":`+deep+`}`))
	fetches := strings.Repeat(`{"url":"https://target.test/ok"},`, 10_000) + `{"url":"https://target.test/ok"}`
	h.wantProblem(400, "invalid-request", h.post("/fetch/batch", `{"fetches":[`+fetches+`]}`))
	h.wantNothing()
}

// What would end a header or begin another never reaches a connection, and neither do headers of the connection itself.
func TestHeaderInjectionIsRefusedAndCreatesNothing(t *testing.T) {
	h := newHouse(t)
	for _, headers := range []string{
		`{"X-A":"b\r\nX-B: c"}`, `{"X-A":"b\nX-B: c"}`, `{"X-A":"b\u0000"}`, `{"X-A: b\r\nX-B":"c"}`, `{"X A":"b"}`,
		`{"":"b"}`,
		`{"Host":"evil.test"}`, `{"content-length":"3"}`, `{"Transfer-Encoding":"chunked"}`, `{"Connection":"upgrade"}`,
		`{"Upgrade":"websocket"}`, `{"Proxy-Authorization":"x"}`, `{"TE":"trailers"}`, `{"Expect":"100-continue"}`,
		`{":path":"/"}`, `{"webhook-id":"1"}`, `{"Awaitd-Upstream-Status":"1"}`, `{"X-A":"1","x-a":"2"}`,
		`{"X-A":"` + strings.Repeat("b", 17<<10) + `"}`,
	} {
		r := h.wantProblem(400, "invalid-request", h.post("/fetch", `{"url":"https://target.test/ok","headers":`+headers+`}`))
		if got := r.text("errors.0.pointer"); !strings.HasPrefix(got, "/headers") {
			t.Errorf("%s: pointer %q", headers, got)
		}
	}
	h.wantProblem(400, "invalid-request", h.post("/fetch", `{"url":"https://target.test/ok","method":"GET / HTTP/1.1"}`))
	h.wantProblem(400, "invalid-request", h.post("/fetch", `{"url":"https://target.test/ok","method":"CONNECT"}`))
	h.wantProblem(400, "invalid-request", h.post("/fetch", `{"url":"https://target.test/ok","redact":["a b"]}`))
	h.wantNothing()
}

// A body where none is taken would be ignored, or worse: as long as it is not read, nobody notices that the caller
// left.
func TestABodyWhereNoneIsTakenIsRefused(t *testing.T) {
	h := newHouse(t)
	h.want(201, h.post("/futures", `{"kind":"promise","id":"p"}`))
	for _, c := range []struct{ method, path string }{
		{"GET", "/futures"},
		{"GET", "/futures/p?wait=20s"},
		{"GET", "/futures/p/result?wait=20s"},
		{"DELETE", "/futures/p"},
		{"GET", "/events"},
		{"GET", "/events/a?wait=20s"},
		{"DELETE", "/events/a"},
		{"GET", "/wait?all=a"},
		{"GET", "/loop"},
		{"POST", "/futures/p/cancel"},
		{"POST", "/events/a/clear"},
	} {
		h.wantProblem(400, "invalid-request", h.do(c.method, c.path, `{"why":1}`))
		h.wantProblem(400, "invalid-request", h.do(c.method, c.path, strings.Repeat(" ", 2000)))
	}
	if r := h.want(202, h.get("/futures/p")); r.text("state") != "pending" {
		t.Errorf("something was done: %s", r.body)
	}
	h.want(200, h.get("/healthz", "Content-Length: 0"))
}

// A method that a path does not have is 405 with the methods that it has; the contract's own check compares them.
func TestAWrongMethodIs405WithAllow(t *testing.T) {
	h := newHouse(t)
	for path, allow := range map[string]string{
		"/fetch": "POST", "/fetch/batch": "POST", "/futures": "GET, HEAD, POST", "/futures/p": "GET, HEAD, DELETE",
		"/futures/p/result": "GET, HEAD", "/futures/p/cancel": "POST", "/events": "GET, HEAD",
		"/events/a%2Fb": "GET, HEAD, DELETE", "/events/a%2Fb/set": "POST", "/wait": "GET, HEAD, POST", "/loop": "GET, HEAD",
		"/metrics": "GET, HEAD", "/healthz": "GET, HEAD", "/openapi.yaml": "GET, HEAD", "/problems/busy": "GET, HEAD",
		"/": "GET, HEAD",
	} {
		for _, method := range []string{"PUT", "PATCH", "OPTIONS", "TRACE", "BREW"} {
			r := h.wantProblem(405, "method-not-allowed", h.do(method, path, ""))
			if got := r.header.Get("Allow"); got != allow {
				t.Errorf("%s %s: Allow %q, want %q", method, path, got, allow)
			}
		}
	}
	h.wantProblem(405, "method-not-allowed", h.get("/fetch"))
	h.wantProblem(405, "method-not-allowed", h.do("DELETE", "/wait", ""))
	h.wantProblem(404, "not-found", h.get("/nowhere"))
	h.wantProblem(404, "not-found", h.get("/fetch/"))
	h.wantProblem(404, "not-found", h.get("/events/a/b"))
	h.wantProblem(404, "not-found", h.get("/futures/"))
	h.wantNothing()
}

// curl -d without a header sends a form; the answer says what to type instead.
func TestAWrongMediaTypeIs415AndSaysWhatToSend(t *testing.T) {
	h := newHouse(t)
	for path, good := range creators {
		for _, media := range []string{
			"application/x-www-form-urlencoded", "text/plain", "application/json; charset=latin1", "application/problem+json",
			"nonsense/", "",
		} {
			r := h.wantProblem(415, "unsupported-media-type", h.post(path, good, "Content-Type: ", "Content-Type: "+media))
			if !strings.Contains(r.text("detail"), "--json") {
				t.Errorf("%q does not say what to type", r.text("detail"))
			}
		}
	}
	h.want(202, h.post("/fetch", creators["/fetch"], "Content-Type: ", "Content-Type: Application/JSON; charset=UTF-8"))
	for path, good := range creators {
		h.wantProblem(415, "unsupported-media-type", h.post(path, good, "Content-Encoding: gzip"))
	}
	h.want(202, h.post("/fetch", creators["/fetch"], "Content-Encoding: Identity"))
}
