// Package cases reads the file of adversarial fetches, and plays the targets and the DNS that it speaks of.
package cases
