package api

import "github.com/go-json-experiment/json/jsontext"

// FetchesMax is the number of fetches that one batch may hold.
const FetchesMax = 10_000

// FetchRequest is the body of POST /fetch. Nil and zero stand for the default of the contract.
type FetchRequest struct {
	URL          string             `json:"url"`
	Method       string             `json:"method,omitzero"` // GET
	Headers      map[string]Strings `json:"headers,omitzero"`
	Body         *string            `json:"body,omitzero"`
	JSON         jsontext.Value     `json:"json,omitzero"`
	Base64       []byte             `json:"base64,omitzero"`
	Timeout      *Duration          `json:"timeout,omitzero"`  // per attempt, 30s
	Deadline     *Deadline          `json:"deadline,omitzero"` // for everything, 1h
	Delay        *Duration          `json:"delay,omitzero"`
	NotBefore    *Time              `json:"not_before,omitzero"`
	Retry        *Retry             `json:"retry,omitzero"`
	AcceptStatus []string           `json:"accept_status,omitzero"` // ["2xx"]
	MaxRedirects *int               `json:"max_redirects,omitzero"` // 5
	MaxBytes     *int64             `json:"max_bytes,omitzero"`     // 16 MiB
	Limit        *Limit             `json:"limit,omitzero"`
	After        *Expr              `json:"after,omitzero"`
	Sets         string             `json:"sets,omitzero"`
	OnDisconnect OnDisconnect       `json:"on_disconnect,omitzero"` // while the answer to the submit is held
	Callback     *Callback          `json:"callback,omitzero"`
	Group        string             `json:"group,omitzero"` // id of the group that it joins
	Labels       map[string]string  `json:"labels,omitzero"`
	Redact       []string           `json:"redact,omitzero"`
	TTL          *Duration          `json:"ttl,omitzero"` // how long it is kept once settled, 24h
}

// Retry says whether and when an attempt that failed is followed by another.
type Retry struct {
	MaxAttempts   *int      `json:"max_attempts,omitzero"` // in all, the first included: 4
	MinBackoff    *Duration `json:"min_backoff,omitzero"`  // 500ms
	MaxBackoff    *Duration `json:"max_backoff,omitzero"`  // 30s
	OnStatus      []string  `json:"on_status,omitzero"`    // ["429","5xx"]
	NonIdempotent bool      `json:"non_idempotent,omitzero"`
}

// Limit is shared by all fetches that name its key. One that gives Concurrency or Rate says what holds for the key from
// now on, for those that wait already, too; one that gives neither changes nothing.
type Limit struct {
	Key         string    `json:"key,omitzero"` // the target's host
	Concurrency *int      `json:"concurrency,omitzero"`
	Rate        *int      `json:"rate,omitzero"`   // starts in any Period
	Period      *Duration `json:"period,omitzero"` // 1s
}

// Callback asks for a request that the server makes when the future is settled, signed as Standard Webhooks 1.0 says.
type Callback struct {
	URL     string             `json:"url"`
	Headers map[string]Strings `json:"headers,omitzero"`
	On      []State            `json:"on,omitzero"` // all three settled states
}

// BatchRequest is the body of POST /fetch/batch: 1 to FetchesMax fetches.
type BatchRequest struct {
	Fetches []FetchRequest `json:"fetches"`
}

// BatchAnswer is the answer to it: the futures in the order of the fetches.
type BatchAnswer struct {
	Futures []Future `json:"futures"`
}
