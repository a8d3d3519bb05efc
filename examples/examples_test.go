// Package examples runs the programs in it, as a user would: the real server, a real target, real processes.
package examples

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// need skips a test that needs a program that is not here. In CI that is a failure: everything is installed there.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("AWAITD_CI") != "" {
				t.Fatalf("CI must have %s", program)
			}
			t.Skipf("needs %s: apt-get install %s", program, program)
		}
	}
}

// world is a server and a flaky target, each a process of its own.
type world struct{ awaitd, target string }

// start starts server and target on free ports.
func start(t *testing.T) world {
	t.Helper()
	build(t)
	awaitd := launch(t, `"url":"(http://[^"]+)"`, "awaitd", "--addr", "127.0.0.1:0", "--data-dir", t.TempDir(),
		"--allow-target", "127.0.0.1/32", "--log-format", "json")
	w := world{awaitd: awaitd.url, target: launch(t, `on (http://\S+)`, "flaky", "127.0.0.1:0").url}
	t.Setenv("AWAITD_URL", w.awaitd)
	t.Setenv("TARGET_URL", w.target)
	return w
}

// programs is the folder of the programs that build built, once for all tests.
var programs string

// TestMain removes what was built.
func TestMain(m *testing.M) {
	code := m.Run()
	if programs != "" {
		_ = os.RemoveAll(programs)
	}
	os.Exit(code)
}

// build builds the programs and puts them on the PATH of a test.
func build(t *testing.T) {
	t.Helper()
	if programs == "" {
		folder, err := os.MkdirTemp("", "awaitd-examples-")
		if err != nil {
			t.Fatal(err)
		}
		programs = folder
		for name, from := range map[string]string{
			"awaitd": "../cmd/server", "await": "../cmd/await", "flaky": "./flaky", "release": "./release",
			"webhook": "./webhook",
		} {
			cmd := exec.Command("go", "build", "-o", filepath.Join(folder, name), from)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("build: %v\n%s", err, out)
			}
		}
	}
	t.Setenv("PATH", programs+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// A program runs until its test ends.
type program struct {
	cmd    *exec.Cmd
	url    string // where it listens
	killed bool
}

func (p *program) addr() string { return strings.TrimPrefix(p.url, "http://") }

// kill ends it as a power failure does.
func (p *program) kill(t *testing.T) {
	t.Helper()
	p.killed = true
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait() // says that it was killed
}

// launch starts a program; its URL is what the pattern finds in its first lines.
func launch(t *testing.T, pattern, name string, args ...string) *program {
	t.Helper()
	return launchIn(t, "", pattern, name, args...)
}

func launchIn(t *testing.T, folder, pattern, name string, args ...string) *program {
	t.Helper()
	p := &program{cmd: exec.Command(name, args...)}
	p.cmd.Dir = folder
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = in, in
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	t.Cleanup(func() {
		if p.killed {
			return
		}
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		err := p.cmd.Wait()
		var exit *exec.ExitError
		if name == "awaitd" && err != nil || err != nil && !errors.As(err, &exit) {
			t.Errorf("%s ended with %v", name, err)
		}
	})
	var said strings.Builder
	lines := bufio.NewScanner(out)
	find := regexp.MustCompile(pattern)
	for lines.Scan() {
		if m := find.FindStringSubmatch(lines.Text()); m != nil {
			p.url = m[1]
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return p
		}
		said.WriteString(lines.Text() + "\n")
	}
	t.Fatalf("%s ended before it said where it listens:\n%s", name, said.String())
	return nil
}

// The shell script gets all 20 answers, though every third target failed twice. On a slow machine an attempt may run
// out of its time, before it has reached the target or after, and then there is one more.
func TestFanout(t *testing.T) {
	need(t, "curl", "jq")
	w := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "fanout/fanout.sh").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 20 {
		t.Fatalf("%d lines:\n%s", len(lines), out)
	}
	asked := map[string]int{}
	read(t, w.target+"/count", &asked)
	for i, line := range lines {
		n, planned := i+1, 1
		switch {
		case n%3 == 0: // fails twice; item 21, which would also hang, is not asked for
			planned = 3
		case n%7 == 0: // hangs once, longer than the timeout of an attempt
			planned = 2
		}
		var attempts, tries int
		want := fmt.Sprintf(`item %d: succeeded after %%d attempts: {"item":%d,"tries":%%d}`, n, n)
		if _, err := fmt.Sscanf(line, want, &attempts, &tries); err != nil {
			t.Errorf("line %d: %s: %v", n, line, err)
		}
		if counted := asked[strconv.Itoa(n)]; tries < planned || counted < tries || attempts < counted {
			t.Errorf("line %d: %s, planned were %d and counted %d", n, line, planned, counted)
		}
	}
}

// read reads a document of JSON.
func read(t *testing.T, url string, document any) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(document); err != nil {
		t.Fatal(err)
	}
}

// The Go program is held until both webhooks have come and the fetch is through, and has what they brought.
func TestRelease(t *testing.T) {
	w := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "release")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for name, payload := range map[string]string{"tests-passed": `{"sha":"4f2a"}`, "image-built": `{"tag":"v1.2"}`} {
		resp, err := http.Post(w.awaitd+"/events/"+name+"/set", "application/json", strings.NewReader(payload))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("set %s: %s", name, resp.Status)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		`event:tests-passed: {"sha":"4f2a"}`, `event:image-built: {"tag":"v1.2"}`,
		`the fetch: {"item":3,"tries":3}`, `all is well: released`,
	} {
		if !strings.Contains(out.String(), want+"\n") {
			t.Errorf("output lacks %q:\n%s", want, out.String())
		}
	}
}
