package api

// LimitPage is one page of GET /limits, by key.
type LimitPage struct {
	Limits     []LimitState `json:"limits"`
	NextCursor *string      `json:"next_cursor"` // nil on the last page
}

// LimitState is how one limit key stands.
type LimitState struct {
	Key         string    `json:"key"`
	Concurrency *int      `json:"concurrency"` // nil when nobody asked for one
	Rate        *int      `json:"rate"`        // nil when nobody asked for one
	Period      *Duration `json:"period"`      // of Rate
	InFlight    int       `json:"in_flight"`   // attempts under way
	Queued      int       `json:"queued"`      // fetches that wait for their turn
	Reason      *Reason   `json:"reason"`      // why the first of them is not started; nil when none waits
	NextStartAt *Time     `json:"next_start_at"`
}
