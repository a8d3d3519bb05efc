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
	least, err := process.StartSelf(leastVariable, s.dir)
	if err != nil {
		return err
	}
	defer least.Stop()
	one, err := disk.Dial()
	if err != nil {
		return err
	}
	defer one.Close()
	other, err := least.Dial()
	if err != nil {
		return err
	}
	defer other.Close()
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
		err = measureSingles(t, s.dir,
			single{"one caller's set by HTTP, on disk", func() error { return one.Call("POST", "/events/single/set") }},
			single{"a handler that appends and syncs, by HTTP", func() error { return other.Call("POST", "/") }},
		)
		if err != nil {
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

// appended is what a bare append writes before its fdatasync, in bytes.
const appended = 256

// single is a call that one caller makes, and waits for.
type single struct {
	name string
	call func() error
}

// measureSingles times one caller's calls, and in turn with each a bare append with its fdatasync.
func measureSingles(t *report.Table, dir string, singles ...single) error {
	const calls = 500
	file, err := os.Create(filepath.Join(dir, "single"))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	line := make([]byte, appended)
	bare := single{"in turn with these, one append with fdatasync", func() error {
		if _, err := file.Write(line); err != nil {
			return err
		}
		return syscall.Fdatasync(int(file.Fd()))
	}}
	singles = append(singles, bare)
	times := make([][]time.Duration, len(singles))
	for range calls {
		for i, s := range singles {
			began := time.Now()
			if err := s.call(); err != nil {
				return err
			}
			times[i] = append(times[i], time.Since(began))
		}
	}
	synced := p50(times[len(times)-1])
	for i, s := range singles {
		if i < len(singles)-1 {
			t.Add("ratio of the medians: "+s.name+" to a bare fdatasync", "", float64(p50(times[i]))/float64(synced))
		}
		t.AddTimes(s.name, times[i])
	}
	return nil
}
