package api

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of requests, besides those beside their types.
const (
	URLBytesMax      = 8192
	HeadersMax       = 100
	LabelsMax        = 64
	LabelKeyBytesMax = 64
	LabelRunesMax    = 256
	StatusesMax      = 100
	RedactMax        = 100
	NameRunesMax     = 256 // of a header to redact
	MessageRunesMax  = 4096
	CursorBytesMax   = 512
	// WaitCursorBytesMax is enough for LeavesMax leaves.
	WaitCursorBytesMax = 8192
	ConcurrencyMax     = 10_000
	RateMax            = 1_000_000
	AttemptsMax        = 20
	RedirectsMax       = 20
	TimeoutMax         = 15 * time.Minute
	BackoffMin         = time.Millisecond
	BackoffMax         = 24 * time.Hour
)

// Defaults that the contract names.
const (
	DefaultTimeout      = 30 * time.Second
	DefaultDeadline     = time.Hour
	DefaultTTL          = 24 * time.Hour
	DefaultAttempts     = 4
	DefaultBackoffMin   = 500 * time.Millisecond
	DefaultBackoffMax   = 30 * time.Second
	DefaultRedirects    = 5
	DefaultPeriod       = time.Second
	DefaultBodyBytesMax = 16 << 20
)

// Methods are the methods of a fetch.
func Methods() []string { return []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} }

// faults collects what is wrong with a request.
type faults []FieldError

// require adds a fault at pointer unless ok.
func (f *faults) require(ok bool, pointer, detail string) {
	if !ok {
		*f = append(*f, FieldError{Pointer: pointer, Detail: detail})
	}
}

// within adds the faults of a part, below pointer.
func (f *faults) within(pointer string, part []FieldError) {
	for _, e := range part {
		e.Pointer = pointer + e.Pointer
		*f = append(*f, e)
	}
}

// between adds a fault unless n is nil or from least to most.
func between[N int | int64](f *faults, n *N, least, most N, pointer string) {
	f.require(n == nil || least <= *n && *n <= most, pointer, fmt.Sprintf("Give a number from %d to %d.", least, most))
}

// positive adds a fault unless d is nil or above zero.
func (f *faults) positive(d *Duration, pointer string) {
	f.require(d == nil || *d > 0, pointer, "Give a duration above 0.")
}

func (f *faults) url(url, pointer string) {
	f.require(url != "", pointer, "The URL is required.")
	f.require(len(url) <= URLBytesMax, pointer, fmt.Sprintf("Give a URL of at most %d octets.", URLBytesMax))
}

func (f *faults) headers(headers map[string]Strings, pointer string) {
	f.require(len(headers) <= HeadersMax, pointer, fmt.Sprintf("Give at most %d headers.", HeadersMax))
}

func (f *faults) statuses(list []string, pointer string) {
	f.require(list == nil || 1 <= len(list) && len(list) <= StatusesMax, pointer,
		fmt.Sprintf("Give 1 to %d statuses, or leave the field out.", StatusesMax))
	for i, s := range list {
		class := len(s) == 3 && '1' <= s[0] && s[0] <= '9'
		one := class && '0' <= s[1] && s[1] <= '9' && '0' <= s[2] && s[2] <= '9'
		f.require(one || class && s[1:] == "xx", pointer+"/"+strconv.Itoa(i),
			`Give a status, such as "429", or a class, such as "5xx".`)
	}
}

func (f *faults) onDisconnect(o OnDisconnect) {
	f.require(slices.Contains([]OnDisconnect{"", DisconnectKeep, DisconnectCancel}, o), "/on_disconnect",
		"Give keep or cancel.")
}

func (f *faults) group(id string) { f.require(id == "" || ValidGroupID(id), "/group", wantGroupID) }

