// Package sim is the seeded world in which the kernel is held against its specification: one oracle that says what
// must happen, and one seed that decides everything else.
//
// The oracle (oracle.go, and a file each for futures, callbacks, events, groups, waits, conversations, streams, futures
// that wait, and limits) is written from the wire contract and the doc comments. It knows nothing of internal/await,
// does no I/O and takes every short cut that is slow and obviously right: lists are searched, expressions are evaluated
// from scratch, the next thing due is found by looking at all of them. What the state learns to do, the oracle learns
// in Apply, and in NewOracle if a restart has to go on with it.
//
// The test draws operations on few ids and names, so that they collide, and plays all that surrounds the real kernel:
// clock, store, targets, callers. Commits are held back, reads of the store are slow, callers leave or listen late,
// servers die with commits half done and come back, on a disk that lost what was not synced, by a wall clock that was
// set. After each step, answers, launches and every future and event must be what the oracle says, and nothing may have
// been said that was not durable. The test also fails when something that it means to try never happened.
//
// Callers go on with the cursors of earlier answers and messages, of earlier servers too; some leave, and take with
// them what they waited for. Ids and keep-alives of messages are the door's affair. Not drawn: the stream of all
// futures, more news than a stream keeps, and callers who leave before they were in a turn.
//
//	go test ./internal/sim                                          a few seconds
//	go test ./internal/sim -rapid.checks=20000 -rapid.steps=100     as long as you like
//	go test ./internal/sim -run Agrees -rapid.seed=N                what that seed found again
package sim
