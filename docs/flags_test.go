package docs

import (
	"cmp"
	"slices"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/awaitd/awaitd/internal/app"
)

// serveFlags are the flags of awaitd serve, as kong reads them from the options of the server.
func serveFlags(t *testing.T) []*kong.Flag {
	t.Helper()
	var options app.Options
	parser, err := kong.New(&options, kong.DefaultEnvars("AWAITD"), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	flags := slices.DeleteFunc(slices.Clone(parser.Model.Flags), func(f *kong.Flag) bool { return f.Name == "help" })
	if len(flags) < 15 {
		t.Fatalf("only %d flags", len(flags))
	}
	return flags
}

// placeholders say what a flag takes, by the type of its option.
var placeholders = map[string]string{"int": "N", "time.Duration": "TIME", "app.Bytes": "SIZE", "slog.Level": "LEVEL"}

// The page of the flags has all of them, with their variables, defaults and meanings.
func TestTheFlagsAreThoseOfTheServer(t *testing.T) {
	rows := newTable("flag", "variable", "default", "meaning")
	for _, f := range serveFlags(t) {
		name := "--" + f.Name
		switch {
		case f.Negated || f.Tag.Negatable != "":
			name = "--[no-]" + f.Name
		case !f.IsBool():
			name += "=" + cmp.Or(f.PlaceHolder, placeholders[f.Target.Type().String()], "TEXT")
		}
		rows.row(code(name), code(f.Envs...), code(f.Default), f.Help)
	}
	hold(t, "reference/flags.md", "flags", rows.String())
}
