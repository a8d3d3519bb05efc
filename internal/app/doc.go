// Package app puts a server together: everybody's constructor, and the order of starting and closing.
package app
