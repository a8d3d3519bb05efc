//go:build !unix

package main

// keepPrivate does nothing: files belong to the folder that they are in.
func keepPrivate() {}
