package main

import (
	"testing"
	"time"
)

// What is rounded keeps all its digits.
func TestDurationsForPeople(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:                    "0s",
		999 * time.Millisecond:          "0s",
		59900 * time.Millisecond:        "59s",
		time.Minute:                     "1m0s",
		13*time.Minute + 10*time.Second: "13m10s",
		20 * time.Hour:                  "20h0m",
		time.Hour + 10*time.Minute:      "1h10m",
		49 * time.Hour:                  "2d",
	} {
		if got := round(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
