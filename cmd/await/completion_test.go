package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func need(t *testing.T, program, debian string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("AWAITD_CI") != "" {
			t.Fatalf("%s is not here: apt-get install %s", program, debian)
		}
		t.Skipf("%s is not here: apt-get install %s", program, debian)
	}
}

// lines runs a program and returns the lines that it prints.
func lines(t *testing.T, env []string, name string, args ...string) []string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.Split(strings.TrimRight(string(out), "\n"), "\n")
}

// bash completes commands, flags, and names with colons, of which it replaces only the last part.
func TestBashCompletes(t *testing.T) {
	need(t, "bash", "bash")
	env, c := service(t)
	if _, err := c.Event("tests:unit").Set(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for typed, want := range map[string][]string{
		"await comp":            {"completion"},
		"await event ":          {"set", "pulse", "clear", "get", "ls"},
		"await all --can":       {"--cancel-rest"},
		"await event get tests": {"tests:unit"},
		"await all event:tests": {"tests:unit"},
		"await all tests:un":    {"unit"},
	} {
		got := lines(t, env, "bash", "-c", `source <(await completion bash)
			COMP_LINE=$1 COMP_POINT=${#1} && _await && printf '%s\n' "${COMPREPLY[@]}"`, "bash", typed)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", typed, diff)
		}
	}
}

// fish shows the words with what they are.
func TestFishCompletes(t *testing.T) {
	need(t, "fish", "fish")
	env, c := service(t)
	if _, err := c.Event("tests:unit").Set(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for typed, want := range map[string][]string{
		"await comp":          {"completion\tPrint a completion script for bash, zsh or fish."},
		"await event clear t": {"tests:unit\tevent, generation 1"},
		"await -o ":           {"json", "table"},
	} {
		env = append(env, "HOME="+t.TempDir())
		got := lines(t, env, "fish", "--no-config", "-c", "await completion fish | source; complete -C "+quoted(typed))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", typed, diff)
		}
	}
}

// zsh completes what is typed, in a real terminal.
func TestZshCompletes(t *testing.T) {
	need(t, "zsh", "zsh")
	env, c := service(t)
	if _, err := c.Event("tests:unit").Set(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	rc := "PS1='ready>'\nunset zle_bracketed_paste\nautoload -U compinit && compinit -u\n" +
		"source <(await completion zsh)\n"
	if err := os.WriteFile(filepath.Join(home, ".zshrc"), []byte(rc), 0o600); err != nil {
		t.Fatal(err)
	}
	s := onScreen(t, append(env, "ZDOTDIR="+home, "HOME="+home), "zsh", "-i")
	s.see(`ready>`)
	for _, step := range []struct{ typed, shown string }{
		{"await comp\t", `await completion`},
		{"\x15await event clear tes\t", `await event clear tests:unit`},
		{"\x15await all event:te\t", `await all event:tests:unit`},
	} {
		if _, err := s.tty.WriteString(step.typed); err != nil {
			t.Fatal(err)
		}
		s.see(step.shown)
	}
	if _, err := s.tty.WriteString("\x15exit\r"); err != nil {
		t.Fatal(err)
	}
	s.end()
}

func quoted(text string) string { return "'" + text + "'" }
