package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/client"
)

// board shows a wait: to a person as a block of lines that is drawn again and again, to a pipe as a line for each leaf
// that completes, and as JSON when it is over. It belongs to one goroutine.
type board struct {
	s       *session
	live    bool // somebody looks
	colour  bool
	started time.Time
	leaves  []api.Leaf // in the order of the expression
	told    int        // of them are done
	drawn   int        // lines of the block that is on the screen
	spin    int
	trouble atomic.Pointer[trouble] // the last failure after which a call was tried again; nil for none
}

// trouble is shown for troubleShown, which is longer than the longest pause between two tries.
type trouble struct {
	text string
	at   time.Time
}

const troubleShown = 6 * time.Second

// newBoard is for a wait that is about to begin. Only who has both outputs before the eyes gets a block: it would be in
// the way of what is piped.
func (s *session) newBoard(expr api.Expr) *board {
	b := &board{s: s, started: time.Now(), colour: coloured(s.notes)}
	b.live = !s.json && isTerminal(s.out) && isTerminal(s.notes) && os.Getenv("TERM") != "dumb"
	b.add(expr)
	return b
}

func (b *board) add(expr api.Expr) {
	if expr.Leaf() {
		b.leaves = append(b.leaves, api.Leaf{Ref: expr.String(), Outcome: api.OutcomePending})
	}
	for _, part := range expr.Of {
		b.add(part)
	}
}

// frame is how often the block is drawn.
const frame = 100 * time.Millisecond

// show runs wait, which calls completed for each leaf, and shows how it goes until it returns.
func (b *board) show(wait func(completed func(api.Leaf)) (*api.WaitAnswer, error)) (*api.WaitAnswer, error) {
	completed, over := make(chan api.Leaf), make(chan struct{})
	var answer *api.WaitAnswer
	var err error
	go func() {
		defer close(over)
		answer, err = wait(func(leaf api.Leaf) { completed <- leaf })
	}()
	ticker := time.NewTicker(frame)
	defer ticker.Stop()
	if b.live {
		b.s.board.Store(b)
		defer b.s.board.Store(nil)
		fmt.Fprint(b.s.notes, "\x1b[?25l") // no cursor
		defer fmt.Fprint(b.s.notes, "\x1b[?25h")
	}
	for {
		select {
		case leaf := <-completed:
			b.complete(leaf)
		case <-ticker.C:
			b.draw()
		case <-over:
			return answer, b.close(answer, err)
		}
	}
}

func (b *board) complete(leaf api.Leaf) {
	pending := func(l api.Leaf) bool { return l.Ref == leaf.Ref && l.Outcome == api.OutcomePending }
	if i := slices.IndexFunc(b.leaves, pending); i >= 0 {
		b.leaves[i] = leaf
	}
	b.told++
	if !b.live && !b.s.json {
		fmt.Fprintln(b.s.out, leafLine(leaf))
	}
	b.draw()
}

// close takes the block away and leaves what was not told yet.
func (b *board) close(answer *api.WaitAnswer, err error) error {
	b.erase()
	if client.CodeOf(err) != "" {
		return err // it was refused: nobody has waited for anything
	}
	if b.s.json {
		if told := b.s.document(answer); told != nil {
			return told
		}
		return err
	}
	if b.live {
		for _, leaf := range answer.Done {
			fmt.Fprintln(b.s.out, leafLine(leaf))
		}
	}
	for _, leaf := range answer.Pending {
		fmt.Fprintln(b.s.out, leafLine(leaf))
	}
	return err
}

// leafLine is a leaf in one line: outcome, ref, and what there is to say.
func leafLine(leaf api.Leaf) string {
	return printable(strings.TrimRight(fmt.Sprintf("%-9s  %s  %s", leaf.Outcome, leaf.Ref, leafGist(leaf)), " "))
}

func leafGist(leaf api.Leaf) string {
	switch {
	case leaf.Future != nil && leaf.Outcome == api.OutcomePending:
		return joined([]string{stateWord(leaf.Future), gist(leaf.Future)})
	case leaf.Future != nil:
		return gist(leaf.Future)
	case leaf.Group != nil:
		return memberCounts(leaf.Group)
	case leaf.Event != nil:
		return joined([]string{
			fmt.Sprintf("generation %d", leaf.Event.Generation), short(payloadText(leaf.Event.Payload), shownRunesMax),
		})
	}
	return ""
}

var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// draw writes the block over the one before.
func (b *board) draw() {
	if !b.live {
		return
	}
	width, height, err := term.GetSize(int(b.s.notes.Fd()))
	if err != nil || width < 10 || height < 3 {
		width, height = 80, 24
	}
	b.spin++
	lines := []string{fmt.Sprintf("%c %d of %d done, %s", spinner[b.spin%len(spinner)], b.told, len(b.leaves),
		round(time.Since(b.started)))}
	if t := b.trouble.Load(); t != nil && time.Since(t.at) < troubleShown {
		lines[0] = short(lines[0]+"; trying again: "+t.text, width)
	}
	shown := b.chosen(height - 3)
	for _, leaf := range shown {
		lines = append(lines, b.row(leaf, width))
	}
	if more := len(b.leaves) - len(shown); more > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more", more))
	}
	b.erase()
	fmt.Fprint(b.s.notes, strings.Join(lines, "\n"), "\n")
	b.drawn = len(lines)
}

// chosen is the leaves that there is room for: those that are missing first.
func (b *board) chosen(room int) []api.Leaf {
	if len(b.leaves) <= room {
		return b.leaves
	}
	chosen := slices.DeleteFunc(slices.Clone(b.leaves), func(l api.Leaf) bool { return l.Outcome != api.OutcomePending })
	if len(chosen) == 0 {
		chosen = b.leaves
	}
	return chosen[:min(len(chosen), max(room, 1))]
}

// row is a leaf in one line of the screen.
func (b *board) row(leaf api.Leaf, width int) string {
	mark, colour, what := "·", "2", "pending for "+round(time.Since(b.started))
	switch leaf.Outcome {
	case api.OutcomeSatisfied:
		mark, colour, what = "✓", "32", leafGist(leaf)
	case api.OutcomeFailed:
		mark, colour, what = "✗", "31", leafGist(leaf)
	}
	text := short(printable(fmt.Sprintf("%s %s  %s", mark, leaf.Ref, what)), width-3)
	if b.colour {
		return "  \x1b[" + colour + "m" + text + "\x1b[0m"
	}
	return "  " + text
}

func (b *board) erase() {
	if b.drawn > 0 {
		fmt.Fprintf(b.s.notes, "\x1b[%dA\r\x1b[J", b.drawn)
		b.drawn = 0
	}
}
