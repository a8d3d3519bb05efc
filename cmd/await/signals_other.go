//go:build !unix

package main

import "os"

// passedOn is the signals that are for the command under await run.
func passedOn() []os.Signal { return keys() }

// keys is the signals of key presses, which a terminal sends to all that run on it.
func keys() []os.Signal { return []os.Signal{os.Interrupt} }
