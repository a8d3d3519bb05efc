package await

import (
	"net/http"

	"github.com/awaitd/awaitd/internal/record"
)

// InterruptionsMax is how many times in a row the server may die while a fetch is under way, before the fetch is
// taken for the cause.
const InterruptionsMax = 2

// restore puts a stored future that is not done with back into memory, before the first turn. Nothing happens to it
// yet: what was under way is the business of the Restart command, what has come due that of time.
func (s *State) restore(fact *record.Future) {
	f := &future{fact: fact}
	s.futures[fact.ID] = f
	s.pendingBytes += fact.Callback.Bytes()
	if fact.State.Settled() { // its callback is pending
		if s.awaitCallback(f); fact.Callback.NextAttemptAt == 0 {
			s.enqueue(f)
		}
		return
	}
	s.pending++
	s.loose.add(f)
	if fact.Kind == record.KindFetch {
		s.enlist(f, nil)
	}
	s.pendingBytes += kept(fact.Request, fact.Labels(), fact.Wait.Text())
	if fact.Sets() != "" {
		s.events.Reserve(fact.Sets())
	}
	s.rejoin(f)
	switch {
	case fact.Kind == record.KindWait || fact.Reason == record.ReasonWaiting:
		s.arm(f, fact.DeadlineAt)
		s.resting = append(s.resting, f)
	case fact.Kind == record.KindTimer:
		s.arm(f, fact.DueAt)
	case fact.Kind == record.KindPromise:
		s.arm(f, fact.DeadlineAt)
	case fact.NextAttemptAt != 0:
		s.arm(f, soonest(fact.NextAttemptAt, fact.DeadlineAt))
	default:
		s.arm(f, fact.DeadlineAt)
	}
	switch {
	case fact.State == record.StateRunning:
		s.orphans = append(s.orphans, f)
	case fact.Kind == record.KindFetch && fact.Reason == record.ReasonQueued:
		s.enqueue(f)
	}
}

// restoreEvent puts a stored event back.
func (s *State) restoreEvent(fact *record.Event) {
	s.events.Restore(fact)
	s.fade(s.events.Get(fact.Name))
}

// restart decides what becomes of the attempts that the server before this one had under way. Their outcome is not
// known: the target may or may not have acted.
func (s *State) restart() {
	orphans := s.orphans
	s.orphans = nil
	for _, f := range orphans {
		if f.fact.State != record.StateRunning {
			continue // its deadline has passed
		}
		if f.fact.Interrupted+1 >= InterruptionsMax {
			s.settle(f, failed(record.FailQuarantined, "The server died twice in a row while this fetch was under way. "+
				"It is not tried again; submit it again if that had another cause."))
			continue
		}
		s.change(f, func(fact *record.Future) { fact.Interrupted++ })
		s.interrupt(f, repeatable(f.fact.Request))
	}
}

// interrupt ends the attempt under way without an outcome: the fetch queues again if it may be repeated, and has
// failed if the target might act twice. The attempt does not count.
func (s *State) interrupt(f *future, repeat bool) {
	if !repeat {
		s.settle(f, failed(record.FailOutcomeUnknown, "The server stopped while the request was under way, and a "+
			f.fact.Request.Open().Method+" must not be repeated unless retry.non_idempotent allows it: "+
			"the target may have acted on it."))
		return
	}
	s.change(f, func(fact *record.Future) {
		fact.State = record.StatePending
		fact.Reason = record.ReasonQueued
	})
	s.enqueue(f)
}

// repeatable reports whether the target may be asked again although it may have acted: RFC 9110, section 9.2.2.
func repeatable(p record.Packed) bool {
	r := p.Open()
	return r.Retry.NonIdempotent || r.Method != http.MethodPost && r.Method != http.MethodPatch
}
