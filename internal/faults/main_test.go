package faults

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// Two flags for who wants more than CI has time for.
var (
	rounds = flag.Int("faults.rounds", 5, "how many times the server is killed under load")
	seed   = flag.Uint64("faults.seed", 1, "of what the clients do and when the server is killed")
)

// insideVariable tells a test that it runs in a mount namespace of its own, and where the server's binary is.
const insideVariable = "AWAITD_FAULTS_INSIDE"

// binary is the server under test.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "faults")
	if binary = os.Getenv(insideVariable); err == nil && binary == "" {
		binary, err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}
