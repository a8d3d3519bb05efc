package contract

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/awaitd/awaitd/api"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

const (
	event = `{"name":"a","set":false,"generation":0,"set_at":null,"expires_at":null,"payload":null,` +
		`"links":{"self":"/s","wait":"/w","set":"/t","pulse":"/p","clear":"/c"}}`
	page   = `{"events":[` + event + `],"next_cursor":null}`
	asJSON = "application/json"
)

func problem(code api.Code) string {
	out, err := json.Marshal(api.NewProblem(code, "", api.FieldError{Pointer: "/url", Detail: "No."}))
	if err != nil {
		panic(err)
	}
	return string(out)
}

// headers is pairs of names and values.
func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// failing is the headers of a problem, and pairs.
func failing(pairs ...string) http.Header {
	return headers(append([]string{"Content-Type", api.ProblemMediaType}, pairs...)...)
}

// Answers as the contract has them pass, wherever they stand.
func TestAnswersOfTheContractPass(t *testing.T) {
	s := load(t)
	for _, c := range []struct {
		method, path string
		status       int
		header       http.Header
		body         string
	}{
		{"GET", "/events", 200, headers("Content-Type", asJSON), page},
		{"GET", "/events?prefix=a", 200, headers("Content-Type", asJSON+"; charset=utf-8"), page},
		{"GET", "/events/a%2Fb", 200, headers("Content-Type", asJSON, "ETag", `"0"`), event},
		{"GET", "/events/a", 304, headers("ETag", `"0"`), ""},
		{"HEAD", "/events/a", 200, headers("Content-Type", asJSON, "ETag", `"0"`), ""},
		{"DELETE", "/events/a", 204, nil, ""},
		{"GET", "/healthz", 200, headers("Content-Type", asJSON), `{"status":"ok"}`},
		{"GET", "/metrics", 200, headers("Content-Type", "text/plain; version=0.0.4"), "awaitd_events 0\n"},
		{"GET", "/", 200, headers("Content-Type", "text/html; charset=utf-8"), "<p>"},
		{"GET", "/events", 401, failing("WWW-Authenticate", "Bearer"), problem(api.CodeUnauthorized)},
		{"GET", "/events", 429, failing("Retry-After", "1"), problem(api.CodeBusy)},
		{"GET", "/nowhere", 404, failing(), problem(api.CodeNotFound)},
		{"GET", "/events/a/b", 404, failing(), problem(api.CodeNotFound)},
		{"GET", "/futures/", 404, failing(), problem(api.CodeNotFound)},
		{"HEAD", "/nowhere", 404, failing(), ""},
		{"PUT", "/events/a", 405, failing("Allow", "GET, HEAD, DELETE"), problem(api.CodeMethodNotAllowed)},
		{"POST", "/events/a/set", 403, failing(), problem(api.CodeCrossOrigin)},
		{
			"GET", "/futures/x/result", 200,
			headers("Content-Type", "image/png", "ETag", `"3"`, "Accept-Ranges", "bytes", "Awaitd-Upstream-Status", "200",
				"X-Content-Type-Options", "nosniff", "Content-Disposition", "attachment",
				"Content-Security-Policy", "sandbox; default-src 'none'"), "\x89PNG",
		},
		{
			"GET", "/futures/x/result", 206,
			headers("ETag", `"3"`, "X-Content-Type-Options", "nosniff", "Content-Disposition", "attachment",
				"Content-Range", "bytes 0-0/4", "Content-Security-Policy", "sandbox; default-src 'none'"), "x",
		},
	} {
		if err := s.CheckResponse(c.method, c.path, c.status, c.header, []byte(c.body)); err != nil {
			t.Error(err)
		}
	}
}

