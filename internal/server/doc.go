// Package server is the HTTP door: it turns requests into verbs of the kernel, and facts into what the wire shows.
//
// One file per resource; routes.go is the table of all of them. What is common to every request lies in few places:
// observe.go (metrics, log, panics), guard.go (who may call), body.go (reading), answer.go (writing) and errors.go (the
// one table from errors to problems). Handlers run on goroutines of net/http and hold no state of their own; all that
// is shared is in the kernel.
package server
