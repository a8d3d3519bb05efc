package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

const benched = "github.com/awaitd/awaitd/internal/loop"

// machine runs the benchmarks of all three.
type machine struct {
	ctx    context.Context
	s      settings
	folder string
	binary string
}

// newMachine compiles the Go benchmarks once, so that no compiler runs between the measurements.
func newMachine(ctx context.Context, s settings) (*machine, error) {
	folder, err := os.MkdirTemp("", "bench-loop-")
	if err != nil {
		return nil, err
	}
	m := &machine{ctx: ctx, s: s, folder: folder, binary: filepath.Join(folder, "loop.test")}
	if _, err := m.output(nil, "go", "test", "-c", "-o", m.binary, benched); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return m, nil
}

func (m *machine) close() { _ = os.RemoveAll(m.folder) }

func (m *machine) output(env []string, name string, arguments ...string) (string, error) {
	command := exec.CommandContext(m.ctx, name, arguments...)
	command.Env = append(os.Environ(), env...)
	out, err := command.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return "", fmt.Errorf("%s: %w\n%s%s", name, err, out, failed.Stderr)
	}
	return string(out), err
}

// figures are what one Go benchmark reports, by unit.
type figures map[string]float64

func (f figures) time(wall bool) float64 {
	if wall {
		return f["ns/op"]
	}
	return f["cpu-ns/op"]
}

// bench runs Go benchmarks in one process.
func (m *machine) bench(names ...string) (map[string]figures, error) {
	return m.goBench(m.s.time, names)
}

// weigh runs one that creates its objects once.
func (m *machine) weigh(names ...string) (map[string]figures, error) { return m.goBench("1x", names) }

func (m *machine) goBench(length string, names []string) (map[string]figures, error) {
	out, err := m.output([]string{"LOOP_BENCH_HEAP_MB=" + strconv.Itoa(m.s.heapMB)}, m.binary,
		"-test.run", "^$", "-test.bench", "^Benchmark("+strings.Join(names, "|")+")$", "-test.benchtime", length)
	if err != nil {
		return nil, err
	}
	all := map[string]figures{}
	for line := range strings.Lines(out) {
		if name, f := parse(line); f != nil {
			all[name] = f
		}
	}
	for _, name := range names {
		if all[name] == nil {
			return nil, fmt.Errorf("no benchmark %s in:\n%s", name, out)
		}
	}
	return all, nil
}

var benchLine = regexp.MustCompile(`^Benchmark(\w+)(?:-\d+)?\s+\d+\s+(.*)$`)

// parse reads "BenchmarkX-2  100  12 ns/op  3 allocs/op".
func parse(line string) (string, figures) {
	match := benchLine.FindStringSubmatch(strings.TrimSpace(line))
	if match == nil {
		return "", nil
	}
	f := figures{}
	fields := strings.Fields(match[2])
	for i := 0; i+1 < len(fields); i += 2 {
		value, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return "", nil
		}
		f[fields[i+1]] = value
	}
	return match[1], f
}

// ask lets asyncio and uvloop do the same, each in a fresh process.
func (m *machine) ask(peer string, wall bool, t *times) error {
	if peer == "" {
		return nil
	}
	for _, p := range []struct {
		flags []string
		into  *[]float64
	}{{nil, &t.asyncio}, {[]string{"--uvloop"}, &t.uvloop}} {
		out, err := m.output(nil, m.s.python, append(append([]string{m.s.peers}, p.flags...), peer)...)
		if err != nil {
			return err
		}
		fields := strings.Fields(out)
		if len(fields) != 3 || fields[0] != peer {
			return fmt.Errorf("%s answered %q", m.s.peers, out)
		}
		at := 1
		if wall {
			at = 2
		}
		figure, err := strconv.ParseFloat(fields[at], 64)
		if err != nil {
			return err
		}
		*p.into = append(*p.into, figure)
	}
	return nil
}

// describe says what is measured with what, and how to do it again.
func (m *machine) describe() string {
	processor := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if match := regexp.MustCompile(`model name\s*: (.*)`).FindSubmatch(text); match != nil {
			processor = string(match[1])
		}
	}
	versions, err := m.output(nil, m.s.python, m.s.peers, "--versions")
	if err != nil {
		versions = "no peers: " + err.Error()
	}
	return fmt.Sprintf("machine: %s, %d processors, %s/%s; %s, %s\n"+
		"command: go run ./bench/loop -rounds %d -time %s -heap %d\n"+
		"go:      loop.test -test.bench '^BenchmarkROW$' with %d MB of ballast\npeers:   python3 %s [--uvloop] ROW\n",
		processor, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), strings.TrimSpace(versions),
		m.s.rounds, m.s.time, m.s.heapMB, m.s.heapMB, filepath.ToSlash(m.s.peers))
}
