package store

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/awaitd/awaitd/internal/record"
)

// ErrCursor says that a page was asked for with a cursor that no page gave.
var ErrCursor = errors.New("store: unknown cursor")

// ScanMax is the most entries that one page looks at. A page that finds little ends early with a cursor, so that
// a rare filter over many futures never holds a reader for long.
const ScanMax = 10_000

// Future reads a committed future; nil when there is none.
func (s *Store) Future(id string) (*record.Future, error) {
	v, err := s.backend.get(futureKey(id))
	if err != nil || v == nil {
		return nil, err
	}
	f, err := record.DecodeFuture(v)
	if err != nil {
		return nil, fmt.Errorf("read future %s: %w", id, err)
	}
	return f, nil
}

// Event reads a committed event; nil when there is none.
func (s *Store) Event(name string) (*record.Event, error) {
	v, err := s.backend.get(eventKey(name))
	if err != nil || v == nil {
		return nil, err
	}
	e, err := record.DecodeEvent(v)
	if err != nil {
		return nil, fmt.Errorf("read event %s: %w", name, err)
	}
	return e, nil
}

// Futures reads a page, newest first. next is the cursor of the following page, empty after the last. A page may
// be shorter than q.Limit though more follow (see ScanMax).
func (s *Store) Futures(q record.FutureQuery) (page []*record.Future, next string, err error) {
	prefix := indexOf(q)
	to := end(prefix)
	if q.After != "" {
		at, err := base64.RawURLEncoding.DecodeString(q.After)
		if err != nil || len(at) < 9 || at[0] != prefix[0] {
			return nil, "", ErrCursor
		}
		to = append(append([]byte(nil), prefix...), at[1:]...)
	}
	var (
		seen int
		last []byte
		bad  error
	)
	err = s.backend.scan(prefix, to, true, func(key, _ []byte) bool {
		if len(page) == q.Limit || seen == ScanMax {
			next = base64.RawURLEncoding.EncodeToString(append([]byte{prefix[0]}, last...))
			return false
		}
		seen++
		last = append(last[:0], key[len(prefix):]...)
		f, err := s.Future(string(last[8:]))
		if f != nil && matches(f, q) {
			page = append(page, f)
		}
		bad = err
		return err == nil
	})
	if err = errors.Join(err, bad); err != nil {
		return nil, "", fmt.Errorf("list futures: %w", err)
	}
	return page, next, nil
}

// indexOf chooses the narrowest index for q.
func indexOf(q record.FutureQuery) []byte {
	switch {
	case q.Label != nil:
		return labelPrefix(*q.Label)
	case q.State.Settled():
		return []byte{keySettled, byte(q.State)}
	case q.State != 0:
		return []byte{keyOpen}
	default:
		return []byte{keyByTime}
	}
}

func matches(f *record.Future, q record.FutureQuery) bool {
	return (q.State == 0 || f.State == q.State) &&
		(q.Kind == 0 || f.Kind == q.Kind) &&
		(f.ExpiresAt == 0 || f.ExpiresAt > q.Exists)
}

// Events reads a page of events in the order of their names. next is empty after the last page.
func (s *Store) Events(prefix, after string, limit int) (page []*record.Event, next string, err error) {
	from := eventKey(prefix)
	if after != "" {
		name, err := base64.RawURLEncoding.DecodeString(after)
		if err != nil || !strings.HasPrefix(string(name), prefix) {
			return nil, "", ErrCursor
		}
		from = append(eventKey(string(name)), 0)
	}
	var bad error
	err = s.backend.scan(from, end(eventKey(prefix)), false, func(_, value []byte) bool {
		if len(page) == limit {
			next = base64.RawURLEncoding.EncodeToString([]byte(page[limit-1].Name))
			return false
		}
		e, err := record.DecodeEvent(value)
		if err != nil {
			bad = err
			return false
		}
		page = append(page, e)
		return true
	})
	if err = errors.Join(err, bad); err != nil {
		return nil, "", fmt.Errorf("list events: %w", err)
	}
	return page, next, nil
}
