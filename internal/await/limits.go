package await

import (
	"errors"
	"fmt"
	"time"
)

// Limits are the bounds of one kernel. Reaching one is an answer, never a surprise.
type Limits struct {
	InboxMax          int           // commands and reads proposed and not yet answered; more are ErrBusy
	FuturesPendingMax int           // futures not settled, or whose callback is pending; more are ErrTooManyFutures
	PendingBytesMax   int64         // of their requests, labels and callbacks; more are ErrFuturesTooLarge
	WaitersMax        int           // waits held for callers; more are ErrTooManyWaiters
	WaitLeavesHeldMax int           // leaves of all waits, held for callers or of futures; more are ErrTooManyLeaves
	EventsMax         int           // names remembered, waited for or to be set; more are ErrTooManyEvents
	EventBytesMax     int64         // of the payloads of events; more are ErrEventsTooLarge
	GroupsMax         int           // groups remembered; more are ErrTooManyGroups
	WorkersMax        int           // attempts under way at once; further fetches queue
	HostAttemptsMax   int           // of these, attempts at one host
	KeysIdleMax       int           // limit keys remembered that nobody needs; beyond, the one idle longest is forgotten
	TTLDefault        time.Duration // how long a settled future is kept when its submit does not say
	EventTTL          time.Duration // how long an event is remembered that is neither set nor waited for
}

// DefaultLimits suit one machine with 2 cores and 4 GiB.
func DefaultLimits() Limits {
	return Limits{
		InboxMax:          16_384,
		FuturesPendingMax: 1_000_000,
		PendingBytesMax:   1 << 30,
		WaitersMax:        100_000,
		WaitLeavesHeldMax: 1_000_000,
		EventsMax:         1_000_000,
		EventBytesMax:     256 << 20,
		GroupsMax:         100_000,
		WorkersMax:        256,
		HostAttemptsMax:   128,
		KeysIdleMax:       100_000,
		TTLDefault:        24 * time.Hour,
		EventTTL:          24 * time.Hour,
	}
}

func (l Limits) validate() error {
	var faults []error
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"InboxMax", int64(l.InboxMax)},
		{"FuturesPendingMax", int64(l.FuturesPendingMax)},
		{"PendingBytesMax", l.PendingBytesMax},
		{"WaitersMax", int64(l.WaitersMax)},
		{"WaitLeavesHeldMax", int64(l.WaitLeavesHeldMax)},
		{"EventsMax", int64(l.EventsMax)},
		{"EventBytesMax", l.EventBytesMax},
		{"GroupsMax", int64(l.GroupsMax)},
		{"WorkersMax", int64(l.WorkersMax)},
		{"HostAttemptsMax", int64(l.HostAttemptsMax)},
		{"KeysIdleMax", int64(l.KeysIdleMax)},
		{"TTLDefault", int64(l.TTLDefault)},
		{"EventTTL", int64(l.EventTTL)},
	} {
		if f.value < 1 {
			faults = append(faults, fmt.Errorf("await: %s is %d, must be at least 1", f.name, f.value))
		}
	}
	return errors.Join(faults...)
}
