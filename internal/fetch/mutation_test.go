package fetch

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

var mutations = flag.Bool("mutations", false, "switch each check off in turn and demand that a test notices")

// mutation is one check switched off: hunks of one file, each a text that is there once and what takes its place.
type mutation struct {
	name, file string
	hunks      [][2]string
}

// The goal: every check has a test that fails without it. The checks have no switch: a copy of the sources, with all
// mutations in it and a variable that says which is on, is built in their place, once, and its tests are run for each.
//
//	go test ./internal/fetch -run TestEachCheckIsTested -mutations
func TestEachCheckIsTested(t *testing.T) {
	if !*mutations && os.Getenv("AWAITD_CI") == "" {
		t.Skip("this takes a while: give -mutations, or set AWAITD_CI")
	}
	all := readMutations(t)
	program := buildMutants(t, all)
	if out, err := runMutant(program, 0); err != nil {
		t.Fatalf("without a mutation: %v\n%s", err, out)
	}
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var running sync.WaitGroup
	for i, m := range all {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			out, err := runMutant(program, i+1)
			if err == nil {
				t.Errorf("no test notices when %s (%s)", m.name, m.file)
			} else if _, failed := err.(*exec.ExitError); !failed {
				t.Errorf("%s: %v\n%s", m.name, err, out)
			}
		})
	}
	running.Wait()
	t.Logf("%d mutations", len(all))
}

func runMutant(program string, n int) ([]byte, error) {
	tests := exec.Command(program, "-test.failfast", "-test.timeout=60s", "-test.skip=^TestEachCheckIsTested$")
	tests.Env = append(os.Environ(), fmt.Sprintf("%s=%d", mutantVariable, n))
	return tests.CombinedOutput()
}

const mutantVariable = "AWAITD_TEST_MUTANT"

// mutantSource is the variable of the mutated sources.
const mutantSource = `package fetch

import (
	"os"
	"strconv"
)

var mutant, _ = strconv.Atoi(os.Getenv("` + mutantVariable + `"))
`

// buildMutants builds the tests of this package with all mutations in place.
func buildMutants(t *testing.T, all []mutation) (program string) {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{"mutant.go": mutantSource}
	for i, m := range all {
		if sources[m.file] == "" {
			text, err := os.ReadFile(m.file)
			if err != nil {
				t.Fatal(err)
			}
			sources[m.file] = string(text)
		}
		for _, h := range m.hunks {
			if n := strings.Count(sources[m.file], h[0]); n != 1 {
				t.Fatalf("%s: %s has %d times %q", m.name, m.file, n, h[0])
			}
			sources[m.file] = strings.Replace(sources[m.file], h[0],
				strings.ReplaceAll(h[1], "OFF", fmt.Sprintf("(mutant == %d)", i+1)), 1)
		}
	}
	dir := t.TempDir()
	replace := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		mutated := filepath.Join(dir, name)
		if err := os.WriteFile(mutated, []byte(sources[name]), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(here, name)] = mutated
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "mutants.test")
	build := exec.Command("go", "test", "-c", "-vet=off", "-o", program, "-overlay", filepath.Join(dir, "overlay.json"))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

// readMutations reads testdata/mutations.txt.
func readMutations(t *testing.T) []mutation {
	t.Helper()
	text, err := os.ReadFile("testdata/mutations.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []mutation
	for block := range strings.SplitSeq(string(text), "\n\n") {
		var m mutation
		var added bool
		for line := range strings.SplitSeq(strings.TrimRight(block, "\n"), "\n") {
			switch last := len(m.hunks) - 1; {
			case strings.HasPrefix(line, "#"):
			case strings.HasPrefix(line, "-") && (added || last < 0):
				m.hunks = append(m.hunks, [2]string{line[1:]})
				added = false
			case strings.HasPrefix(line, "-"):
				m.hunks[last][0] += "\n" + line[1:]
			case strings.HasPrefix(line, "+") && added:
				m.hunks[last][1] += "\n" + line[1:]
			case strings.HasPrefix(line, "+"):
				m.hunks[last][1], added = line[1:], true
			case line != "":
				m.name, m.file, _ = strings.Cut(line, ": ")
			}
		}
		if m.name != "" {
			all = append(all, m)
		}
	}
	return all
}
