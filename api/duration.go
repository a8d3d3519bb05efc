package api

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// DurationMax is the longest duration that a request may name: ten years of 365 days.
const DurationMax = 10 * 365 * 24 * time.Hour

// Duration is a length of time, never negative and at most DurationMax. On the wire it is a string in Go's form
// ("250ms", "1h30m") or a number of seconds; it is always written as a string.
type Duration time.Duration

// String is d in Go's form.
func (d Duration) String() string { return time.Duration(d).String() }

// ParseDuration reads a duration as a query, a header or a short form writes it: Go's form or a number of seconds.
// An error is a FieldError.
func ParseDuration(text string) (Duration, error) {
	if numberOfSeconds.MatchString(text) {
		return secondsOf(text)
	}
	return durationOf(text)
}

// UnmarshalJSONFrom accepts a string in Go's form or a number of seconds.
func (d *Duration) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	switch tok.Kind() {
	case '"':
		*d, err = durationOf(tok.String())
	case '0':
		*d, err = secondsOf(tok.String())
	default:
		err = fault(wantDuration + ", not " + kindName(tok.Kind()) + ".")
	}
	return err
}

// MarshalJSONTo writes Go's form.
func (d Duration) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteToken(jsontext.String(d.String()))
}

const wantDuration = `Give a duration, such as "250ms", "30s" or "2h", or a number of seconds`

func durationOf(text string) (Duration, error) {
	if strings.HasPrefix(text, "-") {
		return 0, fault("A duration cannot be negative.")
	}
	if !goDuration.MatchString(text) {
		return 0, fault(wantDuration + ".")
	}
	d, err := time.ParseDuration(text)
	if err != nil { // the form is right, so it is too much
		return 0, fault("Give a duration of at most ten years.")
	}
	return bounded(d)
}

// goDuration is what time.ParseDuration reads, without a sign. The standard library tells an overflow from nonsense
// only in words.
var goDuration = regexp.MustCompile(`^(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(h|m|s|ms|us|µs|μs|ns))+)$`)

// secondsOf reads what is known to be a number.
func secondsOf(text string) (Duration, error) {
	if strings.HasPrefix(text, "-") {
		return 0, fault("A duration cannot be negative.")
	}
	// The form is right, so an error can only be a number too large, which is read as infinite.
	seconds, _ := strconv.ParseFloat(text, 64)
	if seconds > DurationMax.Seconds() {
		return 0, fault("Give a duration of at most ten years.")
	}
	return bounded(time.Duration(math.Round(seconds * float64(time.Second))))
}

func bounded(d time.Duration) (Duration, error) {
	if d > DurationMax {
		return 0, fault("Give a duration of at most ten years.")
	}
	return Duration(d), nil
}

// numberOfSeconds is a number as JSON writes it, or with nothing before or after its point: "NaN", "Inf" and
// hexadecimal floats, which strconv would read, are none.
var numberOfSeconds = regexp.MustCompile(`^([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$`)
