package await

// loose is a list of the futures that are not settled and that nobody waits for: no call, no stream, no future and no
// group. Who has been in it for the longest comes first. It is linked through the futures, since all but a few of
// many may be in it.
type loose struct {
	first, last *future
	size        int
}

func (l *loose) add(f *future) {
	f.looseAt = looseAt{true, nil, l.last}
	if l.last != nil {
		l.last.looseAt.next = f
	} else {
		l.first = f
	}
	l.last = f
	l.size++
}

// remove takes f out, if it is in the list.
func (l *loose) remove(f *future) {
	at := f.looseAt
	if !at.in {
		return
	}
	if at.prev != nil {
		at.prev.looseAt.next = at.next
	} else {
		l.first = at.next
	}
	if at.next != nil {
		at.next.looseAt.prev = at.prev
	} else {
		l.last = at.prev
	}
	f.looseAt = looseAt{}
	l.size--
}

// ids are those of the first futures in the list, at most so many.
func (l *loose) ids(most int) []string {
	ids := make([]string, 0, min(l.size, most))
	for f := l.first; f != nil && len(ids) < most; f = f.looseAt.next {
		ids = append(ids, f.fact.ID)
	}
	return ids
}

// looseAt is the place of a future in the list.
type looseAt struct {
	in         bool
	next, prev *future
}
