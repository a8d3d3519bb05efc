package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/awaitd/awaitd/client"
)

// binary is the real server, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	askPatience = time.Minute // on a slow machine, too, the server is asked
	testscript.Main(world{m}, map[string]func(){"await": main})
}

// world builds the server before the tests run. A process that is await itself has no need of it.
type world struct{ m *testing.M }

func (w world) Run() int {
	dir, err := os.MkdirTemp("", "awaitd-cli")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "awaitd")
	if out, err := exec.Command("go", "build", "-o", binary, "../server").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the server: %v\n%s", err, out)
		return 1
	}
	code := w.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

var listening = regexp.MustCompile(`"url":"(http://[^"]+)"`)

// startServer runs a server of the test's own until defer, and returns its URL.
func startServer(atEnd func(func()), args ...string) (string, error) {
	args = append([]string{
		"--memory", "--addr", "127.0.0.1:0", "--allow-target", "127.0.0.1/32", "--log-format", "json",
	}, args...)
	cmd := exec.Command(binary, args...)
	said, err := cmd.StderrPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			drained := make(chan struct{})
			go func() {
				defer close(drained)
				_, _ = io.Copy(io.Discard, said)
			}()
			atEnd(func() {
				_ = cmd.Process.Signal(syscall.SIGTERM)
				<-drained
				_ = cmd.Wait()
			})
			return m[1], nil
		}
	}
	return "", fmt.Errorf("the server ended before it said where it listens: %w", cmd.Wait())
}

// startTarget is what fetches reach: it shows the request, but for /fail, which is always 500.
func startTarget(atEnd func(func())) string {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fail" {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "%s %s\nContent-Type: %s\nX-Tag: %s\n%s\n", r.Method, r.URL, r.Header.Get("Content-Type"),
			r.Header.Values("X-Tag"), body)
	}))
	atEnd(target.Close)
	return target.URL
}

// The command line, as conversations with a real server, one for each script.
func TestConversations(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			url, err := startServer(env.Defer)
			env.Setenv("AWAITD_URL", url)
			env.Setenv("AWAITD_PATIENCE", "20s")
			env.Setenv("T", startTarget(env.Defer))
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status, "held": held, "bounded": bounded,
		},
	})
}

// status N COMMAND runs a command that must end with exit status N.
func status(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// bounded PATTERN N COMMAND is status for a command that takes --timeout, with 300 ms and then ever more until a line
// that it prints matches: it counts from before the server is reached, so that on a slow machine it may see nothing.
func bounded(ts *testscript.TestScript, _ bool, args []string) {
	seen := regexp.MustCompile("(?m)" + args[0])
	for limit := 300 * time.Millisecond; limit < 2*time.Minute; limit *= 2 {
		status(ts, false, slices.Concat(args[1:], []string{"--timeout", limit.String()}))
		if seen.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("it never printed a line like %s", args[0])
}

// held N waits until the server holds N requests.
func held(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Check(waitHeld(ts.Getenv("AWAITD_URL"), want))
}

func waitHeld(url string, want int) error {
	c, err := client.New(url)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		state, err := c.Loop(ctx)
		if err != nil || state.Waiters == want {
			return err
		}
	}
}
