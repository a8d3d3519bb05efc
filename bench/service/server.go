package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// process is the server under measurement.
type process struct {
	url    string
	cmd    *exec.Cmd
	client *http.Client
}

func startServer(dir string, memory bool) (*process, error) {
	bin, err := build(dir)
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "--addr", "127.0.0.1:0", "--allow-target", "127.0.0.1/32", "--log-format", "json"}
	if memory {
		args = append(args, "--memory")
	} else {
		args = append(args, "--data-dir", "DIR")
	}
	fmt.Printf("server:  awaitd %s\n\n", strings.Join(args, " "))
	for i := range args {
		if args[i] == "DIR" {
			args[i] = filepath.Join(dir, "awaitd-data")
		}
	}
	p := &process{cmd: exec.Command(bin, args...)}
	log, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(log)
	find := regexp.MustCompile(`"url":"(http://[^"]+)"`)
	for p.url == "" && lines.Scan() {
		if m := find.FindStringSubmatch(lines.Text()); m != nil {
			p.url = m[1]
		}
	}
	if p.url == "" {
		return nil, fmt.Errorf("the server ended: %v", p.cmd.Wait())
	}
	go func() { _, _ = io.Copy(os.Stderr, log) }()
	p.client = &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 10_000, DialContext: (&net.Dialer{}).DialContext},
	}
	return p, nil
}

func (p *process) stop() {
	p.client.CloseIdleConnections()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

// call sends in as JSON and reads the answer into out. A status other than 200, 201 and 202 is an error.
func (p *process) call(method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, p.url+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode > http.StatusAccepted {
		return fmt.Errorf("%s %s: %s: %.500s", method, path, resp.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// resident is the memory of the server's process, in bytes.
func (p *process) resident() (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib * 1024, err
		}
	}
	return 0, fmt.Errorf("no VmRSS in the status of the server")
}

// gauge reads one metric without labels.
func (p *process) gauge(name string) (float64, error) {
	resp, err := p.client.Get(p.url + "/metrics")
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(rest, 64)
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}

// target answers every request with its own path and counts them.
type target struct {
	*httptest.Server
	mu     sync.Mutex
	counts map[string]int
}

func newTarget() *target {
	t := &target{counts: map[string]int{}}
	t.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.mu.Lock()
		t.counts[r.URL.Path]++
		t.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"path":%q}`, r.URL.Path)
	}))
	return t
}

func (t *target) close() { t.Server.Close() }

// onceEach demands that each of n paths below prefix was asked for exactly once.
func (t *target) onceEach(prefix string, n int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range n {
		if got := t.counts[fmt.Sprintf("%s/%d", prefix, i)]; got != 1 {
			return fmt.Errorf("%s/%d was asked for %d times", prefix, i, got)
		}
	}
	clear(t.counts)
	return nil
}
