// Command service measures a real awaitd over real sockets: fetch lifecycles, and callers parked and woken.
//
//	go run ./bench/service [-rounds 5]
//
// It builds the server, starts it as a process of its own with a target in this one, checks that every fetch was
// settled right and made once, and prints the machine, the commands and the median of each figure over all rounds.
// Client, target and server share the machine's processors, as they do not in real life: read ratios.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 5, "rounds of each measurement; the median is shown")
	fetches := flag.Int("fetches", 10_000, "fetches a round")
	parked := flag.Int("parked", 2_000, "callers parked a round")
	clients := flag.Int("clients", 64, "connections that submit at once")
	memory := flag.Bool("memory", false, "keep everything in memory instead of on disk")
	flag.Parse()
	describe()
	if err := run(*rounds, *fetches, *parked, *clients, *memory); err != nil {
		log.Fatal(err)
	}
}

func run(rounds, fetches, parked, clients int, memory bool) error {
	dir, err := os.MkdirTemp("", "awaitd-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	server, err := startServer(dir, memory)
	if err != nil {
		return err
	}
	defer server.stop()
	target := newTarget()
	defer target.close()

	var t table
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
		for _, measure := range []func() error{
			func() error { return measureSingles(&t, server, target, fetches, clients) },
			func() error { return measureBatches(&t, server, target, fetches) },
			func() error { return measureParked(&t, server, parked) },
			func() error { return measureIdleWake(&t, server) },
		} {
			if err := measure(); err != nil {
				return err
			}
		}
	}
	t.print()
	return nil
}

// describe says what was measured where.
func describe() {
	fmt.Printf(
		"machine: %s, %d processors, %s/%s, %s\n",
		cpuModel(),
		runtime.NumCPU(),
		runtime.GOOS,
		runtime.GOARCH,
		runtime.Version(),
	)
	fmt.Printf("command: go run ./bench/service %s\n\n", strings.Join(os.Args[1:], " "))
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

// table gathers the figures of all rounds, in the order in which they first came.
type table struct {
	names  []string
	values map[string][]float64
	units  map[string]string
}

func (t *table) add(name, unit string, value float64) {
	if t.values == nil {
		t.values, t.units = map[string][]float64{}, map[string]string{}
	}
	if _, ok := t.values[name]; !ok {
		t.names = append(t.names, name)
	}
	t.values[name] = append(t.values[name], value)
	t.units[name] = unit
}

func (t *table) print() {
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

// addTimes adds the median, the 99th percentile and the longest of many durations.
func (t *table) addTimes(name string, times []time.Duration) {
	slices.Sort(times)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	t.add(name+", p50", "ms", ms(times[len(times)/2]))
	t.add(name+", p99", "ms", ms(times[len(times)*99/100]))
	t.add(name+", most", "ms", ms(times[len(times)-1]))
}

func build(dir string) (string, error) {
	bin := filepath.Join(dir, "awaitd")
	out, err := exec.Command("go", "build", "-trimpath", "-o", bin, "./cmd/server").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, nil
}
