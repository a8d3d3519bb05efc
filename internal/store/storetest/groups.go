package storetest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/store"
)

// Groups are read as they were committed, newest first, and no more once they are forgotten; their members are found.
func groupsAreKept(t *testing.T, s *store.Store) {
	label := record.Label{Key: "a", Value: "1"}
	one := &record.Group{ID: "grp_1", Pending: 2, Labels: []record.Label{label}}
	two := &record.Group{ID: "grp_2", CancelOnFailure: true}
	three := &record.Group{ID: "grp_3", Labels: []record.Label{label}}
	fact := func(g *record.Group) record.GroupFact { return record.GroupFact{ID: g.ID, Is: g} }
	member := future(1, record.StatePending)
	member.Terms.Group = one.ID
	b := create(member, future(2, record.StatePending))
	b.Groups = []record.GroupFact{fact(one), fact(two), fact(three)}
	commit(t, s, b)
	read := func(label *record.Label, after string, limit int) (string, string) {
		t.Helper()
		page, next, err := s.Groups(label, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		ids := ""
		for _, g := range page {
			ids += g.ID + " "
		}
		return ids, next
	}
	if ids, next := read(nil, "", 3); ids != "grp_3 grp_2 grp_1 " || next != "" {
		t.Errorf("all: %s, next %q", ids, next)
	}
	first, next := read(nil, "", 2)
	second, last := read(nil, next, 2)
	if first != "grp_3 grp_2 " || second != "grp_1 " || last != "" {
		t.Errorf("pages: %s| %s, then %q", first, second, last)
	}
	if ids, _ := read(&label, "", 3); ids != "grp_3 grp_1 " {
		t.Errorf("by label: %s", ids)
	}
	for _, foreign := range []string{"?", "", "eA", "Zw"} {
		if _, _, err := s.Groups(nil, foreign, 1); foreign != "" && !errors.Is(err, store.ErrCursor) {
			t.Errorf("cursor %q: %v", foreign, err)
		}
	}
	of := store.MemberOf(one.ID)
	if got := list(t, s, record.FutureQuery{Label: &of}); got != "0001" {
		t.Errorf("members: %s", got)
	}
	changed := *one
	changed.Pending = 1
	settled := *member
	settled.State, settled.ExpiresAt = record.StateSucceeded, start+10
	commit(t, s, &record.Batch{
		At:      start,
		Groups:  []record.GroupFact{fact(&changed), {ID: two.ID}},
		Futures: []record.FutureChange{{Was: member, Is: &settled}},
	})
	if got := list(t, s, record.FutureQuery{Label: &of}); got != "0001" {
		t.Errorf("settled members: %s", got)
	}
	commit(t, s, &record.Batch{At: start + 11})
	if got := list(t, s, record.FutureQuery{Label: &of}); got != "" {
		t.Errorf("forgotten members: %s", got)
	}
	var loaded []*record.Group
	if err := s.LoadGroups(func(g *record.Group) error { loaded = append(loaded, g); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*record.Group{&changed, three}, loaded); diff != "" {
		t.Errorf("loaded (-want +got):\n%s", diff)
	}
	enough := errors.New("enough")
	if err := s.LoadGroups(func(*record.Group) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the error of a visit: %v", err)
	}
}
