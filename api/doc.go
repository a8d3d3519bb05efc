// Package api is the wire contract of awaitd: the OpenAPI file, the Go types that say the same, and their strict
// decoding.
//
// It imports nothing else of this module, so that any program may import it. Types are encoded with
// github.com/go-json-experiment/json; a field without omitzero is always present on the wire.
package api
