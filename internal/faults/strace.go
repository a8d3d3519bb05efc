package faults

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// need finds a program; without it a test is skipped, and fails where everything must run.
func need(t testing.TB, program, debian string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		mustRun(t, "%s is not here: apt-get install %s", program, debian)
	}
	return path
}

// mustRun skips a test for which something is missing here, and fails it in CI.
func mustRun(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("AWAITD_CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// syncs are the calls by which a store asks the disk to keep what was written. Only what is traced can be tampered
// with; what is missing here would go by without a word.
const syncs = "fsync,fdatasync,sync_file_range"

// underStrace is the prefix that starts a server with a fault in its system calls, in the words of strace's inject=,
// and the file that tells which calls there were. Calls are counted by each thread for itself; with a path only those
// that concern the path.
func underStrace(t testing.TB, fault string, path ...string) (prefix []string, trace string) {
	t.Helper()
	trace = filepath.Join(t.TempDir(), "trace")
	prefix = []string{
		need(t, "strace", "strace"), "-D", "-f", "-qq", "-o", trace,
		"-e", "signal=none", "-e", "trace=" + syncs, "-e", "inject=" + fault,
	}
	for _, p := range path {
		prefix = append(prefix, "-P", p)
	}
	return prefix, trace
}

// failed reports whether a call has failed, according to a trace, because it was made to.
func failed(t testing.TB, trace string) bool {
	t.Helper()
	return strings.Contains(read(t, trace), "INJECTED")
}

// read is a trace as far as it is written; nothing before it begins.
func read(t testing.TB, trace string) string {
	t.Helper()
	text, err := os.ReadFile(trace)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

// spell is a fault in the system calls of a server that runs already, from cast to lift.
type spell struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// cast puts a fault on the server. When it returns, no later call of any thread escapes it.
func (l *life) cast(t testing.TB, fault string) *spell {
	t.Helper()
	said := &journal{}
	cmd := exec.Command(need(t, "strace", "strace"), "-f", "-o", os.DevNull, "-e", "signal=none",
		"-e", "trace="+syncs, "-e", "inject="+fault, "-p", strconv.Itoa(l.cmd.Process.Pid))
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &spell{cmd, make(chan struct{})}
	go func() {
		_ = cmd.Wait() // strace ends as the signal or the server ends it
		close(s.ended)
	}()
	t.Cleanup(s.lift)
	eventually(t, func() bool { return said.has("attached") || over(s.ended) }, "strace does not trace")
	if !said.has("attached") {
		mustRun(t, "strace may not trace here: %s", said)
	}
	return s
}

// lift ends the fault; a call that was held returns.
func (s *spell) lift() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.ended
}
