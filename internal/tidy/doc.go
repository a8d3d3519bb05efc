// Package tidy is the rules of the house, executed as tests.
//
// A rule that nobody runs decays, so each rule that a program can judge is a function here: it reads the tree
// and returns what offends. house.go is the table the rules read; rules.go is the list of them. Every rule has
// a planted offence in testdata that it must catch, so a rule that cannot fail cannot be added.
//
// It parses and never type-checks: the whole tree takes well under two seconds and needs no other tool.
package tidy
