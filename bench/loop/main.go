package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
)

type settings struct {
	rounds int
	python string
	peers  string // the script
	time   string // of one Go benchmark, as -test.benchtime takes it
	heapMB int
	only   *regexp.Regexp
	strict bool
}

func main() {
	s := settings{}
	flag.IntVar(&s.rounds, "rounds", 5, "rounds; every row is measured by everybody in each")
	flag.StringVar(&s.python, "python", "/usr/bin/python3", "the interpreter, with uvloop installed")
	flag.StringVar(&s.peers, "peers", filepath.Join("bench", "peers", "asyncio_bench.py"), "the peers' script")
	flag.StringVar(&s.time, "time", "500ms", "length of one Go benchmark")
	flag.IntVar(&s.heapMB, "heap", 64, "MB that the Go process holds, as a service holds something; 0: nothing")
	only := flag.String("rows", ".", "measure only rows and gates whose name matches")
	flag.BoolVar(&s.strict, "strict", false, "end with status 1 if anything is missed")
	flag.Parse()
	s.only = regexp.MustCompile(*only)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	missed, err := run(ctx, s)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/loop:", err)
		os.Exit(1)
	}
	if missed > 0 && s.strict {
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) (missed int, err error) {
	m, err := newMachine(ctx, s)
	if err != nil {
		return 0, err
	}
	defer m.close()
	fmt.Println(m.describe())
	r := report{}
	for round := range s.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, s.rounds)
		if err := r.measure(m, s.only); err != nil {
			return 0, err
		}
	}
	return r.print(), nil
}

// report collects, per name, one figure of each round.
type report struct {
	times   map[string]*times
	gates   map[string][]float64
	weights map[string]*times
}

type times struct{ goes, asyncio, uvloop, allocs []float64 }

func (r *report) measure(m *machine, only *regexp.Regexp) error {
	if r.times == nil {
		r.times, r.gates, r.weights = map[string]*times{}, map[string][]float64{}, map[string]*times{}
	}
	for _, row := range rows {
		if !only.MatchString(row.name) {
			continue
		}
		if err := r.measureRow(m, row); err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
	}
	for _, g := range gates {
		if !only.MatchString(g.name) {
			continue
		}
		figures, err := m.bench(g.bench, g.limit)
		if err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		r.gates[g.name] = append(r.gates[g.name], figures[g.bench].time(g.wall)/figures[g.limit].time(g.wall))
	}
	for _, w := range weights {
		if !only.MatchString(w.name) {
			continue
		}
		if err := r.weigh(m, w); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

func (r *report) measureRow(m *machine, row row) error {
	if r.times[row.name] == nil {
		r.times[row.name] = &times{}
	}
	t := r.times[row.name]
	figures, err := m.bench(row.bench)
	if err != nil {
		return err
	}
	t.goes = append(t.goes, figures[row.bench].time(row.wall))
	t.allocs = append(t.allocs, figures[row.bench]["allocs/op"])
	return m.ask(row.peer, row.wall, t)
}

func (r *report) weigh(m *machine, w weight) error {
	if r.weights[w.name] == nil {
		r.weights[w.name] = &times{}
	}
	t := r.weights[w.name]
	figures, err := m.weigh(w.bench)
	if err != nil {
		return err
	}
	t.goes = append(t.goes, figures[w.bench]["B/object"])
	return m.ask(w.peer, false, t)
}

func median[T cmp.Ordered](all []T) T {
	var none T
	if len(all) == 0 {
		return none
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// ratio is the median of the ratios of each round.
func ratio(above, below []float64) float64 {
	var all []float64
	for i := range min(len(above), len(below)) {
		all = append(all, above[i]/below[i])
	}
	return median(all)
}
