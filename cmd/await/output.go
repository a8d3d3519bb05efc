package main

import (
	"fmt"
	"iter"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/term"

	"github.com/awaitd/awaitd/api"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// coloured reports whether f may be written to in colours (https://no-color.org).
func coloured(f *os.File) bool {
	return isTerminal(f) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// line writes one line of output.
func (s *session) line(format string, args ...any) error {
	_, err := fmt.Fprintf(s.out, format+"\n", args...)
	return err
}

// document writes v as one line of JSON.
func (s *session) document(v any) error {
	text, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return err
	}
	_, err = s.out.Write(append(text, '\n'))
	return err
}

// list writes what all brings, at most limit of them (0: all): as documents, when it is to be quiet the first
// column alone, else a table.
func list[T any](
	s *session, all iter.Seq2[T, error], limit int, quiet bool, head []string, row func(T) []string,
) error {
	rows := [][]string{head}
	n := 0
	for one, err := range all {
		switch {
		case err != nil:
		case s.json:
			err = s.document(one)
		case quiet:
			err = s.line("%s", row(one)[0])
		default:
			rows = append(rows, row(one))
		}
		if err != nil {
			return err
		}
		if n++; n == limit {
			break
		}
	}
	if s.json || quiet {
		return nil
	}
	return s.table(rows)
}

// table writes rows in columns.
func (s *session) table(rows [][]string) error {
	w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	return w.Flush()
}

// printable keeps what strangers wrote from moving the cursor, changing colours, or breaking a line.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, text)
}

// short is text in at most n characters.
func short(text string, n int) string {
	if runes := []rune(text); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return text
}

const shownRunesMax = 60

// stateWord is one word for how a future stands: why it is pending, or else its state.
func stateWord(f *api.Future) string {
	if f.State == api.StatePending && f.Reason != nil {
		return string(*f.Reason)
	}
	return string(f.State)
}

// gist is what there is to say about a future besides its state.
func gist(f *api.Future) string {
	var parts []string
	if f.Request != nil {
		parts = append(parts, f.Request.Method+" "+f.Request.URL)
	}
	if f.For != nil {
		parts = append(parts, short(exprText(f.For), shownRunesMax))
	}
	switch {
	case f.Error != nil:
		parts = append(parts, string(f.Error.Type)+": "+f.Error.Message)
	case f.Result != nil:
		parts = append(parts, resultGist(f))
	case f.NextAttemptAt != nil:
		parts = append(parts, "next attempt at "+f.NextAttemptAt.Local().Format(time.TimeOnly))
	case f.DueAt != nil:
		parts = append(parts, "due at "+f.DueAt.Local().Format(time.DateTime))
	}
	if n := len(f.Attempts); n > 1 {
		parts = append(parts, strconv.Itoa(n)+" attempts")
	}
	return strings.Join(parts, ", ")
}

func resultGist(f *api.Future) string {
	r := f.Result
	switch {
	case f.Kind == api.KindFetch && r.Status != nil && r.Bytes != nil:
		return fmt.Sprintf("%d, %d bytes", *r.Status, *r.Bytes)
	case r.WaitAnswer != nil:
		return string(r.Outcome)
	}
	return short(string(r.JSON), shownRunesMax)
}

// exprText is an expression as one would type it into a request; nil is that of a stream of all futures.
func exprText(e *api.Expr) string {
	if e == nil {
		return "all futures"
	}
	text, err := json.Marshal(e)
	if err != nil {
		return err.Error()
	}
	return strings.Trim(string(text), `"`)
}

// payloadText is a payload in a few words; empty for none.
func payloadText(p *api.Payload) string {
	switch {
	case p == nil:
		return ""
	case p.JSON != nil:
		return string(p.JSON)
	case p.Text != nil:
		return *p.Text
	default:
		return p.ContentType
	}
}

// ago is how long ago t was, in the largest unit that fits.
func ago(t api.Time) string { return round(time.Since(t.Time)) }

// round is a duration for people: its two largest units at most.
func round(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour:
		return d.Truncate(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	default:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
}

// moment is a time with a name; nil: there is none.
type moment struct {
	name string
	at   *api.Time
}

// moments is rows of the times that there are.
func moments(all []moment) (rows [][]string) {
	for _, m := range all {
		if m.at != nil {
			rows = append(rows, []string{m.name, m.at.String()})
		}
	}
	return rows
}

// showFuture writes all that there is about one future.
func (s *session) showFuture(f *api.Future) error {
	if s.json {
		return s.document(f)
	}
	rows := [][]string{{"id", f.ID}, {"kind", string(f.Kind)}, {"state", stateWord(f)}}
	if f.Request != nil {
		rows = append(rows, []string{"request", f.Request.Method + " " + f.Request.URL})
	}
	if f.For != nil {
		rows = append(rows, []string{"for", exprText(f.For)})
	}
	for _, label := range labelTexts(f.Labels) {
		rows = append(rows, []string{"label", label})
	}
	rows = append(rows, moments([]moment{
		{"created", &f.CreatedAt},
		{"due", f.DueAt},
		{"next attempt", f.NextAttemptAt},
		{"deadline", f.DeadlineAt},
		{"settled", f.SettledAt},
		{"expires", f.ExpiresAt},
	})...)
	for _, a := range f.Attempts {
		what := ""
		switch {
		case a.Error != nil:
			what = string(a.Error.Type) + ": " + a.Error.Message
		case a.Status != nil:
			what = strconv.Itoa(*a.Status)
		}
		took := time.Duration(a.DurationMS * float64(time.Millisecond)).Round(time.Millisecond)
		rows = append(rows, []string{fmt.Sprintf("attempt %d", a.N), fmt.Sprintf("%s after %v", what, took)})
	}
	switch {
	case f.Error != nil:
		rows = append(rows, []string{"error", string(f.Error.Type) + ": " + f.Error.Message})
	case f.Result != nil:
		rows = append(rows, []string{"result", resultGist(f)})
	}
	return s.table(rows)
}

// showEvent writes all that there is about one event.
func (s *session) showEvent(e *api.Event) error {
	if s.json {
		return s.document(e)
	}
	rows := [][]string{{"name", e.Name}, {"set", strconv.FormatBool(e.Set)}, {"generation", fmt.Sprint(e.Generation)}}
	if e.SetAt != nil {
		rows = append(rows, []string{"set at", e.SetAt.String()})
	}
	if e.ExpiresAt != nil {
		rows = append(rows, []string{"expires", e.ExpiresAt.String()})
	}
	if e.Payload != nil {
		rows = append(rows, []string{"payload", payloadText(e.Payload)})
	}
	if e.Woken != nil {
		rows = append(rows, []string{"woken", strconv.Itoa(*e.Woken)})
	}
	return s.table(rows)
}
