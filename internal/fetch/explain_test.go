package fetch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/awaitd/awaitd/internal/fetch/cases"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/google/go-cmp/cmp"
)

// The goal: each stage says what it thinks, in order, and why.
func TestEachStageIsExplained(t *testing.T) {
	g, err := NewGuard(GuardOptions{
		AllowTargets: []string{"10.7.7.7/32", "vault.internal:8200"},
		Resolver: dns("public.example", "93.184.216.34 2606:4700::1111", "mixed.example", "93.184.216.34 10.0.0.5",
			"vault.internal", "10.7.7.7", "router", "192.168.1.1", "many.example", strings.Repeat("1.1.1.1 ", 33)),
	})
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"http://127.1/": "static refused",
		"http://PUBLIC.example/": "static allowed http://public.example/, name allowed public.example, " +
			"port allowed 80, resolve allowed 93.184.216.34 2606:4700::1111, address allowed 93.184.216.34, " +
			"address allowed 2606:4700::1111",
		"http://mixed.example/":       "static, name, port, resolve allowed, address allowed 93.184.216.34, address refused",
		"http://public.example:6379/": "static, name, port allowed, resolve allowed, address refused, address refused",
		"http://vault.internal:8200/": "static, name, port, resolve, address allowed 10.7.7.7",
		"http://vault.internal/":      "static allowed, name refused, port allowed, resolve allowed, address refused",
		"http://router:22/":           "static, name refused, port, resolve, address refused",
		"http://10.7.7.7:22/":         "static allowed, address allowed",
		"http://[::1]/":               "static allowed, address refused",
		"http://nowhere.example/":     "static, name, port, resolve unknown The name of the target does not exist.",
		"http://many.example/":        "static, name, port, resolve refused" + strings.Repeat(", address allowed", 33),
	} {
		var got []string
		for _, v := range g.Explain(t.Context(), url) {
			got = append(got, fmt.Sprintf("%s %s %s", v.Stage, v.Outcome, v.Reason))
		}
		wanted := strings.Split(want, ", ")
		same := slices.EqualFunc(got, wanted, strings.HasPrefix)
		if !same {
			t.Errorf("%s: %q, want %q", url, got, wanted)
		}
	}
}

// The goal: what is explained is what happens: a first URL of the cases is refused, allowed or unknown by some stage
// just when its fetch is.
func TestWhatIsExplainedIsWhatHappens(t *testing.T) {
	file, err := cases.Read("testdata/cases.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range file.Cases {
		w := &caseWorld{T: t, file: file, dns: file.NewDNS(), rigs: map[string]*rig{}}
		s := c.Steps[0]
		var request map[string]string
		if strings.HasPrefix(c.Name, "json-") || json.Unmarshal(s.Request, &request) != nil || len(request) != 1 ||
			strings.Contains(request["url"], "/to/") {
			continue // it is about more than a URL
		}
		g, err := NewGuard(GuardOptions{AllowTargets: file.Policies[s.Policy], Resolver: w})
		if err != nil {
			t.Fatal(err)
		}
		got := string(Summary(g.Explain(t.Context(), request["url"])))
		want := map[bool]string{true: "refused", false: "allowed"}[s.Want == "denied" || strings.HasPrefix(s.Want, "400")]
		if s.Want == "dns" {
			want = "unknown"
		}
		if got != want {
			t.Errorf("line %d, %s: %s, want %s (%s)", s.Line, c.Name, got, want, s.Want)
		}
	}
}

// The goal: with report_only the same fetches reach what they are refused otherwise, each attempt says once what it
// would have been refused for, and what is no URL stays refused.
func TestRefusalsMayBeReportedOnly(t *testing.T) {
	open := &GuardOptions{ReportOnly: true, Resolver: dns(
		"mixed.example", "10.0.0.5 127.0.0.1", "vault.internal", "10.7.7.7", "public.example", "93.184.216.34",
		"many.example", strings.Repeat("93.184.216.34 ", LookupAnswersMax+1))}
	for url, reason := range map[string]string{
		"http://169.254.169.254/":    "169.254.169.254",
		"http://mixed.example/":      "10.0.0.5",
		"http://vault.internal/":     "vault.internal",
		"http://public.example:22/":  "port 22",
		"http://many.example/":       "33 addresses",
		"http://public.example/":     "",
		"http://[::ffff:127.0.0.1]/": "127.0.0.1",
	} {
		r := newRig(t, open)
		d := r.onPipes(answers(ok))
		u, err := CheckURL(url)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.options.Guard.Admit(u); err != nil {
			t.Errorf("%s: not admitted: %v", url, err)
		}
		wantSuccess(t, r.fetch(t, request(url)), "ok")
		log := r.log.String()
		if n := strings.Count(log, "egress would be denied"); (n == 1) != (reason != "") || !strings.Contains(log, reason) {
			t.Errorf("%s: dialled %v, log %q", url, d.addresses(), log)
		}
	}
	r := newRig(t, open)
	wantFailure(t, r.fetch(t, request("http://127.1/")), record.FailProtocol)
	r.onPipes(nil) // a refused connection is what it is, though a refusal was reported before it
	out := r.fetch(t, request("http://169.254.169.254/"))
	if d := cmp.Diff(&record.Failure{Type: record.FailConnect, Message: "The target refused the connection."},
		out.Attempt.Failure); d != "" || !out.Retry {
		t.Error(d)
	}
}
