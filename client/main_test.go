package client_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// binary is the real server, built once for all tests; serverURL and targetURL are a server and a target for all.
var binary, serverURL, targetURL string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "awaitd-client")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "awaitd")
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/server").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the server: %v\n%s", err, out)
		return 1
	}
	target := httptest.NewServer(newTarget())
	targetURL = target.URL
	server, err := launch("--memory")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	serverURL = server.url
	code := m.Run()
	target.Close()
	if err := errors.Join(server.end(syscall.SIGTERM), goleak.Find()); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// process is a running server.
type process struct {
	*exec.Cmd
	url string
	out chan struct{} // closed when it has said its last word
}

var listening = regexp.MustCompile(`"url":"(http://[^"]+)"`)

// launch starts a server on a free port, unless args name one. It may still be recovering.
func launch(args ...string) (*process, error) {
	args = append([]string{"--addr", "127.0.0.1:0", "--allow-target", "127.0.0.1/32", "--log-format", "json"}, args...)
	p := &process{Cmd: exec.Command(binary, args...), out: make(chan struct{})}
	said, err := p.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			p.url = m[1]
			go func() {
				defer close(p.out)
				_, _ = io.Copy(io.Discard, said)
			}()
			return p, nil
		}
	}
	return nil, fmt.Errorf("the server ended before it said where it listens: %w", p.Wait())
}

// end sends a signal and waits for the end, which must be in order after SIGTERM.
func (p *process) end(signal syscall.Signal) error {
	if err := p.Process.Signal(signal); err != nil {
		return err
	}
	<-p.out
	err := p.Wait()
	if signal == syscall.SIGKILL {
		return nil
	}
	return err
}

// server is a server of the test's own.
func server(t *testing.T, args ...string) *process {
	t.Helper()
	p, err := launch(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.end(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
	})
	return p
}

// newTarget is what fetches reach: /hello says so in JSON, /flaky fails the first time for each query, /missing is
// always 404, /echo sends the body back, /big is longer than an answer shows.
func newTarget() http.Handler {
	var mu sync.Mutex
	asked := map[string]int{}
	mux := http.NewServeMux()
	reply := func(w http.ResponseWriter, status int, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		reply(w, 200, fmt.Sprintf(`{"hello":%q}`, r.URL.Query().Get("name")))
	})
	mux.HandleFunc("/flaky", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if asked[r.URL.RawQuery]++; asked[r.URL.RawQuery] == 1 {
			reply(w, 503, `"not now"`)
			return
		}
		reply(w, 200, `"at last"`)
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) {
		text := make([]byte, 300<<10)
		for i := range text {
			text[i] = 'x'
		}
		reply(w, 200, `"`+string(text)+`"`)
	})
	return mux
}
