package hive

import (
	"errors"
	"fmt"

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

// valueError is a fault of one value, which stands before it.
type valueError struct {
	value string
	fault error
}

func wrong(value, format string, args ...any) error {
	return &valueError{value, fmt.Errorf(format, args...)}
}

// Error returns value and fault.
func (e *valueError) Error() string { return e.value + " " + e.fault.Error() }

// Unwrap returns the fault.
func (e *valueError) Unwrap() error { return e.fault }

// WithoutValue returns the error of a [Network.ParseOperation] or [Operation.Validate] with the
// place of the fault, and without the value that stood there: what an application sent by mistake
// has no place in logs. Names that are not known stay, quoted and cut.
func WithoutValue(err error) error {
	field, ok := errors.AsType[*FieldError](err)
	if !ok {
		return err
	}
	value, ok := errors.AsType[*valueError](field.Err)
	if !ok {
		return err
	}
	return &FieldError{Operation: field.Operation, Field: field.Field, Err: value.fault}
}

// quote returns foreign text quoted and cut. It is cut so short that a private key that somebody
// put in a wrong place does not get out.
func quote(s string) string { return plain.Quote(s, 32) }
