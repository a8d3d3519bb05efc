package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/awaitd/awaitd/bench/process"
	"github.com/awaitd/awaitd/bench/report"
)

// clients submit and await over HTTP at once.
const clients = 256

// measureHTTP compares a server on disk with one in memory, and a single caller with a bare fdatasync.
func measureHTTP(t *report.Table, s settings) error {
	bin, err := process.Build(s.dir)
	if err != nil {
		return err
	}
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"ok":true}`))
	}))
	defer target.Close()
	disk, err := process.Start(bin, "--data-dir", filepath.Join(s.dir, "http"))
	if err != nil {
		return err
	}
	defer disk.Stop()
	memory, err := process.Start(bin, "--memory")
	if err != nil {
		return err
	}
	defer memory.Stop()
	for range s.rounds {
		onDisk, err := fetchAll(disk, target.URL, s.fetches)
		if err != nil {
			return err
		}
		inMemory, err := fetchAll(memory, target.URL, s.fetches)
		if err != nil {
			return err
		}
		t.Add(fmt.Sprintf("submit and await by HTTP, %d clients, on disk", clients), "/s", onDisk)
		t.Add("the same, in memory", "/s", inMemory)
		t.Add("ratio of these: disk to memory", "", onDisk/inMemory)
		set := func() error { return disk.Call("POST", "/events/single/set", nil, nil) }
		if err := measureSingle(t, "one caller's set by HTTP", set, s.dir); err != nil {
			return err
		}
	}
	return nil
}

// fetchAll makes n fetches, each submitted and awaited by one call, and returns how many a second.
func fetchAll(p *process.Server, target string, n int) (float64, error) {
	var next atomic.Int64
	fault := make(chan error, clients)
	began := time.Now()
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for next.Add(1) <= int64(n) {
				var f struct{ State string }
				err := p.Call("POST", "/fetch?wait=30s", map[string]any{"url": target}, &f)
				if err == nil && f.State != "succeeded" {
					err = fmt.Errorf("a fetch is %s", f.State)
				}
				if err != nil {
					fault <- err
					return
				}
			}
		})
	}
	all.Wait()
	if len(fault) > 0 {
		return 0, <-fault
	}
	return float64(n) / time.Since(began).Seconds(), nil
}

// measureSingle times one caller who sets an event, and in turn with that one append of 256 bytes with its fdatasync.
func measureSingle(t *report.Table, what string, call func() error, dir string) error {
	const calls = 500
	file, err := os.Create(filepath.Join(dir, "single"))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	var set, synced []time.Duration
	line := make([]byte, 256)
	for range calls {
		began := time.Now()
		if err := call(); err != nil {
			return err
		}
		set = append(set, time.Since(began))
		began = time.Now()
		if _, err := file.Write(line); err != nil {
			return err
		}
		if err := syscall.Fdatasync(int(file.Fd())); err != nil {
			return err
		}
		synced = append(synced, time.Since(began))
	}
	t.Add("ratio of the medians: "+what+" to a bare fdatasync", "", float64(p50(set))/float64(p50(synced)))
	t.AddTimes(what+", on disk", set)
	t.AddTimes("in turn with that, one append with fdatasync", synced)
	return nil
}
