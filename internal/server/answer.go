package server

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/awaitd/awaitd/api"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// wire is how everything is shown: names in a fixed order. Bytes of strangers that are no UTF-8 (headers may have such)
// are shown as U+FFFD.
var wire = json.JoinOptions(json.Deterministic(true), jsontext.AllowInvalidUTF8(true))

// encode is v as the wire shows it.
func encode(v any) ([]byte, error) {
	data, err := json.Marshal(v, wire)
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return append(data, '\n'), nil
}

// answer writes v as JSON. What goes wrong with writing is the caller's: it has gone, or does not read.
func answer(w http.ResponseWriter, status int, v any) error {
	data, err := encode(v)
	if err != nil {
		return err
	}
	write(w, status, "application/json", data)
	return nil
}

func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// comeBack says when it makes sense to ask again about what is pending.
func comeBack(w http.ResponseWriter) { w.Header().Set("Retry-After", "1") }

// unchanged sets the ETag of what is about to be answered and reports whether the caller has it already; then the
// answer, 304, has been written.
func unchanged(w http.ResponseWriter, r *http.Request, etag string) bool {
	w.Header().Set("ETag", etag)
	if !matches(r.Header.Values("If-None-Match"), etag) {
		return false
	}
	w.WriteHeader(http.StatusNotModified)
	return true
}

// matches is the weak comparison of If-None-Match (RFC 9110, 13.1.2).
func matches(values []string, etag string) bool {
	for _, value := range values {
		for one := range strings.SplitSeq(value, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == etag {
				return true
			}
		}
	}
	return false
}

// refuse writes a problem.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, p *api.Problem) {
	h := w.Header()
	for _, name := range []string{"Preference-Applied", "ETag", "Location"} {
		h.Del(name)
	}
	if seconds := retryAfter[p.Code]; seconds != "" {
		h.Set("Retry-After", seconds)
	}
	if p.Code == api.CodeUnauthorized {
		h.Set("WWW-Authenticate", challenge(r))
	}
	data, err := encode(p)
	if err != nil { // it is the future in it that cannot be shown
		s.Log.Error("a problem cannot be shown", "code", p.Code, "error", err)
		p = api.NewProblem(api.CodeInternal, "The answer cannot be shown.")
		data, _ = encode(p)
	}
	write(w, p.Status, api.ProblemMediaType, data)
}

// challenge tells a caller without a key from one with a wrong key (RFC 6750, 3.1).
func challenge(r *http.Request) string {
	if r.Header.Get("Authorization") == "" {
		return `Bearer realm="awaitd"`
	}
	return `Bearer realm="awaitd", error="invalid_token"`
}