// Whatever differs from the contract is named.
func TestAnswersThatDifferAreNamed(t *testing.T) {
	s := load(t)
	good := headers("Content-Type", asJSON)
	for _, c := range []struct {
		method, path string
		status       int
		header       http.Header
		body, says   string
	}{
		{"GET", "/events", 202, good, page, "does not document this status"},
		{"GET", "/events", 200, headers("Content-Type", "text/html"), page, "text/html is not documented"},
		{"GET", "/events", 200, nil, page, "Content-Type"},
		{"GET", "/events", 200, good, `{"events":[]}`, "next_cursor"},
		{"GET", "/events", 200, good, `{"events":[],"next_cursor":null,"total":0}`, "total"},
		{"GET", "/events", 200, good, `{"events":[],"next_cursor":null`, "EOF"},
		{"GET", "/events", 200, good, ``, "EOF"},
		{"GET", "/events", 200, headers("Content-Type", asJSON, "Link", "/events?cursor=x"), page, "header Link"},
		{"GET", "/events/a", 304, nil, "", "header ETag: missing"},
		{"GET", "/events/a", 200, headers("Content-Type", asJSON, "ETag", "3"), event, "header ETag"},
		{"GET", "/events/a", 200, headers("Content-Type", asJSON, "ETag", `"3"`, "ETag", `"3"`), event, "given 2 times"},
		{"GET", "/events/a", 304, headers("ETag", `"3"`), event, "want no body"},
		{"HEAD", "/events", 200, good, page, "want no body"},
		{"DELETE", "/events/a", 204, nil, "gone", "want no body"},
		{"GET", "/events", 429, failing(), problem(api.CodeBusy), "header Retry-After: missing"},
		{"GET", "/events", 429, failing("Retry-After", "soon"), problem(api.CodeBusy), "header Retry-After"},
		{"GET", "/events", 429, failing("Retry-After", "0"), problem(api.CodeBusy), "header Retry-After"},
		{"GET", "/events", 429, failing("Retry-After", "1"), problem(api.CodeTooManyEvents), "/code"},
		{"GET", "/events", 400, failing(), problem(api.CodeMalformedJSON), "/code"},
		{"GET", "/events", 400, failing(), strings.Replace(problem(api.CodeInvalidRequest), "400", "422", 1), "/status"},
		{
			"GET", "/events", 400, failing(), strings.Replace(problem(api.CodeInvalidRequest), "/invalid-request", "/other", 1),
			"type /problems/other",
		},
		{"POST", "/futures/x/cancel", 409, failing(), problem(api.CodeAlreadySettled), "future"},
		{"GET", "/nowhere", 200, good, page, "want status 404"},
		{"GET", "/nowhere", 404, failing(), problem(api.CodeUnknownFuture), "/code"},
		{"PUT", "/events/a", 404, failing(), problem(api.CodeNotFound), "want status 405"},
		{"PUT", "/events/a", 405, failing(), problem(api.CodeMethodNotAllowed), "header Allow: missing"},
		{"PUT", "/events/a", 405, failing("Allow", "GET"), problem(api.CodeMethodNotAllowed), "not have all"},
		{"PUT", "/events/a", 405, failing("Allow", "GET, DELETE, PUT"), problem(api.CodeMethodNotAllowed), "not documented"},
		{"GET", "events", 200, good, page, "invalid URI"},
	} {
		err := s.CheckResponse(c.method, c.path, c.status, c.header, []byte(c.body))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %s %d: got %v, want …%s…", c.method, c.path, c.status, err, c.says)
		}
	}
	if unseen := len(load(t).Unseen()); len(s.Unseen()) != unseen {
		t.Errorf("an answer that differs counts as seen: %d of %d unseen", len(s.Unseen()), unseen)
	}
}

// The answer is checked against the operation that its path has, not against one that looks like it.
func TestLiteralPathsWinOverTemplates(t *testing.T) {
	s := load(t)
	for path, want := range map[string]string{
		"/": "/", "/fetch": "/fetch", "/fetch/batch": "/fetch/batch", "/futures/batch": "/futures/{id}",
		"/events/set/set": "/events/{name}/set", "/futures/a%2Fb/result": "/futures/{id}/result",
	} {
		if p := s.find(path); p == nil || p.template != want {
			t.Errorf("%s: got %+v, want %s", path, p, want)
		}
	}
}

// Unseen is every documented answer until it is shown, and codes likewise.
func TestUnseenAnswersAreListed(t *testing.T) {
	s := load(t)
	all := s.Unseen()
	for _, want := range []string{"POST /fetch 202", "GET /events/{name} 304", "GET / 200", "DELETE /futures/{id} 409"} {
		if !slices.Contains(all, want) {
			t.Errorf("%s is not listed", want)
		}
	}
	if !slices.IsSorted(all) {
		t.Error("the list is not sorted")
	}
	// HEAD shows no body, so it does not count.
	if err := s.CheckResponse("HEAD", "/events", 200, headers("Content-Type", asJSON), nil); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(all, s.Unseen()); diff != "" {
		t.Errorf("HEAD counts (-want +got):\n%s", diff)
	}
	busy := failing("Retry-After", "1")
	if err := s.CheckResponse("GET", "/events", 429, busy, []byte(problem(api.CodeBusy))); err != nil {
		t.Error(err)
	}
	i := slices.Index(all, "GET /events 429")
	if diff := cmp.Diff(slices.Delete(slices.Clone(all), i, i+1), s.Unseen()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, answer := range s.Unseen(429, 500) {
		if strings.HasSuffix(answer, " 429") || strings.HasSuffix(answer, " 500") {
			t.Errorf("%s is listed, but exempt", answer)
		}
	}
	codes := s.UnseenCodes(api.CodeInternal)
	shown := slices.Contains(codes, api.CodeBusy) || slices.Contains(codes, api.CodeInternal)
	if len(codes) != len(api.ProblemPages())-2 || shown {
		t.Errorf("got codes %v", codes)
	}
}

// Bodies that the contract has pass, others are named.
func TestRequestBodiesAreChecked(t *testing.T) {
	s := load(t)
	for _, c := range []struct{ method, path, contentType, body, says string }{
		{"POST", "/fetch", asJSON, `{"url":"https://a.example"}`, ""},
		{"POST", "/fetch?url=https://a.example", "", "", ""},
		{"POST", "/events/a/set", "text/plain", "hello", ""},
		{"POST", "/events/a/set", "", "hello", ""},
		{"POST", "/events/a/clear", "", "", ""},
		{"POST", "/fetch", asJSON, `{"url":"https://a.example","methd":"GET"}`, "methd"},
		{"POST", "/fetch", asJSON, `{"url":"u","body":"a","json":1}`, "not"},
		{"POST", "/fetch", asJSON, `{`, "EOF"},
		{"POST", "/fetch", "text/plain", `{"url":"u"}`, "text/plain is not documented"},
		{"POST", "/fetch", "", `{"url":"u"}`, "Content-Type"},
		{"POST", "/fetch/batch", "", "", "the body is missing"},
		{"POST", "/events/a/clear", asJSON, "{}", "no body is documented"},
		{"POST", "/futures", asJSON, `{"kind":"timer","after":1,"at":"2026-11-22T18:00:00Z"}`, "oneOf"},
		{"POST", "/nowhere", asJSON, `{}`, "not documented"},
		{"PUT", "/fetch", asJSON, `{}`, "not documented"},
		{"POST", "fetch", asJSON, `{}`, "invalid URI"},
	} {
		err := s.CheckRequestBody(c.method, c.path, c.contentType, []byte(c.body))
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s %s %s: got %v, want …%s…", c.method, c.path, c.body, err, c.says)
		}
	}
}

