package examples

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pageTimeMax is how long the commands of one page may take.
const pageTimeMax = 3 * time.Minute

// terminals are the windows that a reader of a page has open: one shell, and one for each program that stays.
type terminals struct {
	t       *testing.T
	folder  string
	running map[string]*program // by what a page calls it
	shell   io.Writer
	printed *bufio.Reader
}

// A resident is a program that a page starts and leaves running.
type resident struct {
	call    string // how a page starts it, variables before and arguments after
	name    string // of the binary
	address string // where it listens, in the pages
	listen  string // how it is told to listen elsewhere; %s is the address
	says    string // finds its URL in what it prints first
}

// residents are what the pages may start.
var residents = []resident{
	{"awaitd", "awaitd", "127.0.0.1:8080", "--addr %s --log-format json", `"url":"(http://[^"]+)"`},
	{"go run ./examples/flaky", "flaky", "127.0.0.1:9090", "%s", `on (http://\S+)`},
	{"go run ./examples/webhook", "webhook", "127.0.0.1:9191", "%s", `on (http://\S+)`},
}

// byHand are lines that the test does in its own way: it builds the programs and puts them on the PATH.
var byHand = []string{"make build", `export PATH="$PWD/bin:$PATH"`}

func openTerminals(t *testing.T) *terminals {
	t.Helper()
	build(t)
	w := &terminals{t: t, folder: t.TempDir(), running: map[string]*program{}}
	cmd := exec.Command("bash", "--noprofile", "--norc")
	cmd.Dir = w.folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what it leaves behind ends with it
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = in, in
	w.shell, err = cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	w.printed = bufio.NewReader(out)
	end := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	late := time.AfterFunc(pageTimeMax, end)
	t.Cleanup(func() {
		late.Stop()
		end()
		_ = cmd.Wait()
		_ = out.Close()
	})
	return w
}

// launch starts the programs of a console block. What stands after them is what they print.
func (w *terminals) launch(block string) {
	w.t.Helper()
	for line := range strings.Lines(block) {
		command, is := strings.CutPrefix(strings.TrimSpace(line), "$ ")
		if is && !slices.Contains(byHand, command) && !w.launchResident(command) {
			w.t.Fatalf("no program that stays: %s", command)
		}
	}
}

// launchResident starts one program, with the variables before it and the arguments after it. If it runs already, it is
// killed before, as a power failure does, and starts again where it was.
func (w *terminals) launchResident(command string) bool {
	w.t.Helper()
	for _, r := range residents {
		before, after, is := strings.Cut(" "+command+" ", " "+r.call+" ")
		if !is {
			continue
		}
		addr := "127.0.0.1:0"
		if p := w.running[r.name]; p != nil {
			addr = p.addr()
			p.kill(w.t)
		}
		line := w.here(before) + " exec " + r.name + " " + w.here(after) + " " + strings.ReplaceAll(r.listen, "%s", addr)
		p := launchIn(w.t, w.folder, r.says, "bash", "-c", line)
		w.running[r.name] = p
		if r.name == "awaitd" {
			w.t.Setenv("AWAITD_URL", p.url)
			fmt.Fprintf(w.shell, "export AWAITD_URL=%s\n", p.url)
		}
		return true
	}
	return false
}

// prepare starts the server and the target that a page takes for granted.
func (w *terminals) prepare() {
	if w.running["awaitd"] == nil {
		w.launchResident("awaitd --allow-target 127.0.0.1/32")
	}
	if w.running["flaky"] == nil {
		w.launchResident("go run ./examples/flaky")
	}
}

// run runs a block in the shell and returns what it prints. Its last command must succeed.
func (w *terminals) run(block string) string {
	w.t.Helper()
	w.prepare()
	const mark = "@@@@ "
	fmt.Fprintf(w.shell, "{\n%s\n} </dev/null\nprintf '\\n%s%%d\\n' $?\n", w.here(block), mark)
	var all strings.Builder
	for {
		line, err := w.printed.ReadString('\n')
		if err != nil {
			w.t.Fatalf("the shell ended (%v) in\n%s%s", err, block, all.String())
		}
		if status, is := strings.CutPrefix(line, mark); is {
			out := strings.TrimSuffix(w.there(all.String()), "\n")
			if n, err := strconv.Atoi(strings.TrimSpace(status)); n != 0 || err != nil {
				w.t.Fatalf("exit status %s of\n%s%s", strings.TrimSpace(status), block, out)
			}
			return out
		}
		all.WriteString(line)
	}
}

// write writes a file that a page shows.
func (w *terminals) write(name, text string) {
	w.t.Helper()
	w.prepare()
	path := filepath.Join(w.folder, filepath.Base(name))
	if err := os.WriteFile(path, []byte(w.here(text)), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// here puts the addresses of this run into a text of a page, there puts those of the page back.
func (w *terminals) here(text string) string {
	for _, r := range residents {
		if p := w.running[r.name]; p != nil {
			text = strings.ReplaceAll(text, r.address, p.addr())
		}
	}
	return text
}

func (w *terminals) there(text string) string {
	for _, r := range residents {
		if p := w.running[r.name]; p != nil {
			text = strings.ReplaceAll(text, p.addr(), r.address)
		}
	}
	return text
}
