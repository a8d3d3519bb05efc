package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// canaries are secrets, one for each place in a fetch where a caller may put one. Each is looked for as it is, and in
// base64 at every alignment.
var canaries = map[string]string{}

// canary makes the secret of a place.
func canary(place string) string {
	canaries[place] = "c4n4ry" + strings.NewReplacer(" ", "", "'", "").Replace(place) + "0x5eC7eT"
	return canaries[place]
}

var (
	inQuery  = canary("query")
	inHeader = canary("header")
	inAuth   = canary("authorization")
	inCookie = canary("cookie")
	inBody   = canary("body")
	inJSON   = canary("json")
	inBase64 = canary("base64")
	inOwnURL = canary("own query") // of POST /fetch?url=
	inUser   = canary("user")      // refused, and not repeated
	inValue  = canary("bad value") // refused, and not repeated
	inReason = canary("refused url")
	inLate   = canary("pending") // of a fetch that is cancelled before it starts
	inCall   = canary("callback's query")
	inCalled = canary("callback's header")
	inKept   = canary("pending callback") // of one that stays so
)

// leaks names the canaries that are in text.
func leaks(text string) (found []string) {
	for place, secret := range canaries { // the order does not matter
		for skip := range 3 {
			coded := base64.StdEncoding.EncodeToString([]byte(secret[skip:]))
			if strings.Contains(text, secret) || strings.Contains(text, coded[:len(coded)-4]) {
				found = append(found, place)
				break
			}
		}
	}
	return found
}

func wantNoLeak(t *testing.T, where, text string) {
	t.Helper()
	for _, place := range leaks(text) {
		t.Errorf("%s shows the secret in the %s", where, place)
	}
}

// wantCleanFiles looks through every file of a server, in a folder that was there before and is open to all. Nobody
// else may read one. While it lives, the server may remove one before we have looked.
func wantCleanFiles(t *testing.T, when, dir string, lives bool) {
	t.Helper()
	files, size := 0, 0
	look := func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %s is open to others: %v", when, strings.TrimPrefix(path, dir), info.Mode())
		}
		if entry.IsDir() {
			return nil
		}
		text, err := os.ReadFile(path)
		files, size = files+1, size+len(text)
		wantNoLeak(t, when+": "+strings.TrimPrefix(path, dir), string(text))
		return err
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err = look(path, entry, err); lives && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil || files < 5 || size < 1000 {
		t.Errorf("%s: looked through %d files of %d bytes: %v", when, files, size, err)
	}
}

