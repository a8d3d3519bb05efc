// Package process starts a real awaitd for a benchmark, and talks to it over real sockets.
package process

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Server is a server under measurement.
type Server struct {
	URL    string
	Client *http.Client // keeps as many connections as are opened
	cmd    *exec.Cmd
}

// Build compiles the server into dir and returns the path of the binary.
func Build(dir string) (string, error) {
	bin := filepath.Join(dir, "awaitd")
	out, err := exec.Command("go", "build", "-trimpath", "-o", bin, "./cmd/server").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, nil
}

// Start starts the binary with args on a free port, allowed to fetch from this machine, says so, and waits until it
// has recovered.
func Start(bin string, args ...string) (*Server, error) {
	always := []string{"serve", "--addr", "127.0.0.1:0", "--allow-target", "127.0.0.1/32", "--log-format", "json"}
	return start(exec.Command(bin, append(always, args...)...))
}

// StartSelf starts this program again, with a variable set in its environment, by which it knows that it is to be a
// server that says where it listens as awaitd does.
func StartSelf(variable, value string) (*Server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), variable+"="+value)
	return start(cmd)
}

func start(cmd *exec.Cmd) (*Server, error) {
	s := &Server{cmd: cmd}
	log, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(log)
	find := regexp.MustCompile(`"url":"(http://[^"]+)"`)
	for s.URL == "" && lines.Scan() { // the line comes when the server has recovered
		if m := find.FindStringSubmatch(lines.Text()); m != nil {
			s.URL = m[1]
		}
	}
	if s.URL == "" {
		return nil, fmt.Errorf("the server ended: %v", s.cmd.Wait())
	}
	go func() { _, _ = io.Copy(os.Stderr, log) }()
	s.Client = &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 10_000, DialContext: (&net.Dialer{}).DialContext},
	}
	return s, nil
}

// Stop ends the server in order.
func (s *Server) Stop() {
	s.Client.CloseIdleConnections()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
}

// Call sends in as JSON and reads the answer into out. A status other than 200, 201 and 202 is an error.
func (s *Server) Call(method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, s.URL+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.Client.Do(req)
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

// Resident is the memory of the server's process, in bytes.
func (s *Server) Resident() (float64, error) { return s.status("VmRSS:") }

// ResidentMost is the most that Resident ever was.
func (s *Server) ResidentMost() (float64, error) { return s.status("VmHWM:") }

// clockTick is the unit in which Linux counts processor time for programs: USER_HZ, 100 a second.
const clockTick = 10 * time.Millisecond

// CPUTime is what the server's process has taken. On a busy machine it says more than a clock does.
func (s *Server) CPUTime() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	total := 0
	for _, field := range fields[11:13] { // utime and stime: proc(5) counts from the pid as 1
		ticks, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		total += ticks
	}
	return time.Duration(total) * clockTick, nil
}

// status reads one line of the process's status, in bytes.
func (s *Server) status(name string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib * 1024, err
		}
	}
	return 0, fmt.Errorf("no %s in the status of the server", name)
}

// Gauge reads one metric without labels.
func (s *Server) Gauge(name string) (float64, error) {
	all, err := s.Gauges(name)
	return all[name], err
}

// Gauges reads metrics without labels at one moment.
func (s *Server) Gauges(names ...string) (map[string]float64, error) {
	resp, err := s.Client.Get(s.URL + "/metrics")
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	found := map[string]float64{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if slices.Contains(names, name) {
			if found[name], err = strconv.ParseFloat(value, 64); err != nil {
				return nil, err
			}
		}
	}
	if len(found) < len(names) {
		return nil, fmt.Errorf("of the metrics %v there are only %v", names, found)
	}
	return found, lines.Err()
}
