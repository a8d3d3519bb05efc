// Package record is the vocabulary of what is remembered: the commands that change the state, the facts that
// are stored, and their versioned encoding.
//
// A fact (Future, Event) is immutable: a change makes a new value that shares what did not change. Loop, store,
// doors and waiters therefore hold the same pointers without locks or copies. Whoever receives a fact must not
// write to it or to anything it points to.
package record
