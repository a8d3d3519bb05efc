package examples

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tourBlock is a command of the README's tour and what the README says it prints.
var tourBlock = regexp.MustCompile("(?s)```sh\n([^`]*?)```\n\n```(?:json|text)\n(.*?)\n```")

// The tour of the README, pasted line by line into a shell, prints what the README shows: the same documents, but for
// ids, times and figures.
func TestTheTourPrintsWhatTheReadmeShows(t *testing.T) {
	need(t, "bash", "curl", "sed")
	w := start(t)
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tour, _ := strings.Cut(string(readme), "## The tour")
	blocks := tourBlock.FindAllStringSubmatch(tour, -1)
	if len(blocks) < 11 {
		t.Fatalf("found only %d commands in the tour", len(blocks))
	}
	var script strings.Builder
	for _, b := range blocks {
		command := strings.Replace(b[1], "A=http://127.0.0.1:8080 T=http://127.0.0.1:9090", "A=$AWAITD_URL T=$TARGET_URL", 1)
		fmt.Fprintf(&script, "%s\necho @@@@\n", command)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script.String())
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	printed := strings.Split(string(out), "@@@@\n")
	for i, b := range blocks {
		got := strings.ReplaceAll(printed[i], w.target, "http://127.0.0.1:9090")
		if diff := cmp.Diff(shape(t, b[2]), shape(t, got)); diff != "" {
			t.Errorf("after\n%s(-README +printed):\n%s", b[1], diff)
		}
	}
}

var (
	anID   = regexp.MustCompile(`fut_[0-9A-Z]{26}`)
	aTime  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z|\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT`)
	figure = regexp.MustCompile(`"duration_ms":[\d.]+`)
	cursor = regexp.MustCompile(`"cursor":"[^"]+"`)
)

// shape is a document without what differs from run to run.
func shape(t *testing.T, text string) any {
	t.Helper()
	text = anID.ReplaceAllString(text, "fut_ID")
	text = aTime.ReplaceAllString(text, "TIME")
	text = figure.ReplaceAllString(text, `"duration_ms":0`)
	text = cursor.ReplaceAllString(text, `"cursor":"C"`)
	var document any
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return strings.TrimSpace(text) // what people read
	}
	if loop, ok := document.(map[string]any); ok && loop["uptime_seconds"] != nil {
		return withoutFigures(loop)
	}
	return document
}

func withoutFigures(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = withoutFigures(v[key])
		}
	case float64:
		return "figure"
	}
	return v
}
