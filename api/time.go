package api

import (
	"regexp"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// timeLayout is RFC 3339 with exactly three decimals.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// Time is a moment with millisecond precision. It is written in UTC with exactly three decimals; it is read from
// any RFC 3339 time from 1970 on, and what is finer than a millisecond is cut off.
type Time struct{ time.Time }

// TimeOf is t in UTC, cut to the millisecond.
func TimeOf(t time.Time) Time { return Time{t.UTC().Truncate(time.Millisecond)} }

// Pointer is nil for the zero time, which the wire shows as null.
func (t Time) Pointer() *Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// String is t as the wire shows it.
func (t Time) String() string { return t.UTC().Format(timeLayout) }

// ParseTime reads an RFC 3339 time. An error is a FieldError.
func ParseTime(text string) (Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || !rfc3339.MatchString(text) {
		return Time{}, fault(wantTime + ".")
	}
	t = t.UTC()
	if t.Year() < 1970 || t.Year() > 9999 {
		return Time{}, fault("Give a time from 1970 to 9999.")
	}
	return TimeOf(t), nil
}

// rfc3339 refuses what time.Parse lets pass: one digit for an hour, a comma, a zone of 24 hours.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

const wantTime = `Give an RFC 3339 time, such as "2026-11-22T18:00:00Z"`

// UnmarshalJSONFrom accepts an RFC 3339 string.
func (t *Time) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() != '"' {
		return fault(wantTime + ", not " + kindName(tok.Kind()) + ".")
	}
	*t, err = ParseTime(tok.String())
	return err
}

// MarshalJSONTo writes the RFC 3339 form with milliseconds, in UTC.
func (t Time) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteToken(jsontext.String(t.String()))
}

// Deadline is when a fetch must be settled: a duration from its submit on, or a moment. Exactly one is set.
type Deadline struct {
	In Duration
	At Time
}

// UnmarshalJSONFrom accepts what Duration accepts, or an RFC 3339 string.
func (d *Deadline) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	switch tok.Kind() {
	case '0':
		d.In, err = secondsOf(tok.String())
	case '"':
		err = d.parse(tok.String())
	default:
		err = fault(wantDuration + ", or an RFC 3339 time, not " + kindName(tok.Kind()) + ".")
	}
	return err
}

func (d *Deadline) parse(text string) (err error) {
	if d.At, err = ParseTime(text); err == nil {
		return nil
	}
	if len(text) > 4 && text[4] == '-' { // it is meant as a moment
		return err
	}
	d.In, err = durationOf(text)
	return err
}

// MarshalJSONTo writes the moment, or else the duration.
func (d Deadline) MarshalJSONTo(enc *jsontext.Encoder) error {
	if !d.At.IsZero() {
		return d.At.MarshalJSONTo(enc)
	}
	return d.In.MarshalJSONTo(enc)
}
