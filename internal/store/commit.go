package store

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/awaitd/awaitd/internal/record"
)

// writing is the commit that is being put together. Its buffers serve again in the next one.
type writing struct {
	changes
	serial  uint64
	place   []byte     // of the future that is being written
	buffer  []byte     // its keys
	value   []byte     // its values
	expiry  []expiring // what will expire, in the order of changes
	arena   []byte     // holds the keys in it
	kept    []string   // bodies in files that belong to a future from now on
	dropped []string   // and those that do not any more
}

// expiring is a fact that will be forgotten: its time, and its key as a range of the arena.
type expiring struct {
	at       record.Time
	from, to int
}

func (s *Store) commit(r request) {
	if s.broken != nil {
		r.done(s.broken)
		return
	}
	h, next, err := s.write(r.batch)
	if s.broken = err; err != nil {
		r.done(err)
		return
	}
	s.backend.apply(h.serial, func(err error) {
		if err == nil {
			s.head = h
			s.publish()
			s.earliest.Store(int64(next))
			s.unused = append(s.unused, s.writing.dropped...)
			s.unused = append(s.unused, s.loose.committed(r.batch.At, s.writing.kept)...)
		}
		r.done(err)
	})
	if s.every == 0 {
		s.removeUnused()
	}
}

// removeUnused removes bodies that no future has any more. What the end of the process leaves is swept at the start.
func (s *Store) removeUnused() {
	s.bodies.remove(s.unused)
	s.unused = nil
}

// write puts the commit of b together: the head, then what b forgets, because an id may come back in the same
// commit, then what it changes. It returns the new head and the earliest expiry after it.
//
// Keys that lie together are written together: the next one is then found at once in Pebble's sorted list, where
// a jump costs a search.
func (s *Store) write(b *record.Batch) (head, record.Time, error) {
	v := s.backend.view()
	defer v.close()
	gone, err := s.forgotten(v, b)
	if err != nil {
		return head{}, 0, err
	}
	h := s.head.after(b, gone.futures)
	w := &s.writing
	w.begin(s.backend.begin(), &h)
	for _, key := range gone.keys {
		w.remove(key)
	}
	for _, f := range gone.futures {
		w.forget(f)
	}
	for _, c := range b.Futures {
		w.leave(c.Was, c.Is)
		s.renewal.due = s.renewal.due || c.Is == nil || c.Is.State.Settled()
	}
	for _, letter := range []byte{keyPending, keyRunning, keySettled} {
		for _, c := range b.Futures {
			if c.Is != nil && factPrefix(c.Is.State)[0] == letter {
				w.fact(c.Was, c.Is)
			}
		}
	}
	for _, e := range b.Events {
		w.event(e)
	}
	for _, l := range b.Limits {
		w.limit(l)
	}
	for _, g := range b.Groups {
		w.group(g)
	}
	for _, l := range b.Leaves {
		w.leaf(l)
	}
	for _, k := range b.Keys {
		w.idempotency(k)
	}
	return h, min(gone.next, w.expiries()), nil
}

// after is the head of the commit of b, which forgets gone as well.
func (h head) after(b *record.Batch, gone []*record.Future) head {
	h.position = b.Position
	h.counted = max(h.counted, b.Counted)
	h.serial++
	for _, f := range gone {
		h.counts[f.Kind][f.State]--
	}
	for _, c := range b.Futures {
		if c.Was != nil {
			h.counts[c.Was.Kind][c.Was.State]--
		}
		if c.Is != nil {
			h.counts[c.Is.Kind][c.Is.State]++
		}
	}
	return h
}

func (w *writing) begin(c changes, h *head) {
	w.changes, w.serial = c, h.serial
	w.kept, w.dropped = w.kept[:0], w.dropped[:0]
	w.expiry, w.arena = w.expiry[:0], w.arena[:0]
	w.value = h.append(w.value[:0])
	w.set([]byte{keyHead}, w.value)
}

// leave takes a fact from where it stands, if it is to stand elsewhere. Nil is: nowhere.
func (w *writing) leave(was, is *record.Future) {
	switch {
	case was == nil:
	case is == nil:
		w.forget(was)
	case factPrefix(was.State) != factPrefix(is.State):
		w.at(was)
		w.remove(w.key(factPrefix(was.State)))
	}
}

