package deploy

import (
	"strings"
	"testing"
)

type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func readAlerts(t *testing.T) []rule {
	t.Helper()
	var file ruleFile
	readYAML(t, "prometheus/alerts.yml", &file)
	var rules []rule
	for _, g := range file.Groups {
		rules = append(rules, g.Rules...)
	}
	if len(rules) == 0 {
		t.Fatal("no alerts")
	}
	return rules
}

// TestAlertsSayWhatToDo: whoever is woken reads who is ill, how bad it is, and what to do.
func TestAlertsSayWhatToDo(t *testing.T) {
	for _, r := range readAlerts(t) {
		checkExpr(t, r.Alert, r.Expr)
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" || len(r.Annotations["runbook"]) < 60 {
			t.Errorf("%s: needs a summary, and a runbook that says what to do", r.Alert)
		}
		if r.Alert != "AwaitdMissing" && !strings.Contains(r.Annotations["summary"], "$labels.instance") {
			t.Errorf("%s: the summary does not say which instance", r.Alert)
		}
	}
}

// TestEveryAlertIsSeenFiringAndSilent: promtool runs the tests; here it is checked that none is missing.
func TestEveryAlertIsSeenFiringAndSilent(t *testing.T) {
	var file struct {
		RuleFiles          []string `yaml:"rule_files"`
		EvaluationInterval string   `yaml:"evaluation_interval"`
		Tests              []struct {
			Name, Interval string
			InputSeries    []map[string]string `yaml:"input_series"`
			Expressions    []struct {
				Expr     string
				EvalTime string           `yaml:"eval_time"`
				Samples  []map[string]any `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		}
	}
	readYAML(t, "prometheus/alerts_test.yml", &file)
	firing, silent := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, e := range test.Expressions {
			_, rest, _ := strings.Cut(e.Expr, `alertname="`)
			name, _, _ := strings.Cut(rest, `"`)
			if len(e.Samples) > 0 {
				firing[name] = true
			} else {
				silent[name] = true
			}
		}
	}
	for _, r := range readAlerts(t) {
		if !firing[r.Alert] || !silent[r.Alert] {
			t.Errorf("%s: tested firing %v, silent %v", r.Alert, firing[r.Alert], silent[r.Alert])
		}
	}
}
