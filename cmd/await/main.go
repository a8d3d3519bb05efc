// Command await is awaitd for the shell: submit fetches, set events, and wait for one, all, any or k of them.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// version is set by the build: -ldflags "-X main.version=v1.2.3".
var version = ""

// commands is the command line.
type commands struct {
	connection
	Output string `short:"o" enum:"table,json" default:"table" placeholder:"FORM" help:"Print tables for people, or json: one document a line."`

	Fetch   fetchCommand   `cmd:"" group:"futures" help:"Hand HTTP requests to the server, which makes them, and print their ids."`
	Get     getCommand     `cmd:"" group:"futures" help:"Show one future, or hold until it is settled."`
	Result  resultCommand  `cmd:"" group:"futures" help:"Wait for a future, and write its result to standard output, byte for byte."`
	Cancel  cancelCommand  `cmd:"" group:"futures" help:"Cancel futures."`
	Ls      lsCommand      `cmd:"" group:"futures" help:"List futures, newest first."`
	Promise promiseCommand `cmd:"" group:"futures" help:"Make futures that somebody settles, and settle them."`
	Group   groupCommand   `cmd:"" group:"futures" help:"Make groups of futures, hold until they are settled, and cancel them together."`

	Event eventCommand `cmd:"" group:"events" help:"Set, clear, pulse, read and list named events."`

	All     allCommand     `cmd:"" group:"waits" help:"Wait until everything named is there."`
	Any     anyCommand     `cmd:"" group:"waits" help:"Wait until one of those named is there."`
	AtLeast atLeastCommand `cmd:"" group:"waits" help:"Wait until K of those named are there."`
	Run     runCommand     `cmd:"" group:"waits" help:"Run a command, and tell an event or a promise how it ended."`

	Loop       loopCommand       `cmd:"" group:"service" help:"Watch the server's event loop; one snapshot when piped."`
	Completion completionCommand `cmd:"" group:"service" help:"Print a completion script for bash, zsh or fish."`
	Version    versionCommand    `cmd:"" group:"service" help:"Show the version."`
	Complete   completeCommand   `cmd:"" name:"__complete" hidden:"" passthrough:"" help:"Print what may come next."`
	Reference  referenceCommand  `cmd:"" name:"__reference" hidden:"" help:"Print the commands and their flags as JSON."`
}

const description = `Await what happens elsewhere: HTTP requests that a server makes for you, webhooks, CI jobs, people.

A REF is event:NAME (or just NAME), the id of a future (fut_…), future:ID for a promise, group:ID, sleep:5s,
until:TIME, or an expression in JSON, such as '{"any":["event:a","event:b"]}'.

Exit status: 0 satisfied, 1 failed, 2 usage, 124 timeout, 130 interrupted.

Examples:

    await fetch https://api.example.com/a https://api.example.com/b
    await result $(await fetch https://api.example.com/a)
    await event set tests-passed --json '{"sha":"4f2a"}'
    await all tests-passed image-built --timeout 10m && ./deploy
    await run --promise build:42 -- make     # elsewhere: await all future:build:42`

func main() { os.Exit(run(os.Args[1:])) }

// run is main without the end of the process.
func run(args []string) int {
	var c commands
	parser, err := newParser(&c)
	if err != nil {
		panic(err) // the tags of commands are wrong
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "await: %v\nawait: see 'await --help'\n", err)
		return exitUsage
	}
	s := &session{out: os.Stdout, notes: os.Stderr, json: c.Output == "json"}
	defer s.end()
	return s.status(parsed.Run(s, &c.connection, parser))
}

func newParser(c *commands) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("await"),
		kong.Description(description),
		kong.ExplicitGroups([]kong.Group{
			{Key: "futures", Title: "Futures"},
			{Key: "events", Title: "Events"},
			{Key: "waits", Title: "Waits"},
			{Key: "service", Title: "Service"},
		}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100, NoExpandSubcommands: true}),
		kong.BindSingletonProvider(interruptible),
		kong.BindSingletonProvider(dial),
	)
}

type versionCommand struct{}

// Run prints the version, and what it was built with.
func (versionCommand) Run(s *session) error {
	return s.line("await %s %s %s/%s", builtVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// builtVersion is what the build set, else the version of the module it was built from, else "dev".
func builtVersion() string {
	if version != "" {
		return version
	}
	built, ok := debug.ReadBuildInfo()
	if ok && built.Main.Version != "" && built.Main.Version != "(devel)" {
		return built.Main.Version
	}
	return "dev"
}
