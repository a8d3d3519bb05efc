package examples

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A job is what a CI system runs, as far as the test plays it: its scripts, once for each part of its matrix.
type job struct {
	Env      map[string]string
	Strategy struct{ Matrix matrix }
	Parallel struct{ Matrix []matrix }
	Steps    []struct{ Run string }
	Script   []string
}

type matrix struct {
	Part []string `yaml:"part"`
	PART []string `yaml:"PART"`
}

// ciVariables are what the CI systems would set. Two workflows of GitHub's speak of the same commit and run.
var ciVariables = []string{
	"GITHUB_SHA=4f2a", "GITHUB_RUN_ATTEMPT=1", "SHA=4f2a", "ATTEMPT=1", "CI_COMMIT_SHA=4f2a", "CI_PIPELINE_ID=77",
}

// The scripts of the CI files, run in the order of their jobs, end well: the releases get past their waits. What the
// files say about runners, needs and secrets is not played.
func TestTheScriptsOfTheCIFilesRun(t *testing.T) {
	need(t, "bash")
	w := start(t)
	page, err := os.ReadFile("../docs/how-to/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "make"), []byte("#!/bin/sh\necho make \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	ci := player{t: t, env: append(os.Environ(), "AWAITD_URL="+w.awaitd)}
	ci.play("await event set release-approved")
	files := 0
	for _, b := range blocksOf(string(page), 0) {
		if b.language == "yaml" {
			files++
			ci.playFile(b.file, b.text)
		}
	}
	if files != 3 {
		t.Errorf("%d files were played, want 3", files)
	}
	for _, want := range []string{"make linux", "make arm", "make windows", "make release"} {
		if !strings.Contains(ci.printed, want) {
			t.Errorf("nobody ran %s:\n%s", want, ci.printed)
		}
	}
}

// player is a CI system.
type player struct {
	t       *testing.T
	env     []string
	printed string
}

// playFile plays the jobs of a file one after the other.
func (p *player) playFile(name, text string) {
	p.t.Helper()
	var file struct {
		Jobs   yaml.Node            // of GitHub
		Others map[string]yaml.Node `yaml:",inline"`
	}
	var document yaml.Node
	for _, into := range []any{&file, &document} {
		if err := yaml.Unmarshal([]byte(text), into); err != nil {
			p.t.Fatalf("%s: %v", name, err)
		}
	}
	jobs := &file.Jobs
	if jobs.IsZero() {
		jobs = document.Content[0]
	}
	played := 0
	for i := 0; i+1 < len(jobs.Content); i += 2 {
		var j job
		if jobs.Content[i].Value == "variables" || jobs.Content[i+1].Kind != yaml.MappingNode {
			continue // what is no job of GitLab's
		}
		if err := jobs.Content[i+1].Decode(&j); err != nil {
			p.t.Fatalf("%s: %s: %v", name, jobs.Content[i].Value, err)
		}
		played++
		p.playJob(j)
	}
	if played < 1 {
		p.t.Errorf("%s has no job", name)
	}
}

func (p *player) playJob(j job) {
	p.t.Helper()
	parts := j.Strategy.Matrix.Part
	for _, m := range j.Parallel.Matrix {
		parts = append(parts, m.PART...)
	}
	if parts == nil {
		parts = []string{""}
	}
	script := strings.Join(j.Script, "\n")
	for _, step := range j.Steps {
		script += "\n" + step.Run
	}
	for _, part := range parts {
		p.play(script, "PART="+part)
	}
}

// play runs a script as the runners do: with bash, until the first command that fails.
func (p *player) play(script string, variables ...string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), pageTimeMax)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-e", "-o", "pipefail", "-c", script)
	cmd.Env = append(append(p.env, ciVariables...), variables...)
	out, err := cmd.CombinedOutput()
	p.printed += string(out)
	if err != nil {
		p.t.Fatalf("%v\n%s\n%s", err, script, out)
	}
}
