package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/awaitd/awaitd/bench/process"
)

const leavesOfStream = 10_000

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// until asks for a gauge until it has the value.
func until(p *process.Server, gauge string, value int) error {
	last := 0
	for range 10_000 {
		n, err := p.Gauge(gauge)
		if err != nil {
			return err
		}
		if last = int(n); last == value {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("%s is %d and did not become %d in time", gauge, last, value)
}

// measureParked parks callers on one event, wakes them all with one set while others submit, and then parks as many
// again to see how soon their seats are free when they all hang up.
func (b *bench) measureParked(p *process.Server) error {
	woken := make([]time.Time, b.parked)
	fault := make(chan error, b.parked)
	var all sync.WaitGroup
	for i := range b.parked {
		all.Go(func() {
			var answer struct{ Set bool }
			err := p.Call("GET", "/events/bench?wait=30m", nil, &answer)
			if woken[i] = time.Now(); err != nil || !answer.Set {
				fault <- fmt.Errorf("parked caller %d: set %v, %w", i, answer.Set, err)
			}
		})
	}
	if err := until(p, "awaitd_waiters", b.parked); err != nil {
		return err
	}
	processor, err := cpuTime(p)
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	submits := b.submitting(p.URL, stop)
	began := time.Now()
	var answer struct{ Woken int }
	if err := p.Call("POST", "/events/bench/set", nil, &answer); err != nil {
		return err
	}
	set := time.Since(began)
	all.Wait()
	processed, err := cpuTime(p)
	if err != nil {
		return err
	}
	close(stop)
	took := <-submits
	switch {
	case len(fault) > 0:
		return <-fault
	case answer.Woken != b.parked:
		return fmt.Errorf("the set woke %d of %d", answer.Woken, b.parked)
	case took.fault != nil:
		return took.fault
	}
	times := make([]time.Duration, b.parked)
	for i, at := range woken {
		times[i] = at.Sub(began)
	}
	what := fmt.Sprintf("%d callers parked over HTTP/2", b.parked)
	b.table.Add(what+", the set answered after", "ms", milliseconds(set))
	b.table.AddTimes(what+", woken after", times)
	b.table.Add(what+", processor time of the server for all wakes", "ms", milliseconds(processed.server-processor.server))
	b.table.Add(what+", processor time of the client for all wakes", "ms", milliseconds(processed.client-processor.client))
	b.table.AddTimes("submits answered meanwhile", took.times)
	return b.measureLeaving(p)
}

// cpuTimes are what both sides have taken.
type cpuTimes struct{ server, client time.Duration }

func cpuTime(p *process.Server) (t cpuTimes, err error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return t, err
	}
	t.client = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	t.server, err = p.CPUTime()
	return t, err
}

// submitted is how long each submit took.
type submitted struct {
	times []time.Duration
	fault error
}

// submitting makes promises one after the other, over a connection of its own, until it is stopped.
func (b *bench) submitting(url string, stop chan struct{}) chan submitted {
	done := make(chan submitted, 1)
	go func() {
		p := &process.Server{URL: url, Client: b.overHTTP2()}
		var s submitted
		for s.fault == nil {
			began := time.Now()
			s.fault = p.Call("POST", "/futures", map[string]string{"kind": "promise"}, nil)
			s.times = append(s.times, time.Since(began))
			select {
			case <-stop:
				done <- s
				return
			default:
			}
		}
		done <- s
	}()
	return done
}

// measureLeaving parks callers and has all of them hang up at once.
func (b *bench) measureLeaving(p *process.Server) error {
	ctx, hangUp := context.WithCancel(context.Background())
	defer hangUp()
	var all sync.WaitGroup
	leaving := b.overHTTP2()
	for range b.parked {
		all.Go(func() {
			req, err := http.NewRequestWithContext(ctx, "GET", p.URL+"/events/never?wait=30m", nil)
			if err != nil {
				return
			}
			if resp, err := leaving.Do(req); err == nil {
				_ = resp.Body.Close()
			}
		})
	}
	if err := until(p, "awaitd_waiters", b.parked); err != nil {
		return err
	}
	began := time.Now()
	hangUp()
	all.Wait()
	if err := until(p, "awaitd_waiters", 0); err != nil {
		return err
	}
	b.table.Add(fmt.Sprintf("%d callers hang up, all seats free after", b.parked), "ms", milliseconds(time.Since(began)))
	return nil
}

// measureStreams opens streams of large waits over one connection, and has every leaf of all of them told.
func (b *bench) measureStreams(p *process.Server) error {
	p.Client = overConnections(1)
	refs := make([]string, leavesOfStream)
	for i := range refs {
		refs[i] = fmt.Sprintf("event:e%d", i)
	}
	body, err := json.Marshal(map[string]any{"for": map[string]any{"all": refs}, "results": "none"})
	if err != nil {
		return err
	}
	before, err := p.Resident()
	if err != nil {
		return err
	}
	var told atomic.Int64
	fault := make(chan error, b.streams)
	var all sync.WaitGroup
	for range b.streams {
		all.Go(func() { fault <- follow(p, body, &told) })
	}
	if err := until(p, "awaitd_waiters", b.streams); err != nil {
		return err
	}
	during, err := p.Resident()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := b.setAll(p, refs); err != nil {
		return err
	}
	all.Wait()
	took := time.Since(began)
	for range b.streams {
		if err := <-fault; err != nil {
			return err
		}
	}
	leaves := b.streams * leavesOfStream
	if told.Load() != int64(leaves) {
		return fmt.Errorf("%d of %d leaves were told", told.Load(), leaves)
	}
	after, err := p.Resident()
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d leaves on %d streams of one connection", leaves, b.streams)
	b.table.Add(what+", memory each while they wait", "KiB", (during-before)/1024/float64(leaves))
	b.table.Add(what+", memory each when all are told", "KiB", (after-before)/1024/float64(leaves))
	b.table.Add(what+", told", "messages/s", float64(leaves)/took.Seconds())
	return nil
}

// follow reads one stream to its end.
func follow(p *process.Server, body []byte, told *atomic.Int64) error {
	req, err := http.NewRequest("POST", p.URL+"/wait", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	resp, err := p.Client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		switch event, _ := strings.CutPrefix(lines.Text(), "event: "); event {
		case "completed":
			told.Add(1)
		case "decided":
			return nil
		}
	}
	return fmt.Errorf("a stream ended early: %w", lines.Err())
}

// setAll sets every event, many at a time.
func (b *bench) setAll(p *process.Server, refs []string) error {
	setter := &process.Server{URL: p.URL, Client: b.overHTTP2()}
	fault := make(chan error, len(refs))
	next := make(chan string)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for ref := range next {
				fault <- setter.Call("POST", "/events/"+strings.TrimPrefix(ref, "event:")+"/set", nil, nil)
			}
		})
	}
	for _, ref := range refs {
		next <- ref
	}
	close(next)
	all.Wait()
	for range refs {
		if err := <-fault; err != nil {
			return err
		}
	}
	return nil
}

