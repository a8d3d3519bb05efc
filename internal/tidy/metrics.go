package tidy

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Metric is a name that operators build on: it changes only with an entry in the changelog.
type Metric struct {
	Name   string
	Type   string // gauge, counter or histogram; a histogram is native and classic at once
	Labels []string
}

// Metrics is the contract: what /metrics serves beside the collectors of Go and of the process.
var Metrics = []Metric{
	{"awaitd_loop_lag_seconds", "histogram", nil},
	{"awaitd_loop_turns_total", "counter", nil},
	{"awaitd_loop_turn_seconds", "histogram", nil},
	{"awaitd_loop_callbacks_total", "counter", nil},
	{"awaitd_loop_slow_callbacks_total", "counter", nil},
	{"awaitd_loop_ready", "gauge", nil},
	{"awaitd_loop_timers", "gauge", nil},
	{"awaitd_loop_tasks", "gauge", nil},
	{"awaitd_futures", "gauge", []string{"kind", "state"}},
	{"awaitd_futures_settled_total", "counter", []string{"kind", "state"}},
	{"awaitd_fetch_attempts_total", "counter", []string{"outcome"}},
	{"awaitd_fetch_attempt_seconds", "histogram", nil},
	{"awaitd_fetch_in_flight", "gauge", nil},
	{"awaitd_fetch_queue", "gauge", nil},
	{"awaitd_fetch_retries_held", "gauge", nil},
	{"awaitd_callbacks_pending", "gauge", nil},
	{"awaitd_callbacks_total", "counter", []string{"state"}},
	{"awaitd_callback_attempts_total", "counter", []string{"outcome"}},
	{"awaitd_limits", "gauge", []string{"state"}},
	{"awaitd_events", "gauge", nil},
	{"awaitd_event_sets_total", "counter", nil},
	{"awaitd_waiters", "gauge", nil},
	{"awaitd_wake_seconds", "histogram", nil},
	{"awaitd_commit_seconds", "histogram", nil},
	{"awaitd_commit_commands", "histogram", nil},
	{"awaitd_http_requests_total", "counter", []string{"route", "code"}},
	{"awaitd_http_request_seconds", "histogram", []string{"route"}},
	{"awaitd_build_info", "gauge", nil},
}

// metricsPage is the reference page; once it exists it names every metric of the contract.
const metricsPage = "docs/reference/metrics.md"

var metricWord = regexp.MustCompile(`\bawaitd_[a-z0-9_]*[a-z0-9]\b`)

// FindMetric is the metric that a name in PromQL reads, or nil: a histogram is read under three more names.
func FindMetric(name string) *Metric {
	for i, m := range Metrics {
		if m.Name == name {
			return &Metrics[i]
		}
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if m.Type == "histogram" && m.Name+part == name {
				return &Metrics[i]
			}
		}
	}
	return nil
}

// strangeMetrics finds names of metrics that are not in the contract, in deploy, in the documents and in the strings of
// the code, and those of the contract that the reference page leaves out.
func strangeMetrics(t *Tree) []Offence {
	var found []Offence
	for _, f := range t.Files {
		switch {
		case f.Go != nil && !f.Test && f.Dir() != "internal/tidy":
			found = append(found, metricsInCode(f)...)
		case strings.HasPrefix(f.Path, "deploy/") && f.Go == nil, path.Ext(f.Path) == ".md" && f.Path != "CHANGELOG.md":
			found = append(found, metricsInText(f)...)
		}
	}
	if page := t.file(metricsPage); page != nil {
		named := metricWord.FindAllString(page.Text, -1)
		for _, m := range Metrics {
			if !slices.Contains(named, m.Name) {
				found = append(found, Offence{page.Path, 0, "does not explain " + m.Name})
			}
		}
	}
	return found
}

func metricsInCode(f *File) []Offence {
	var found []Offence
	ast.Inspect(f.Go, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		if err == nil && metricWord.FindString(text) == text && text != "" && FindMetric(text) == nil {
			found = append(found, Offence{f.Path, f.Line(literal.Pos()), text + " is no metric of the contract"})
		}
		return true
	})
	return found
}

func metricsInText(f *File) []Offence {
	var found []Offence
	n := 0
	for line := range strings.Lines(f.Text) {
		n++
		for _, name := range metricWord.FindAllString(line, -1) {
			if FindMetric(name) == nil {
				found = append(found, Offence{f.Path, n, name + " is no metric of the contract"})
			}
		}
	}
	return found
}
