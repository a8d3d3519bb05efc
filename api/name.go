package api

import "strings"

// Bounds of names, in octets (all are ASCII).
const (
	EventNameBytesMax = 200
	PromiseIDBytesMax = 128
	LimitKeyBytesMax  = 128
	futurePrefix      = "fut_"
	groupPrefix       = "grp_"
	ulidBytes         = 26
)

// ValidEventName reports whether name can name an event: 1 to 200 of the characters A-Z a-z 0-9 _ . : / and -, but not
// "." or "..", which no path can carry.
func ValidEventName(name string) bool { return wellFormed(name, EventNameBytesMax, "_.:/-") }

// ValidLabelKey reports whether key can be the key of a label: 1 to 64 of the characters A-Z a-z 0-9 _ . / and -. A
// colon is not among them, so that key:value is clear.
func ValidLabelKey(key string) bool { return wellFormed(key, LabelKeyBytesMax, "_./-") }

// callbackKeys begins the limit keys that the server itself gives to callbacks.
const callbackKeys = "callback:"

// ValidLimitKey reports whether a caller may name key in a limit: 1 to 128 of the characters of an event's name, not
// starting with "callback:", which is the server's own prefix.
func ValidLimitKey(key string) bool {
	return !strings.HasPrefix(key, callbackKeys) && wellFormed(key, LimitKeyBytesMax, "_.:/-")
}

// ValidFutureID reports whether id can be the id of a future: one made by the server, or one that the creator of
// a promise chose.
func ValidFutureID(id string) bool {
	if strings.HasPrefix(id, futurePrefix) {
		return validULID(id[len(futurePrefix):])
	}
	return ValidPromiseID(id)
}

// ValidPromiseID reports whether a caller may choose id for a promise: 1 to 128 of the characters A-Z a-z 0-9 _ .
// : and -, not starting with "fut_", which is the server's own prefix, and not "." or "..", which no path can carry.
func ValidPromiseID(id string) bool {
	return !strings.HasPrefix(id, futurePrefix) && wellFormed(id, PromiseIDBytesMax, "_.:-")
}

// ValidGroupID reports whether id can be the id of a group: all are made by the server.
func ValidGroupID(id string) bool {
	return strings.HasPrefix(id, groupPrefix) && validULID(id[len(groupPrefix):])
}

// validULID takes only the canonical upper-case form: two spellings of one id would be two futures.
func validULID(s string) bool {
	if len(s) != ulidBytes || s[0] > '7' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		digit := '0' <= c && c <= '9'
		letter := 'A' <= c && c <= 'Z' && c != 'I' && c != 'L' && c != 'O' && c != 'U'
		if !digit && !letter {
			return false
		}
	}
	return true
}

// wellFormed reports whether s has 1 to bytesMax octets, each a letter, a digit or one of marks.
func wellFormed(s string, bytesMax int, marks string) bool {
	if s == "" || len(s) > bytesMax || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte(marks, c) < 0 {
			return false
		}
	}
	return true
}
