// Package linejson reads JSON files strictly and says at which line a fault is. [Parse] returns a
// file's one [Value]; the methods of a Value return what it holds, or an [*Error] that names what
// was wanted and the line.
//
// Parse refuses what encoding/json takes, repairs or passes over:
//
//   - a member that comes twice in an object; encoding/json takes the last one
//   - bytes that are not UTF-8, and half of a surrogate pair ("\ud800"); encoding/json puts U+FFFD
//     in their place
//   - anything after the value
//   - more than 16 levels of arrays and objects, and more than a million values
//
// Names of members are compared byte by byte, so that one in capitals is another name. Errors quote
// no value, and no name that is so long that it may be a secret in the wrong place. The strings of
// a Value are copies that Go makes, and cannot be wiped.
package linejson

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Kind is what a value is.
type Kind byte

// All kinds of values.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

var wanted = [...]string{Null: "null", Bool: "true or false", Number: "a number", String: "a string",
	Array: "an array", Object: "an object"}

// Value is a value of a file and where it stands. The zero value is null at line 0. It may be read
// concurrently.
type Value struct {
	Kind Kind
	Line int    // where it begins, 1 for the first line
	Raw  []byte // the bytes of the file that it was read from; not a copy

	name    string // of the member whose value it is, for errors; else empty
	text    string // of a string; of a number or a bool as written
	items   []Value
	members []Member
}

// Member is one member of an object.
type Member struct {
	Name  string
	Line  int // where the name stands
	Value Value
}

// Error is what is wrong at a line of a file.
type Error struct {
	Line int
	Err  error
}

// Error returns "line: cause", so that a caller puts the file in front: "file:line: cause".
func (e *Error) Error() string { return fmt.Sprintf("%d: %v", e.Line, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an [*Error] at a line. The format is that of [fmt.Errorf].
func Errorf(line int, format string, args ...any) error {
	return &Error{Line: line, Err: fmt.Errorf(format, args...)}
}

// Wrap returns an [*Error] at the line of v with a cause, which it prefixes with the name of v if v
// is the value of a member.
func (v Value) Wrap(cause error) error {
	if v.name != "" {
		cause = fmt.Errorf("%s: %w", ShortName(v.name), cause)
	}
	return &Error{Line: v.Line, Err: cause}
}

// want returns an error unless v is of this kind.
func (v Value) want(kind Kind) error {
	if v.Kind != kind {
		return v.Wrap(errors.New("wanted " + wanted[kind]))
	}
	return nil
}

// Text returns what a string holds.
func (v Value) Text() (string, error) {
	if err := v.want(String); err != nil {
		return "", err
	}
	return v.text, nil
}

// Bool returns true or false.
func (v Value) Bool() (bool, error) {
	if err := v.want(Bool); err != nil {
		return false, err
	}
	return v.text == "true", nil
}

// Number returns a number as the nearest float64. A number that is too large is an error.
func (v Value) Number() (float64, error) {
	if err := v.want(Number); err != nil {
		return 0, err
	}
	n, err := strconv.ParseFloat(v.text, 64)
	if err != nil || math.IsInf(n, 0) {
		return 0, v.Wrap(errors.New("wanted a smaller number"))
	}
	return n, nil
}

// Int returns a whole number that is written without fraction and exponent.
func (v Value) Int() (int, error) {
	if err := v.want(Number); err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(v.text)
	if err != nil {
		return 0, v.Wrap(errors.New("wanted a whole number"))
	}
	return n, nil
}

// Array returns the elements of an array. The slice belongs to v.
func (v Value) Array() ([]Value, error) { return v.items, v.want(Array) }

// Object returns the members of an object, in the order of the file. The slice belongs to v.
func (v Value) Object() ([]Member, error) { return v.members, v.want(Object) }

// Exactly returns the values of an object's members in the order of names. A member that names
// lacks is an error, and so is a name that the object lacks.
func (v Value) Exactly(names ...string) ([]Value, error) {
	members, err := v.Object()
	if err != nil {
		return nil, err
	}
	values := make([]Value, len(names))
	for _, m := range members {
		at := -1
		for i, name := range names {
			if m.Name == name {
				at = i
			}
		}
		if at < 0 {
			return nil, m.Unknown()
		}
		values[at] = m.Value
	}
	for i, name := range names {
		if values[i].Line == 0 {
			return nil, v.Wrap(fmt.Errorf("member %q is missing", name))
		}
	}
	return values, nil
}

// Unknown returns the error for a member that the reader does not know.
func (m Member) Unknown() error { return Errorf(m.Line, "unknown member %s", ShortName(m.Name)) }

// ShortName returns the name of a member in quotes, or "(a long name)" if it is so long that it may
// be a secret in the wrong place.
func ShortName(name string) string {
	if len(name) > 24 {
		return "(a long name)"
	}
	return strconv.Quote(name)
}
