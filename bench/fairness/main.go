// Command fairness measures how much one key with thousands of queued fetches delays the fetches of another.
//
//	go run ./bench/fairness [-rounds 5]
//
// It builds the server and starts it with a slow target in this process. Fetches of a quiet host are submitted one by
// one and awaited, first alone, then while the queue of a busy host is kept full. Both with the default bound for each
// host, and with none, so that the busy one holds every worker.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/awaitd/awaitd/bench/process"
	"github.com/awaitd/awaitd/bench/report"
)

const (
	workers   = 32
	attempt   = 50 * time.Millisecond // what a target takes
	batchSize = 1000
)

func main() {
	rounds := flag.Int("rounds", 5, "rounds of each measurement; the median is shown")
	fetches := flag.Int("fetches", 200, "fetches of the quiet host a round")
	queued := flag.Int("queued", 10_000, "fetches of the busy host that wait all the time")
	flag.Parse()
	report.Describe("./bench/fairness")
	if err := run(*rounds, *fetches, *queued); err != nil {
		log.Fatal(err)
	}
}

func run(rounds, fetches, queued int) error {
	dir, err := os.MkdirTemp("", "awaitd-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	bin, err := process.Build(dir)
	if err != nil {
		return err
	}
	var t report.Table
	for round := range rounds {
		for name, hostMax := range map[string]int{"half of the workers for a host": 0, "all workers for a host": workers} {
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, rounds, name)
			data := filepath.Join(dir, fmt.Sprintf("data-%d-%d", round, hostMax))
			server, err := process.Start(bin, "--data-dir", data,
				"--workers", fmt.Sprint(workers), "--host-concurrency", fmt.Sprint(hostMax))
			if err != nil {
				return err
			}
			err = measure(&t, server, name, fetches, queued)
			server.Stop()
			if err != nil {
				return err
			}
		}
	}
	t.Print()
	return nil
}

// measure times the fetches of the quiet host, alone and beside those of the busy one.
func measure(t *report.Table, p *process.Server, name string, fetches, queued int) error {
	slow := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(attempt) })
	quiet, busy := httptest.NewServer(slow), httptest.NewServer(slow)
	defer quiet.Close()
	defer busy.Close()
	alone, err := oneByOne(p, quiet.URL, fetches, func() error { return nil })
	if err != nil {
		return err
	}
	fill := func() error {
		for {
			waiting, err := p.Gauge("awaitd_fetch_queue")
			if err != nil || int(waiting) >= queued {
				return err
			}
			if err := submit(p, busy.URL, batchSize); err != nil {
				return err
			}
		}
	}
	if err := fill(); err != nil {
		return err
	}
	beside, err := oneByOne(p, quiet.URL, fetches, fill)
	if err != nil {
		return err
	}
	t.AddTimes(name+": alone", alone)
	t.AddTimes(name+": beside the busy host", beside)
	t.Add(name+": p99 beside / alone", "", float64(beside[len(beside)*99/100])/float64(alone[len(alone)*99/100]))
	return nil
}

func submit(p *process.Server, target string, n int) error {
	batch := make([]map[string]any, n)
	for i := range batch {
		batch[i] = map[string]any{"url": target + "/busy"}
	}
	return p.Call("POST", "/fetch/batch", map[string]any{"fetches": batch}, nil)
}

// oneByOne submits and awaits, and keeps the time that the server itself wrote down: from created to settled. What it
// costs to ask is the same either way, and is not what is measured.
func oneByOne(p *process.Server, target string, n int, between func() error) ([]time.Duration, error) {
	times := make([]time.Duration, n)
	for i := range times {
		if i%20 == 0 {
			if err := between(); err != nil {
				return nil, err
			}
		}
		var f struct {
			State     string
			CreatedAt time.Time `json:"created_at"`
			SettledAt time.Time `json:"settled_at"`
		}
		if err := p.Call("POST", "/fetch?wait=30s", map[string]any{"url": target + "/quiet"}, &f); err != nil {
			return nil, err
		}
		if f.State != "succeeded" {
			return nil, fmt.Errorf("fetch %d is %s", i, f.State)
		}
		times[i] = f.SettledAt.Sub(f.CreatedAt)
	}
	return times, nil
}
