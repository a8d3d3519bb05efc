// Command awaitd is the server: asyncio's vocabulary as an HTTP service.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/awaitd/awaitd/internal/app"
	"github.com/awaitd/awaitd/internal/server"
)

// version is set by the build: -ldflags "-X main.version=v1.2.3".
var version = ""

// commands is the command line.
type commands struct {
	Serve       serve       `cmd:"" default:"withargs" help:"Run the server (this is what happens without a verb)."`
	Key         key         `cmd:"" help:"Make keys for --api-keys-file."`
	CheckURL    checkURL    `cmd:"" name:"check-url" help:"Show what each stage of the egress rules says of a URL. Exit 0 if it may be fetched, 1 if not, 2 if its name cannot be resolved."`
	Healthcheck healthcheck `cmd:"" help:"Exit 0 if a server answers that it is healthy; for containers."`
	Version     showVersion `cmd:"" help:"Show the version."`
}

func main() {
	var c commands
	parsed := kong.Parse(&c,
		kong.Name("awaitd"),
		kong.Description("Hand slow, flaky HTTP calls to a server, set events, and await one, all, any "+
			"or k of them with one call."),
		kong.DefaultEnvars("AWAITD"),
		kong.ShortUsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "awaitd:", err)
		if errors.Is(err, app.ErrUnknown) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

type serve struct {
	app.Options `embed:""`
}

// Run serves until SIGTERM or SIGINT, and then drains. A second signal ends it at once.
func (s *serve) Run() error {
	keepPrivate()
	s.Options.Version = app.Version(version)
	log.SetOutput(io.Discard) // net/http would print bytes of targets there
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)
	a, err := app.New(s.Options, app.NewLog(s.Options, os.Stderr))
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

type key struct {
	New keyNew `cmd:"" help:"Make a key: show it once, and the line for the keys file."`
}

type keyNew struct {
	ID string `arg:"" help:"Whose key it is; shows in logs. Letters, digits, '.', '_' and '-'."`
}

// Run prints a new key and its line.
func (k *keyNew) Run() error {
	secret, line, err := server.NewKey(k.ID, rand.Reader)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "The key, shown only now:\n\n    %s\n\n", secret)
	fmt.Fprintf(os.Stderr, "The line for the keys file, on standard output:\n\n")
	fmt.Println(line)
	return nil
}

type checkURL struct {
	URL         string   `arg:"" help:"The URL, as a fetch would name it."`
	AllowTarget []string `placeholder:"TARGET" help:"What the server is told to allow."`
	Addr        string   `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where the server listens: it refuses itself."`
}

// Run shows the verdict of each stage.
func (c *checkURL) Run() error {
	return app.CheckURL(context.Background(), os.Stdout, app.Options{AllowTarget: c.AllowTarget, Addr: c.Addr}, c.URL)
}

type healthcheck struct {
	URL      string        `arg:"" optional:"" help:"Where the server answers; without it, at --addr on this machine."`
	Addr     string        `default:"127.0.0.1:8080" help:"What the server was told to listen on."`
	Patience time.Duration `default:"0s" help:"Ask again for this long before giving up."`
}

// Run asks the server until it is healthy or patience ends.
func (h *healthcheck) Run() error {
	if h.URL == "" {
		h.URL = app.URLOn(h.Addr)
	}
	return app.Healthcheck(h.URL, h.Patience)
}

type showVersion struct{}

// Run prints the version, and what it was built with.
func (showVersion) Run() error {
	fmt.Println("awaitd", app.Version(version), runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
	return nil
}
