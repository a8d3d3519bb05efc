//go:build unix

package main

import "syscall"

// keepPrivate makes what this process creates readable by its user alone: the data directory may have been there
// before, open to all.
func keepPrivate() { syscall.Umask(0o077) }
