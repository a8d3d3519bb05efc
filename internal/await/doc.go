// Package await is the state of a server and the verbs on it: futures, events, waits, and the order in which
// everything happens to them.
//
// Kernel is an event loop with that state on it. A turn is: sequence the commands that arrived, apply them (State,
// a pure function of state and command), commit what they changed, release their effects. Nobody is told of
// anything before it is durable.
package await
