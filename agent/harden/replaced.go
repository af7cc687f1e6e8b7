package harden

import (
	"errors"
	"fmt"
	"io/fs"
)

// ReplacedError means that the sandbox keeps the process from a file: it took the place of the one
// that was there when the process shut itself in, where the sandbox does not follow.
type ReplacedError struct{ Path string }

// Error returns what happened, and what to do.
func (e *ReplacedError) Error() string {
	return fmt.Sprintf("the sandbox keeps this process from %s, which was replaced or made after the start: restart "+
		"the wallet", e.Path)
}

// Keeps reports whether the sandbox, and nothing else, keeps this process from reading a file.
func Keeps(path string) bool { return keeps(path) }

// Named returns the error of reading a file, with a [*ReplacedError] beside it if that is why.
func Named(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) && Keeps(path) {
		return fmt.Errorf("%w: %w", err, &ReplacedError{path})
	}
	return err
}

// Unfollowed returns a file that a process which shuts itself in loses once the file is replaced,
// with all relays and nodes that have a name; empty if there is none. [Confine] has to come later.
func Unfollowed() string { return unfollowed() }
