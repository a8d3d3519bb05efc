//go:build unix

package main

import (
	"os"
	"syscall"
)

// passedOn is the signals that are for the command under await run.
func passedOn() []os.Signal {
	return append(keys(), syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
}

// keys is the signals of key presses, which a terminal sends to all that run on it.
func keys() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGQUIT} }
