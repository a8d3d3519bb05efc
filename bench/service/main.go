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
	"path/filepath"

	"github.com/awaitd/awaitd/bench/process"
	"github.com/awaitd/awaitd/bench/report"
)

func main() {
	rounds := flag.Int("rounds", 5, "rounds of each measurement; the median is shown")
	fetches := flag.Int("fetches", 10_000, "fetches a round")
	parked := flag.Int("parked", 2_000, "callers parked a round")
	clients := flag.Int("clients", 64, "connections that submit at once")
	memory := flag.Bool("memory", false, "keep everything in memory instead of on disk")
	flag.Parse()
	report.Describe("./bench/service")
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
	bin, err := process.Build(dir)
	if err != nil {
		return err
	}
	args := []string{"--data-dir", filepath.Join(dir, "awaitd-data")}
	if memory {
		args = []string{"--memory"}
	}
	server, err := process.Start(bin, args...)
	if err != nil {
		return err
	}
	defer server.Stop()
	target := newTarget()
	defer target.close()

	var t report.Table
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
	t.Print()
	return nil
}
