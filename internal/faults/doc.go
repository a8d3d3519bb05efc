// Package faults kills, starves and slows a real server, and holds what it promised against what it remembers.
//
// It knows the server as its users do: a binary, a folder, an address. Clients note every call with its beginning, its
// end and its answer; what a call that got no answer did is unknown. A server may be killed between any two
// instructions, and then what the clients noted must still be one story: for each future and each event there is an
// order of the calls, true to their times, that the specification in model.go could have answered so.
package faults
