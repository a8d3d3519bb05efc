package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/client"
)

// Exit statuses of a command that could not be run, as of a shell.
const (
	exitNotRunnable = 126
	exitNotFound    = 127
	exitSignal      = 128 // and the number of the signal that ended it
)

type runCommand struct {
	Event   []string `sep:"none" placeholder:"NAME" complete:"events" help:"Set this event when the command ends, however it ends, with its exit status. Repeatable."`
	Promise []string `sep:"none" placeholder:"ID" complete:"futures" help:"Resolve this promise when the command succeeds, else reject it. It is made if there is none. Repeatable."`
	Command []string `arg:"" passthrough:"partial" help:"The command and its arguments."`
}

// Help is the long form of the help.
func (runCommand) Help() string {
	return `Standard input and output are the command's, signals reach it, and its exit status is that of await. The event
carries {"exit_code":N}, and so does the promise if N is 0.

Examples:

    await run --promise build:42 -- make all        # elsewhere: await all future:build:42
    await run --event nightly-done -- ./nightly.sh`
}

// Run runs the command. It asks for no context: signals are for the command.
func (r *runCommand) Run(s *session, c *client.Client) error {
	command := r.Command
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	switch {
	case len(command) == 0:
		return usageError("name a command: await run --event NAME -- COMMAND")
	case len(r.Event)+len(r.Promise) == 0:
		return usageError("say whom to tell: --event NAME or --promise ID")
	}
	for _, name := range r.Event { // not when the command has run for hours
		if !api.ValidEventName(name) {
			return usageError("--event: %q is no name of an event", name)
		}
	}
	ctx := context.Background()
	if err := r.promise(ctx, c); err != nil {
		return err
	}
	end := runProgram(command)
	if end.why != nil {
		fmt.Fprintln(s.notes, "await:", end.why)
	}
	err := r.tell(ctx, c, end)
	if err != nil && end.code == 0 {
		return err
	}
	if err != nil {
		fmt.Fprintln(s.notes, "await:", err)
	}
	return &exitError{nil, end.code}
}

// promise makes the promises that there are not, so that others may wait for them as soon as the command runs.
func (r *runCommand) promise(ctx context.Context, c *client.Client) error {
	for _, id := range r.Promise {
		_, err := c.Promise(ctx, id)
		if client.CodeOf(err) == api.CodeIDTaken {
			now, unread := c.Future(id).Get(ctx)
			if err = unread; err == nil && now.State.Settled() {
				err = fmt.Errorf("the promise %s is settled already: it %s", id, now.State)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tell reports the end to everybody. One who cannot be told does not keep the others from it.
func (r *runCommand) tell(ctx context.Context, c *client.Client, end ending) error {
	report := map[string]int{"exit_code": end.code}
	var faults []error
	for _, name := range r.Event {
		_, err := c.Event(name).Set(ctx, report)
		faults = append(faults, err)
	}
	for _, id := range r.Promise {
		var err error
		if end.code == 0 {
			_, err = c.Future(id).Resolve(ctx, report)
		} else {
			_, err = c.Future(id).Reject(ctx, api.RejectRequest{Message: end.said})
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// ending is how a command ended.
type ending struct {
	code int
	said string // in words
	why  error  // it could not be run
}

func runProgram(command []string) ending {
	program := exec.Command(command[0], command[1:]...)
	program.Stdin, program.Stdout, program.Stderr = os.Stdin, os.Stdout, os.Stderr
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passedOn()...)
	defer signal.Stop(signals)
	if err := program.Start(); err != nil {
		code := exitNotRunnable
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			code = exitNotFound
		}
		return ending{code, fmt.Sprintf("exit status %d: the command could not be run", code), err}
	}
	ended := make(chan error)
	go func() { ended <- program.Wait() }()
	for {
		select {
		case got := <-signals:
			// A key press reaches everybody on the terminal, the command too.
			if !slices.Contains(keys(), got) || !isTerminal(os.Stdin) {
				_ = program.Process.Signal(got) // it may have ended by now
			}
		case err := <-ended:
			return endingOf(program, err)
		}
	}
}

func endingOf(program *exec.Cmd, err error) ending {
	if program.ProcessState == nil {
		return ending{exitNotRunnable, "its end is not known", err}
	}
	status, ok := program.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return ending{exitSignal + int(status.Signal()), "signal: " + status.Signal().String(), nil}
	}
	code := program.ProcessState.ExitCode()
	return ending{code, fmt.Sprintf("exit status %d", code), nil}
}
