package main

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/client"
)

// The scripts ask the program itself what may come next, so that there is one list for all shells.
var (
	//go:embed completion/await.bash
	bashScript string
	//go:embed completion/await.zsh
	zshScript string
	//go:embed completion/await.fish
	fishScript string
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Help is the long form of the help.
func (completionCommand) Help() string {
	return `Names of events and ids of futures come from the server.

Examples:

    source <(await completion bash)                                # in ~/.bashrc
    source <(await completion zsh)                                 # in ~/.zshrc, after compinit
    await completion fish > ~/.config/fish/completions/await.fish`
}

// Run prints a script.
func (k *completionCommand) Run(s *session) error {
	script := map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[k.Shell]
	_, err := s.out.WriteString(script)
	return err
}

type completeCommand struct {
	Words []string `arg:"" optional:"" help:"The words of the command line so far; the last is to be completed."`
}

// askPatience is how long a person who presses a key waits for the server. Tests have more of it.
var askPatience = time.Second

// Run prints what may come next, a line each: the word, a tab, and what it is.
func (k *completeCommand) Run(s *session, c *connection, parser *kong.Kong) error {
	asked := &connection{URL: c.URL, APIKey: c.APIKey}
	ask := func(kind, prefix string) []candidate { return served(s, asked, kind, prefix) }
	for _, found := range complete(parser.Model.Node, k.Words, ask) {
		if err := s.line("%s\t%s", found.word, printable(found.help)); err != nil {
			return err
		}
	}
	return nil
}

// candidate is a word that may come next.
type candidate struct{ word, help string }

// complete is what may stand in place of the last of words. ask finds words that only the server knows.
func complete(node *kong.Node, words []string, ask func(kind, prefix string) []candidate) []candidate {
	if len(words) == 0 {
		words = []string{""}
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	places := 0
	for i := 0; i < len(before); i++ {
		switch word := before[i]; {
		case word == "--":
			return nil // what follows belongs to another program
		case strings.HasPrefix(word, "-"):
			if flag := flagOf(node, word); flag != nil && !flag.IsBool() && !strings.Contains(word, "=") {
				if i++; i == len(before) {
					return matching(valuesOf(flag.Value, last, ask), last)
				}
			}
		default:
			if child := childOf(node, word); child != nil {
				node, places = child, 0
			} else {
				places++
			}
		}
	}
	switch {
	case strings.HasPrefix(last, "-"):
		return matching(flagsOf(node), last)
	case len(commandsOf(node)) > 0:
		return matching(commandsOf(node), last)
	case len(node.Positional) == 0:
		return nil
	default:
		place := node.Positional[min(places, len(node.Positional)-1)] // the last may be repeated
		return matching(valuesOf(place, last, ask), last)
	}
}

func matching(all []candidate, prefix string) []candidate {
	return slices.DeleteFunc(all, func(c candidate) bool { return !strings.HasPrefix(c.word, prefix) })
}

func childOf(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

func commandsOf(node *kong.Node) (found []candidate) {
	for _, child := range node.Children {
		if !child.Hidden {
			found = append(found, candidate{child.Name, child.Help})
		}
	}
	return found
}

// flagOf is the flag that a word names, of node or of a command above it.
func flagOf(node *kong.Node, word string) *kong.Flag {
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	for ; node != nil; node = node.Parent {
		for _, flag := range node.Flags {
			if flag.Name == name || !strings.HasPrefix(word, "--") && string(flag.Short) == name {
				return flag
			}
		}
	}
	return nil
}

func flagsOf(node *kong.Node) (found []candidate) {
	for ; node != nil; node = node.Parent {
		for _, flag := range node.Flags {
			if !flag.Hidden {
				found = append(found, candidate{"--" + flag.Name, flag.Help})
			}
		}
	}
	return found
}

// valuesOf is what an argument or a flag may be: one of a list, or what the server knows.
func valuesOf(value *kong.Value, prefix string, ask func(kind, prefix string) []candidate) (found []candidate) {
	for _, word := range value.EnumSlice() {
		if word != "" {
			found = append(found, candidate{word, ""})
		}
	}
	if kind := value.Tag.Get("complete"); kind != "" {
		found = append(found, ask(kind, prefix)...)
	}
	return found
}

// servedMax is how many words of the server are shown; more help nobody.
const servedMax = 50

// served asks the server for names of events or ids of futures and groups. One that does not answer at once knows none.
func served(s *session, conn *connection, kind, prefix string) (found []candidate) {
	ctx, cancel := context.WithTimeout(context.Background(), askPatience)
	defer cancel()
	c, err := dial(s, conn)
	if err != nil {
		return nil
	}
	if kind == "groups" || kind == "refs" {
		found = append(found, servedGroups(ctx, c, kind == "refs")...)
	}
	if kind == "events" || kind == "refs" {
		start := ""
		if name, prefixed := strings.CutPrefix(prefix, "event:"); prefixed {
			start, prefix = "event:", name
		}
		if prefix == "" || api.ValidEventName(prefix) {
			found = append(found, servedEvents(ctx, c, start, prefix)...)
		}
	}
	if kind == "futures" || kind == "refs" {
		found = append(found, servedFutures(ctx, c, kind == "refs")...)
	}
	return found
}

func servedEvents(ctx context.Context, c *client.Client, start, prefix string) (found []candidate) {
	for e, err := range c.Events(ctx, prefix) {
		if err != nil || len(found) == servedMax {
			break
		}
		found = append(found, candidate{start + e.Name, fmt.Sprintf("event, generation %d", e.Generation)})
	}
	return found
}

func servedFutures(ctx context.Context, c *client.Client, asRef bool) (found []candidate) {
	for f, err := range c.Futures(ctx, client.FutureFilter{}) {
		if err != nil || len(found) == servedMax {
			break
		}
		id := f.ID
		if asRef {
			id = c.Future(id).Expr().String()
		}
		found = append(found, candidate{id, fmt.Sprintf("%s, %s", f.Kind, stateWord(f))})
	}
	return found
}

func servedGroups(ctx context.Context, c *client.Client, asRef bool) (found []candidate) {
	for g, err := range c.Groups(ctx, nil) {
		if err != nil || len(found) == servedMax {
			break
		}
		id := g.ID
		if asRef {
			id = c.Group(id).Expr().String()
		}
		found = append(found, candidate{id, fmt.Sprintf("group, %s, %s", g.State, memberCounts(g))})
	}
	return found
}
