package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"time"

	"github.com/awaitd/awaitd/bench/process"
	"github.com/awaitd/awaitd/bench/report"
)

// bodies of bodyBytes each are fetched, and then read, at once.
const (
	bodiesAtOnce = 10
	bodyBytes    = 100 * mib
)

// measureBodies fetches long bodies at once, reads them back at once, and watches the server's memory.
func measureBodies(t *report.Table, s settings) error {
	bin, err := process.Build(s.dir)
	if err != nil {
		return err
	}
	target := httptest.NewServer(http.HandlerFunc(serveLong))
	defer target.Close()
	for round := range s.rounds {
		dir := filepath.Join(s.dir, fmt.Sprintf("bodies-%d", round))
		p, err := process.Start(bin, "--data-dir", dir, "--max-body", "128MiB")
		if err != nil {
			return err
		}
		err = moveBodies(t, p, target.URL)
		p.Stop()
		if err != nil {
			return err
		}
	}
	return nil
}

func serveLong(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", strconv.Itoa(bodyBytes))
	piece := make([]byte, 64<<10)
	for range bodyBytes / len(piece) {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

func moveBodies(t *report.Table, p *process.Server, target string) error {
	if err := p.Call("GET", "/healthz", nil, nil); err != nil {
		return err
	}
	idle, err := p.Resident()
	if err != nil {
		return err
	}
	fault := make(chan error, bodiesAtOnce)
	began := time.Now()
	ids := make([]string, bodiesAtOnce)
	for i := range ids {
		go func() {
			var f struct{ ID, State string }
			err := p.Call("POST", "/fetch?wait=60s", map[string]any{"url": target, "max_bytes": bodyBytes}, &f)
			if err == nil && f.State != "succeeded" {
				err = fmt.Errorf("a fetch is %s", f.State)
			}
			ids[i] = f.ID
			fault <- err
		}()
	}
	if err := firstOf(fault); err != nil {
		return err
	}
	const moved = bodiesAtOnce * bodyBytes / mib
	t.Add("10 bodies of 100 MiB at once, fetched and stored", "MiB/s", moved/time.Since(began).Seconds())
	began = time.Now()
	for _, id := range ids {
		go func() { fault <- read(p, id) }()
	}
	if err := firstOf(fault); err != nil {
		return err
	}
	t.Add("and read back", "MiB/s", moved/time.Since(began).Seconds())
	most, err := p.ResidentMost()
	if err != nil {
		return err
	}
	t.Add("most memory above the idle figure meanwhile", "MiB", (most-idle)/mib)
	return nil
}

func firstOf(faults chan error) (first error) {
	for range bodiesAtOnce {
		if err := <-faults; first == nil {
			first = err
		}
	}
	return first
}

func read(p *process.Server, id string) error {
	resp, err := p.Client.Get(p.URL + "/futures/" + id + "/result")
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && n != bodyBytes {
		err = fmt.Errorf("read %d bytes", n)
	}
	return err
}
