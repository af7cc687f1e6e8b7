package control

import (
	"errors"

	"golang.org/x/sys/windows"
)

// nobodyListens reports whether a connection failed because the socket file has no listener.
func nobodyListens(err error) bool { return errors.Is(err, windows.WSAECONNREFUSED) }
