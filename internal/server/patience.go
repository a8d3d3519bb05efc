package server

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/awaitd/awaitd/api"
)

// patience is how long a caller lets its answer be held.
type patience struct {
	hold    time.Duration // 0: answer at once
	applied string        // what of Prefer was heeded; empty for nothing
}

// patience reads wait= and Prefer (RFC 7240) of a request that is answered at once unless it says otherwise.
// respond-async wins over both; what is longer than WaitMax is clipped.
func (s *Server) patience(r *http.Request) (patience, error) {
	var asked *time.Duration
	if q := queryOf(r); q.Has("wait") {
		d, err := api.ParseDuration(q.Get("wait"))
		if err != nil {
			return patience{}, badParameter("wait", err.Error())
		}
		asked = (*time.Duration)(&d)
	}
	return s.prefer(r, asked, 0), nil
}

// prefer weighs the Prefer header of r against the wait that r asked for otherwise; unasked is the wait when neither
// says anything.
func (s *Server) prefer(r *http.Request, asked *time.Duration, unasked time.Duration) patience {
	async, wait := preferences(r.Header.Values("Prefer"))
	switch {
	case async:
		return patience{applied: "respond-async"}
	case asked != nil:
		return patience{hold: min(*asked, s.WaitMax)}
	case wait != nil:
		hold := min(*wait, s.WaitMax)
		return patience{hold, fmt.Sprintf("wait=%d", hold/time.Second)}
	default:
		return patience{hold: unasked}
	}
}

// heeded tells the caller what of its preferences was applied.
func (p patience) heeded(w http.ResponseWriter) {
	if p.applied != "" {
		w.Header().Set("Preference-Applied", p.applied)
	}
}

// preferences finds the two that are known here. Of one given twice the first counts; what cannot be understood is
// ignored (RFC 7240, 2).
func preferences(values []string) (async bool, wait *time.Duration) {
	for _, one := range unquoted(strings.Join(values, ",")) {
		token, _, _ := strings.Cut(one, ";") // parameters mean nothing here
		name, value, _ := strings.Cut(token, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "respond-async":
			async = true
		case "wait":
			if wait == nil {
				wait = seconds(strings.Trim(strings.TrimSpace(value), `"`))
			}
		}
	}
	return async, wait
}

// seconds reads a whole number of them, however large; nil when it is none.
func seconds(text string) *time.Duration {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		n = 1 << 31 // beyond any WaitMax
	}
	d := time.Duration(n) * time.Second
	return &d
}

// unquoted splits a list at the commas outside quoted strings.
func unquoted(list string) []string {
	quoted, escaped := false, false
	return strings.FieldsFunc(list, func(c rune) bool {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		}
		return c == ',' && !quoted
	})
}
