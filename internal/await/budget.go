package await

import "github.com/awaitd/awaitd/internal/record"

// Of one key no more retries are let through within WindowTime than one for every RetryShare first attempts of that
// time, and RetriesLeast: a target that is down or overloaded must not get a multiple of what it could not bear. What
// exceeds that waits. (Finagle's and Linkerd's budgets have the same form, window and floor; their share is a fifth.)
const (
	RetryShare   = 10
	RetriesLeast = 100
)

// The two counts of tries.
const (
	firsts  = 0
	retries = 1
)

// hasBudget reports whether a retry may be let through now.
func (l *lane) hasBudget(at record.Time) bool {
	if l.tries == nil {
		l.tries = &window{}
	}
	l.tries.pass(at)
	return l.tries.sum[retries] < RetriesLeast+l.tries.sum[firsts]/RetryShare
}

// budgetAt is when the budget may have grown, if nothing is started before.
func budgetAt(at record.Time) record.Time { return (at/1000 + 1) * 1000 }

// tryAgain is the end of the back-off of f: it waits for the budget of its key, and then for its turn.
func (s *State) tryAgain(f *future) {
	f.lane.held.push(f)
	s.queue.held++
	s.arm(f, f.fact.DeadlineAt)
	s.tend(f.lane)
}

// releaseRetries lets as many of the retries of l go on as the budget has room for.
func (s *State) releaseRetries(l *lane) {
	for l.held.first != nil && l.hasBudget(s.at) {
		l.tries.count(s.at, retries)
		f := l.held.pop()
		s.queue.held--
		s.change(f, func(fact *record.Future) {
			fact.Reason = record.ReasonQueued
			fact.NextAttemptAt = 0
		})
		l.waiting.push(f)
		s.queue.size++
	}
}
