package api

import "github.com/go-json-experiment/json/jsontext"

// PayloadBytesMax is the longest body that the set of an event may carry.
const PayloadBytesMax = 64 << 10

// Event is a named flag as every answer shows it. An event that was never set is unset, with generation 0.
type Event struct {
	Name       string     `json:"name"`
	Set        bool       `json:"set"`
	Generation uint64     `json:"generation"`     // sets and pulses so far
	SetAt      *Time      `json:"set_at"`         // of the last set or pulse
	ExpiresAt  *Time      `json:"expires_at"`     // when a set with a ttl is cleared again
	Payload    *Payload   `json:"payload"`        // of the last set or pulse
	Woken      *int       `json:"woken,omitzero"` // in the answer to set and pulse: waits that it decided
	Links      EventLinks `json:"links"`
}

// Payload is what a set carried: exactly one of JSON, Text, Base64 and Truncated.
type Payload struct {
	ContentType string         `json:"content_type"`
	JSON        jsontext.Value `json:"json,omitzero"`
	Text        *string        `json:"text,omitzero"`
	Base64      []byte         `json:"base64,omitzero"`
	Truncated   bool           `json:"truncated,omitzero"` // no room left in this answer: read links.self
}

// EventLinks are paths on this server, ready to be used as they are.
type EventLinks struct {
	Self  string `json:"self"`
	Wait  string `json:"wait"`
	Set   string `json:"set"`
	Pulse string `json:"pulse"`
	Clear string `json:"clear"`
}
