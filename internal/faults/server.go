package faults

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take that must happen. It is no measure: who runs into it has found a fault.
const patience = 2 * time.Minute

// build builds the server as it is shipped, into dir.
func build(dir string) (binary string, err error) {
	binary = filepath.Join(dir, "awaitd")
	cmd := exec.Command("go", "build", "-trimpath", "-o", binary, "../../cmd/server")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return binary, nil
}

// home is where a server lives: its binary, its address and its flags stay the same from one life to the next.
type home struct {
	binary, address string
	flags           []string
}

var homes atomic.Uint32

// newHome makes one with an address that is nobody else's, so that a call to a server that has died reaches nobody.
// Every process has loopback addresses of its own here, as many as it likes.
func newHome(t testing.TB, binary string, flags ...string) *home {
	t.Helper()
	pid, n := os.Getpid(), homes.Add(1)
	probe, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", pid>>8&0xff, pid&0xff, n&0xff))
	if err != nil {
		t.Fatal(err)
	}
	h := &home{binary: binary, address: probe.Addr().String()}
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	h.flags = append([]string{
		"--addr", h.address, "--allow-target", "127.0.0.1/32", "--log-format", "json", "--grace", "2s",
	}, flags...)
	return h
}

// life is one process of the server, from its start to its end.
type life struct {
	url   string
	cmd   *exec.Cmd
	said  *journal
	ended chan struct{} // closed when the process is gone and its files are closed
}

// start begins a life. With a prefix the server is started by that command, which must take its place in the end, so
// that the process is the server itself. The life ends with the test, if nothing ends it before.
func (h *home) start(t testing.TB, prefix ...string) *life {
	t.Helper()
	line := append(append(prefix, h.binary), h.flags...)
	l := &life{url: "http://" + h.address, cmd: exec.Command(line[0], line[1:]...), said: &journal{}}
	l.cmd.Stderr = l.said
	l.ended = make(chan struct{})
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = l.cmd.Wait() // how it ended is in ProcessState
		close(l.ended)
	}()
	t.Cleanup(l.kill)
	return l
}

// kill ends the process as it stands, and returns when it is gone.
func (l *life) kill() {
	_ = l.cmd.Process.Kill() // it may be gone already
	<-l.ended
}

// stop asks the process to end in order and returns its exit status; -1: a signal ended it.
func (l *life) stop(t testing.TB) int {
	t.Helper()
	_ = l.cmd.Process.Signal(syscall.SIGTERM)
	return l.exit(t)
}

// exit waits until the process has ended by itself.
func (l *life) exit(t testing.TB) int {
	t.Helper()
	select {
	case <-l.ended:
		return l.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("the server does not end; it said:\n%s", l.said)
		return 0
	}
}

// alive reports whether the process has not ended.
func (l *life) alive() bool { return !over(l.ended) }

// over reports whether c is closed.
func over(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// ready waits until the server takes work. It is an error when it ends before.
func (l *life) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-again.C:
		case <-l.ended:
			return fmt.Errorf("the server ended (%s) before it was ready; it said:\n%s", l.cmd.ProcessState, l.said)
		case <-ctx.Done():
			return fmt.Errorf("the server is not ready: %w; it said:\n%s", ctx.Err(), l.said)
		}
	}
}

// eventually looks again until it is so, and fails the test when that never happens.
func eventually(t testing.TB, so func() bool, otherwise string) {
	t.Helper()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for deadline := time.After(patience); !so(); {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal(otherwise)
		}
	}
}

// journal keeps what a process says.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// has reports whether the process has said that.
func (j *journal) has(words string) bool { return strings.Contains(j.String(), words) }
