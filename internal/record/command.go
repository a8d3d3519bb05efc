package record

import "time"

// Command is one change asked of the state. Everything a command needs (ids, random numbers, the decision of an
// edge) is in it, so that applying it is a pure function of (state, command, time of the turn).
type Command interface{ command() }

// Submit creates futures, all or none.
type Submit struct {
	Futures []NewFuture
	// Known are the settled futures that the expressions in Futures name, as the store had them: apply reads nothing.
	Known  map[string]*Future
	Key    *Key // nil: none was given. Its Futures and ExpiresAt are filled in when it is applied
	KeyTTL time.Duration
}

// NewFuture is a future to be created. The id was made (or checked) at the door.
type NewFuture struct {
	ID      string
	Kind    Kind
	Labels  []Label
	TTL     time.Duration
	Request Packed        // fetch
	Delay   time.Duration // fetch: not before this long after the submit; timer: due after it
	At      Time          // fetch: not before; timer: due at; 0 when Delay says it
	Timeout time.Duration // fetch: deadline for everything; promise: time to be settled; 0 for none
	Until   Time          // the same as a moment; 0 when Timeout says it
	Sets    string        // event to set on success

	Callback *Callback // nil: none

	LimitKey string         // fetch: the key that it shares its limits with others under; empty: the host of its URL
	Limit    *LimitSettings // fetch: what holds for that key from now on; nil: what held before
	For      []byte         // wait: its expression (JSON); fetch: that to wait for before it starts; nil for none
	Group    string         // the group that it joins; empty for none
}

// Terms are those of n; nil when nothing of the kind is said.
func (n *NewFuture) Terms() *Terms {
	if len(n.Labels) == 0 && n.Sets == "" && n.LimitKey == "" && n.Group == "" {
		return nil
	}
	return &Terms{Labels: n.Labels, Sets: n.Sets, LimitKey: n.LimitKey, Group: n.Group}
}

// Outcome is what one attempt brought home, and the decision of the fetch policy whether to try again. Every
// launched attempt has exactly one outcome, an aborted one too: it frees the worker.
type Outcome struct {
	ID         string
	Attempt    Attempt
	Ours       bool          // it failed for reasons of the server, and says nothing of the target
	Result     *Result       // the answer, also when its status was not accepted
	Retry      bool          // another attempt is worth it and allowed
	RetryAfter time.Duration // the wait before it, jitter included
}

// Cancel asks that a future end as cancelled.
type Cancel struct{ ID string }

// Settle ends a promise: with Value (JSON) or with Failure.
type Settle struct {
	ID      string
	Value   []byte
	Failure *Failure
}

// Delete forgets a settled future.
type Delete struct{ ID string }

// EventOp is what EventChange does to a named event.
type EventOp uint8

// The operations on events.
const (
	EventSet    EventOp = 1 // raise the flag, count a generation, wake
	EventPulse  EventOp = 2 // count a generation, wake, leave the flag
	EventClear  EventOp = 3 // lower the flag
	EventDelete EventOp = 4 // forget it
)

// EventChange sets, pulses, clears or deletes one event.
type EventChange struct {
	Name    string
	Op      EventOp
	Payload *Payload      // of a set or pulse
	TTL     time.Duration // of a set: cleared after this long; 0 for never
}

// Restart says that the server that ran the attempts under way is gone, and a new one goes on.
type Restart struct{}

// Tick is the passing of time: everything due at the time of its turn happens.
type Tick struct{}

// CreateGroup makes a group. Its id was made at the door.
type CreateGroup struct {
	ID              string
	Labels          []Label
	Deadline        time.Duration // from now; 0 when Until says it
	Until           Time          // 0 for no deadline
	Lease           time.Duration // 0 for none
	TTL             time.Duration
	CancelOnFailure bool
	Key             *Key // as in Submit; its Futures are the id of the group
	KeyTTL          time.Duration
}

// CancelGroup closes a group and cancels its members.
type CancelGroup struct{ ID string }

// RenewGroup begins the lease of a group anew.
type RenewGroup struct{ ID string }

func (*CreateGroup) command() {}
func (*CancelGroup) command() {}
func (*RenewGroup) command()  {}
func (*Submit) command()      {}
func (*Outcome) command()     {}
func (*Cancel) command()      {}
func (*Settle) command()      {}
func (*Delete) command()      {}
func (*EventChange) command() {}
func (*Restart) command()     {}
func (*Tick) command()        {}

// Turn is the commands of one turn of a loop, in order, with the one time that all of them see.
type Turn struct {
	At       Time
	Commands []Command
}
