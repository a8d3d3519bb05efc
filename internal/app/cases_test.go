package app

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/awaitd/awaitd/internal/fetch/cases"
)

// silent takes what servers of tests complain about.
var silent = log.New(io.Discard, "", 0)

// The goal: the cases of internal/fetch again, through the whole server, with a real resolver and real sockets, where a
// connection to anywhere arrives and is seen: none does at an address that is refused, each outcome is the one of the
// file, and no attempt follows a refusal.
func TestCasesOnAWire(t *testing.T) {
	if !needsAWire(t) {
		return
	}
	file, err := cases.Read("../fetch/testdata/cases.txt")
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t, file)
	w.provesThatItSees()
	shared := map[string]*running{} // by policy
	futures := 0
	for _, c := range file.Cases {
		w.dns.Reset()
		servers := shared
		if len(c.Steps) > 1 { // what they pool and resolve is their own
			servers = map[string]*running{}
		}
		for _, s := range c.Steps {
			if servers[s.Policy] == nil {
				servers[s.Policy] = w.server(s.Policy)
			}
			futures += w.step(servers[s.Policy], c.Name, s)
		}
	}
	for _, to := range w.arrivals(file.Ports()) {
		t.Errorf("%v was reached after the outcome was told", to)
	}
	w.explains()
	w.reportsOnly()
	t.Logf("%d cases, %d futures, %d questions to the DNS", len(file.Cases), futures, w.dns.Asked())
}

// provesThatItSees reaches some canaries without a guard.
func (w *wire) provesThatItSees() {
	for _, canary := range []string{"10.0.0.5:80", "169.254.169.254:80", "[fd00::1]:80", "[64:ff9b::7f00:1]:6379"} {
		conn, err := net.Dial("tcp", canary)
		if err != nil {
			w.Fatal(err)
		}
		_ = conn.Close()
		to := netip.MustParseAddrPort(canary)
		if got := w.arrivals([]uint16{to.Port()}); len(got) != 1 || got[0] != to || w.file.May(cases.Step{}, to) {
			w.Fatalf("a connection to %v is seen as %v", to, got)
		}
	}
}

// explains holds the verdicts of the command line against what the DNS here says.
func (w *wire) explains() {
	for url, want := range map[string]error{
		"http://public.example/": nil, "http://nowhere.example/": ErrUnknown, "http://last.mixed.example/": ErrRefused,
		"http://vault.internal/": ErrRefused, "http://[::1]/": ErrRefused,
	} {
		if err := CheckURL(w.Context(), io.Discard, Options{}, url); err != want {
			w.Errorf("%s: %v, want %v", url, err, want)
		}
	}
	if reached := w.arrivals(w.file.Ports()); len(reached) > 0 {
		w.Errorf("explaining reached %v", reached)
	}
}

// reportsOnly reaches canaries through a server that only reports.
func (w *wire) reportsOnly() {
	w.dns.Reset()
	o := options()
	o.EgressReportOnly = true
	r := launch(w.T, o)
	for url, want := range map[string]string{
		"http://10.0.0.5/": "ok@10.0.0.5:80", "http://vault.internal:8200/": "ok@10.7.7.7:8200", "http://127.1/": "400/url",
	} {
		step := cases.Step{Request: []byte(`{"url":"` + url + `"}`), Want: want}
		if got, _, _ := w.outcome(r, step); !step.Wanted(got) {
			w.Errorf("%s, only reported: %v, want %s", url, got, want)
		}
	}
}

func (w *wire) server(policy string) *running {
	o := options()
	o.AllowTarget = w.file.Policies[policy]
	return launch(w.T, o)
}

// step makes one step and reports how many futures it made.
func (w *wire) step(r *running, name string, s cases.Step) (futures int) {
	asked := w.dns.Asked()
	got, called, made := w.outcome(r, s)
	if !s.Wanted(got) || called != s.Called {
		w.Errorf("line %d, %s: %q %s, want %s %s", s.Line, name, got, called, s.Want, s.Called)
	}
	reached := w.arrivals(s.Ports())
	for _, to := range reached {
		if !w.file.May(s, to) {
			w.Errorf("line %d, %s: reached %v", s.Line, name, to)
		}
	}
	if strings.HasPrefix(s.Want, "400") && (w.dns.Asked() != asked || len(reached) > 0 || made > 0) {
		w.Errorf("line %d, %s: refused as submitted, and yet something was asked, reached or made", s.Line, name)
	}
	return made
}

// told is what the server says of a submitted fetch: a problem, or a future.
type told struct {
	Code     string
	Errors   []struct{ Pointer string }
	ID       string
	State    string
	Attempts []struct{ Error *failed }
	Result   *struct{ JSON cases.Reached }
	Error    *failed
	Callback *struct {
		State     string
		Attempts  int
		LastError *failed `json:"last_error"`
	}
}

type failed struct{ Type string }

// deniedLast reports whether the last attempt was refused and none before it was.
func (a told) deniedLast() bool {
	denied := 0
	for _, made := range a.Attempts {
		if made.Error != nil && made.Error.Type == "egress_denied" {
			denied++
		}
	}
	last := len(a.Attempts) - 1
	return denied == 1 && a.Attempts[last].Error != nil && a.Attempts[last].Error.Type == "egress_denied"
}

// outcome submits a fetch, waits for it, and gives its outcome as the file would name it, once for each pointer at a
// fault, and after a comma that of its callback.
func (w *wire) outcome(r *running, s cases.Step) (names []string, called string, futures int) {
	req, err := http.NewRequest("POST", r.url+"/fetch", bytes.NewReader(s.Request))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Prefer", "wait=30")
	answer, status := w.ask(r, req)
	switch {
	case status == 400:
		for _, e := range answer.Errors {
			names = append(names, "400"+e.Pointer)
		}
		return names, "", 0
	case status == 403 && answer.Code == "egress-denied":
		return []string{"denied"}, "", 0
	case answer.State == "succeeded":
		return []string{"ok@" + answer.Result.JSON.At}, w.called(r, s, answer.ID), 1
	case answer.State == "failed" && answer.Error.Type == "egress_denied" && answer.deniedLast():
		return []string{"denied"}, "", 1
	case answer.State == "failed":
		return []string{answer.Error.Type}, "", 1
	}
	return []string{answer.Code + " " + answer.State}, "", 0
}

// called waits for the first attempt to deliver a callback, if one is wanted, and names its outcome.
func (w *wire) called(r *running, s cases.Step, id string) string {
	if s.Called == "" {
		return ""
	}
	for range 100_000 {
		req, err := http.NewRequest("GET", r.url+"/futures/"+id, nil)
		if err != nil {
			w.Fatal(err)
		}
		answer, _ := w.ask(r, req)
		switch c := answer.Callback; {
		case c.Attempts == 0:
			runtime.Gosched()
		case c.State == "delivered":
			return "delivered"
		case c.LastError == nil:
			return "http_status"
		case c.LastError.Type == "egress_denied" && c.State == "failed" && c.Attempts == 1:
			return "denied"
		default:
			return c.LastError.Type
		}
	}
	return "never made"
}

func (w *wire) ask(r *running, req *http.Request) (answer told, status int) {
	resp, err := r.client.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		w.Fatalf("%s to %s: %v", resp.Status, req.URL, err)
	}
	return answer, resp.StatusCode
}
