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

// Future reads a committed future; nil when there is none. Any goroutine.
func (s *Store) Future(id string) (*record.Future, error) {
	v := s.backend.view()
	defer v.close()
	return readFuture(v, id)
}

func readFuture(v view, id string) (*record.Future, error) {
	var created record.Time
	if _, own := ownID(id); !own {
		at, err := v.get(appendName(nil, keyTime, id))
		if err != nil {
			return nil, fmt.Errorf("read future %s: %w", id, err)
		}
		if len(at) != placeTime {
			return nil, nil
		}
		created = timeOf(at)
	}
	return find(v, appendPlace(nil, id, created))
}

// find reads the fact at a place, wherever its state has put it.
func find(v view, place []byte) (*record.Future, error) {
	for _, prefix := range everywhere {
		if f, err := readAt(v, prefix, place); f != nil || err != nil {
			return f, err
		}
	}
	return nil, nil
}

func readAt(v view, prefix string, place []byte) (*record.Future, error) {
	stored, err := v.get(append([]byte(prefix), place...))
	if err != nil {
		return nil, fmt.Errorf("read future %s: %w", idAt(place), err)
	}
	if stored == nil {
		return nil, nil
	}
	return decodeAt(place, stored)
}

// decodeAt reads a fact, which must be that of its place.
func decodeAt(place, stored []byte) (*record.Future, error) {
	id := idAt(place)
	f, err := record.DecodeFuture(stored)
	if err == nil && f.ID != id {
		err = fmt.Errorf("%w: it is the fact of %s", record.ErrCorrupt, f.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("read future %s: %w", id, err)
	}
	return f, nil
}

// Event reads a committed event; nil when there is none. Any goroutine.
func (s *Store) Event(name string) (*record.Event, error) {
	v := s.backend.view()
	defer v.close()
	stored, err := v.get(appendName(nil, keyEvent, name))
	if err != nil || stored == nil {
		return nil, err
	}
	return decodeEvent(name, stored)
}

func decodeEvent(name string, stored []byte) (*record.Event, error) {
	e, err := record.DecodeEvent(stored)
	if err == nil && e.Name != name {
		err = fmt.Errorf("%w: it is the fact of %s", record.ErrCorrupt, e.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("read event %s: %w", name, err)
	}
	return e, nil
}

// Key reads a committed idempotency key; nil when there is none. It may have expired. Any goroutine.
func (s *Store) Key(name string) (*record.Key, error) {
	v := s.backend.view()
	defer v.close()
	stored, err := v.get(appendName(nil, keyUsed, name))
	if err != nil || stored == nil {
		return nil, err
	}
	k, err := record.DecodeKey(stored)
	if err == nil && k.Name != name {
		err = fmt.Errorf("%w: it is the fact of another", record.ErrCorrupt)
	}
	if err != nil {
		return nil, fmt.Errorf("read an idempotency key: %w", err)
	}
	return k, nil
}

// Events reads a page of events in the order of their names. next is empty after the last page. Any goroutine.
func (s *Store) Events(prefix, after string, limit int) (page []*record.Event, next string, err error) {
	from := appendName(nil, keyEvent, prefix)
	if after != "" {
		name, err := base64.RawURLEncoding.DecodeString(after)
		if err != nil || !strings.HasPrefix(string(name), prefix) {
			return nil, "", ErrCursor
		}
		from = append(appendName(nil, keyEvent, string(name)), 0)
	}
	v := s.backend.view()
	defer v.close()
	entries := v.scan(from, end(appendName(nil, keyEvent, prefix)), false)
	for err == nil && entries.next() {
		if len(page) == limit {
			next = base64.RawURLEncoding.EncodeToString([]byte(page[limit-1].Name))
			break
		}
		var e *record.Event
		e, err = decodeEvent(string(entries.key()[1:]), entries.value())
		page = append(page, e)
	}
	if err = errors.Join(err, entries.close()); err != nil {
		return nil, "", fmt.Errorf("list events: %w", err)
	}
	return page, next, nil
}

// Load visits what a restart needs: the futures that are pending or running, oldest first, then those that are settled
// and whose callback is pending, then the events by name.
// progress, if not nil, hears how many were visited, every now and then and at
// the end. An error of a visit ends it.
func (s *Store) Load(future func(*record.Future) error, event func(*record.Event) error, progress func(n int)) error {
	v := s.backend.view()
	defer v.close()
	n := 0
	visit := func(prefixes []string, each func(place, stored []byte) error) (err error) {
		entries := merge(v, prefixes, nil, false)
		for err == nil && entries.next() {
			if err = each(entries.place(), entries.value()); err != nil {
				break
			}
			if n++; n%progressEvery == 0 && progress != nil {
				progress(n)
			}
		}
		return errors.Join(err, entries.close())
	}
	err := visit(unsettled, func(place, stored []byte) error {
		f, err := decodeAt(place, stored)
		if err != nil {
			return err
		}
		return future(f)
	})
	if err == nil {
		err = visit([]string{callsPrefix}, func(place, _ []byte) error {
			f, err := find(v, place)
			if err == nil && f == nil {
				err = fmt.Errorf("%w: a callback is pending of a future that is not there", record.ErrCorrupt)
			}
			if err != nil {
				return err
			}
			return future(f)
		})
	}
	if err != nil {
		return err
	}
	err = visit([]string{string(keyEvent)}, func(name, stored []byte) error {
		e, err := decodeEvent(string(name), stored)
		if err != nil {
			return err
		}
		return event(e)
	})
	if err == nil && progress != nil {
		progress(n)
	}
	return err
}

// progressEvery is how many facts Load visits between two reports.
const progressEvery = 50_000