// fact writes a fact and all that leads to it.
func (w *writing) fact(was, is *record.Future) {
	w.at(is)
	if was == nil {
		w.create(is)
	}
	if ref := refOf(is); ref != refOf(was) {
		w.dropBody(was)
		if ref != "" {
			w.set(w.name(keyBody, ref), nil)
			w.kept = append(w.kept, ref)
		}
	}
	w.calls(was.CallbackPending(), is.CallbackPending())
	w.value = record.AppendFuture(w.value[:0], is)
	key := w.key(factPrefix(is.State))
	if is.State.Settled() && !is.CallbackPending() {
		w.set(key, w.value)
	} else {
		w.seal(key, w.value)
	}
	if is.State.Settled() {
		w.expires(is.ExpiresAt, key)
	}
}

// calls keeps the places of those futures whose callback is pending.
func (w *writing) calls(was, is bool) {
	switch {
	case is && !was:
		w.set(w.key(callsPrefix), nil)
	case was && !is:
		w.remove(w.key(callsPrefix))
	}
}

// create writes what leads to a future all its life.
func (w *writing) create(f *record.Future) {
	if w.place[placeTime] == placeChosen {
		w.set(w.name(keyTime, f.ID), w.place[:placeTime])
	}
	for _, l := range labelsOf(f) {
		w.set(w.label(l), nil)
	}
}

// forget takes a fact away, and all that leads to it but the time it would have been forgotten.
func (w *writing) forget(f *record.Future) {
	w.at(f)
	if w.place[placeTime] == placeChosen {
		w.remove(w.name(keyTime, f.ID))
	}
	for _, l := range labelsOf(f) {
		w.remove(w.label(l))
	}
	w.dropBody(f)
	w.calls(f.CallbackPending(), false)
	w.remove(w.key(factPrefix(f.State)))
}

func (w *writing) dropBody(f *record.Future) {
	if ref := refOf(f); ref != "" {
		w.remove(w.name(keyBody, ref))
		w.dropped = append(w.dropped, ref)
	}
}

func (w *writing) event(e record.EventFact) {
	if e.Is == nil {
		w.remove(w.name(keyEvent, e.Name))
		return
	}
	w.value = record.AppendEvent(w.value[:0], e.Is)
	w.set(w.name(keyEvent, e.Name), w.value)
}

func (w *writing) idempotency(k *record.Key) {
	w.value = record.AppendKey(w.value[:0], k)
	key := w.name(keyUsed, k.Name)
	w.set(key, w.value)
	w.expires(k.ExpiresAt, key)
}

// expires notes when the fact with this key is to be forgotten. Zero is never.
func (w *writing) expires(at record.Time, key []byte) {
	if at != 0 {
		from := len(w.arena)
		w.arena = append(w.arena, key...)
		w.expiry = append(w.expiry, expiring{at, from, len(w.arena)})
	}
}

// expiries writes what was noted: what expires at the same time, as most of one commit does, in lists. It returns the
// earliest time.
func (w *writing) expiries() record.Time {
	if len(w.expiry) == 0 {
		return never
	}
	slices.SortStableFunc(w.expiry, func(a, b expiring) int { return cmp.Compare(a.at, b.at) })
	number := uint64(0)
	for i := 0; i < len(w.expiry); number++ {
		at, first := w.expiry[i].at, i
		w.value = w.value[:0]
		for ; i < len(w.expiry) && i < first+listMax && w.expiry[i].at == at; i++ {
			key := w.arena[w.expiry[i].from:w.expiry[i].to]
			w.value = append(binary.AppendUvarint(w.value, uint64(len(key))), key...)
		}
		w.buffer = appendTime(append(w.buffer[:0], keyExpires), at)
		w.buffer = binary.AppendUvarint(binary.BigEndian.AppendUint64(w.buffer, w.serial), number)
		w.set(w.buffer, w.value)
	}
	return w.expiry[0].at
}

// at makes f the future that is being written.
func (w *writing) at(f *record.Future) { w.place = appendPlace(w.place[:0], f.ID, f.CreatedAt) }

// The keys of what is being written. Each is valid until the next.

func (w *writing) key(prefix string) []byte {
	w.buffer = append(append(w.buffer[:0], prefix...), w.place...)
	return w.buffer
}

func (w *writing) label(l record.Label) []byte {
	w.buffer = append(appendLabel(w.buffer[:0], l), w.place...)
	return w.buffer
}

func (w *writing) name(letter byte, name string) []byte {
	w.buffer = appendName(w.buffer[:0], letter, name)
	return w.buffer
}

// refOf is the body of f that lies in a file of its own; empty when there is none.
func refOf(f *record.Future) string {
	if f == nil || f.Result == nil {
		return ""
	}
	return f.Result.Body.Ref
}
