// Command durable measures what it costs that nothing acknowledged is ever lost.
//
//	go run ./bench/durable [-rounds 5] [-only kernel,http,growth,bodies] [-callers 512] [-batch 1]
//
// Both sides of every comparison run in turn in this one run: the kernel on disk against a log to which the same
// callers only append, a server on disk against one in memory, one caller against one bare fdatasync.
// Client, target and server share the machine's processors: read ratios.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"

	"github.com/awaitd/awaitd/bench/report"
	"github.com/awaitd/awaitd/internal/app"
)

// settings of a run.
type settings struct {
	rounds  int
	lives   int    // lifecycles a round, through the kernel
	callers int    // who submit and await these at once
	batch   int    // fetches of each of their submits
	fetches int    // fetches a round, over HTTP
	pending int    // the most futures pending at once
	dir     string // where everything lies, on the disk to be measured
}

// part is one group of measurements.
type part struct {
	name string
	run  func(*report.Table, settings) error
}

var parts = []part{
	{"kernel", measureKernel},
	{"http", measureHTTP},
	{"growth", measureGrowth},
	{"bodies", measureBodies},
}

func main() {
	if dir := os.Getenv(leastVariable); dir != "" {
		log.Fatal(serveLeast(dir))
	}
	var s settings
	flag.IntVar(&s.rounds, "rounds", 5, "rounds of each measurement; the median is shown")
	flag.IntVar(&s.lives, "lives", 200_000, "lifecycles a round through the kernel")
	flag.IntVar(&s.callers, "callers", 512, "callers at once, through the kernel")
	flag.IntVar(&s.batch, "batch", 1, "fetches that each of them submits at once, and awaits before the next")
	flag.IntVar(&s.fetches, "fetches", 10_000, "fetches a round over HTTP")
	flag.IntVar(&s.pending, "pending", 1_000_000, "the most futures pending at once")
	where := flag.String("dir", "", "a folder on the disk to be measured; empty: the system's for temporary files")
	only := flag.String("only", "kernel,http,growth,bodies", "which parts to measure")
	flag.Parse()
	app.TuneCollector() // as the server does
	report.Describe("./bench/durable")
	if err := run(s, *where, strings.Split(*only, ",")); err != nil {
		log.Fatal(err)
	}
}

func run(s settings, where string, only []string) (err error) {
	if s.dir, err = os.MkdirTemp(where, "awaitd-durable"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(s.dir) }()
	var t report.Table
	for _, p := range parts {
		if !slices.Contains(only, p.name) {
			continue
		}
		fmt.Fprintln(os.Stderr, "measuring:", p.name)
		if err := p.run(&t, s); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	t.Print()
	return nil
}
