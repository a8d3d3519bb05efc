package main

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/client"
)

// screen is what a person sees of a program: as much of a terminal as the live displays use.
type screen struct {
	t        *testing.T
	tty      *os.File
	cmd      *exec.Cmd
	mu       sync.Mutex
	raw      bytes.Buffer
	lines    [][]rune
	row, col int
	hidden   bool // the cursor
	other    bool // the alternate screen
	ended    chan struct{}
}

// onScreen runs a program in a pseudo-terminal of 60 columns and 10 lines.
func onScreen(t *testing.T, env []string, name string, args ...string) *screen {
	t.Helper()
	s := &screen{t: t, cmd: exec.Command(name, args...), ended: make(chan struct{}), lines: make([][]rune, 1)}
	s.cmd.Env = append(os.Environ(), append([]string{"TERM=xterm", "NO_COLOR="}, env...)...)
	var err error
	if s.tty, err = pty.StartWithSize(s.cmd, &pty.Winsize{Rows: 10, Cols: 60}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.tty.Close() })
	go func() {
		defer close(s.ended)
		piece := make([]byte, 4096)
		var rest []byte
		for {
			n, err := s.tty.Read(piece)
			s.mu.Lock()
			s.raw.Write(piece[:n])
			rest = s.play(append(rest, piece[:n]...))
			s.mu.Unlock()
			if err != nil { // the program has ended
				return
			}
		}
	}()
	return s
}

var escape = regexp.MustCompile(`^\x1b\[([?0-9;]*)([A-Za-z])`)

// play moves the cursor as output says, and returns what is not complete yet.
func (s *screen) play(out []byte) []byte {
	for len(out) > 0 {
		if out[0] == '\x1b' {
			m := escape.FindSubmatch(out)
			if m == nil && len(out) > 1 && out[1] != '[' { // of the keyboard's mode
				out = out[2:]
				continue
			}
			if m == nil {
				return out
			}
			s.escape(string(m[1]), m[2][0])
			out = out[len(m[0]):]
			continue
		}
		text := []rune(string(out[:min(len(out), 4)]))
		r := text[0]
		if r == '\uFFFD' && len(out) < 4 {
			return out
		}
		out = out[len(string(r)):]
		switch r {
		case '\a':
		case '\b':
			s.col = max(s.col-1, 0)
		case '\r':
			s.col = 0
		case '\n':
			if s.row++; s.row == len(s.lines) {
				s.lines = append(s.lines, nil)
			}
		default:
			for len(s.lines[s.row]) <= s.col {
				s.lines[s.row] = append(s.lines[s.row], ' ')
			}
			s.lines[s.row][s.col] = r
			s.col++
		}
	}
	return nil
}