func (f *faults) labels(labels map[string]string) {
	f.require(len(labels) <= LabelsMax, "/labels", fmt.Sprintf("Give at most %d labels.", LabelsMax))
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		at := string(jsontext.Pointer("/labels").AppendToken(key))
		f.require(ValidLabelKey(key), at, "The key of a label has 1 to 64 of the characters A-Z a-z 0-9 _ . / and -.")
		f.require(utf8.RuneCountInString(labels[key]) <= LabelRunesMax, at,
			fmt.Sprintf("Give a label at most %d characters.", LabelRunesMax))
	}
}

// Check is what is wrong with r besides its JSON: required fields, bounds, and fields that exclude each other. What
// a URL or a header may be is the business of the fetch itself.
func (r *FetchRequest) Check() []FieldError {
	var f faults
	f.url(r.URL, "/url")
	f.require(r.Method == "" || slices.Contains(Methods(), r.Method), "/method",
		"Give GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.")
	f.headers(r.Headers, "/headers")
	f.body(r)
	f.when(r)
	if r.Retry != nil {
		f.within("/retry", r.Retry.check())
	}
	f.statuses(r.AcceptStatus, "/accept_status")
	between(&f, r.MaxRedirects, 0, RedirectsMax, "/max_redirects")
	between(&f, r.MaxBytes, 1, CountMax, "/max_bytes")
	if r.Limit != nil {
		f.within("/limit", r.Limit.check())
	}
	f.require(r.Sets == "" || ValidEventName(r.Sets), "/sets", wantEventName)
	if r.Callback != nil {
		f.within("/callback", r.Callback.check())
	}
	f.group(r.Group)
	f.onDisconnect(r.OnDisconnect)
	f.labels(r.Labels)
	f.require(len(r.Redact) <= RedactMax, "/redact", fmt.Sprintf("Give at most %d names.", RedactMax))
	for i, name := range r.Redact {
		n := utf8.RuneCountInString(name)
		f.require(1 <= n && n <= NameRunesMax, "/redact/"+strconv.Itoa(i), "Give the name of a header.")
	}
	return f
}

func (f *faults) body(r *FetchRequest) {
	bodies := 0
	for _, given := range []bool{r.Body != nil, r.JSON != nil, r.Base64 != nil} {
		if given {
			bodies++
		}
	}
	f.require(bodies <= 1, "", "Give one of body, json and base64.")
}

func (f *faults) when(r *FetchRequest) {
	f.positive(r.Timeout, "/timeout")
	f.require(r.Timeout == nil || time.Duration(*r.Timeout) <= TimeoutMax, "/timeout", "Give at most 15 minutes.")
	f.require(r.Deadline == nil || !r.Deadline.At.IsZero() || r.Deadline.In > 0, "/deadline", "Give a duration above 0.")
	f.require(r.Delay == nil || r.NotBefore == nil, "/not_before", "Give one of delay and not_before.")
}

func (r *Retry) check() []FieldError {
	var f faults
	between(&f, r.MaxAttempts, 1, AttemptsMax, "/max_attempts")
	least, most := DefaultBackoffMin, DefaultBackoffMax
	if r.MinBackoff != nil {
		least = time.Duration(*r.MinBackoff)
	}
	if r.MaxBackoff != nil {
		most = time.Duration(*r.MaxBackoff)
	}
	f.require(least >= BackoffMin, "/min_backoff", "Give at least 1ms.")
	f.require(least <= most, "/max_backoff", fmt.Sprintf("Give at least min_backoff, which is %v.", least))
	f.require(most <= BackoffMax, "/max_backoff", "Give at most 24h.")
	f.statuses(r.OnStatus, "/on_status")
	return f
}

func (l *Limit) check() []FieldError {
	var f faults
	f.require(l.Key == "" || ValidLimitKey(l.Key), "/key",
		`Give 1 to 128 of the characters A-Z a-z 0-9 _ . : / and -, not starting with "callback:".`)
	between(&f, l.Concurrency, 1, ConcurrencyMax, "/concurrency")
	between(&f, l.Rate, 1, RateMax, "/rate")
	f.positive(l.Period, "/period")
	f.require(l.Period == nil || l.Rate != nil, "/period", "Give it with a rate, whose period it is.")
	return f
}

