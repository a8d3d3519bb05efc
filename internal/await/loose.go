package await

// loose is a list of the futures that are not settled and that nobody waits for: no call, no stream, no future and no
// group. Who has been in it for the longest comes first. It is linked through the futures, since all but a few of
// many may be in it.
type loose struct {
	first, last *future
	size        int
}

func (l *loose) add(f *future) {
	f.loose.prev = l.last
	if l.last != nil {
		l.last.loose.next = f
	} else {
		l.first = f
	}
	l.last = f
	l.size++
}

// remove takes f out, if it is in the list.
func (l *loose) remove(f *future) {
	at := f.loose
	if at.prev == nil && l.first != f {
		return
	}
	if at.prev != nil {
		at.prev.loose.next = at.next
	} else {
		l.first = at.next
	}
	if at.next != nil {
		at.next.loose.prev = at.prev
	} else {
		l.last = at.prev
	}
	f.loose = looseAt{}
	l.size--
}

// ids are those of the first futures in the list, at most so many.
func (l *loose) ids(most int) []string {
	ids := make([]string, 0, min(l.size, most))
	for f := l.first; f != nil && len(ids) < most; f = f.loose.next {
		ids = append(ids, f.fact.ID)
	}
	return ids
}

// looseAt is the place of a future in the list.
type looseAt struct{ next, prev *future }