// measureWakes times, on an idle server, from just before a set until its one waiter has its answer, each on a
// connection of its own.
func (b *bench) measureWakes(p *process.Server) error {
	setter, err := p.Dial()
	if err != nil {
		return err
	}
	defer setter.Close()
	waiter, err := p.Dial()
	if err != nil {
		return err
	}
	defer waiter.Close()
	times := make([]time.Duration, 0, b.wakes)
	for i := range b.wakes {
		name := fmt.Sprintf("/events/idle-%d", i)
		done := make(chan error, 1)
		var at time.Time
		go func() {
			err := waiter.Call("GET", name+"?wait=30m")
			at = time.Now()
			done <- err
		}()
		if err := until(p, "awaitd_waiters", 1); err != nil {
			return err
		}
		began := time.Now()
		if err := setter.Call("POST", name+"/set"); err != nil {
			return err
		}
		if err := <-done; err != nil {
			return err
		}
		times = append(times, at.Sub(began))
	}
	b.table.AddTimes("one caller on an idle server, woken after", times)
	sum, err := p.Gauge("awaitd_wake_seconds_sum")
	if err != nil {
		return err
	}
	count, err := p.Gauge("awaitd_wake_seconds_count")
	if err != nil {
		return err
	}
	b.table.Add("one caller on an idle server, from the decision until the answer is written, mean", "ms", 1000*sum/count)
	return nil
}
