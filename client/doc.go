// Package client talks to an awaitd server from Go: submit fetches, await futures, set events, and wait for several
// things at once.
//
// A Client is cheap to share and safe for concurrent use. Calls wait as long as their context lets them: a wait is a
// row of long polls, or a stream, that is resumed when a connection breaks or the server restarts. What creates carries
// an Idempotency-Key, so that a call which is repeated creates once.
//
// Answers are the wire types of package api. An error is a *Problem (the server refused), a *FailedError (what was
// awaited failed), the cause of a context that ended, or what the network said.
package client
