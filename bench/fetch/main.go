// Command fetch measures what the egress guard costs a fetch, and how fast fetches over kept connections are beside
// the same requests by a plain http.Client.
//
//	go run ./bench/fetch
package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/awaitd/awaitd/bench/report"
	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/record"
)

// parallel is how many requests are under way at once.
const parallel = 64

// ratio is the share of a plain client's requests that fetches reach, and the least that it must be.
const (
	ratio      = "ratio"
	ratioLeast = 0.8
)

func main() {
	rounds := flag.Int("rounds", 151, "rounds; both are measured in each, one after the other")
	window := flag.Duration("window", 60*time.Millisecond, "how long each is measured in a round")
	flag.Parse()
	report.Describe("./bench/fetch")
	if err := run(*rounds, *window); err != nil {
		fmt.Fprintln(os.Stderr, "bench/fetch:", err)
		os.Exit(1)
	}
}

// ballast is memory that is held meanwhile, as a server holds something: with an empty heap the collector runs every
// 4 MB, and what is measured is the collector.
const ballast = 64 << 20

func run(rounds int, window time.Duration) error {
	held := make([]byte, ballast)
	defer runtime.KeepAlive(held)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok")
	}))
	defer target.Close()
	f, err := newFetches(target.URL)
	if err != nil {
		return err
	}
	defer func() { _ = f.fetcher.Close(context.Background()) }()
	p := newPlain(target.URL)
	defer p.CloseIdleConnections()

	var t report.Table
	for round := range rounds + 1 {
		many := []func(func() bool) error{f.many, p.many}
		var seen [2]speed
		for i := range many {
			who := (i + round) % 2 // in turn the first
			if seen[who], err = measure(window, many[who]); err != nil {
				return err
			}
		}
		if round == 0 {
			continue // connections are made
		}
		t.Add("fetches", "requests/s", seen[0].perSecond)
		t.Add("plain http.Client", "requests/s", seen[1].perSecond)
		t.Add(ratio, "", seen[0].perSecond/seen[1].perSecond)
		t.Add("processor time of a fetch and its answer", "µs", seen[0].cost)
		t.Add("processor time of a plain request and its answer", "µs", seen[1].cost)
	}
	for range 5 {
		if err := guard(&t); err != nil {
			return err
		}
	}
	t.Print()
	if got := t.Median(ratio); got < ratioLeast {
		return fmt.Errorf("the ratio is %.2f, must be at least %.2f", got, ratioLeast)
	}
	return nil
}

// speed is what one window showed.
type speed struct {
	perSecond float64
	cost      float64 // µs of processor time for each request, that of the target with it
}

// measure makes requests for the length of the window, parallel at once: many starts that many chains of requests, and
// returns when all have ended because more said so.
func measure(window time.Duration, many func(more func() bool) error) (speed, error) {
	var total atomic.Int64
	used, began := cpuTime(), time.Now()
	err := many(func() bool {
		total.Add(1)
		return time.Since(began) < window
	})
	n := float64(total.Load())
	cost := float64((cpuTime() - used).Microseconds()) / n
	return speed{perSecond: n / time.Since(began).Seconds(), cost: cost}, err
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it cannot fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fetches are attempts of a Fetcher. Each that ends starts the next one, as the loop of the server does.
type fetches struct {
	fetcher *fetch.Fetcher
	request record.Packed
	more    func() bool
	chains  sync.WaitGroup
	failed  atomic.Pointer[record.Failure]
}

func newFetches(url string) (*fetches, error) {
	guard, err := fetch.NewGuard(fetch.GuardOptions{AllowTargets: []string{"127.0.0.1/32"}})
	if err != nil {
		return nil, err
	}
	f := &fetches{request: (&record.Request{
		Method: "GET", URL: url, Timeout: 30 * time.Second, BodyBytesMax: 1 << 20,
		Headers: []record.Header{
			{Name: "Accept", Values: []string{"application/json"}}, {Name: "Authorization", Values: []string{"Bearer x"}},
		},
		Retry:        record.Retry{AttemptsMax: 4, BackoffMin: time.Second, BackoffMax: time.Minute},
		AcceptStatus: []record.StatusRange{{From: 200, To: 299}}, RedirectsMax: 5,
	}).Pack()}
	f.fetcher, err = fetch.New(fetch.Options{
		WorkersMax: parallel, Guard: guard, UserAgent: "awaitd/bench", Bodies: memory{}, Rand: random, Now: time.Now,
		Done: f.ended,
	})
	return f, err
}

func (f *fetches) ended(out *record.Outcome) {
	if out.Attempt.Failure != nil {
		f.failed.Store(out.Attempt.Failure)
	}
	if f.more() && out.Attempt.Failure == nil {
		f.fetcher.Launch(fetch.Job{ID: out.ID, N: 1, Request: f.request})
		return
	}
	f.chains.Done()
}

func (f *fetches) many(more func() bool) error {
	f.more = more
	for chain := range parallel {
		f.chains.Add(1)
		f.fetcher.Launch(fetch.Job{ID: strconv.Itoa(chain), N: 1, Request: f.request})
	}
	f.chains.Wait()
	if failed := f.failed.Load(); failed != nil {
		return errors.New(failed.Message)
	}
	return nil
}

func random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return binary.LittleEndian.Uint64(b[:])
}

// memory keeps a body as the store keeps a short one.
type memory struct{}

type memoryBody struct{ held []byte }

func (memory) Create() (fetch.BodyWriter, error) { return &memoryBody{}, nil }

func (b *memoryBody) Write(p []byte) (int, error) {
	b.held = append(b.held, p...)
	return len(p), nil
}

func (b *memoryBody) Commit() (record.Body, error) {
	return record.Body{Bytes: int64(len(b.held)), Inline: b.held}, nil
}

func (b *memoryBody) Discard() {}

// plain is the same by http.Client: no guard, no bounds, no rules; the body is read and dropped.
type plain struct {
	http.Client
	url string
}

func newPlain(url string) *plain {
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: parallel}
	return &plain{http.Client{Transport: transport}, url}
}

func (p *plain) many(more func() bool) error {
	failed := make(chan error, parallel)
	for range parallel {
		go func() {
			err := p.one()
			for err == nil && more() {
				err = p.one()
			}
			failed <- err
		}()
	}
	var all error
	for range parallel {
		all = errors.Join(all, <-failed)
	}
	return all
}

func (p *plain) one() error {
	req, err := http.NewRequest(http.MethodGet, p.url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer x")
	req.Header.Set("Accept", "application/json")
	resp, err := p.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

var guardLine = regexp.MustCompile(`(?m)^BenchmarkGuard/(\S+)-\d+\s+\d+\s+([0-9.]+) ns/op`)

// guard adds one round of the guard's own benchmarks.
func guard(t *report.Table) error {
	bench := exec.Command("go", "test", "./internal/fetch", "-run", "^$", "-bench", "^BenchmarkGuard$")
	bench.Args = append(bench.Args, "-benchtime", "200ms")
	out, err := bench.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	found := guardLine.FindAllStringSubmatch(string(out), -1)
	if len(found) == 0 {
		return fmt.Errorf("no benchmark of the guard in:\n%s", out)
	}
	for _, line := range found {
		ns, err := strconv.ParseFloat(line[2], 64)
		if err != nil {
			return err
		}
		t.Add("guard, "+strings.ReplaceAll(line[1], "_", " "), "µs", ns/1000)
	}
	return nil
}
