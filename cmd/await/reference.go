package main

import (
	"strings"

	"github.com/alecthomas/kong"
)

type referenceCommand struct{}

// entry is one command of the reference, or what all of them take: then it has no name.
type entry struct {
	Command string `json:"command"`
	Help    string `json:"help"`
	Flags   []flag `json:"flags"` // arguments, too
}

// flag is one row of a table.
type flag struct {
	Name     string `json:"name"`
	Variable string `json:"variable,omitzero"`
	Default  string `json:"default,omitzero"`
	Help     string `json:"help"`
}

// Run prints the commands with their arguments and flags, a JSON document each, for whoever writes the reference.
func (referenceCommand) Run(s *session, parser *kong.Kong) error {
	if err := s.document(entry{Flags: flagRows(parser.Model.Node)}); err != nil {
		return err
	}
	for _, command := range parser.Model.Leaves(true) {
		e := entry{Command: strings.TrimSuffix(command.Summary(), " [flags]"), Help: command.Help}
		for _, a := range command.Positional {
			e.Flags = append(e.Flags, flag{Name: a.Summary(), Default: a.Default, Help: a.Help})
		}
		e.Flags = append(e.Flags, flagRows(command)...)
		if err := s.document(e); err != nil {
			return err
		}
	}
	return nil
}

// flagRows are the flags of node, and not those of the commands above it.
func flagRows(node *kong.Node) (rows []flag) {
	for _, f := range node.Flags {
		if f.Hidden || f.Name == "help" {
			continue
		}
		row := flag{Name: f.String(), Help: f.Help, Variable: strings.Join(f.Envs, ", ")}
		if f.HasDefault {
			row.Default = f.Default
		}
		rows = append(rows, row)
	}
	return rows
}
