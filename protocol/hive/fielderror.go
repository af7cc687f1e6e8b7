package hive

import (
	"errors"

	"pksa/protocol/plain"
)

// ErrUnknownOperation is inside the *FieldError for a name that no operation has, virtual
// operations included.
var ErrUnknownOperation = errors.New("no operation has that name")

// FieldError says what is wrong with an operation and where. Field is empty when the complaint is
// about the operation as a whole.
type FieldError struct {
	Operation string // its name; quoted and cut short if it is none of ours
	Field     string
	Err       error
}

// Error reads `vote: weight: 65537 is out of range`.
func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Operation + ": " + e.Err.Error()
	}
	return e.Operation + ": " + e.Field + ": " + e.Err.Error()
}

// Unwrap returns the complaint itself.
func (e *FieldError) Unwrap() error { return e.Err }

// quote returns foreign text quoted and cut. It is cut so short that a private key that somebody
// put in a wrong place does not get out.
func quote(s string) string { return plain.Quote(s, 32) }
