// Package report prints what a benchmark measured: the machine, the command, and each figure's median over all rounds.
package report

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Describe says what was measured where. pkg is the command's folder, as `go run` takes it.
func Describe(pkg string) {
	fmt.Printf("machine: %s, %d processors, %s/%s, %s\n",
		cpuModel(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	fmt.Printf("command: %s\n\n", strings.Join(append([]string{"go run", pkg}, os.Args[1:]...), " "))
}

func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(info)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.Trim(name, " \t:\n")
		}
	}
	return "unknown processor"
}

// Table gathers the figures of all rounds, in the order in which they first came.
type Table struct {
	names  []string
	values map[string][]float64
	units  map[string]string
}

// Add adds the figure of one round.
func (t *Table) Add(name, unit string, value float64) {
	if t.values == nil {
		t.values, t.units = map[string][]float64{}, map[string]string{}
	}
	if _, ok := t.values[name]; !ok {
		t.names = append(t.names, name)
	}
	t.values[name] = append(t.values[name], value)
	t.units[name] = unit
}

// Median is that of a figure that was added.
func (t *Table) Median(name string) float64 {
	v := slices.Sorted(slices.Values(t.values[name]))
	return v[len(v)/2]
}

// Print writes the table in Markdown.
func (t *Table) Print() {
	fmt.Println("| figure | median | least | most |")
	fmt.Println("|---|---:|---:|---:|")
	for _, name := range t.names {
		v := slices.Sorted(slices.Values(t.values[name]))
		show := func(x float64) string {
			if x >= 100 {
				return fmt.Sprintf("%.0f %s", x, t.units[name])
			}
			return fmt.Sprintf("%.3g %s", x, t.units[name])
		}
		fmt.Printf("| %s | %s | %s | %s |\n", name, show(v[len(v)/2]), show(v[0]), show(v[len(v)-1]))
	}
}

// AddTimes adds the median, the 99th percentile and the longest of many durations.
func (t *Table) AddTimes(name string, times []time.Duration) {
	slices.Sort(times)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	t.Add(name+", p50", "ms", ms(times[len(times)/2]))
	t.Add(name+", p99", "ms", ms(times[len(times)*99/100]))
	t.Add(name+", most", "ms", ms(times[len(times)-1]))
}
