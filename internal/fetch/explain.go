package fetch

import (
	"context"
	"fmt"
	"strings"
)

// Verdict is what one stage of the guard says of a URL. Reason is for the operator: it holds names and addresses.
type Verdict struct {
	Stage   string // "static", "name", "port", "resolve" or "address"
	Outcome Decision
	Reason  string
}

// Decision is how a stage ends.
type Decision string

// The ways in which a stage ends. Unknown is for a name that is not resolved: an attempt would fail and be made again.
const (
	Allowed Decision = "allowed"
	Refused Decision = "refused"
	Unknown Decision = "unknown"
)

// Explain says stage by stage what would become of a fetch of this URL. It looks the name up, even if it is refused,
// and connects to nothing. What is said of one address is what is said when it alone is meant; one refused address
// refuses them all.
func (g *Guard) Explain(ctx context.Context, url string) []Verdict {
	t, err := parseTarget(url)
	if err != nil {
		return []Verdict{{"static", Refused, err.Error()}}
	}
	all := []Verdict{{"static", Allowed, t.url.String()}}
	stage := func(name string, refusal *Refusal, fine string) {
		if refusal != nil {
			all = append(all, Verdict{name, Refused, refusal.Reason})
			return
		}
		all = append(all, Verdict{name, Allowed, fine})
	}
	if t.addr.IsValid() {
		stage("address", g.judge("", t.addr, t.port), t.addr.String())
		return all
	}
	stage("name", g.admitName(t), t.name)
	stage("port", g.admitPort(t), fmt.Sprint(t.port))
	addrs, err := g.lookUp(ctx, t.name)
	if err != nil {
		return append(all, Verdict{"resolve", Unknown, err.Error()})
	}
	var many *Refusal
	if len(addrs) > LookupAnswersMax {
		many = &Refusal{fmt.Sprintf("%d addresses; more than %d are refused", len(addrs), LookupAnswersMax)}
	}
	var list []string
	for _, addr := range addrs {
		list = append(list, addr.Unmap().String())
	}
	stage("resolve", many, strings.Join(list, " "))
	for _, addr := range addrs {
		stage("address", g.judge(t.name, addr, t.port), addr.Unmap().String())
	}
	return all
}

// Summary is what the stages amount to: one refusal refuses, and what is not known is not allowed.
func Summary(all []Verdict) Decision {
	sum := Allowed
	for _, v := range all {
		if v.Outcome == Refused || v.Outcome == Unknown && sum == Allowed {
			sum = v.Outcome
		}
	}
	return sum
}
