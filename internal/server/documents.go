package server

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
)

// document serves one unchanging text under its hash.
func document(contentType string, text []byte) func(http.ResponseWriter, *http.Request) error {
	sum := sha256.Sum256(text)
	etag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "no-cache") // may be kept, if its ETag is asked for first
		if !unchanged(w, r, etag) {
			write(w, http.StatusOK, contentType, text)
		}
		return nil
	}
}
