package api

// CallbackView is a callback as it may be shown: without its headers.
type CallbackView struct {
	URL           string        `json:"url"`
	On            []State       `json:"on"`
	State         CallbackState `json:"state"`
	Attempts      int           `json:"attempts"`        // ended ones
	NextAttemptAt *Time         `json:"next_attempt_at"` // nil when none is planned
	LastStatus    *int          `json:"last_status"`     // nil when no answer came
	LastError     *FutureError  `json:"last_error"`      // nil when an answer came whole, whatever its status
}

// CallbackState is where a callback stands.
type CallbackState string

// The states of a callback.
const (
	CallbackWaiting   CallbackState = "waiting"   // its future is not settled
	CallbackPending   CallbackState = "pending"   // it is to be delivered
	CallbackDelivered CallbackState = "delivered" // a 2xx came
	CallbackFailed    CallbackState = "failed"    // it is not tried any more
	CallbackSkipped   CallbackState = "skipped"   // nobody asked for it when the future ended as it did
)

// CallbackMessage is the body of a callback.
type CallbackMessage struct {
	Type      string `json:"type"`      // "future." and the state
	Timestamp Time   `json:"timestamp"` // when it was settled
	Data      Future `json:"data"`
}

// WebhookKeys is the keys that callbacks can be verified with, a JWK set (RFC 7517).
type WebhookKeys struct {
	Keys []WebhookKey `json:"keys"`
}

// WebhookKey is an Ed25519 key (RFC 8037), and how Standard Webhooks writes it.
type WebhookKey struct {
	Kty              string `json:"kty"` // OKP
	Crv              string `json:"crv"` // Ed25519
	Alg              string `json:"alg"` // EdDSA
	Use              string `json:"use"` // sig
	Kid              string `json:"kid"`
	X                string `json:"x"`                 // the key in base64url
	StandardWebhooks string `json:"standard_webhooks"` // whpk_ and the key in base64
}
