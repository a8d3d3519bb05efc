package server

import (
	"strings"
	"testing"
)

// local is a server without keys, on loopback.
func local(hosts ...string) plans {
	return plans{options: func(o *Options) { o.HostsAllowed = append([]string{}, hosts...) }}
}

// A page whose name was made to resolve to this machine sends its own name as Host.
func TestAServerWithoutKeysAnswersOnlyToItsOwnNames(t *testing.T) {
	h := newHouse(t, local("awaitd.internal"))
	for _, host := range []string{
		"evil.test", "evil.test:8080", "localhost.evil.test", "192.168.0.1", "[2001:db8::1]:80",
	} {
		for _, path := range []string{"/futures", "/healthz", "/nowhere", "/"} {
			h.wantProblem(403, "cross-origin", h.get(path, "Host: "+host))
		}
		h.wantProblem(403, "cross-origin", h.post("/fetch", `{"url":"https://target.test/ok"}`, "Host: "+host))
	}
	for _, host := range []string{
		"localhost", "LOCALHOST:8080", "localhost.", "app.localhost", "127.0.0.1:1", "127.8.9.10", "[::1]:8080", "[::1]",
		"[::ffff:127.0.0.1]", "awaitd.internal:80",
	} {
		h.want(200, h.get("/futures", "Host: "+host))
	}
	h.wantNothing()
}

// Where keys are asked for, or the operator said so, any name will do: there may be a proxy in front.
func TestAServerThatAllowsAnyHostAnswersToAll(t *testing.T) {
	h := newHouse(t)
	h.want(200, h.get("/futures", "Host: awaitd.example.com"))
}

// A page of another site can make a browser send a POST, and even JSON where it lies about the type; the browser says
// where it comes from. curl and webhooks say nothing and pass.
func TestACrossOriginRequestThatChangesSomethingIsRefused(t *testing.T) {
	h := newHouse(t, local())
	fetch := `{"url":"https://target.test/ok"}`
	for _, headers := range [][]string{
		{"Sec-Fetch-Site: cross-site"},
		{"Sec-Fetch-Site: same-site", "Origin: https://other.localhost"},
		{"Origin: https://evil.test"},
		{"Origin: null"},
	} {
		h.wantProblem(403, "cross-origin", h.post("/fetch", fetch, headers...))
		h.wantProblem(403, "cross-origin", h.post("/events/a/set", "x", headers...))
		h.wantProblem(403, "cross-origin", h.do("DELETE", "/events/a", "", headers...))
		h.wantProblem(403, "cross-origin", h.get("/wait?any=a,sleep:0s&cancel_rest=true", headers...))
		h.want(200, h.get("/wait?any=a,sleep:0s", headers...)) // reading is the browser's own rule
	}
	h.wantNothing()
	h.want(202, h.post("/fetch", fetch, "Sec-Fetch-Site: same-origin", "Origin: "+h.url))
	h.want(202, h.post("/fetch", fetch, "Sec-Fetch-Site: none"))
	h.want(202, h.post("/fetch", fetch, "Origin: "+h.url))
	h.want(200, h.get("/wait?any=a,sleep:0s&cancel_rest=true"))
}

// No query and no header ever reaches the log.
func TestTheLogShowsRoutesAndNoSecrets(t *testing.T) {
	h := newHouse(t)
	h.want(202, h.post("/fetch?url=https://target.test/ok%3Ftoken=s3cret", "", "Authorization: Bearer s3cret"))
	h.want(202, h.get("/events/n4me?wait=1ms"))
	h.wantProblem(404, "not-found", h.get("/n4me?token=s3cret"))
	log := h.log.String()
	if strings.Contains(log, "s3cret") || strings.Contains(log, "n4me") {
		t.Errorf("the log tells too much:\n%s", log)
	}
	for _, want := range []string{
		`route="POST /fetch" status=202`, `route="GET /events/{name}" status=202`, "route=none status=404",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}
