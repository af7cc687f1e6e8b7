package hive

import (
	"errors"

	"pksa/protocol/plain"
)

// ErrUnknownOperation is wrapped by the *FieldError for a name that no operation has. The names of
// virtual operations count as unknown.
var ErrUnknownOperation = errors.New("no operation has that name")

// FieldError is a fault of an operation and its place. Field is empty if the fault concerns the
// whole operation.
type FieldError struct {
	Operation string // its name; quoted and cut if it is unknown
	Field     string
	Err       error
}

// Error returns a text such as `vote: weight: 65537 is out of range`.
func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Operation + ": " + e.Err.Error()
	}
	return e.Operation + ": " + e.Field + ": " + e.Err.Error()
}

// Unwrap returns the fault itself.
func (e *FieldError) Unwrap() error { return e.Err }

// quote returns foreign text quoted and cut. It is cut so short that a private key that somebody
// put in a wrong place does not get out.
func quote(s string) string { return plain.Quote(s, 32) }
