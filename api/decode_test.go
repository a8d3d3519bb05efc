package api_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

type checked interface{ Check() []api.FieldError }

// problemOf is the problem that decoding in gives, or nil.
func problemOf(t *testing.T, in string, v checked) *api.Problem {
	t.Helper()
	err := api.Decode([]byte(in), v)
	if err == nil {
		return nil
	}
	problem, ok := errors.AsType[*api.Problem](err)
	if !ok {
		t.Fatalf("%s: %T is no problem", in, err)
	}
	return problem
}

// A request with every field is read as it was meant.
func TestAFullFetchIsRead(t *testing.T) {
	in := `{"url":"https://a.example/x","method":"POST","headers":{"A":"1","B":["2","3"]},"json":{"k":[1, null]},
		"timeout":"10s","deadline":"2026-11-22T18:00:00Z","delay":0.5,
		"retry":{"max_attempts":2,"min_backoff":"1s","max_backoff":"1m","on_status":["429","5xx"],"non_idempotent":true},
		"accept_status":["2xx"],"max_redirects":0,"max_bytes":1,"limit":{"key":"k","concurrency":1,"rate":2,"period":"1s"},
		"after":{"all":["event:a"]},"sets":"done","callback":{"url":"https://b.example","headers":{"C":"4"},"on":["failed"]},
		"labels":{"order":"42"},"redact":["X-Key"],"ttl":"1h"}`
	var got api.FetchRequest
	if p := problemOf(t, in, &got); p != nil {
		t.Fatal(p, p.Errors)
	}
	want := api.FetchRequest{
		URL: "https://a.example/x", Method: "POST", Headers: map[string]api.Strings{"A": {"1"}, "B": {"2", "3"}},
		JSON: jsontext.Value(`{"k":[1, null]}`), Timeout: new(api.Duration(10 * time.Second)),
		Deadline: &api.Deadline{At: api.TimeOf(time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC))},
		Delay:    new(api.Duration(500 * time.Millisecond)),
		Retry: &api.Retry{
			MaxAttempts: new(2), MinBackoff: new(api.Duration(time.Second)), MaxBackoff: new(api.Duration(time.Minute)),
			OnStatus: []string{"429", "5xx"}, NonIdempotent: true,
		},
		AcceptStatus: []string{"2xx"}, MaxRedirects: new(0), MaxBytes: new(int64(1)),
		Limit: &api.Limit{Key: "k", Concurrency: new(1), Rate: new(2), Period: new(api.Duration(time.Second))},
		After: new(over(api.OpAll, event("a"))), Sets: "done",
		Callback: &api.Callback{
			URL: "https://b.example", Headers: map[string]api.Strings{"C": {"4"}}, On: []api.State{api.StateFailed},
		},
		Labels: map[string]string{"order": "42"}, Redact: []string{"X-Key"}, TTL: new(api.Duration(time.Hour)),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Null and the empty string are values where the contract has them as values, and only there.
func TestEmptyBodiesAndNullsAreTakenWhereTheyAreValues(t *testing.T) {
	for _, in := range []string{
		`{"url":"u","body":""}`, `{"url":"u","base64":""}`, `{"url":"u","json":null}`, `{"url":"u","json":""}`,
		`{"url":"u","headers":{"A":""}}`, `{"url":"u","headers":{"A":["",""]}}`, `{"url":"u","labels":{"a":""}}`,
		`{"url":"null"}`, `{"url":"u","json":{"a":[null,""]}}`,
	} {
		var r api.FetchRequest
		if p := problemOf(t, in, &r); p != nil {
			t.Errorf("%s: %v", in, p)
		}
	}
	var body api.FetchRequest
	if p := problemOf(t, `{"url":"u","body":""}`, &body); p != nil || body.Body == nil || *body.Body != "" {
		t.Errorf("an empty body is not there: %v, %v", p, body.Body)
	}
	var value api.ResolveRequest
	if p := problemOf(t, `{"value":null}`, &value); p != nil || string(value.Value) != "null" {
		t.Errorf("got %q, %v", value.Value, p)
	}
}

// What is not one well-formed JSON object is malformed-json, and the detail says where reading stopped.
func TestMalformedBodies(t *testing.T) {
	for _, c := range []struct{ in, pointer, says string }{
		{``, "", "the body is empty"},
		{" \n\t", "", "the body is empty"},
		{`{"url":"u"`, "", "line 1, column 11"},
		{"{\n  \"url\": u\n}", "/url", "line 2, column 10"},
		{`{"url":"u"}{}`, "", "line 1, column 12"},
		{`{"url":"u"} x`, "", "line 1, column 13"},
		{`{"url":"u","url":"v"}`, "/url", "here is one twice: line 1, column 12"},
		{`{"url":"u","json":{"a":{"b":1,"b":2}}}`, "/json/a/b", "twice"},
		{`{"url":"u","headers":{"A":"1","A":"2"}}`, "/headers/A", "twice"},
		{`{"url":"u","json":[}`, "/json/0", "at line 1, column 20"},
		{`{"url":"u","json":[1}`, "/json", "line 1"},
		{"{\"url\":\"\xff\"}", "/url", "invalid UTF-8"},
		{`{"url":"\ud800"}`, "/url", "surrogate"},
		{`{"url":"\x"}`, "/url", "escape"},
		{`{'url':'u'}`, "", "line 1, column 2"},
		{`{"url":"u",}`, "", "line 1"},
		{`{"url":01}`, "", "line 1"},
		{"\ufeff{\"url\":\"u\"}", "", "line 1, column 1"},
		{`{"url":"u","json":` + strings.Repeat("[", 20_000), "", "depth"},
	} {
		var r api.FetchRequest
		p := problemOf(t, c.in, &r)
		switch {
		case p == nil || p.Code != api.CodeMalformedJSON || p.Status != 400 || len(p.Errors) != 1:
			t.Errorf("%.60q: got %+v", c.in, p)
		case c.pointer != "" && p.Errors[0].Pointer != c.pointer || !strings.Contains(p.Detail, c.says):
			t.Errorf("%.60q: got %s: %s; want %s: …%s…", c.in, p.Errors[0].Pointer, p.Detail, c.pointer, c.says)
		}
	}
}

// Well-formed JSON that is not the request is invalid-request, at the pointer of the fault.
func TestInvalidFetches(t *testing.T) {
	for _, c := range []struct{ in, pointer, says string }{
		{`[]`, "", "Give an object, not a list"},
		{`null`, "", "Give an object, not null"},
		{`"u"`, "", "Give an object, not a string"},
		{`{}`, "/url", "required"},
		{`{"url":null}`, "/url", "Give a string, not null"},
		{`{"url":7}`, "/url", "Give a string, not a number"},
		{`{"url":""}`, "/url", "required"},
		{`{"url":"` + strings.Repeat("u", 8193) + `"}`, "/url", "8192"},
		{`{"url":"u","URL":"v"}`, "/URL", `write "url"`},
		{`{"url":"u","max-bytes":1}`, "/max-bytes", `write "max_bytes"`},
		{`{"url":"u","timeout_ms":1}`, "/timeout_ms", `no field "timeout_ms" here; there are accept_status,`},
		{`{"url":"u","a/b~c":1}`, "/a~1b~0c", `no field "a/b~c"`},
		{`{"url":"u","method":""}`, "/method", "leave the field out"},
		{`{"url":"u","method":"get"}`, "/method", "GET, HEAD"},
		{`{"url":"u","method":"CONNECT"}`, "/method", "GET, HEAD"},
		{`{"url":"u","headers":[]}`, "/headers", "an object, not a list"},
		{`{"url":"u","headers":{"X-A":7}}`, "/headers/X-A", "a string or a list"},
		{`{"url":"u","headers":{"X-A":["a",null]}}`, "/headers/X-A/1", "not null"},
		{`{"url":"u","headers":null}`, "/headers", "an object, not null"},
		{`{"url":"u","body":7}`, "/body", "a string, not a number"},
		{`{"url":"u","body":null}`, "/body", "a string, not null"},
		{`{"url":"u","base64":"!"}`, "/base64", "base64"},
		{`{"url":"u","base64":[1]}`, "/base64", "base64, not a list"},
		{`{"url":"u","body":"","json":null}`, "", "one of body, json and base64"},
		{`{"url":"u","json":1,"base64":""}`, "", "one of body, json and base64"},
		{`{"url":"u","timeout":"soon"}`, "/timeout", "duration"},
		{`{"url":"u","timeout":0}`, "/timeout", "above 0"},
		{`{"url":"u","timeout":"16m"}`, "/timeout", "15 minutes"},
		{`{"url":"u","timeout":null}`, "/timeout", "not null"},
		{`{"url":"u","deadline":"0s"}`, "/deadline", "above 0"},
		{`{"url":"u","deadline":"2026-13-01T00:00:00Z"}`, "/deadline", "RFC 3339"},
		{`{"url":"u","delay":"-1s"}`, "/delay", "negative"},
		{`{"url":"u","ttl":1e300}`, "/ttl", "ten years"},
		{`{"url":"u","not_before":5}`, "/not_before", "RFC 3339"},
		{`{"url":"u","delay":1,"not_before":"2026-11-22T18:00:00Z"}`, "/not_before", "one of delay and not_before"},
		{`{"url":"u","retry":{"max_attempts":0}}`, "/retry/max_attempts", "from 1 to 20"},
		{`{"url":"u","retry":{"max_attempts":1.5}}`, "/retry/max_attempts", "a whole number"},
		{`{"url":"u","retry":{"max_attempts":99999999999999999999}}`, "/retry/max_attempts", "a whole number"},
		{`{"url":"u","retry":{"max_attempts":"4"}}`, "/retry/max_attempts", "a whole number, not a string"},
		{`{"url":"u","retry":{"min_backoff":"1us"}}`, "/retry/min_backoff", "at least 1ms"},
		{`{"url":"u","retry":{"min_backoff":"1m"}}`, "/retry/max_backoff", "min_backoff, which is 1m0s"},
		{`{"url":"u","retry":{"max_backoff":"25h"}}`, "/retry/max_backoff", "at most 24h"},
		{`{"url":"u","retry":{"on_status":[]}}`, "/retry/on_status", "1 to 100"},
		{`{"url":"u","retry":{"on_status":["429","6x"]}}`, "/retry/on_status/1", `such as "429"`},
		{`{"url":"u","retry":{"on_status":[429]}}`, "/retry/on_status/0", "a string, not a number"},
		{`{"url":"u","retry":{"non_idempotent":1}}`, "/retry/non_idempotent", "true or false, not a number"},
		{`{"url":"u","accept_status":["0xx"]}`, "/accept_status/0", `such as "429"`},
		{`{"url":"u","accept_status":"2xx"}`, "/accept_status", "a list, not a string"},
		{`{"url":"u","max_redirects":21}`, "/max_redirects", "from 0 to 20"},
		{`{"url":"u","max_bytes":0}`, "/max_bytes", "from 1 to"},
		{`{"url":"u","limit":{"key":""}}`, "/limit/key", "leave the field out"},
		{`{"url":"u","limit":{"key":"` + strings.Repeat("k", 129) + `"}}`, "/limit/key", "1 to 128"},
		{`{"url":"u","limit":{"key":"a b"}}`, "/limit/key", "characters"},
		{`{"url":"u","limit":{"key":"callback:a"}}`, "/limit/key", "not starting with"},
		{`{"url":"u","limit":{"concurrency":0}}`, "/limit/concurrency", "from 1"},
		{`{"url":"u","limit":{"rate":-1}}`, "/limit/rate", "from 1"},
		{`{"url":"u","limit":{"rate":1,"period":0}}`, "/limit/period", "above 0"},
		{`{"url":"u","limit":{"period":"1s"}}`, "/limit/period", "rate"},
		{`{"url":"u","after":{"all":[]}}`, "/after/all", "at least one"},
		{`{"url":"u","after":null}`, "/after", "not null"},
		{`{"url":"u","sets":"a b"}`, "/sets", "event's name"},
		{`{"url":"u","callback":{}}`, "/callback/url", "required"},
		{`{"url":"u","callback":{"url":"v","on":[]}}`, "/callback/on", "at least one"},
		{`{"url":"u","callback":{"url":"v","on":["pending"]}}`, "/callback/on/0", "succeeded, failed or cancelled"},
		{`{"url":"u","callback":{"url":"v","on":["failed","failed"]}}`, "/callback/on/1", "each once"},
		{`{"url":"u","labels":{"a:b":"c"}}`, "/labels/a:b", "key of a label"},
		{`{"url":"u","labels":{"":"c"}}`, "/labels/", "key of a label"},
		{`{"url":"u","labels":{"a":7}}`, "/labels/a", "a string, not a number"},
		{`{"url":"u","labels":{"a":"` + strings.Repeat("ä", 257) + `"}}`, "/labels/a", "at most 256"},
		{`{"url":"u","redact":[""]}`, "/redact/0", "name of a header"},
	} {
		var r api.FetchRequest
		p := problemOf(t, c.in, &r)
		switch {
		case p == nil || p.Code != api.CodeInvalidRequest || p.Status != 400 || len(p.Errors) != 1:
			t.Errorf("%.80s: got %+v", c.in, p)
		case p.Errors[0].Pointer != c.pointer || !strings.Contains(p.Errors[0].Detail, c.says):
			t.Errorf("%.80s: got %+v, want %s: …%s…", c.in, p.Errors[0], c.pointer, c.says)
		case p.Detail != p.Errors[0].Error():
			t.Errorf("%.80s: the detail %q does not say what the one fault says", c.in, p.Detail)
		}
	}
}

// Counts are bounded, too.
func TestTooManyPartsAreRefused(t *testing.T) {
	many := func(n int, item string) string {
		items := make([]string, n)
		for i := range items {
			items[i] = strings.ReplaceAll(item, "#", fmt.Sprint(i))
		}
		return strings.Join(items, ",")
	}
	for _, c := range []struct{ in, pointer string }{
		{`{"url":"u","headers":{` + many(101, `"H#":"v"`) + `}}`, "/headers"},
		{`{"url":"u","labels":{` + many(65, `"l#":"v"`) + `}}`, "/labels"},
		{`{"url":"u","redact":[` + many(101, `"h#"`) + `]}`, "/redact"},
		{`{"url":"u","accept_status":[` + many(101, `"200"`) + `]}`, "/accept_status"},
		{`{"url":"u","after":{"any":[` + many(10_001, `"event:e#"`) + `]}}`, "/after/any/10000"},
	} {
		var r api.FetchRequest
		p := problemOf(t, c.in, &r)
		if p == nil || len(p.Errors) != 1 || p.Errors[0].Pointer != c.pointer {
			t.Errorf("%.60s: got %v, want a fault at %s", c.in, p, c.pointer)
		}
	}
	var batch api.BatchRequest
	p := problemOf(t, `{"fetches":[`+many(10_000, `{"url":"u"}`)+`]}`, &batch)
	if p != nil || len(batch.Fetches) != 10_000 {
		t.Errorf("10 000 fetches: %v", p)
	}
	p = problemOf(t, `{"fetches":[`+many(10_001, `{"url":"u"}`)+`]}`, &batch)
	if p == nil || p.Errors[0].Pointer != "/fetches" {
		t.Errorf("10 001 fetches: %v", p)
	}
}

// One answer names several faults, but not thousands; each of a batch below its item.
func TestSeveralFaultsAreNamedAtOnce(t *testing.T) {
	var fetch api.FetchRequest
	p := problemOf(t, `{"url":7,"methd":"GET","timeout":"x","headers":{"A":null},"retry":{"max":1}}`, &fetch)
	want := []string{"/url", "/methd", "/timeout", "/headers/A", "/retry/max"}
	if diff := cmp.Diff(want, pointers(p)); diff != "" {
		t.Errorf("shape (-want +got):\n%s", diff)
	}
	p = problemOf(t, `{"url":"","method":"X","max_redirects":-1,"sets":" "}`, &fetch)
	if diff := cmp.Diff([]string{"/url", "/method", "/max_redirects", "/sets"}, pointers(p)); diff != "" {
		t.Errorf("bounds (-want +got):\n%s", diff)
	}
	if !strings.Contains(p.Detail, "Several") {
		t.Errorf("detail: %s", p.Detail)
	}

	var batch api.BatchRequest
	p = problemOf(t, `{"fetches":[{"url":"u"},{"url":"u","retry":{"max_attempts":0}},{"method":"GET"}]}`, &batch)
	if diff := cmp.Diff([]string{"/fetches/1/retry/max_attempts", "/fetches/2/url"}, pointers(p)); diff != "" {
		t.Errorf("batch (-want +got):\n%s", diff)
	}
	for _, item := range []string{`{}`, `{"url":7}`, `7`, `{"x":1}`} {
		in := `{"fetches":[` + strings.Repeat(item+",", 999) + item + `]}`
		if p := problemOf(t, in, &batch); p == nil || len(p.Errors) != 20 {
			t.Errorf("%s a thousand times: got %.200v", item, p)
		}
	}
	if p := problemOf(t, `{"fetches":[]}`, &batch); p == nil || p.Errors[0].Pointer != "/fetches" {
		t.Errorf("an empty batch: %v", p)
	}
	if p := problemOf(t, `{"fetches":{}}`, &batch); p == nil || !strings.Contains(p.Detail, "a list, not an object") {
		t.Errorf("a batch that is no list: %v", p)
	}
}

func pointers(p *api.Problem) []string {
	var all []string
	if p != nil {
		for _, e := range p.Errors {
			all = append(all, e.Pointer)
		}
	}
	return all
}

// The other requests, right and wrong.
func TestTheOtherRequests(t *testing.T) {
	for _, c := range []struct {
		in       string
		v        checked
		pointers []string
	}{
		{`{"kind":"promise"}`, &api.FutureRequest{}, nil},
		{`{"kind":"promise","id":"a:b","timeout":"1h","labels":{"a":"b"},"ttl":"1h"}`, &api.FutureRequest{}, nil},
		{`{"kind":"timer","after":0}`, &api.FutureRequest{}, nil},
		{`{"kind":"timer","at":"2026-11-22T18:00:00Z"}`, &api.FutureRequest{}, nil},
		{`{"kind":"wait","for":"event:a","timeout":"1h"}`, &api.FutureRequest{}, nil},
		{`{}`, &api.FutureRequest{}, []string{"/kind"}},
		{`{"kind":"fetch"}`, &api.FutureRequest{}, []string{"/kind"}},
		{`{"kind":""}`, &api.FutureRequest{}, []string{"/kind"}},
		{`{"kind":"promise","id":"fut_x"}`, &api.FutureRequest{}, []string{"/id"}},
		{`{"kind":"promise","id":""}`, &api.FutureRequest{}, []string{"/id"}},
		{`{"kind":"promise","timeout":0}`, &api.FutureRequest{}, []string{"/timeout"}},
		{
			`{"kind":"promise","after":1,"at":"2026-11-22T18:00:00Z","for":"event:a"}`, &api.FutureRequest{},
			[]string{"/after", "/at", "/for"},
		},
		{`{"kind":"timer"}`, &api.FutureRequest{}, []string{"/after"}},
		{`{"kind":"timer","after":1,"at":"2026-11-22T18:00:00Z"}`, &api.FutureRequest{}, []string{"/after"}},
		{`{"kind":"timer","after":1,"id":"a","timeout":1}`, &api.FutureRequest{}, []string{"/id", "/timeout"}},
		{`{"kind":"wait"}`, &api.FutureRequest{}, []string{"/for"}},
		{`{"kind":"wait","for":{"all":["x"]}}`, &api.FutureRequest{}, []string{"/for/all/0"}},
		{`{"kind":"wait","for":"event:a","labels":{"a b":"c"}}`, &api.FutureRequest{}, []string{"/labels/a b"}},

		{`{"value":{"a":1}}`, &api.ResolveRequest{}, nil},
		{`{}`, &api.ResolveRequest{}, []string{"/value"}},

		{`{"message":"no"}`, &api.RejectRequest{}, nil},
		{`{"message":"no","type":"timeout"}`, &api.RejectRequest{}, nil},
		{`{}`, &api.RejectRequest{}, []string{"/message"}},
		{`{"message":"","type":"mine"}`, &api.RejectRequest{}, []string{"/message", "/type"}},
		{`{"message":"` + strings.Repeat("x", 4097) + `"}`, &api.RejectRequest{}, []string{"/message"}},

		{`{"for":"event:a","timeout":"25s","results":"state","cancel_rest":true,"cursor":"c"}`, &api.WaitRequest{}, nil},
		{`{"for":"event:a","timeout":0}`, &api.WaitRequest{}, nil},
		{`{}`, &api.WaitRequest{}, []string{"/for"}},
		{`{"for":null}`, &api.WaitRequest{}, []string{"/for"}},
		{`{"for":{"any":[{"event":"a","after":-1}]}}`, &api.WaitRequest{}, []string{"/for/any/0/after"}},
		{`{"for":"event:a","results":"all","cursor":""}`, &api.WaitRequest{}, []string{"/cursor"}},
		{`{"for":"event:a","results":"all"}`, &api.WaitRequest{}, []string{"/results"}},
		{`{"for":"event:a","cancel_rest":"yes"}`, &api.WaitRequest{}, []string{"/cancel_rest"}},
	} {
		if diff := cmp.Diff(c.pointers, pointers(problemOf(t, c.in, c.v))); diff != "" {
			t.Errorf("%.80s (-want +got):\n%s", c.in, diff)
		}
	}
}
