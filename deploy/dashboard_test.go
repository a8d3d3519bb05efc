package deploy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/awaitd/awaitd/internal/tidy"
)

type dashboard struct {
	UID, Title string
	Panels     []dashboardPanel
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
	Annotations struct {
		List []struct{ Name, Expr string }
	}
}

type dashboardPanel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               struct{ Type, UID string }
	FieldConfig              struct {
		Defaults struct{ Unit string }
	}
	Targets []struct{ RefID, Expr, LegendFormat string }
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	decodeJSON(t, "grafana/dashboards/loop.json", &d)
	if len(d.Panels) < 10 {
		t.Fatalf("the dashboard has %d panels", len(d.Panels))
	}
	return d
}

// expressions lists what the dashboard asks Prometheus, each with where it asks.
func (d dashboard) expressions() (where, exprs []string) {
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			where, exprs = append(where, p.Title+" "+target.RefID), append(exprs, target.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		where, exprs = append(where, "annotation "+a.Name), append(exprs, a.Expr)
	}
	return where, exprs
}

// TestTheDashboardReadsTheContract: it asks for no metric and no label that does not exist, and it shows every metric
// there is: what nobody looks at need not be measured.
func TestTheDashboardReadsTheContract(t *testing.T) {
	d := readDashboard(t)
	shown := map[string]bool{"awaitd_build_info": true} // the list of instances is made from it
	where, exprs := d.expressions()
	for i, expr := range exprs {
		for _, m := range checkExpr(t, where[i], expr) {
			shown[m.Name] = true
		}
		if !strings.Contains(expr, `instance=~"$instance"`) {
			t.Errorf("%s does not keep to the chosen instances: %s", where[i], expr)
		}
	}
	for _, m := range tidy.Metrics {
		if !shown[m.Name] {
			t.Errorf("no panel shows %s", m.Name)
		}
	}
	for _, v := range d.Templating.List {
		if v.Name == "instance" && v.Definition != "label_values(awaitd_build_info, instance)" {
			t.Errorf("the instances come from %s", v.Definition)
		}
	}
}

// TestHistogramsAreReadByTheirParts: a quantile needs the buckets, and a histogram as a whole is only there where
// Prometheus scrapes native ones.
func TestHistogramsAreReadByTheirParts(t *testing.T) {
	where, exprs := readDashboard(t).expressions()
	for i, expr := range exprs {
		for _, m := range metricName.FindAllStringSubmatch(expr+" ", -1) {
			metric := tidy.FindMetric(m[1])
			if metric == nil {
				continue
			}
			buckets := strings.HasSuffix(m[1], "_bucket")
			if metric.Type == "histogram" && m[1] == metric.Name || buckets != strings.Contains(expr, "histogram_quantile") {
				t.Errorf("%s: %s is not read as a %s is", where[i], m[1], metric.Type)
			}
			counted := metric.Type == "counter" || metric.Type == "histogram"
			if rated := strings.Contains(expr, "rate("); counted != rated {
				t.Errorf("%s: %s is a %s; rated: %v", where[i], m[1], metric.Type, rated)
			}
		}
	}
}

// TestPrometheusUnderstandsTheDashboard: every expression, its variables filled in, parses as a rule would.
func TestPrometheusUnderstandsTheDashboard(t *testing.T) {
	promtool := need(t, "promtool", "prometheus")
	fill := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*")
	type recorded struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var rules []recorded
	_, exprs := readDashboard(t).expressions()
	for i, expr := range exprs {
		rules = append(rules, recorded{fmt.Sprintf("panel:%d", i), fill.Replace(expr)})
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, promtool, "check", "rules", file)
}

// TestPanelsHaveAPlaceAndAMeaning: each has its own number and place, and says what it shows, in which unit.
func TestPanelsHaveAPlaceAndAMeaning(t *testing.T) {
	seen := map[int]bool{}
	taken := map[[2]int]string{}
	for _, p := range readDashboard(t).Panels {
		if seen[p.ID] {
			t.Errorf("two panels have the number %d", p.ID)
		}
		seen[p.ID] = true
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X+g.W > 24 {
			t.Errorf("%s is not on the grid: %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || !strings.HasSuffix(p.Description, ".") || p.FieldConfig.Defaults.Unit == "" {
			t.Errorf("panel %d needs a title, a description and a unit: %+v", p.ID, p)
		}
		if p.Datasource.UID != "${datasource}" || !slices.Contains([]string{"timeseries", "stat"}, p.Type) {
			t.Errorf("%s: a %s of %s", p.Title, p.Type, p.Datasource.UID)
		}
		if len(p.Targets) == 0 {
			t.Errorf("%s asks nothing", p.Title)
		}
	}
}
