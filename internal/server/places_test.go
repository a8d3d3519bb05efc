package server

import "testing"

// Who names something that is not there, or too far away, among many things is shown which.
func TestARefusalSaysWhereItsCauseIsNamed(t *testing.T) {
	h := newHouse(t)
	const (
		far   = `"until:2999-01-01T00:00:00Z"`
		group = "grp_01JD8Q2V9GZ5W0M4T7R1X3K6BC"
		ok    = `{"url":"https://target.test/ok"}`
	)
	deep := func(leaf string) string {
		return `{"all":["event:a",{"at_least":1,"of":[{"settled":{"any":["sleep:1s",` + leaf + `]}}]}]}`
	}
	batch := func(more string) string {
		return `{"fetches":[` + ok + `,{"url":"https://target.test/ok",` + more + `}]}`
	}
	const within = "/all/1/of/0/settled/any/1"
	for _, c := range []struct {
		status           int
		path, body, code string
		pointer          string
	}{
		{400, "/wait", `{"for":` + far + `}`, "invalid-request", "/for"},
		{400, "/wait", `{"for":` + deep(far) + `}`, "invalid-request", "/for" + within},
		{400, "/futures", `{"kind":"wait","for":` + deep(far) + `}`, "invalid-request", "/for" + within},
		{400, "/fetch", `{"url":"https://target.test/ok","after":` + far + `}`, "invalid-request", "/after"},
		{400, "/fetch/batch", batch(`"after":` + deep(far)), "invalid-request", "/fetches/1/after" + within},
		{404, "/wait", `{"for":` + deep(`"future:no"`) + `}`, "unknown-future", "/for" + within},
		{404, "/futures", `{"kind":"wait","for":` + deep(`"future:no"`) + `}`, "unknown-future", "/for" + within},
		{404, "/fetch/batch", batch(`"after":` + deep(`"future:no"`)), "unknown-future", "/fetches/1/after" + within},
		{404, "/wait", `{"for":` + deep(`"group:`+group+`"`) + `}`, "unknown-group", "/for" + within},
		{404, "/fetch/batch", batch(`"group":"` + group + `"`), "unknown-group", "/fetches/1/group"},
		{404, "/futures", `{"kind":"promise","group":"` + group + `"}`, "unknown-group", "/group"},
		{409, "/fetch/batch", batch(`"after":"event:x","sets":"x"`), "cyclic-wait", "/fetches/1/after"},
	} {
		r := h.wantProblem(c.status, c.code, h.post(c.path, c.body))
		if r.count("errors") != 1 || r.text("errors.0.pointer") != c.pointer {
			t.Errorf("%s %s: %v, want %s", c.path, c.body, r.at("errors"), c.pointer)
		}
	}
	for query, parameter := range map[string]string{
		"all=a,until:2999-01-01T00:00:00Z":           "all",
		"any=a,future:no":                            "any",
		"at_least=1&of=a,group:" + group:             "of",
		"at_least=1&of=a,until:2999-01-01T00:00:00Z": "of",
	} {
		r := h.get("/wait?" + query)
		if r.status < 400 || r.count("errors") != 1 || r.text("errors.0.parameter") != parameter {
			t.Errorf("%s: %s", query, r.body)
		}
	}
	h.wantProblem(404, "unknown-future", h.get("/wait?all=a,future:no", wantsEvents))
	h.wantNothing()
}
