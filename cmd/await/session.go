package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/client"
)

// What a script can tell from the exit status.
const (
	exitSatisfied   = 0
	exitFailed      = 1
	exitUsage       = 2
	exitTimeout     = 124 // as of timeout(1)
	exitInterrupted = 130 // as of a shell after SIGINT
)

// session is one run of the program.
type session struct {
	out    *os.File // what was asked for
	notes  *os.File // what a person may want to know beside it
	json   bool
	board  atomic.Pointer[board] // the block on the screen, if there is one: it tells what goes wrong
	tried  sync.Once             // to tell it where there is none
	ending []func()
}

// end undoes what the run has set up.
func (s *session) end() {
	for _, end := range s.ending {
		end()
	}
}

var (
	errInterrupted = errors.New("interrupted")
	errTimeout     = errors.New("the time is over")
)

// interruptible is a context that the first signal ends; the second ends the process. A command that does not ask for
// it has its signals to itself.
func interruptible(s *session) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		if _, came := <-signals; came {
			signal.Stop(signals)
			cancel(errInterrupted)
		}
	}()
	s.ending = append(s.ending, func() {
		signal.Stop(signals)
		close(signals)
	})
	return ctx
}

// connection says which server to call, and how.
type connection struct {
	URL      string   `name:"url" env:"AWAITD_URL" default:"http://127.0.0.1:8080" help:"Where the server is."`
	APIKey   string   `name:"api-key" env:"AWAITD_API_KEY" placeholder:"KEY" help:"The key that the server asks for. Better in the variable: others can read command lines."`
	Patience duration `env:"AWAITD_PATIENCE" default:"10s" help:"Go on trying for this long while the server is not there, or busy."`
}

// dial makes a client of the server.
func dial(s *session, c *connection) (*client.Client, error) {
	made, err := client.New(c.URL, client.APIKey(c.APIKey), client.UserAgent("await/"+builtVersion()),
		client.Patience(c.Patience.Duration), client.OnRetry(s.retrying))
	if err != nil {
		return nil, usageError("--url: %w", err)
	}
	s.ending = append(s.ending, made.Close)
	return made, nil
}

// retrying tells a person who would wonder why nothing happens: once, or for as long as it lasts in a block. Any
// goroutine that makes a call may come here.
func (s *session) retrying(err error, _ time.Duration) {
	switch b := s.board.Load(); {
	case b != nil:
		b.trouble.Store(&trouble{printable(err.Error()), time.Now()})
	case isTerminal(s.notes):
		s.tried.Do(func() { fmt.Fprintf(s.notes, "await: %s; trying again\n", printable(err.Error())) })
	}
}

// status says what went wrong, and is the exit status for it.
func (s *session) status(err error) int {
	exit, told := errors.AsType[*exitError](err)
	if err != nil && (!told || exit.error != nil) {
		for _, each := range parts(err) {
			fmt.Fprintln(s.notes, "await:", printable(each.Error()))
		}
	}
	switch {
	case told:
		return exit.code
	case err == nil:
		return exitSatisfied
	case errors.Is(err, errTimeout):
		return exitTimeout
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case misused(err):
		return exitUsage
	}
	return exitFailed
}

// parts are the errors that err joins, each to be told in a line of its own.
func parts(err error) (all []error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	for _, part := range joined.Unwrap() {
		all = append(all, parts(part)...)
	}
	return all
}

// misused reports whether the call made no sense, which only the server, or the client on its behalf, has seen.
func misused(err error) bool {
	p, ok := errors.AsType[*client.Problem](err)
	return ok && p.Code != "" && p.Status == http.StatusBadRequest
}

// exitError ends the program with a status of its own, and silently if it holds no error.
type exitError struct {
	error
	code int
}

// Error is the error that it holds.
func (e *exitError) Error() string {
	if e.error == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.error.Error()
}

// usageError is a mistake on the command line that parsing does not see.
func usageError(format string, args ...any) error {
	return &exitError{fmt.Errorf(format, args...), exitUsage}
}

// failed is the end of what did not go well, as its output has already told.
func failed() error { return &exitError{nil, exitFailed} }

// duration is what the API takes for one: "250ms", "30s", "2h" or a number of seconds.
type duration struct{ time.Duration }

// UnmarshalText reads it as the API does.
func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := api.ParseDuration(string(text))
	d.Duration = time.Duration(parsed)
	return err
}

// wire is d for a request; nil when it was not given.
func (d *duration) wire() *api.Duration {
	if d == nil {
		return nil
	}
	return (*api.Duration)(&d.Duration)
}

// within bounds a command that waits.
type within struct {
	Timeout *duration `short:"t" placeholder:"DURATION" help:"Give up after this long, with exit status 124."`
}

// bound ends ctx when the time is over.
func (w within) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if w.Timeout == nil {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, w.Timeout.Duration, errTimeout)
}
