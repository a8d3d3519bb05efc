package api

import "strings"

// Bounds of names, in octets (all are ASCII).
const (
	EventNameBytesMax = 200
	PromiseIDBytesMax = 128
	futurePrefix      = "fut_"
	ulidBytes         = 26
)

// ValidEventName reports whether name can name an event: 1 to 200 of the characters A-Z a-z 0-9 _ . : / and -.
func ValidEventName(name string) bool { return wellFormed(name, EventNameBytesMax, true) }

// ValidFutureID reports whether id can be the id of a future: one made by the server, or one that the creator of
// a promise chose.
func ValidFutureID(id string) bool {
	if strings.HasPrefix(id, futurePrefix) {
		return validULID(id[len(futurePrefix):])
	}
	return ValidPromiseID(id)
}

// ValidPromiseID reports whether a caller may choose id for a promise: 1 to 128 of the characters A-Z a-z 0-9 _ .
// : and -, and not starting with "fut_", which is the server's own prefix.
func ValidPromiseID(id string) bool {
	return !strings.HasPrefix(id, futurePrefix) && wellFormed(id, PromiseIDBytesMax, false)
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

func wellFormed(s string, bytesMax int, slash bool) bool {
	if s == "" || len(s) > bytesMax {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '_', c == '.', c == ':', c == '-':
		case c == '/' && slash:
		default:
			return false
		}
	}
	return true
}
