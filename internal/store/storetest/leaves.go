package storetest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/store"
)

// Leaves are read by whose they are, whoever chose the id, and only those that were not forgotten.
func leavesAreKept(t *testing.T, s *store.Store) {
	own := &record.Future{ID: "fut_01JD8Q2V9GZ5W0M4T7R1X3K6BC", Kind: record.KindWait, State: record.StatePending}
	chosen := future(7, record.StatePending)
	leaf := func(of *record.Future, n, order int) record.LeafChange {
		l := &record.Leaf{N: n, Order: order, Outcome: 1, At: start, Mark: 5}
		return record.LeafChange{Of: of, N: n, Is: l}
	}
	b := create(own, chosen)
	b.Leaves = []record.LeafChange{leaf(own, 300, 0), leaf(own, 0, 1), leaf(chosen, 2, 0), leaf(chosen, 1, 1)}
	commit(t, s, b)
	forget := []record.LeafChange{{Of: own, N: 0}, {Of: chosen, N: 2}, {Of: own, N: 9}}
	commit(t, s, &record.Batch{At: start, Leaves: forget})

	got := map[string]record.Leaf{}
	visit := func(id string, l *record.Leaf) error {
		got[id] = *l
		return nil
	}
	if err := s.Leaves(visit); err != nil {
		t.Fatal(err)
	}
	want := map[string]record.Leaf{
		own.ID:    {N: 300, Order: 0, Outcome: 1, At: start, Mark: 5},
		chosen.ID: {N: 1, Order: 1, Outcome: 1, At: start, Mark: 5},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("leaves (-want +got):\n%s", diff)
	}
	enough := errors.New("enough")
	if err := s.Leaves(func(string, *record.Leaf) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the error of a visit: %v", err)
	}
}
