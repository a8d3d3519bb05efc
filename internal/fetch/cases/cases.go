package cases

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// File is what a file of cases says. Its form, one statement a line:
//
//	public ADDRESS…               addresses that anybody may reach; whatever else is reached is a canary
//	policy NAME TARGET…           what --allow-target opens under this policy
//	name HOST ANSWER [| ANSWER]…  what the DNS says: addresses, A+N for N of them in a row, nothing for no such name;
//	                              after a bar what it says at the next look-up, and the last answer for ever
//	alias HOST OTHER              HOST is only another name of OTHER (CNAME)
//	CASE POLICY OUTCOME REQUEST   a fetch; POLICY is - for none; REQUEST is a URL or the body of POST /fetch, and may
//	                              be quoted as in Go
//
// Lines in a row with the same CASE are its steps, one after the other in the same process.
//
// OUTCOME is 400 and a JSON pointer (refused as submitted, that part or one below it being at fault), denied (by the
// guard, for good), ok@ADDRESS:PORT (where the answer came from), or the type of the failure. After a comma comes that
// of the first attempt to deliver the callback: delivered, denied, or the type of the failure.
type File struct {
	Public   []netip.Addr
	Policies map[string][]string
	Names    map[string][]Answer
	Aliases  map[string]string
	Cases    []Case
}

// Answer is what the DNS says to one look-up.
type Answer []netip.Addr

// Case is one row of steps.
type Case struct {
	Name  string
	Steps []Step
}

// Step is one fetch of a case.
type Step struct {
	Line    int
	Policy  string
	Want    string
	Called  string // what is wanted of the callback; empty when there is none
	Request []byte // the body of POST /fetch
}

// Read reads a file of cases.
func Read(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &File{Policies: map[string][]string{"-": nil}, Names: map[string][]Answer{}, Aliases: map[string]string{}}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := f.statement(n, line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	return f, lines.Err()
}

func (f *File) statement(n int, line string) (err error) {
	word, rest := cut(line)
	switch word {
	case "public":
		var more Answer
		more, err = addresses(rest)
		f.Public = append(f.Public, more...)
	case "policy":
		name, targets := cut(rest)
		f.Policies[name] = strings.Fields(targets)
	case "name":
		host, answers := cut(rest)
		for part := range strings.SplitSeq(answers, "|") {
			a, err := addresses(part)
			if err != nil {
				return err
			}
			f.Names[host] = append(f.Names[host], a)
		}
	case "alias":
		host, other := cut(rest)
		f.Aliases[host] = other
	default:
		err = f.step(n, word, rest)
	}
	return err
}

func (f *File) step(n int, name, rest string) error {
	s := Step{Line: n}
	s.Policy, rest = cut(rest)
	s.Want, rest = cut(rest)
	s.Want, s.Called, _ = strings.Cut(s.Want, ",")
	if rest == "" {
		return fmt.Errorf("a case has a name, a policy, an outcome and a request")
	}
	if _, ok := f.Policies[s.Policy]; !ok {
		return fmt.Errorf("no policy is called %s", s.Policy)
	}
	if strings.HasPrefix(rest, `"`) {
		var err error
		if rest, err = strconv.Unquote(rest); err != nil {
			return fmt.Errorf("the request: %w", err)
		}
	}
	s.Request = []byte(rest)
	if url := rest; !strings.HasPrefix(url, "{") {
		s.Request, _ = json.Marshal(map[string]string{"url": url})
	}
	if last := len(f.Cases) - 1; last >= 0 && f.Cases[last].Name == name {
		f.Cases[last].Steps = append(f.Cases[last].Steps, s)
		return nil
	}
	if slices.ContainsFunc(f.Cases, func(c Case) bool { return c.Name == name }) {
		return fmt.Errorf("there is a case called %s already", name)
	}
	f.Cases = append(f.Cases, Case{Name: name, Steps: []Step{s}})
	return nil
}

// cut takes the first word off.
func cut(line string) (word, rest string) {
	word, rest, _ = strings.Cut(line, " ")
	return word, strings.TrimSpace(rest)
}

func addresses(text string) (Answer, error) {
	a := Answer{}
	for word := range strings.FieldsSeq(text) {
		first, times, _ := strings.Cut(word, "+")
		addr, err := netip.ParseAddr(first)
		if err != nil {
			return nil, err
		}
		count := 1
		if times != "" {
			if count, err = strconv.Atoi(times); err != nil {
				return nil, err
			}
		}
		for range count {
			a = append(a, addr)
			addr = addr.Next()
		}
	}
	return a, nil
}

// Wanted reports whether one of the outcomes is that of the file, or points below it.
func (s Step) Wanted(got []string) bool {
	return slices.ContainsFunc(got, func(g string) bool { return g == s.Want || strings.HasPrefix(g, s.Want+"/") })
}

// May reports whether this step may reach an address: one of the public ones, the one that it says it does, or, if it
// says that its callback is delivered, one that its policy opens.
func (f *File) May(s Step, reached netip.AddrPort) bool {
	opened := func(target string) bool {
		network, err := netip.ParsePrefix(target)
		return s.Called == "delivered" && err == nil && network.Contains(reached.Addr().Unmap())
	}
	return slices.Contains(f.Public, reached.Addr().Unmap()) || s.Want == "ok@"+reached.String() ||
		slices.ContainsFunc(f.Policies[s.Policy], opened)
}

// Ports are all that a request of the file may lead to, and where something must listen so that it is noticed.
func (f *File) Ports() (ports []uint16) {
	for _, c := range f.Cases {
		for _, s := range c.Steps {
			ports = append(ports, s.Ports()...)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// Ports are all that the request may lead to. Some are no ports of anything: listening there is no harm.
func (s Step) Ports() []uint16 { return append(portsIn(string(s.Request)), 80, 443) }

// portsIn finds every number after a colon, escaped or not.
func portsIn(text string) (ports []uint16) {
	for {
		_, after, found := strings.Cut(strings.ReplaceAll(text, "%3A", ":"), ":")
		if !found {
			return ports
		}
		digits := after[:len(after)-len(strings.TrimLeft(after, "0123456789"))]
		if n, err := strconv.ParseUint(digits, 10, 16); err == nil && n != 0 {
			ports = append(ports, uint16(n))
		}
		text = after
	}
}
