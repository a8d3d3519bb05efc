package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// process is a server of its own process, as a user starts it.
type process struct {
	*testing.T
	command *exec.Cmd
	url     string
	logged  sync.WaitGroup
	mu      sync.Mutex
	log     strings.Builder
}

// begin starts a server on a directory, on a free port, with this machine as a target, and waits until it is ready.
func begin(t *testing.T, dir string, flags ...string) *process {
	t.Helper()
	flags = append([]string{
		"--addr", "127.0.0.1:0", "--data-dir", dir, "--allow-target", "127.0.0.1/32", "--log-format", "json",
	}, flags...)
	p := &process{T: t, command: exec.Command("awaitd", flags...)}
	stderr, err := p.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan string, 1)
	p.logged.Go(func() { p.read(stderr, listening) })
	t.Cleanup(p.kill)
	var ok bool
	if p.url, ok = <-listening; !ok {
		t.Fatalf("the server ended: %s", p.logs())
	}
	return p
}

// read keeps the log, and finds in it where the server listens. It says so when the server is ready, too.
func (p *process) read(stderr io.Reader, listening chan<- string) {
	defer close(listening)
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		p.mu.Lock()
		p.log.WriteString(lines.Text() + "\n")
		p.mu.Unlock()
		var line struct{ Msg, URL string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
			listening <- line.URL
		}
	}
}

func (p *process) logs() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// kill ends it by SIGKILL, if it has not ended.
func (p *process) kill() {
	_ = p.command.Process.Kill()
	p.logged.Wait()
	_ = p.command.Wait() // killed, as was meant
}

// end ends it by SIGTERM, and waits for it.
func (p *process) end() {
	p.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		p.Fatal(err)
	}
	p.logged.Wait()
	if err := p.command.Wait(); err != nil {
		p.Errorf("it ended with %v", err)
	}
}

// call makes a request and gives status and body.
func (p *process) call(method, path, body string, header ...string) (int, string) {
	p.Helper()
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	req.Close = true // it will be killed
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
