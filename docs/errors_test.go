package docs

import (
	"slices"
	"strconv"
	"testing"

	"github.com/awaitd/awaitd/api"
)

// The page of the errors has every problem of the catalogue.
func TestTheProblemsAreThoseOfTheCatalogue(t *testing.T) {
	rows := newTable("status", "code", "what it means and what to do")
	for _, p := range api.ProblemPages() {
		rows.row(strconv.Itoa(p.Status), code(string(p.Code)), "**"+p.Title+".** "+p.Description)
	}
	hold(t, "reference/errors.md", "problems", rows.String())
}

// failures says of each way to fail what it means and what awaitd does about it.
var failures = []struct{ name, means, again string }{
	{"dns", "The name of the target could not be resolved.", "yes"},
	{"connect", "No connection to the target was made.", "yes"},
	{"tls", "The handshake failed.", "yes; not after a certificate that is not valid"},
	{"timeout", "An attempt took longer than `timeout`, its headers or body came too slowly; or a promise or a wait was " +
		"not settled within its `timeout`.", "yes, of a fetch"},
	{"protocol", "What came was not HTTP, was cut off, or could not be stored.", "yes; not after an answer of another " +
		"protocol, or with too many header lines"},
	{
		"http_status", "The target answered with a status that is not accepted. The answer is in `result`.",
		"if the status is one of `retry.on_status`",
	},
	{"redirect", "There were too many redirects, or one that is not followed.", "no"},
	{"too_large", "The body is longer than `max_bytes`.", "no"},
	{"egress_denied", "The rules of the server do not allow the target.", "no"},
	{"deadline", "The time for everything is over.", "no"},
	{"rejected", "Somebody rejected the promise.", "–"},
	{"cancelled", "Somebody cancelled it: a call, a wait with `cancel_rest`, its group, or a caller who left.", "–"},
	{"dependency_failed", "What it was to wait for (`after`, or the expression of a wait) has failed.", "–"},
	{"outcome_unknown", "The server ended while a request was under way that must not be repeated. The target may have " +
		"acted on it.", "no; you decide"},
	{"quarantined", "The server died twice in a row while this fetch was under way.", "no; you decide"},
	{"circuit_open", "The target kept failing, and is left alone for a while.", "–"},
}

// The page of the errors has every way in which a future or an attempt fails, and no other.
func TestTheFailuresAreThoseOfTheContract(t *testing.T) {
	var want, got []string
	for _, one := range contract(t).at("components", "schemas", "ErrorType", "enum").items() {
		want = append(want, one.Value)
	}
	rows := newTable("type", "means", "another attempt")
	for _, f := range failures {
		got = append(got, f.name)
		rows.row(code(f.name), f.means, f.again)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("the contract has %v, the page %v", want, got)
	}
	hold(t, "reference/errors.md", "failures", rows.String())
}
