package await

import (
	"slices"
	"strings"
	"time"

	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/record"
)

// CallbackTimeMax is how long after its future was settled a callback is given up at the latest: by then every pause is
// over, unless its receiver was left alone because it kept failing.
const CallbackTimeMax = 72 * time.Hour

// callbackJob is what is added to the id of a future to name the delivery of its callback: its fetch may still be
// landing. No name is under way twice.
const callbackJob = "/callback"

// callBack begins the delivery of the callback of f, which has just been settled, if it asked for one of such an end.
// Until it is done f stays in memory, and is not forgotten.
func (s *State) callBack(f *future) {
	c := f.fact.Callback
	if c == nil {
		return
	}
	if !slices.Contains(c.On, f.fact.State) {
		s.endCallback(f, record.CallbackSkipped)
		return
	}
	s.change(f, func(fact *record.Future) {
		fact.ExpiresAt = 0
		fact.Callback = c.With(func(c *record.Callback) { c.State = record.CallbackPending })
	})
	s.awaitCallback(f)
	if _, ok := s.queue.flights[f.fact.ID+callbackJob]; !ok { // else its id was another's, whose delivery must land first
		s.enqueue(f)
	}
}

// awaitCallback makes f, whose callback is pending, one that it can be delivered for.
func (s *State) awaitCallback(f *future) {
	s.callbacks++
	host := s.hostOf(f.fact.Callback.URL)
	s.joinLane(f, host, "callback:"+withoutBrackets.Replace(host), nil)
	s.armCallback(f)
}

// armCallback makes f.due happen when its callback is next to be tried, or given up.
func (s *State) armCallback(f *future) {
	s.arm(f, soonest(f.fact.Callback.NextAttemptAt, f.fact.SettledAt.Add(CallbackTimeMax)))
}

// endCallback is the end of the callback of f, whatever became of it. What it carried is erased.
func (s *State) endCallback(f *future, state record.CallbackState) {
	if f.fact.CallbackPending() {
		s.callbacks--
		s.arm(f, 0)
		s.delist(f)
		s.effects = append(s.effects, evict{f})
		if !f.dropped {
			s.tally.calledBack(state)
		}
	}
	s.pendingBytes -= f.fact.Callback.Bytes()
	s.change(f, func(fact *record.Future) {
		fact.ExpiresAt = max(fact.SettledAt.Add(fact.TTL), s.at)
		fact.Callback = fact.Callback.With(func(c *record.Callback) {
			c.State, c.DoneAt, c.NextAttemptAt, c.Headers = state, s.at, 0, nil
			c.URL, _, _ = strings.Cut(c.URL, "?")
		})
	})
}

// dueCallback is the time that armCallback set.
func (s *State) dueCallback(f *future) {
	if s.at >= f.fact.SettledAt.Add(CallbackTimeMax) {
		s.abortCallback(f)
		s.endCallback(f, record.CallbackFailed)
		return
	}
	s.change(f, func(fact *record.Future) {
		fact.Callback = fact.Callback.With(func(c *record.Callback) { c.NextAttemptAt = 0 })
	})
	s.armCallback(f)
	s.enqueue(f)
}

// deliver makes an attempt to deliver the callback of f. A crash makes it again: it is delivered at least once.
func (s *State) deliver(f *future, h *host) {
	c := f.fact.Callback
	job := fetch.Job{ID: f.fact.ID + callbackJob, N: c.Attempts + 1, Callback: f.fact}
	job.Request = fetch.CallbackRequest(c).Pack()
	job.DeadlineAt = f.fact.SettledAt.Add(CallbackTimeMax).Time()
	s.takeOff(job.ID, f, h)
	s.effects = append(s.effects, launch{job})
}

// delivered takes the end of an attempt to deliver a callback, that of one future: it is done, or waits for the next.
func (s *State) delivered(of *future, o *record.Outcome) {
	s.tally.callbackAttempted(o)
	f := s.futures[strings.TrimSuffix(o.ID, callbackJob)]
	failure := o.Attempt.Failure
	switch {
	case f == nil || !f.fact.CallbackPending():
		return // given up, or deleted
	case f != of, failure != nil && failure.Type == record.FailCancelled:
		s.enqueue(f) // it has waited for that of another; or the server stops: the attempt does not count
		return
	}
	s.change(f, func(fact *record.Future) {
		fact.Callback = fact.Callback.With(func(c *record.Callback) {
			c.Attempts++
			c.LastStatus, c.LastFailure = o.Attempt.Status, failure
			if failure != nil && o.Retry {
				c.NextAttemptAt = s.at.Add(o.RetryAfter)
			}
		})
	})
	switch {
	case failure == nil:
		s.endCallback(f, record.CallbackDelivered)
	case !o.Retry:
		s.endCallback(f, record.CallbackFailed)
	default:
		s.armCallback(f)
	}
}

func (s *State) abortCallback(f *future) {
	job := f.fact.ID + callbackJob
	if _, ok := s.queue.flights[job]; ok {
		s.effects = append(s.effects, abort{job})
	}
}

// dropCallback ends the delivery of the callback of f, and forgets f with the next commit. Until that is durable f is
// in memory, like others that are settled: what is in the store may be from before its end.
func (s *State) dropCallback(f *future) {
	s.abortCallback(f)
	f.dropped = true
	s.endCallback(f, record.CallbackFailed)
}
