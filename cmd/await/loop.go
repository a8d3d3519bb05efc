package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/client"
)

type loopCommand struct {
	Every duration `default:"1s" placeholder:"DURATION" help:"How often to look."`
	Once  bool     `help:"One snapshot, on a terminal, too."`
}

// Help is the long form of the help.
func (loopCommand) Help() string {
	return `Ctrl-C ends it.

Examples:

    await loop
    await loop --output json | jq .futures`
}

// Run shows the loop, once or until it is interrupted.
func (l *loopCommand) Run(ctx context.Context, s *session, c *client.Client) error {
	if s.json || l.Once || !isTerminal(s.out) {
		state, err := c.Loop(ctx)
		switch {
		case err != nil:
			return err
		case s.json:
			return s.document(state)
		}
		return s.line("%s", strings.Join(loopLines(state, nil, 1000), "\n"))
	}
	if l.Every.Duration < 50*time.Millisecond {
		return usageError("--every is %v: look at most 20 times a second", l.Every)
	}
	fmt.Fprint(s.out, "\x1b[?1049h\x1b[?25l") // another screen, no cursor
	defer fmt.Fprint(s.out, "\x1b[?25h\x1b[?1049l")
	err := l.watch(ctx, s, c)
	if errors.Is(err, errInterrupted) {
		return nil
	}
	return err
}

func (l *loopCommand) watch(ctx context.Context, s *session, c *client.Client) error {
	ticker := time.NewTicker(l.Every.Duration)
	defer ticker.Stop()
	var before *api.LoopState
	for {
		state, err := c.Loop(ctx)
		if err != nil {
			return err
		}
		width, height, err := term.GetSize(int(s.out.Fd()))
		if err != nil {
			return err
		}
		lines := loopLines(state, before, max(height-1, 1))
		for i := range lines {
			lines[i] = short(lines[i], max(width, 10)) + "\x1b[K"
		}
		fmt.Fprint(s.out, "\x1b[H", strings.Join(lines, "\r\n"), "\x1b[J")
		before = state
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// loopLines is a state of the loop in at most so many lines. Beside the one before, counts have a rate.
func loopLines(state, before *api.LoopState, linesMax int) []string {
	rate := func(count func(*api.LoopState) uint64) string {
		if before == nil || state.UptimeSeconds <= before.UptimeSeconds || count(state) < count(before) {
			return ""
		}
		return fmt.Sprintf(" (%.0f/s)", float64(count(state)-count(before))/(state.UptimeSeconds-before.UptimeSeconds))
	}
	turns := func(s *api.LoopState) uint64 { return s.Turns }
	callbacks := func(s *api.LoopState) uint64 { return s.Callbacks }
	lines := []string{
		fmt.Sprintf("up        %s, now %s", round(time.Duration(state.UptimeSeconds*float64(time.Second))), state.Now),
		fmt.Sprintf("loop      %d turns%s, %d callbacks%s, %d slow", state.Turns, rate(turns), state.Callbacks,
			rate(callbacks), state.SlowCallbacks.Count),
		fmt.Sprintf("lag       %.1f ms, at most %.1f ms", state.LagMS.Last, state.LagMS.Max),
		fmt.Sprintf("queue     %d ready, %d of %d in the inbox, %d timers, %d tasks", state.Ready, state.Inbox.Requests,
			state.Inbox.RequestsMax, state.Timers, state.Tasks),
		fmt.Sprintf("futures   %d pending, %d running, %d queued, %d unawaited", state.Futures.Pending,
			state.Futures.Running, state.Futures.Queued, state.Futures.Unawaited),
		fmt.Sprintf("workers   %d of %d busy", state.Workers.Busy, state.Workers.Max),
		fmt.Sprintf("others    %d held requests, %d events", state.Waiters, state.Events),
		fmt.Sprintf("commit    %.1f ms", state.Commit.LastMS),
	}
	if len(state.Waits) > 0 {
		lines = append(lines, "", fmt.Sprintf("%-8s  %-6s  %-9s  %4s  %7s  %s", "SINCE", "KIND", "OUTCOME", "DONE", "PENDING",
			"FOR"))
	}
	for _, w := range state.Waits {
		since := round(state.Now.Sub(w.Since.Time))
		what := "all futures"
		if w.For != nil {
			what = exprText(w.For)
		}
		lines = append(lines, fmt.Sprintf("%-8s  %-6s  %-9s  %4d  %7d  %s", since, w.Kind, w.Outcome, w.Done, w.Pending,
			printable(what)))
	}
	return lines[:min(len(lines), linesMax)]
}
