// Command waits measures what waiting costs a real awaitd: callers parked over cleartext HTTP/2, leaves of waits that
// are streamed, and how soon a set wakes.
//
//	go run ./bench/waits [-rounds 3] [-memory=false]
//
// Each measurement has a fresh server, so that memory is what it took. Client and server share the machine's
// processors, as they do not in real life: read ratios. Every answer is checked.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"

	"github.com/awaitd/awaitd/bench/process"
	"github.com/awaitd/awaitd/bench/report"
	"github.com/awaitd/awaitd/internal/server"
)

func main() {
	if os.Getenv(bareVariable) != "" {
		log.Fatal(serveBare())
	}
	b := &bench{}
	flag.IntVar(&b.rounds, "rounds", 3, "rounds of each measurement; the median is shown")
	flag.IntVar(&b.parked, "parked", 20_000, "callers parked at once")
	flag.IntVar(&b.streams, "streams", 10, "streams over one connection, of 10 000 leaves each")
	flag.IntVar(&b.wakes, "wakes", 500, "wakes of one caller on an idle server")
	flag.BoolVar(&b.memory, "memory", true, "keep everything in memory; else on disk, synced before each answer")
	flag.Parse()
	report.Describe("./bench/waits")
	if err := b.run(); err != nil {
		log.Fatal(err)
	}
}

type bench struct {
	rounds, parked, streams, wakes int
	memory                         bool

	dir, bin string
	table    report.Table
}

func (b *bench) run() (err error) {
	if b.dir, err = os.MkdirTemp("", "awaitd-bench"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	if b.bin, err = process.Build(b.dir); err != nil {
		return err
	}
	for round := range b.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, b.rounds)
		all := []func(*process.Server) error{b.measureParked, b.measureStreams, b.measureWakes}
		for _, w := range ways {
			all = append(all, b.measureGrowth(w), b.measureAlive(w))
		}
		for _, measure := range all {
			if err := b.with(round, measure); err != nil {
				return err
			}
		}
		for _, measure := range []func(*process.Server) error{b.measureGrowth(bare), b.measureAlive(bare)} {
			if err := b.withBare(measure); err != nil {
				return err
			}
		}
	}
	b.table.Print()
	return nil
}

// with runs one measurement on a server of its own, over HTTP/2.
func (b *bench) with(round int, measure func(*process.Server) error) error {
	args := []string{"--memory"}
	if !b.memory {
		dir, err := os.MkdirTemp(b.dir, fmt.Sprintf("round-%d-", round))
		if err != nil {
			return err
		}
		args = []string{"--data-dir", filepath.Join(dir, "awaitd-data")}
	}
	args = append(args, "--max-wait", "1h") // else who parks first leaves before the last has come, on a busy machine
	p, err := process.Start(b.bin, args...)
	if err != nil {
		return err
	}
	defer p.Stop()
	p.Client = b.overHTTP2()
	return measure(p)
}

// withBare is with, on this program as a server.
func (b *bench) withBare(measure func(*process.Server) error) error {
	p, err := process.StartSelf(bareVariable, "1")
	if err != nil {
		return err
	}
	defer p.Stop()
	p.Client = b.overHTTP2()
	return measure(p)
}

// overHTTP2 opens as many connections as all callers need who are parked at once.
func (b *bench) overHTTP2() *http.Client { return overConnections(b.parked/server.StreamsMax + 2) }

// overConnections opens at most so many. Without that bound a crowd opens one for each caller, thousands that are
// closed again as soon as the first takes more streams, and the server's memory is theirs.
func overConnections(most int) *http.Client {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{Protocols: &protocols, MaxConnsPerHost: most}}
}