// secretTarget answers each path in its way and repeats nothing.
func secretTarget(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/missing":
			w.WriteHeader(http.StatusNotFound)
		case "/busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/hang":
			<-r.Context().Done()
		case "/inside":
			w.Header().Set("Location", "http://169.254.169.254/")
			w.WriteHeader(http.StatusFound)
		case "/broken":
			w.Header().Set("Content-Length", "100")
		case "/gone":
			w.WriteHeader(http.StatusGone)
		case "/large":
			_, _ = w.Write(make([]byte, 2000))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// The goal: what callers put into headers, query and body of a fetch is, once its future is settled, in no log, metric,
// error, answer or file of the server, and never in the clear in a file: whatever became of the fetch, after the server
// was killed as well as after it ended in order.
func TestSecretsLeaveNoTrace(t *testing.T) {
	target := secretTarget(t)
	dir := t.TempDir()
	p := begin(t, dir, "--log-level", "debug", "--debug")
	ids := submitSecrets(p, target.URL)
	wantCleanFiles(t, "while they are pending", dir, true)
	for path, id := range ids {
		if path == "/late" {
			p.call("POST", "/futures/"+id+"/cancel", "")
		}
		body := p.untilDone(id)
		if path != "/kept" { // its callback is still to be made, and shows where
			wantNoLeak(t, "the future of "+path, body)
		}
	}
	for _, path := range []string{"/metrics", "/loop", "/limits"} {
		_, body := p.call("GET", path, "")
		wantNoLeak(t, path, body)
	}
	wantCleanFiles(t, "once they are settled", dir, true)
	p.kill()
	wantCleanFiles(t, "after it was killed", dir, false)
	wantNoLeak(t, "the log", p.logs())

	second := begin(t, dir, "--log-level", "debug")
	for path, id := range ids {
		if body := second.untilDone(id); path != "/kept" {
			wantNoLeak(t, "the next server's future of "+path, body)
		}
	}
	second.end()
	wantCleanFiles(t, "after it ended", dir, false)
	wantNoLeak(t, "the log of the next server", second.logs())
}

// untilDone waits until a future is settled and its callback made, or tried once, and shows it.
func (p *process) untilDone(id string) string {
	p.Helper()
	for range 10_000 {
		status, body := p.call("GET", "/futures/"+id+"?wait=30s", "")
		var f struct {
			Callback *struct {
				State    string
				Attempts int
			}
		}
		if err := json.Unmarshal([]byte(body), &f); err != nil || status != 200 {
			p.Fatalf("%d %s: %v", status, body, err)
		}
		if c := f.Callback; c == nil || c.State != "pending" || c.Attempts > 0 {
			return body
		}
	}
	p.Fatalf("the callback of %s is not made", id)
	return ""
}

// submitSecrets submits fetches with a secret in each place, for each way of ending, and others that are refused. It
// gives the ids by path.
func submitSecrets(p *process, target string) map[string]string {
	p.Helper()
	ids := map[string]string{}
	secrets := fmt.Sprintf(`"headers":{"X-Secret":%q,"Authorization":"Bearer %s","Cookie":"a=%s"},"redact":["X-Secret"]`,
		inHeader, inAuth, inCookie)
	keep := func(path string, status int, body string) {
		if status != 202 {
			p.Errorf("%s: %d %s", path, status, body)
		}
		ids[path] = read(p.T, body).ID
	}
	bodies := []string{
		fmt.Sprintf(`"body":%q`, inBody), fmt.Sprintf(`"json":{"a":%q}`, inJSON),
		fmt.Sprintf(`"base64":%q`, base64.StdEncoding.EncodeToString([]byte("x"+inBase64))),
	}
	paths := []string{"/fine", "/missing", "/busy", "/hang", "/inside", "/broken", "/large", "/again"}
	for i, path := range paths {
		fetch := fmt.Sprintf(`{"url":"%s%s?token=%s","method":"PUT",%s,%s,"max_bytes":1000,"timeout":"300ms",`+
			`"retry":{"max_attempts":2,"min_backoff":"1ms","max_backoff":"2ms"}}`,
			target, path, inQuery, secrets, bodies[i%len(bodies)])
		status, body := p.call("POST", "/fetch", fetch)
		keep(path, status, body)
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	fetch := fmt.Sprintf(`{"url":"%s/?t=%s","retry":{"max_attempts":1}}`, closed.URL, inQuery)
	status, body := p.call("POST", "/fetch", fetch)
	keep("/closed", status, body)
	status, body = p.call("POST", "/fetch?url="+target+"/own%3Ft="+inOwnURL, "")
	keep("/own", status, body)
	status, body = p.call("POST", "/fetch", fmt.Sprintf(`{"url":"%s/late?t=%s","delay":"1h",%s}`, target, inLate, secrets))
	keep("/late", status, body)

	for path, called := range map[string]string{
		"/called": target + "/fine?t=" + inCall, "/refused": target + "/gone?t=" + inCall,
		"/kept": target + "/busy?t=" + inKept,
	} {
		header := inCalled
		if path == "/kept" {
			header = inKept
		}
		status, body := p.call("POST", "/fetch", fmt.Sprintf(
			`{"url":"%s%s","callback":{"url":%q,"headers":{"X-Secret":%q}}}`, target, path, called, header))
		keep(path, status, body)
	}

	for _, refused := range []string{
		fmt.Sprintf(`{"url":"http://user:%s@a.example/"}`, inUser),
		fmt.Sprintf(`{"url":"http://a.example/","headers":{"X-A":"%s\n"}}`, inValue),
		fmt.Sprintf(`{"url":"http://vault.internal/?t=%s"}`, inReason),
		fmt.Sprintf(`{"url":"http://10.0.0.1/?t=%s","headers":{"X-A":%q}}`, inReason, inValue),
	} {
		status, body := p.call("POST", "/fetch", refused)
		if status != 400 && status != 403 {
			p.Errorf("%s: %d", refused, status)
		}
		var problem struct{ Detail string }
		if err := json.Unmarshal([]byte(body), &problem); err != nil || problem.Detail == "" {
			p.Errorf("%v in %s", err, body)
		}
		wantNoLeak(p.T, "a problem", body)
	}
	return ids
}