func (c *Callback) check() []FieldError {
	var f faults
	f.url(c.URL, "/url")
	f.headers(c.Headers, "/headers")
	f.require(c.On == nil || len(c.On) > 0, "/on", "Give at least one state, or leave the field out.")
	for i, state := range c.On {
		f.require(state.Settled() && !slices.Contains(c.On[:i], state), "/on/"+strconv.Itoa(i),
			"Give succeeded, failed or cancelled, each once.")
	}
	return f
}

// Check is what is wrong with the batch and with each of its fetches.
func (r *BatchRequest) Check() []FieldError {
	var f faults
	f.require(1 <= len(r.Fetches) && len(r.Fetches) <= FetchesMax, "/fetches",
		fmt.Sprintf("Give 1 to %d fetches.", FetchesMax))
	for i := range r.Fetches {
		if part := r.Fetches[i].Check(); part != nil {
			f.within("/fetches/"+strconv.Itoa(i), part)
		}
		if len(f) >= faultsMax {
			break
		}
	}
	return f
}

// Check is what is wrong with r, its kind's rules included.
func (r *FutureRequest) Check() []FieldError {
	var f faults
	only := func(given bool, pointer, whose string) {
		f.require(!given, pointer, "Leave it out: it belongs to "+whose+".")
	}
	switch r.Kind {
	case KindPromise:
		f.require(r.ID == "" || ValidPromiseID(r.ID), "/id",
			`Choose 1 to 128 of the characters A-Z a-z 0-9 _ . : and -, not starting with "fut_".`)
	case KindTimer:
		f.require((r.After == nil) != (r.At == nil), "/after", "Give one of after and at.")
	case KindWait:
		f.require(r.For != nil, "/for", "Say what to wait for.")
	default:
		f.require(false, "/kind", "Give promise, timer or wait; a fetch is made by POST /fetch.")
		return f
	}
	f.positive(r.Timeout, "/timeout")
	only(r.ID != "" && r.Kind != KindPromise, "/id", "a promise")
	only(r.Timeout != nil && r.Kind == KindTimer, "/timeout", "a promise or a wait")
	only(r.After != nil && r.Kind != KindTimer, "/after", "a timer")
	only(r.At != nil && r.Kind != KindTimer, "/at", "a timer")
	only(r.For != nil && r.Kind != KindWait, "/for", "a wait")
	if r.Callback != nil {
		f.within("/callback", r.Callback.check())
	}
	f.group(r.Group)
	f.labels(r.Labels)
	return f
}

// Check is what is wrong with r: its value is required, and may be null.
func (r *ResolveRequest) Check() []FieldError {
	var f faults
	f.require(r.Value != nil, "/value", "Give the value; null is one.")
	return f
}

// Check is what is wrong with r.
func (r *RejectRequest) Check() []FieldError {
	var f faults
	n := utf8.RuneCountInString(r.Message)
	f.require(1 <= n && n <= MessageRunesMax, "/message", fmt.Sprintf("Give 1 to %d characters.", MessageRunesMax))
	f.require(r.Type == "" || slices.Contains(ErrorTypes(), r.Type), "/type",
		"Give one of the error types of the contract, or leave it out for rejected.")
	return f
}

// Check is what is wrong with r besides its expression, which was checked as it was read.
func (r *WaitRequest) Check() []FieldError {
	var f faults
	f.require(r.For.Op != 0, "/for", "Say what to wait for.")
	f.require(slices.Contains([]Results{"", ResultsFull, ResultsState, ResultsNone}, r.Results), "/results",
		"Give full, state or none.")
	f.onDisconnect(r.OnDisconnect)
	f.require(len(r.Cursor) <= WaitCursorBytesMax, "/cursor", "Give the cursor of an earlier answer.")
	return f
}