// reports collects what Transport reports.
type reports []string

func (r *reports) Errorf(format string, args ...any) { *r = append(*r, fmt.Sprintf(format, args...)) }

// A client that uses Transport gets answers unchanged, and the test hears of each that differs.
func TestTransportReportsWhatDiffers(t *testing.T) {
	s := load(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", asJSON)
		switch r.URL.Path {
		case "/events":
			fmt.Fprint(w, page)
		case "/wait":
			fmt.Fprintf(w, `{"outcome":"satisfied","done":[],"pending":[],"got":%q}`, sent)
		case "/events/a/clear":
			fmt.Fprint(w, event)
		case "/loop":
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "{")
		}
	}))
	defer server.Close()
	var heard reports
	client := &http.Client{Transport: s.Transport(&heard, server.Client().Transport)}
	call := func(method, path, body string) (string, error) {
		req, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", asJSON)
		res, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		got, err := io.ReadAll(res.Body)
		return string(got), err
	}

	if got, err := call("GET", "/events", ""); got != page || err != nil || heard != nil {
		t.Errorf("got %s, %v; heard %v", got, err, heard)
	}
	got, err := call("POST", "/wait", `{"for":"a"}`)
	if err != nil || !strings.Contains(got, `"got":"{\"for\":\"a\"}"`) || len(heard) != 2 ||
		!strings.Contains(heard[0], "answer differs") || !strings.Contains(heard[1], "server accepted") {
		t.Errorf("got %s, %v; heard %v", got, err, heard)
	}
	heard = nil
	if got, err := call("POST", "/events/a/clear", ""); got != event || err != nil || heard != nil {
		t.Errorf("got %s, %v; heard %v", got, err, heard)
	}
	if got, err := call("GET", "/loop", ""); err == nil {
		t.Errorf("a broken answer passed as %s", got)
	}
	server.Close()
	if got, err := call("GET", "/events", ""); err == nil {
		t.Errorf("a server that is gone answered %s", got)
	}
}

// A request whose body cannot be read is not sent.
func TestTransportPassesFaultsOfTheBody(t *testing.T) {
	s := load(t)
	var heard reports
	req, err := http.NewRequest("POST", "http://127.0.0.1:1/fetch", io.MultiReader(brokenReader{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Transport(&heard, http.DefaultTransport).RoundTrip(req); err != io.ErrClosedPipe {
		t.Errorf("got %v", err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// A file that is not as this package needs it is a fault, not a check that passes everything.
func TestABrokenFileIsAFault(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(doc map[string]any)
		says  string
	}{
		"a response that leads nowhere": {func(doc map[string]any) {
			delete(doc["components"].(map[string]any)["responses"].(map[string]any), "Busy")
		}, "nothing at"},
		"a response for everywhere that is gone": {func(doc map[string]any) {
			delete(doc["components"].(map[string]any)["responses"].(map[string]any), "NotFound")
		}, "response NotFound"},
		"a schema that leads nowhere": {func(doc map[string]any) {
			delete(doc["components"].(map[string]any)["schemas"].(map[string]any), "Event")
		}, "Event"},
		"a header that leads nowhere": {func(doc map[string]any) {
			delete(doc["components"].(map[string]any)["headers"].(map[string]any), "ETag")
		}, "header ETag"},
		"a status that is no number": {func(doc map[string]any) {
			get := doc["paths"].(map[string]any)["/loop"].(map[string]any)["get"].(map[string]any)
			get["responses"].(map[string]any)["4xx"] = map[string]any{}
		}, `status "4xx"`},
	} {
		doc := load(t).doc
		c.spoil(doc)
		if _, err := newSpec(doc); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want …%s…", name, err, c.says)
		}
	}
}
