package await

import (
	"net/url"

	"github.com/awaitd/awaitd/internal/record"
)

// queue holds the fetches that wait for a free worker: first come first served among those of one key (the host of
// the URL), the keys in turn, so that one busy target does not hold up the others. All operations are O(1).
type queue struct {
	lanes map[string]*lane
	turn  *lane // whose turn it is; the lanes form a ring
	size  int
}

// lane is the waiting fetches of one key.
type lane struct {
	key         string
	first, last *future
	next, prev  *lane
	passed      uint64 // how many have left it at its head
	joined      uint64 // how many ever joined it
}

// place is where a future stands in a queue; zero when it does not.
type place struct {
	lane       *lane
	next, prev *future
	number     uint64 // of joining the lane, from 1
}

// keyOf is the key under which a fetch queues.
func keyOf(p record.Packed) string {
	u, err := url.Parse(p.URL())
	if err != nil {
		return p.URL() // the door has checked it; a lane of its own does no harm
	}
	return u.Host
}

func (q *queue) push(f *future) {
	key := keyOf(f.fact.Request)
	l := q.lanes[key]
	if l == nil {
		l = q.open(key)
	}
	l.joined++
	f.place = place{lane: l, prev: l.last, number: l.joined}
	if l.last != nil {
		l.last.place.next = f
	} else {
		l.first = f
	}
	l.last = f
	q.size++
}

// open adds a lane just behind the one whose turn it is: it will be served after all others.
func (q *queue) open(key string) *lane {
	if q.lanes == nil {
		q.lanes = map[string]*lane{}
	}
	l := &lane{key: key}
	if q.turn == nil {
		l.next, l.prev = l, l
		q.turn = l
	} else {
		l.next, l.prev = q.turn, q.turn.prev
		l.prev.next, l.next.prev = l, l
	}
	q.lanes[key] = l
	return l
}

// pop takes the next fetch to start; nil when none waits.
func (q *queue) pop() *future {
	l := q.turn
	if l == nil {
		return nil
	}
	q.turn = l.next
	f := l.first
	l.passed = f.place.number
	q.remove(f)
	return f
}

// remove takes f out, wherever it stands. It does nothing when f does not queue.
func (q *queue) remove(f *future) {
	p := f.place
	if p.lane == nil {
		return
	}
	if p.prev != nil {
		p.prev.place.next = p.next
	} else {
		p.lane.first = p.next
	}
	if p.next != nil {
		p.next.place.prev = p.prev
	} else {
		p.lane.last = p.prev
	}
	f.place = place{}
	q.size--
	if p.lane.first == nil {
		q.close(p.lane)
	}
}

func (q *queue) close(l *lane) {
	delete(q.lanes, l.key)
	l.prev.next, l.next.prev = l.next, l.prev
	if q.turn == l {
		q.turn = l.next
	}
	if l.next == l {
		q.turn = nil
	}
}

// position is how many fetches of the same key at most start before f, itself included; 0 when f does not queue.
// It is exact until one between the head and f is cancelled, and then too large until the head has passed it:
// counting precisely would cost a walk through the lane.
func (q *queue) position(f *future) int {
	if f.place.lane == nil {
		return 0
	}
	return int(f.place.number - f.place.lane.passed)
}
