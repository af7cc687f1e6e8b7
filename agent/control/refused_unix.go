//go:build unix

package control

import (
	"errors"
	"syscall"
)

// nobodyListens reports whether a connection failed because the socket file has no listener.
func nobodyListens(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