func (s *screen) escape(arg string, verb byte) {
	switch n, _ := strconv.Atoi(arg); {
	case verb == 'A':
		s.row = max(s.row-n, 0)
	case verb == 'H':
		s.row, s.col = 0, 0
	case verb == 'K':
		s.lines[s.row] = s.lines[s.row][:min(s.col, len(s.lines[s.row]))]
	case verb == 'J':
		s.lines[s.row] = s.lines[s.row][:min(s.col, len(s.lines[s.row]))]
		s.lines = s.lines[:s.row+1]
	case arg == "?25":
		s.hidden = verb == 'l'
	case arg == "?1049":
		s.other = verb == 'h'
	case verb == 'C':
		s.col += max(n, 1)
	case verb == 'D':
		s.col = max(s.col-max(n, 1), 0)
	case verb != 'm' && arg != "?1":
		s.t.Errorf("an escape that this screen does not know: %q %c", arg, verb)
	}
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, line := range s.lines {
		lines = append(lines, strings.TrimRight(string(line), " "))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// written is all that the program wrote, escapes included.
func (s *screen) written() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raw.String()
}

// modes says whether the cursor is hidden, and whether the alternate screen is shown.
func (s *screen) modes() (hidden, other bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hidden, s.other
}

// see waits until the screen shows what is wanted.
func (s *screen) see(pattern string) {
	s.t.Helper()
	wanted := regexp.MustCompile(pattern)
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !wanted.MatchString(s.text()) {
		select {
		case <-tick.C:
		case <-s.ended:
			if !wanted.MatchString(s.text()) {
				s.t.Fatalf("the program ended and the screen shows no %q:\n%s", pattern, s.text())
			}
		case <-deadline:
			s.t.Fatalf("the screen shows no %q:\n%s", pattern, s.text())
		}
	}
}

// end waits for the end of the program and returns its exit status.
func (s *screen) end() int {
	_ = s.cmd.Wait() // the status says it
	<-s.ended
	return s.cmd.ProcessState.ExitCode()
}

// service is a server of the test's own and a client of it.
func service(t *testing.T) (env []string, c *client.Client) {
	t.Helper()
	url, err := startServer(t.Cleanup)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = client.New(url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return []string{"AWAITD_URL=" + url}, c
}

// A person sees who is missing, and each that comes; in the end nothing is left but a line for each.
func TestAWaitIsShownWhileItLasts(t *testing.T) {
	env, c := service(t)
	s := onScreen(t, env, "await", "all", "a", "b")
	s.see(`(?m)^. 0 of 2 done, \d+s\n  · event:a  pending for \d+s\n  · event:b  pending for \d+s$`)
	if _, err := c.Event("b").Set(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	s.see(`(?m)^. 1 of 2 done, \d+s\n  · event:a  pending for \d+s\n  ✓ event:b  generation 1  hello$`)
	if hidden, _ := s.modes(); !hidden {
		t.Error("the cursor blinks in the block")
	}
	if !strings.Contains(s.written(), "\x1b[32m✓") {
		t.Error("what is done is not green")
	}
	if _, err := c.Event("a").Set(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if code := s.end(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	want := "satisfied  event:b  generation 1  hello\nsatisfied  event:a  generation 1"
	if diff := cmp.Diff(want, s.text()); diff != "" {
		t.Errorf("left on the screen (-want +got):\n%s", diff)
	}
	if hidden, _ := s.modes(); hidden {
		t.Error("the cursor stays hidden")
	}
}

// More than there is room for is cut to those that are missing; without colours if that is asked for. Ctrl-C ends it.
func TestAWaitFitsTheScreen(t *testing.T) {
	env, _ := service(t)
	refs := []string{"all"}
	for i := range 20 {
		refs = append(refs, "event-with-a-rather-long-name-that-would-break-the-line:"+strconv.Itoa(i))
	}
	for i, ref := range refs[1:] {
		refs[i+1] = "event:" + ref
	}
	s := onScreen(t, append(env, "NO_COLOR=1"), "await", refs...)
	s.see(`(?m)^  · event:event-with-a-rather-long-name-that-would-break-t…$`)
	s.see(`(?m)^  and 13 more$`)
	if n := strings.Count(s.text(), "\n") + 1; n > 9 {
		t.Errorf("%d lines on a screen of 10:\n%s", n, s.text())
	}
	if _, err := s.tty.Write([]byte{3}); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	if code := s.end(); code != exitInterrupted {
		t.Errorf("exit status %d", code)
	}
	if regexp.MustCompile(`\x1b\[[0-9;]*m`).MatchString(s.written()) {
		t.Error("there are colours although NO_COLOR is set")
	}
	if hidden, _ := s.modes(); hidden || !strings.Contains(s.text(), "interrupted") {
		t.Errorf("cursor hidden: %v, screen:\n%s", hidden, s.text())
	}
}

// Where only the output is piped, nothing is drawn between its lines.
func TestAPipeGetsLinesAndNoBlock(t *testing.T) {
	env, c := service(t)
	if _, err := c.Event("a").Set(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	s := onScreen(t, env, "sh", "-c", "await all a sleep:300ms | cat")
	if code := s.end(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	want := "satisfied  event:a  generation 1\nsatisfied  sleep:300ms"
	if diff := cmp.Diff(want, s.text()); diff != "" || strings.Contains(s.written(), "\x1b") {
		t.Errorf("the screen (-want +got):\n%s\nraw: %q", diff, s.written())
	}
}

// The loop is watched on a screen of its own, which Ctrl-C leaves as it was.
func TestTheLoopIsWatched(t *testing.T) {
	env, c := service(t)
	s := onScreen(t, env, "await", "loop", "--every", "50ms")
	s.see(`(?m)^futures   0 pending, 0 running, 0 queued, 0 unawaited$`)
	if _, other := s.modes(); !other {
		t.Error("the loop is drawn over what was on the screen")
	}
	if _, err := c.Timer(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	s.see(`(?m)^futures   1 pending, 0 running, 0 queued, 1 unawaited$`)
	s.see(`(?m)^loop      \d+ turns \(\d+/s\)`)
	if _, err := s.tty.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	code := s.end()
	if hidden, other := s.modes(); code != 0 || other || hidden {
		t.Errorf("exit status %d, other screen %v, cursor hidden %v", code, other, hidden)
	}
}

// A command under await run that reads the terminal's Ctrl-C gets it once, and await reports how it ended.
func TestAKeyPressReachesACommandOnce(t *testing.T) {
	env, c := service(t)
	script := `n=0; trap 'n=$((n+1))' INT; echo ready; while [ $n = 0 ]; do sleep 0.05; done; sleep 0.2; exit $((40 + n))`
	s := onScreen(t, env, "await", "run", "--event", "ended", "--", "sh", "-c", script)
	s.see(`ready`)
	if _, err := s.tty.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	if code := s.end(); code != 41 {
		t.Errorf("exit status %d, want 41: one interrupt", code)
	}
	e, err := c.Event("ended").Get(t.Context())
	if err != nil || payloadText(e.Payload) != `{"exit_code":41}` {
		t.Errorf("event %+v, %v", e, err)
	}
}

// A server that is not there yet is waited for, and a person is told why nothing happens.
func TestAPersonIsToldWhyNothingHappens(t *testing.T) {
	s := onScreen(t, []string{"AWAITD_URL=http://127.0.0.1:1", "AWAITD_PATIENCE=2s"}, "await", "ls")
	if code := s.end(); code != exitFailed {
		t.Errorf("exit status %d", code)
	}
	if n := strings.Count(s.text(), "trying again"); n != 1 {
		t.Errorf("told %d times:\n%s", n, s.text())
	}
	block := onScreen(t, []string{"AWAITD_URL=http://127.0.0.1:1", "AWAITD_PATIENCE=3s"}, "await", "all", "a")
	block.see(`(?m)^. 0 of 1 done, \d+s; trying again: Post "http://127.0.0.\S*$\n  · event:a  pending for \d+s$`)
	if code := block.end(); code != exitFailed {
		t.Errorf("exit status %d", code)
	}
	if n := strings.Count(block.text(), "event:a"); n != 1 {
		t.Errorf("the block was not taken away:\n%s", block.text())
	}
}
