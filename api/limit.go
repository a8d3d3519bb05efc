package api

// LimitPage is one page of GET /limits, by key.
type LimitPage struct {
	Limits     []LimitState `json:"limits"`
	NextCursor *string      `json:"next_cursor"` // nil on the last page
}

// LimitState is how one limit key stands.
type LimitState struct {
	Key         string    `json:"key"`
	Concurrency *int      `json:"concurrency"`  // nil when nobody asked for one
	Rate        *int      `json:"rate"`         // nil when nobody asked for one
	Period      *Duration `json:"period"`       // of Rate
	InFlight    int       `json:"in_flight"`    // attempts under way
	Queued      int       `json:"queued"`       // fetches that wait for their turn
	RetriesHeld int       `json:"retries_held"` // retries that wait until there is a budget for them
	Reason      *Reason   `json:"reason"`       // why the first of them is not started; nil when none waits
	NextStartAt *Time     `json:"next_start_at"`
	Circuit     Circuit   `json:"circuit"`
}

// Circuit is what keeps attempts away from a target that keeps failing.
type Circuit struct {
	State       CircuitState `json:"state"`
	Since       *Time        `json:"since"`         // nil when it was never in another state
	NextProbeAt *Time        `json:"next_probe_at"` // when an open one lets an attempt through
	Links       CircuitLinks `json:"links"`
}

// CircuitState is where a circuit stands.
type CircuitState string

// The states of a circuit.
const (
	CircuitClosed   CircuitState = "closed"
	CircuitOpen     CircuitState = "open"      // nothing is started
	CircuitHalfOpen CircuitState = "half_open" // one attempt at a time, until one succeeds
)

// CircuitLinks are paths on this server, ready to be used as they are.
type CircuitLinks struct {
	Closed string `json:"closed,omitzero"` // the event that is set while it is closed after it was open
}
