package await

import (
	"slices"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// Submitted is the answer to a submit: the futures that it made, or the ids of those that the same request made
// before under the same idempotency key.
type Submitted struct {
	Futures  []*record.Future
	Replayed []string
}

// submit creates all the futures of c, or none. A key that was used makes none, either way.
func (s *State) submit(c *record.Submit) (Submitted, error) {
	used, err := s.used(c.Key)
	switch {
	case err != nil:
		return Submitted{}, err
	case used != nil:
		return Submitted{Replayed: used.Futures}, nil
	}
	futures, err := s.createAll(c)
	if err != nil {
		return Submitted{}, err
	}
	if c.Key != nil {
		ids := make([]string, len(futures))
		for i, f := range futures {
			ids[i] = f.ID
		}
		s.useKey(c.Key, c.KeyTTL, ids)
	}
	return Submitted{Futures: futures}, nil
}

// used is what was made under the key before by the same request; nil when that is nothing.
func (s *State) used(key *record.Key) (*record.Key, error) {
	if key == nil {
		return nil, nil
	}
	used := s.keys[key.Name]
	if used == nil {
		var err error
		if used, err = s.usedKey(key.Name); err != nil {
			return nil, err
		}
	}
	switch {
	case used == nil || used.ExpiresAt <= s.at:
		return nil, nil
	case !slices.Equal(used.Fingerprint, key.Fingerprint):
		return nil, ErrKeyReused
	default:
		return used, nil
	}
}

// useKey remembers what was made under a key: in memory until it is in the store.
func (s *State) useKey(of *record.Key, ttl time.Duration, ids []string) {
	key := &record.Key{Name: of.Name, Fingerprint: of.Fingerprint, ExpiresAt: s.at.Add(ttl), Futures: ids}
	s.keys[key.Name] = key
	s.newKeys = append(s.newKeys, key)
	s.effects = append(s.effects, forgetKey{key})
}

// forgetKey takes a key out of memory once it is in the store.
type forgetKey struct{ key *record.Key }

func (e forgetKey) release(k *Kernel) {
	if k.state.keys[e.key.Name] == e.key {
		delete(k.state.keys, e.key.Name)
	}
}

func (s *State) createAll(c *record.Submit) ([]*record.Future, error) {
	if s.pending+s.callbacks+len(c.Futures) > s.limits.FuturesPendingMax {
		return nil, ErrTooManyFutures
	}
	bytes := s.pendingBytes
	for i := range c.Futures {
		n := &c.Futures[i]
		bytes += kept(n.Request, n.Labels, n.For) + n.Callback.Bytes()
	}
	if bytes > s.limits.PendingBytesMax {
		return nil, ErrFuturesTooLarge
	}
	if !s.roomToSet(c.Futures) {
		return nil, ErrTooManyEvents
	}
	chosen := map[string]bool{}
	for i := range c.Futures {
		n := &c.Futures[i]
		if n.Kind != record.KindPromise {
			continue // the door made its id
		}
		if chosen[n.ID] {
			return nil, &IDTakenError{n.ID}
		}
		chosen[n.ID] = true
		if err := s.free(n.ID); err != nil {
			return nil, err
		}
	}
	if err := s.roomInGroups(c); err != nil {
		return nil, err
	}
	exprs, err := s.expressions(c)
	if err != nil {
		return nil, err
	}
	made := make([]*future, len(c.Futures))
	for i := range c.Futures {
		made[i] = s.create(&c.Futures[i])
		s.join(made[i])
		if exprs[i] != nil {
			s.attend(made[i], exprs[i], c.Known)
		}
	}
	s.follow() // what was decided from the start is shown as that
	created := make([]*record.Future, len(made))
	for i, f := range made {
		created[i] = f.fact
	}
	return created, nil
}

// kept is how many bytes of its caller's a future keeps until it is settled: those that a caller can make many of.
func kept(r record.Packed, labels []record.Label, expr []byte) int64 {
	n := len(r) + len(expr)
	for _, l := range labels {
		n += len(l.Key) + len(l.Value)
	}
	return int64(n)
}

// free is nil when no future has the id that a caller chose. One that has expired has it no more, swept or not: the
// next commit forgets it before it makes the new one.
func (s *State) free(id string) error {
	if f := s.futures[id]; f != nil {
		if s.expired(f.fact) {
			return errAgain // it is about to leave memory
		}
		return &IDTakenError{id}
	}
	switch f, err := s.stored(id); {
	case err == nil && f == nil:
		return nil
	case err == nil && s.expired(f):
		s.dropped = append(s.dropped, id)
		return nil
	default:
		return &IDTakenError{id} // when in doubt, too
	}
}

func (s *State) expired(f *record.Future) bool { return f.ExpiresAt != 0 && f.ExpiresAt <= s.at }

func (s *State) create(n *record.NewFuture) *future {
	fact := &record.Future{
		ID:        n.ID,
		Kind:      n.Kind,
		State:     record.StatePending,
		Version:   1,
		CreatedAt: s.at,
		Terms:     n.Terms(),
		TTL:       n.TTL,
		Request:   n.Request,
		Callback:  n.Callback,
	}
	if n.For != nil {
		fact.Wait = &record.Wait{For: n.For}
	}
	if fact.TTL == 0 {
		fact.TTL = s.limits.TTLDefault
	}
	if fact.DeadlineAt = n.Until; n.Timeout > 0 {
		fact.DeadlineAt = s.at.Add(n.Timeout)
	}
	begins := max(n.At, s.at.Add(n.Delay))
	f := &future{}
	s.futures[n.ID] = f
	s.replace(f, fact)
	s.touch(f)
	s.pending++
	s.loose.add(f)
	s.pendingBytes += kept(fact.Request, fact.Labels(), fact.Wait.Text()) + fact.Callback.Bytes()
	if n.Sets != "" {
		s.events.Reserve(n.Sets)
	}
	if n.Kind == record.KindFetch {
		s.enlist(f, n.Limit)
	}
	switch {
	case fact.Wait != nil:
		s.rest(f, begins)
	case n.Kind == record.KindTimer:
		fact.DueAt = begins
		s.arm(f, begins)
	case n.Kind == record.KindPromise:
		s.arm(f, fact.DeadlineAt)
	case begins > s.at:
		fact.Reason = record.ReasonDelayed
		fact.NextAttemptAt = begins
		s.arm(f, soonest(begins, fact.DeadlineAt))
	default:
		fact.Reason = record.ReasonQueued
		s.arm(f, fact.DeadlineAt)
		s.enqueue(f)
	}
	return f
}

// soonest is the earlier of two times, of which zero means never.
func soonest(a, b record.Time) record.Time {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// due is the time that f was armed for: its deadline, its own time, or its next attempt.
func (f *future) due(s *State) {
	f.timer = zeroTimer
	switch {
	case f.fact.State.Settled():
		s.dueCallback(f)
	case f.fact.DeadlineAt != 0 && f.fact.DeadlineAt <= s.at:
		s.expire(f)
	case f.fact.Kind == record.KindTimer:
		s.settle(f, succeeded(jsonNull()))
	case f.fact.NextAttemptAt != 0 && f.fact.NextAttemptAt <= s.at && f.fact.Reason == record.ReasonBackoff:
		s.tryAgain(f)
	case f.fact.NextAttemptAt != 0 && f.fact.NextAttemptAt <= s.at:
		s.change(f, func(fact *record.Future) {
			fact.Reason = record.ReasonQueued
			fact.NextAttemptAt = 0
		})
		s.arm(f, f.fact.DeadlineAt)
		s.enqueue(f)
	}
}

// expire ends f at its deadline, whatever it was doing.
func (s *State) expire(f *future) {
	e := failed(record.FailDeadline, "The deadline passed before the fetch succeeded.")
	switch {
	case f.fact.Kind == record.KindPromise:
		e = failed(record.FailTimeout, "Nobody settled the promise before its timeout.")
	case f.fact.Kind == record.KindWait:
		e = failed(record.FailTimeout, "The expression was not decided before the timeout.")
	case f.in != noRow && f.lane.circuit.State != record.CircuitClosed:
		e = failed(record.FailCircuitOpen, "The deadline passed while its target kept failing and was left alone.")
	}
	s.abort(f, &record.Failure{Type: record.FailDeadline, Message: "The deadline passed during the attempt."})
	s.settle(f, e)
}

func jsonNull() *record.Result {
	return &record.Result{Body: record.Body{Bytes: 4, Inline: []byte("null")}}
}

// ending is how a future ends.
type ending struct {
	state   record.State
	result  *record.Result
	failure *record.Failure
	leaves  []record.Leaf // of a wait
}

func succeeded(r *record.Result) ending { return ending{state: record.StateSucceeded, result: r} }

func failed(t record.FailureType, message string) ending {
	return ending{state: record.StateFailed, failure: &record.Failure{Type: t, Message: message}}
}

// settle ends f for good and wakes everybody who waits for it.
func (s *State) settle(f *future, e ending) {
	s.loose.remove(f)
	s.pendingBytes -= kept(f.fact.Request, f.fact.Labels(), f.fact.Wait.Text())
	s.change(f, func(fact *record.Future) {
		fact.State = e.state
		fact.Reason = record.ReasonNone
		fact.NextAttemptAt = 0
		fact.SettledAt = s.at
		fact.ExpiresAt = s.at.Add(fact.TTL)
		fact.Result = e.result
		fact.Failure = e.failure
		fact.Request = fact.Request.WithoutSecrets()
		if fact.Kind == record.KindWait {
			fact.Wait = &record.Wait{For: fact.Wait.Text(), Leaves: e.leaves}
		} else {
			fact.Wait = nil
		}
	})
	s.stopWaiting(f)
	s.arm(f, 0)
	s.delist(f)
	s.pending--
	s.tally.settled(f.fact)
	if s.callBack(f); !f.fact.CallbackPending() {
		s.effects = append(s.effects, evict{f})
	}
	if f.audience != nil {
		f.audience.waiters.Wake()
	}
	s.part(f) // only now: who waits for the group, too, is shown a member that is over
	if f.fact.Sets() != "" {
		s.keepPromise(f.fact)
	}
}

// keepPromise sets the event that f, which is settled, was to set if it succeeded.
func (s *State) keepPromise(f *record.Future) {
	if f.State == record.StateSucceeded {
		payload := &record.Payload{ContentType: "text/plain; charset=utf-8", Data: []byte(f.ID)}
		s.flag(&record.EventChange{Name: f.Sets(), Op: record.EventSet, Payload: payload})
	}
	s.events.Unreserve(f.Sets(), s.at)
}

// evict takes a settled future out of memory once it is in the store.
type evict struct{ f *future }

func (e evict) release(k *Kernel) {
	if id := e.f.fact.ID; k.state.futures[id] == e.f {
		delete(k.state.futures, id)
	}
}

// cancel ends a pending future as cancelled. Cancelling a cancelled one is the same answer again.
func (s *State) cancel(c *record.Cancel) (*record.Future, error) {
	f := s.futures[c.ID]
	switch {
	case f == nil:
		return nil, errCold
	case f.fact.State.Settled():
		return cancelled(f.fact)
	}
	s.cancelFuture(f, "The future was cancelled.")
	return f.fact, nil
}

func (s *State) cancelFuture(f *future, message string) {
	failure := &record.Failure{Type: record.FailCancelled, Message: message}
	s.abort(f, failure)
	s.settle(f, ending{state: record.StateCancelled, failure: failure})
}

// cancelled is the answer to cancelling a future that is settled.
func cancelled(f *record.Future) (*record.Future, error) {
	if f.State == record.StateCancelled {
		return f, nil
	}
	return nil, &SettledError{f}
}

// settlePromise ends a promise from outside. The same outcome again is the same answer again.
func (s *State) settlePromise(c *record.Settle) (*record.Future, error) {
	f := s.futures[c.ID]
	switch {
	case f == nil:
		return nil, errCold
	case f.fact.Kind != record.KindPromise:
		return nil, &RefusedError{s.view(f), ErrNotSettleable}
	case f.fact.State.Settled():
		return settledAgain(f.fact, c)
	case c.Failure != nil:
		s.settle(f, ending{state: record.StateFailed, failure: c.Failure})
	default:
		body := record.Body{Bytes: int64(len(c.Value)), Inline: c.Value}
		s.settle(f, succeeded(&record.Result{Body: body}))
	}
	return f.fact, nil
}

// settledAgain is the answer to settling a promise that is settled.
func settledAgain(f *record.Future, c *record.Settle) (*record.Future, error) {
	same := false
	if c.Failure != nil {
		same = f.State == record.StateFailed && f.Failure != nil && *f.Failure == *c.Failure
	} else {
		same = f.State == record.StateSucceeded && slices.Equal(f.Result.Body.Inline, c.Value)
	}
	if same {
		return f, nil
	}
	return nil, &SettledError{f}
}

// delete forgets a settled future. What is not in memory is forgotten by the store.
func (s *State) delete(c *record.Delete) error {
	switch f := s.futures[c.ID]; {
	case f == nil:
		s.dropped = append(s.dropped, c.ID)
		return nil
	case f.fact.CallbackPending():
		s.dropCallback(f)
		return nil
	case f.fact.State.Settled():
		return errAgain
	default:
		return &RefusedError{s.view(f), ErrNotSettled}
	}
}
