package store

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/awaitd/awaitd/internal/record"
)

// groupLabel is the label under which the members of a group lie. No caller can give it: a key has no colon.
const groupLabel = ":group"

// labelsOf is what f is found under: its labels, and its group.
func labelsOf(f *record.Future) []record.Label {
	if f.Group() == "" {
		return f.Labels()
	}
	return append(slices.Clip(f.Labels()), MemberOf(f.Group()))
}

// MemberOf is the label that finds the members of a group.
func MemberOf(group string) record.Label { return record.Label{Key: groupLabel, Value: group} }

func (w *writing) group(g record.GroupFact) {
	if g.Is == nil {
		w.remove(w.name(keyGroup, g.ID))
		return
	}
	w.value = record.AppendGroup(w.value[:0], g.Is)
	w.set(w.name(keyGroup, g.ID), w.value)
}

func decodeGroup(id string, stored []byte) (*record.Group, error) {
	g, err := record.DecodeGroup(stored)
	if err == nil && g.ID != id {
		err = fmt.Errorf("%w: it is the fact of %s", record.ErrCorrupt, g.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("read group %s: %w", id, err)
	}
	return g, nil
}

// LoadGroups visits all groups, oldest first, which is what a restart needs beside Load.
func (s *Store) LoadGroups(visit func(*record.Group) error) error {
	v := s.backend.view()
	defer v.close()
	entries := v.scan([]byte{keyGroup}, []byte{keyGroup + 1}, false)
	var err error
	for err == nil && entries.next() {
		var g *record.Group
		if g, err = decodeGroup(string(entries.key()[1:]), entries.value()); err == nil {
			err = visit(g)
		}
	}
	return errors.Join(err, entries.close())
}

// Groups reads a page of groups, newest first; label, if not nil, is one that each has. next is empty after the last
// page. A page may be shorter than limit though more follow (see ScanMax). Any goroutine.
func (s *Store) Groups(label *record.Label, after string, limit int) (page []*record.Group, next string, err error) {
	to := []byte{keyGroup + 1}
	if after != "" {
		id, err := base64.RawURLEncoding.DecodeString(after)
		if err != nil || len(id) < 2 || id[0] != keyGroup {
			return nil, "", ErrCursor
		}
		to = id
	}
	v := s.backend.view()
	defer v.close()
	entries := v.scan([]byte{keyGroup}, to, true)
	var last []byte
	for seen := 0; err == nil && entries.next(); seen++ {
		if len(page) == limit || seen == ScanMax {
			next = base64.RawURLEncoding.EncodeToString(last)
			break
		}
		last = append(last[:0], entries.key()...)
		var g *record.Group
		if g, err = decodeGroup(string(last[1:]), entries.value()); err == nil &&
			(label == nil || slices.Contains(g.Labels, *label)) {
			page = append(page, g)
		}
	}
	if err = errors.Join(err, entries.close()); err != nil {
		return nil, "", fmt.Errorf("list groups: %w", err)
	}
	return page, next, nil
}
