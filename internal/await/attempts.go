package await

import (
	"strings"

	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/loop"
	"github.com/awaitd/awaitd/internal/record"
)

var zeroTimer loop.WheelHandle

// start marks f as running. The attempt itself begins when this turn is committed: an attempt that was made is
// always remembered.
func (s *State) start(f *future, h *host) {
	s.takeOff(f.fact.ID, f, h)
	s.change(f, func(fact *record.Future) {
		fact.State = record.StateRunning
		fact.Reason = record.ReasonNone
		fact.NextAttemptAt = 0
		if fact.StartedAt == 0 {
			fact.StartedAt = s.at
		}
	})
	job := fetch.Job{ID: f.fact.ID, N: len(f.fact.Attempts) + 1, Request: f.fact.Request}
	job.DeadlineAt = f.fact.DeadlineAt.Time()
	s.effects = append(s.effects, launch{job})
}

type launch struct{ job fetch.Job }

func (l launch) release(k *Kernel) { k.fetcher.Launch(l.job) }

// abort ends the attempt of f that is under way, if there is one, and notes why. Its outcome still arrives, to free the
// worker; by then nobody wants it. One that died with the last server does not count.
func (s *State) abort(f *future, why *record.Failure) {
	if f.fact.State != record.StateRunning {
		return
	}
	s.effects = append(s.effects, abort{f.fact.ID})
	fl, ok := s.queue.flights[f.fact.ID]
	if !ok {
		return
	}
	s.change(f, func(fact *record.Future) {
		fact.Attempts = fact.Attempts[:len(fact.Attempts):len(fact.Attempts)]
		fact.Attempts = append(fact.Attempts, record.Attempt{
			N: len(fact.Attempts) + 1, At: fl.at, Duration: s.at.Sub(fl.at), Failure: why,
		})
	})
}

type abort struct{ id string }

func (a abort) release(k *Kernel) { k.fetcher.Abort(a.id) }

// outcome takes the end of an attempt: the future settles, or waits for its next attempt.
func (s *State) outcome(c *record.Outcome) {
	of := s.land(c)
	if of == nil {
		return
	}
	if strings.HasSuffix(c.ID, callbackJob) {
		s.delivered(of, c)
		return
	}
	s.tally.attempted(c)
	f := s.futures[c.ID]
	if f == nil || f.fact.State != record.StateRunning || c.Attempt.N != len(f.fact.Attempts)+1 {
		return // cancelled or expired meanwhile
	}
	if c.Attempt.Failure != nil && c.Attempt.Failure.Type == record.FailCancelled {
		s.interrupt(f, c.Retry || repeatable(f.fact.Request))
		return
	}
	s.change(f, func(fact *record.Future) {
		// A full slice expression: facts share their attempts, so appending must not write into the old array.
		fact.Attempts = append(fact.Attempts[:len(fact.Attempts):len(fact.Attempts)], c.Attempt)
		fact.Interrupted = 0
	})
	next := s.at.Add(c.RetryAfter)
	switch {
	case c.Attempt.Failure == nil:
		s.settle(f, succeeded(c.Result))
	case !c.Retry:
		s.settle(f, ending{state: record.StateFailed, result: c.Result, failure: c.Attempt.Failure})
	case f.fact.DeadlineAt != 0 && next >= f.fact.DeadlineAt:
		e := failed(record.FailDeadline,
			"The deadline leaves no time for another attempt. The last one: "+c.Attempt.Failure.Message)
		e.result = c.Result
		s.settle(f, e)
	default:
		s.change(f, func(fact *record.Future) {
			fact.State = record.StatePending
			fact.Reason = record.ReasonBackoff
			fact.NextAttemptAt = next
		})
		s.arm(f, next) // before the deadline, as just seen
	}
}
