// Package store keeps facts: one commit per turn, reads of what is committed, and the bodies too long to be facts.
//
// The layout of keys is one; where the keys lie is the back end's affair (keys.go, memory.go). Reads may be made
// from any goroutine and show what has been committed; commits come one at a time, from the loop.
package store
