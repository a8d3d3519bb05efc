// Package deploy checks the files around the server: what they name exists, and what they promise holds.
//
// Everything here reads; deploy/check.sh runs.
package deploy

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/awaitd/awaitd/internal/tidy"
)

// need gives the path of a program, and skips without it. Where AWAITD_CI is set a missing program fails the test
// instead, so that CI cannot pass by skipping.
func need(t *testing.T, program, debian string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	switch {
	case err == nil:
		return path
	case os.Getenv("AWAITD_CI") != "":
		t.Fatalf("%s is not here: apt-get install %s", program, debian)
	default:
		t.Skipf("%s is not here: apt-get install %s", program, debian)
	}
	return ""
}

// run runs a program and fails the test with what it said.
func run(t *testing.T, program string, args ...string) {
	t.Helper()
	if said, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", program, strings.Join(args, " "), err, said)
	}
}

// readYAML decodes a file strictly: an unknown field or a second one of the same name is a fault.
func readYAML(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func readText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The names an expression reads, the labels it selects by, and those it groups by.
var (
	metricName = regexp.MustCompile(`\b((?:awaitd|go|process)_[a-z0-9_]+|up|ALERTS)\b\s*[{\[)\s]`)
	selector   = regexp.MustCompile(`\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"[^"]*"`)
	grouping   = regexp.MustCompile(`\bby\s*\(([^)]*)\)`)
)

// outsiders are the metrics that are not of the contract, with nothing known of their labels.
var outsiders = []string{
	"up", "ALERTS", "process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes",
	"go_memstats_heap_inuse_bytes", "go_goroutines",
}

// checkExpr holds the names and labels of a PromQL expression against the contract. Everything an expression of ours
// selects or groups by is a label of a metric in it, or one that Prometheus adds.
func checkExpr(t *testing.T, where, expr string) (read []*tidy.Metric) {
	t.Helper()
	labels := []string{"instance", "job", "le", "alertname", "alertstate"}
	names := metricName.FindAllStringSubmatch(expr+" ", -1)
	if len(names) == 0 {
		t.Errorf("%s: no metric in %s", where, expr)
	}
	for _, m := range names {
		metric := tidy.FindMetric(m[1])
		switch {
		case metric != nil:
			read = append(read, metric)
			labels = append(labels, metric.Labels...)
		case !slices.Contains(outsiders, m[1]):
			t.Errorf("%s: %s is no metric of the contract", where, m[1])
		}
	}
	for _, s := range selector.FindAllStringSubmatch(expr, -1) {
		for _, m := range matcher.FindAllStringSubmatch(s[1], -1) {
			if !slices.Contains(labels, m[1]) {
				t.Errorf("%s: no metric in %s has the label %s", where, expr, m[1])
			}
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(g[1], ",") {
			if label = strings.TrimSpace(label); !slices.Contains(labels, label) {
				t.Errorf("%s: no metric in %s has the label %s", where, expr, label)
			}
		}
	}
	return read
}

// TestPrometheusAcceptsItsFiles: the configuration and the rules are what Prometheus reads, and the rules do what their
// tests say.
func TestPrometheusAcceptsItsFiles(t *testing.T) {
	promtool := need(t, "promtool", "prometheus")
	run(t, promtool, "check", "config", "prometheus/prometheus.yml")
	run(t, promtool, "check", "rules", "--lint=all", "--lint-fatal", "prometheus/alerts.yml")
	run(t, promtool, "test", "rules", "prometheus/alerts_test.yml")
}

// TestProvisioningMeetsTheCompose: Grafana looks for dashboards where they are mounted, and asks the Prometheus that is
// started beside it.
func TestProvisioningMeetsTheCompose(t *testing.T) {
	var provider struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Type      string
			DisableDeletion bool `yaml:"disableDeletion"`
			Options         struct{ Path string }
		}
	}
	readYAML(t, "grafana/provisioning/dashboards/awaitd.yaml", &provider)
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL string
			IsDefault                    bool `yaml:"isDefault"`
			JSONData                     struct {
				TimeInterval string `yaml:"timeInterval"`
			} `yaml:"jsonData"`
		}
	}
	readYAML(t, "grafana/provisioning/datasources/prometheus.yaml", &sources)
	var scrape struct {
		Global struct {
			ScrapeInterval     string `yaml:"scrape_interval"`
			EvaluationInterval string `yaml:"evaluation_interval"`
		}
		Rest map[string]any `yaml:",inline"`
	}
	readYAML(t, "prometheus/prometheus.yml", &scrape)

	compose := readCompose(t)
	mounted := "./grafana/dashboards:" + provider.Providers[0].Options.Path + ":ro"
	if volumes := compose.Services["grafana"].Volumes; !slices.Contains(volumes, mounted) {
		t.Errorf("grafana mounts %v, not %s", volumes, mounted)
	}
	if url := sources.Datasources[0].URL; url != "http://prometheus:9090" || compose.Services["prometheus"] == nil {
		t.Errorf("the data source asks %s; the services are %v", url, compose.Services)
	}
	if got, want := sources.Datasources[0].JSONData.TimeInterval, scrape.Global.ScrapeInterval; got != want {
		t.Errorf("Grafana believes that Prometheus scrapes every %s, it does every %s", got, want)
	}
	if !strings.Contains(readText(t, "prometheus/prometheus.yml"), `["awaitd:8080"]`) {
		t.Error("Prometheus does not scrape the service awaitd of the compose file")
	}
}

// TestTheImageIsBuiltWithOurToolchain: the Dockerfile, go.mod and its user agree.
func TestTheImageIsBuiltWithOurToolchain(t *testing.T) {
	dockerfile := readText(t, "../Dockerfile")
	toolchain := regexp.MustCompile(`(?m)^toolchain go(\S+)$`).FindStringSubmatch(readText(t, "../go.mod"))
	if toolchain == nil {
		t.Fatal("go.mod names no toolchain")
	}
	for _, line := range []string{
		"FROM golang:" + toolchain[1] + " AS build",
		"FROM scratch",
		"USER 65532:65532",
		`ENTRYPOINT ["/awaitd"]`,
		`CMD ["serve"]`,
	} {
		if !slices.Contains(strings.Split(dockerfile, "\n"), line) {
			t.Errorf("the Dockerfile has no line %s", line)
		}
	}
}

// decodeJSON reads a file strictly enough to notice a second value after the first.
func decodeJSON(t *testing.T, name string, into any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(readText(t, name)))
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if decoder.More() {
		t.Fatalf("%s: more than one value", name)
	}
}
