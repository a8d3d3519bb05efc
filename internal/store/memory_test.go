package store_test

import (
	"errors"
	"testing"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/store"
	"github.com/awaitd/awaitd/internal/store/storetest"
)

func TestMemoryIsAStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) *store.Store { return store.OpenMemory() })
}

// A store in memory says when it is nearly full, takes no more when it is, and has room again for what it has
// forgotten, to the byte.
func TestMemoryIsBounded(t *testing.T) {
	const bytesMax = 1 << 20
	s := store.OpenMemoryWithin(bytesMax)
	full := func(room, spare bool) {
		t.Helper()
		if r, p := s.Room(), s.Spare(); errors.Is(r, store.ErrFull) != room || errors.Is(p, store.ErrFull) != spare {
			t.Errorf("room: %v, spare: %v", r, p)
		}
	}
	commit := func(b *record.Batch) {
		t.Helper()
		s.Commit(b, func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	write := func(bytes int) (*store.BodyWriter, error) {
		w, err := s.NewBody()
		if err == nil {
			_, err = w.Write(make([]byte, bytes))
		}
		return w, err
	}
	event := func(bytes int) []record.EventFact {
		data := make([]byte, bytes)
		return []record.EventFact{{Name: "e", Is: &record.Event{Name: "e", Payload: &record.Payload{Data: data}}}}
	}
	for range 100 { // an event that is changed takes its room once, a body that is discarded none
		commit(&record.Batch{Events: event(200_000)})
		w, err := write(200_000)
		if err != nil {
			t.Fatal(err)
		}
		w.Discard()
	}
	full(false, false)
	w, err := write(760_000)
	if err != nil {
		t.Fatal(err)
	}
	full(true, false)
	if _, err := write(200_000); !errors.Is(err, store.ErrFull) {
		t.Errorf("a body beyond the bound: %v", err)
	}
	body, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	f := &record.Future{
		ID: "p", Kind: record.KindFetch, State: record.StateSucceeded, ExpiresAt: 10, Result: &record.Result{Body: body},
	}
	commit(&record.Batch{Futures: []record.FutureChange{{Is: f}}, Events: event(400_000)})
	full(true, true)
	if _, err := write(1); !errors.Is(err, store.ErrFull) {
		t.Errorf("a byte beyond the bound: %v", err)
	}
	commit(&record.Batch{At: 10, Events: event(0)}) // the future has expired
	full(false, false)
	if _, err := write(1_000_000); err != nil {
		t.Errorf("in an empty store: %v", err)
	}
}
