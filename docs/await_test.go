package docs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// awaitCommand is one command of await as the program tells it, with its arguments and flags; the first has no name,
// and the flags that all of them take.
type awaitCommand struct {
	Command, Help string
	Flags         []struct{ Name, Variable, Default, Help string }
}

func awaitCommands(t *testing.T) (commands []awaitCommand) {
	t.Helper()
	program := exec.Command("go", "run", "../cmd/await", "__reference")
	var faults bytes.Buffer
	program.Stderr = &faults
	told, err := program.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &faults)
	}
	for line := range bytes.Lines(told) {
		var c awaitCommand
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		commands = append(commands, c)
	}
	if len(commands) < 20 {
		t.Fatalf("only %d commands", len(commands))
	}
	return commands
}

// The page of the commands has all of them, with their arguments and flags, and none goes without a word.
func TestTheCommandsAreThoseOfAwait(t *testing.T) {
	var page strings.Builder
	for _, c := range awaitCommands(t) {
		if c.Command != "" {
			fmt.Fprintf(&page, "\n## `await %s`\n\n%s\n", c.Command, c.Help)
		}
		if c.Command != "" && c.Help == "" {
			t.Errorf("%q says nothing", c.Command)
		}
		if len(c.Flags) == 0 {
			continue
		}
		rows := newTable("argument or flag", "variable", "default", "meaning")
		for _, f := range c.Flags {
			if f.Help == "" {
				t.Errorf("%s of %q says nothing", f.Name, c.Command)
			}
			rows.row(code(f.Name), code(f.Variable), code(f.Default), f.Help)
		}
		fmt.Fprintf(&page, "\n%s", rows)
	}
	hold(t, "reference/await.md", "commands", page.String())
}
