package api

// GroupState says whether a group takes members.
type GroupState string

// The states of a group.
const (
	GroupOpen   GroupState = "open"
	GroupClosed GroupState = "closed" // for good
)

// GroupRequest is the body of POST /groups. All of it may be left out.
type GroupRequest struct {
	Labels          map[string]string `json:"labels,omitzero"`
	Deadline        *Deadline         `json:"deadline,omitzero"`          // then it is closed and its members are cancelled
	Lease           *Duration         `json:"lease,omitzero"`             // the same, unless it is renewed in time
	CancelOnFailure bool              `json:"cancel_on_failure,omitzero"` // the same, when a member fails
	TTL             *Duration         `json:"ttl,omitzero"`               // how long it is kept once nothing is pending, 24h
}

// Group is a group as every answer shows it. Pointers without omitzero are null on the wire when nil.
type Group struct {
	ID              string            `json:"id"`
	State           GroupState        `json:"state"`
	Outcome         Outcome           `json:"outcome"` // pending while a member is, or none has joined
	Version         uint64            `json:"version"`
	CreatedAt       Time              `json:"created_at"`
	DeadlineAt      *Time             `json:"deadline_at,omitzero"`
	Lease           *Duration         `json:"lease,omitzero"`
	LeaseUntil      *Time             `json:"lease_until,omitzero"`
	ClosedAt        *Time             `json:"closed_at"`
	ExpiresAt       *Time             `json:"expires_at"` // when it is forgotten; nil while members are pending
	Labels          map[string]string `json:"labels"`
	CancelOnFailure bool              `json:"cancel_on_failure"`
	Members         GroupMembers      `json:"members"`
	Error           *FutureError      `json:"error"` // why it was closed before its work was done
	Links           GroupLinks        `json:"links"`
}

// GroupMembers counts the members that a group ever had.
type GroupMembers struct {
	Pending   uint64 `json:"pending"` // running ones included
	Succeeded uint64 `json:"succeeded"`
	Failed    uint64 `json:"failed"`
	Cancelled uint64 `json:"cancelled"`
}

// GroupLinks are paths on this server, ready to be used as they are.
type GroupLinks struct {
	Self    string `json:"self"`
	Wait    string `json:"wait"`
	Cancel  string `json:"cancel"`
	Renew   string `json:"renew,omitzero"` // of a group with a lease
	Futures string `json:"futures"`        // its members, as far as they are remembered
}

// GroupPage is GET /groups: a page, newest first.
type GroupPage struct {
	Groups     []Group `json:"groups"`
	NextCursor *string `json:"next_cursor"` // nil on the last page
}

// Check is what is wrong with r.
func (r *GroupRequest) Check() []FieldError {
	var f faults
	f.labels(r.Labels)
	f.require(r.Deadline == nil || !r.Deadline.At.IsZero() || r.Deadline.In > 0, "/deadline", "Give a duration above 0.")
	f.positive(r.Lease, "/lease")
	return f
}
