package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/awaitd/awaitd/bench/process"
	"github.com/awaitd/awaitd/bench/report"
)

// future is a future as far as these measurements read it.
type future struct {
	ID     string
	State  string
	Result struct {
		JSON struct{ Path string }
	}
}

// measureSingles has each fetch submitted and awaited by one call (Prefer: wait), over many connections.
func measureSingles(t *report.Table, p *process.Server, target *target, fetches, clients int) error {
	var next, failed atomic.Int64
	times := make([]time.Duration, fetches)
	fault := make(chan error, clients)
	began := time.Now()
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < fetches; i = int(next.Add(1)) - 1 {
				sent := time.Now()
				path := fmt.Sprintf("/single/%d", i)
				var f future
				err := p.Call("POST", "/fetch?wait=30s", map[string]any{"url": target.URL + path}, &f)
				if err == nil && (f.State != "succeeded" || f.Result.JSON.Path != path) {
					err = fmt.Errorf("fetch %d: %+v", i, f)
				}
				if err != nil {
					failed.Add(1)
					fault <- err
					return
				}
				times[i] = time.Since(sent)
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	if failed.Load() > 0 {
		return <-fault
	}
	name := fmt.Sprintf("submit and await in one call, %d connections", clients)
	t.Add(name, "fetches/s", float64(fetches)/took.Seconds())
	t.AddTimes(name, times)
	return target.onceEach("/single", fetches)
}

// measureBatches submits all fetches in batches of 1000, awaits all with one call a batch, and checks each.
func measureBatches(t *report.Table, p *process.Server, target *target, fetches int) error {
	const size = 1000
	began := time.Now()
	var ids []string
	for from := 0; from < fetches; from += size {
		var batch []map[string]any
		for i := from; i < min(from+size, fetches); i++ {
			batch = append(batch, map[string]any{"url": fmt.Sprintf("%s/batch/%d", target.URL, i)})
		}
		var answer struct{ Futures []future }
		if err := p.Call("POST", "/fetch/batch", map[string]any{"fetches": batch}, &answer); err != nil {
			return err
		}
		for _, f := range answer.Futures {
			ids = append(ids, f.ID)
		}
	}
	submitted := time.Since(began)
	for from := 0; from < len(ids); from += size {
		wait := map[string]any{
			"for":     map[string]any{"all": ids[from:min(from+size, len(ids))]},
			"timeout": "60s",
			"results": "state",
		}
		var answer struct{ Outcome string }
		if err := p.Call("POST", "/wait", wait, &answer); err != nil {
			return err
		}
		if answer.Outcome != "satisfied" {
			return fmt.Errorf("a batch is %s", answer.Outcome)
		}
	}
	took := time.Since(began)
	t.Add("batches of 1000, submitted", "fetches/s", float64(fetches)/submitted.Seconds())
	t.Add("batches of 1000, submitted and awaited", "fetches/s", float64(fetches)/took.Seconds())
	for i, id := range ids {
		var f future
		if err := p.Call("GET", "/futures/"+id, nil, &f); err != nil {
			return err
		}
		if want := fmt.Sprintf("/batch/%d", i); f.State != "succeeded" || f.Result.JSON.Path != want {
			return fmt.Errorf("%s: %+v, want %s", id, f, want)
		}
	}
	return target.onceEach("/batch", fetches)
}

// measureParked parks callers on one event, each on a connection of its own (HTTP/1.1), and wakes them with one set.
func measureParked(t *report.Table, p *process.Server, parked int) error {
	name := fmt.Sprintf("bench-%d", time.Now().UnixNano())
	p.Client.CloseIdleConnections()
	before, err := p.Resident()
	if err != nil {
		return err
	}
	woken := make([]time.Time, parked)
	fault := make(chan error, parked)
	var all sync.WaitGroup
	for i := range parked {
		all.Go(func() {
			var answer struct{ Set bool }
			err := p.Call("GET", "/events/"+name+"?wait=60s", nil, &answer)
			if woken[i] = time.Now(); err != nil || !answer.Set {
				fault <- fmt.Errorf("parked caller %d: set %v, %w", i, answer.Set, err)
			}
		})
	}
	if err := untilParked(p, parked); err != nil {
		return err
	}
	during, err := p.Resident()
	if err != nil {
		return err
	}
	began := time.Now()
	var answer struct{ Woken int }
	if err := p.Call("POST", "/events/"+name+"/set", nil, &answer); err != nil {
		return err
	}
	set := time.Since(began)
	all.Wait()
	if len(fault) > 0 {
		return <-fault
	}
	if answer.Woken != parked {
		return fmt.Errorf("the set woke %d of %d", answer.Woken, parked)
	}
	times := make([]time.Duration, parked)
	for i, at := range woken {
		times[i] = at.Sub(began)
	}
	what := fmt.Sprintf("%d parked callers", parked)
	t.Add(what+", the set answered after", "ms", float64(set)/float64(time.Millisecond))
	t.AddTimes(what+", woken after", times)
	t.Add(what+", memory each (HTTP/1.1)", "KiB", (during-before)/1024/float64(parked))
	return nil
}

func untilParked(p *process.Server, parked int) error {
	for range 2000 {
		n, err := p.Gauge("awaitd_waiters")
		if err != nil {
			return err
		}
		if int(n) == parked {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("not all %d callers were parked in time", parked)
}

// measureIdleWake times, on an idle server, from just before a set until its one waiter has its answer.
func measureIdleWake(t *report.Table, p *process.Server) error {
	const wakes = 200
	var times []time.Duration
	for i := range wakes {
		name := fmt.Sprintf("idle-%d-%d", time.Now().UnixNano(), i)
		done := make(chan error, 1)
		var at time.Time
		go func() {
			err := p.Call("GET", "/events/"+name+"?wait=60s", nil, nil)
			at = time.Now()
			done <- err
		}()
		if err := untilParked(p, 1); err != nil {
			return err
		}
		began := time.Now()
		if err := p.Call("POST", "/events/"+name+"/set", nil, nil); err != nil {
			return err
		}
		if err := <-done; err != nil {
			return err
		}
		times = append(times, at.Sub(began))
	}
	t.AddTimes("one parked caller, idle server, woken after", times)
	return nil
}
