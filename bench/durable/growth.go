package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/awaitd/awaitd/bench/process"
	"github.com/awaitd/awaitd/bench/report"
)

const mib = 1 << 20

// measureGrowth piles up pending futures and measures what a lifecycle costs beside them, what each takes in memory,
// and how long a restart is; then what settled futures take.
func measureGrowth(t *report.Table, s settings) error {
	dir := filepath.Join(s.dir, "growth")
	k, err := open(dir)
	if err != nil {
		return err
	}
	many := crowd(s.lives / 4)
	heap := heapBytes()
	pending := 0
	var first time.Duration
	for _, n := range []int{s.pending / 100, s.pending / 10, s.pending} {
		for ; pending < n; pending += 1000 {
			if _, err := k.Submit(context.Background(), batch(1000, 24*time.Hour, request)...); err != nil {
				return errors.Join(err, k.close())
			}
		}
		each := eachOf(pending, heap)
		var costs []time.Duration
		for range s.rounds {
			took, err := many.live(k.submitAndAwait)
			if err != nil {
				return errors.Join(err, k.close())
			}
			costs = append(costs, took/time.Duration(many.lives))
		}
		cost := p50(costs)
		if first == 0 {
			first = cost
		}
		t.Add(fmt.Sprintf("a lifecycle beside %d pending", n), "µs", float64(cost)/float64(time.Microsecond))
		t.Add(fmt.Sprintf("ratio to the first, beside %d pending", n), "", float64(cost)/float64(first))
		t.Add(fmt.Sprintf("memory for each of %d pending", n), "B", each)
	}
	if err := k.close(); err != nil {
		return err
	}
	if err := measureRestart(t, s, dir, "pending"); err != nil {
		return err
	}
	if err := measurePlain(t, s); err != nil {
		return err
	}
	return measureSettled(t, s)
}

// eachOf is what each of n futures takes of the heap, which was as large before.
func eachOf(n int, before uint64) float64 {
	return (float64(heapBytes()) - float64(before)) / float64(n)
}

// measurePlain does the same with fetches that have no headers of their own.
func measurePlain(t *report.Table, s settings) error {
	dir := filepath.Join(s.dir, "plain")
	k, err := open(dir)
	if err != nil {
		return err
	}
	heap := heapBytes()
	for n := 0; n < s.pending; n += 1000 {
		if _, err := k.Submit(context.Background(), batch(1000, 24*time.Hour, plain)...); err != nil {
			return errors.Join(err, k.close())
		}
	}
	t.Add(fmt.Sprintf("memory for each of %d pending without headers", s.pending), "B", eachOf(s.pending, heap))
	if err := k.close(); err != nil {
		return err
	}
	return measureRestart(t, s, dir, "pending without headers")
}

// measureRestart starts the real server on what was left behind.
func measureRestart(t *report.Table, s settings, dir, what string) error {
	bin, err := process.Build(s.dir)
	if err != nil {
		return err
	}
	for range s.rounds {
		began := time.Now()
		p, err := process.Start(bin, "--data-dir", dir, "--max-pending", fmt.Sprint(2*s.pending))
		if err != nil {
			return err
		}
		took := time.Since(began)
		most, err := p.ResidentMost()
		p.Stop()
		if err != nil {
			return err
		}
		t.Add(fmt.Sprintf("restart with %d %s", s.pending, what), "s", took.Seconds())
		t.Add(fmt.Sprintf("the most memory of a restart with %d %s", s.pending, what), "MiB", most/mib)
	}
	return os.RemoveAll(dir)
}

// measureSettled has as many futures settle as were pending before, and looks what stays in memory.
func measureSettled(t *report.Table, s settings) error {
	k, err := open(filepath.Join(s.dir, "settled"))
	if err != nil {
		return err
	}
	if _, err := crowd(s.lives / 10).live(k.submitAndAwait); err != nil { // buffers and caches have their size
		return errors.Join(err, k.close())
	}
	before := heapBytes()
	if _, err := crowd(s.pending).live(k.submitAndAwait); err != nil {
		return errors.Join(err, k.close())
	}
	t.Add(fmt.Sprintf("heap grown by %d settled futures", s.pending), "MiB", (float64(heapBytes())-float64(before))/mib)
	return k.close()
}

// crowd are the settings of n lifecycles by so many callers that the processors are what bounds them.
func crowd(n int) settings { return settings{lives: n, callers: 256, batch: 32} }

// heapBytes is what the collector finds alive.
func heapBytes() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held is free now
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
