package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// The methods of Redacted decide what is written. The other types repeat them, because a text, a
// list of bytes and a function cannot embed a struct.

// Format writes [Mark] whatever the verb.
func (Redacted) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Mark) }

// String returns [Mark].
func (Redacted) String() string { return Mark }

// GoString returns [Mark].
func (Redacted) GoString() string { return Mark }

// LogValue returns [Mark].
func (Redacted) LogValue() slog.Value { return slog.StringValue(Mark) }

// MarshalJSON returns [Mark] as a JSON string.
func (Redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + Mark + `"`), nil }

// MarshalText returns [Mark], for XML, YAML and flags.
func (Redacted) MarshalText() ([]byte, error) { return []byte(Mark), nil }

// Format writes [Mark] whatever the verb.
func (Text) Format(f fmt.State, verb rune) { Redacted{}.Format(f, verb) }

// String returns [Mark].
func (Text) String() string { return Mark }

// GoString returns [Mark].
func (Text) GoString() string { return Mark }

// LogValue returns [Mark].
func (Text) LogValue() slog.Value { return Redacted{}.LogValue() }

// MarshalJSON returns [Mark] as a JSON string.
func (Text) MarshalJSON() ([]byte, error) { return Redacted{}.MarshalJSON() }

// MarshalText returns [Mark].
func (Text) MarshalText() ([]byte, error) { return Redacted{}.MarshalText() }

// Format writes [Mark] whatever the verb.
func (Bytes) Format(f fmt.State, verb rune) { Redacted{}.Format(f, verb) }

// String returns [Mark].
func (Bytes) String() string { return Mark }

// GoString returns [Mark].
func (Bytes) GoString() string { return Mark }

// LogValue returns [Mark].
func (Bytes) LogValue() slog.Value { return Redacted{}.LogValue() }

// MarshalJSON returns [Mark] as a JSON string.
func (Bytes) MarshalJSON() ([]byte, error) { return Redacted{}.MarshalJSON() }

// MarshalText returns [Mark].
func (Bytes) MarshalText() ([]byte, error) { return Redacted{}.MarshalText() }

// Format writes [Mark] whatever the verb.
func (Hidden[T]) Format(f fmt.State, verb rune) { Redacted{}.Format(f, verb) }

// String returns [Mark].
func (Hidden[T]) String() string { return Mark }

// GoString returns [Mark].
func (Hidden[T]) GoString() string { return Mark }

// LogValue returns [Mark].
func (Hidden[T]) LogValue() slog.Value { return Redacted{}.LogValue() }

// MarshalJSON returns [Mark] as a JSON string.
func (Hidden[T]) MarshalJSON() ([]byte, error) { return Redacted{}.MarshalJSON() }

// MarshalText returns [Mark].
func (Hidden[T]) MarshalText() ([]byte, error) { return Redacted{}.MarshalText() }
