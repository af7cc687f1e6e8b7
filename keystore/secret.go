package keystore

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is embedded by every type that holds a secret: whatever verb, logger or encoder meets
// the value, it prints the same word. The promoted methods are part of those types on purpose.
type redacted struct{}

const redactedText = "[redacted]"

// Format writes "[redacted]" for every verb.
func (redacted) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedText) }

// LogValue is "[redacted]".
func (redacted) LogValue() slog.Value { return slog.StringValue(redactedText) }

// MarshalJSON is the JSON string "[redacted]".
func (redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedText + `"`), nil }

// MarshalText is "[redacted]".
func (redacted) MarshalText() ([]byte, error) { return []byte(redactedText), nil }

// Secret is a buffer of secret bytes that cannot be printed and can be wiped. Copies of a Secret
// share the buffer. The zero value is an empty secret. Reading concurrently is safe, wiping while
// others read is not.
type Secret struct {
	redacted
	// The buffer is behind a function. When a Secret is an unexported field of a foreign struct,
	// fmt cannot call Format; it would print a slice, and with a verb that does not fit it follows
	// pointers too (%s prints "%!s(*T=&{[1 2 …]})"). Of a function it prints the address, whatever
	// the verb.
	reveal func() []byte
}

// NewSecret returns a Secret that takes over b: the caller must not use b any more.
func NewSecret(b []byte) Secret { return Secret{reveal: func() []byte { return b }} }

// Bytes is the buffer itself, not a copy: it reads as zeros after [Secret.Wipe]. It is nil for the
// zero Secret.
func (s Secret) Bytes() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// Wipe overwrites the buffer with zeros, in every copy of the Secret. Copies that the Go runtime or
// a library made on the way (see the package comment) are out of its reach.
func (s Secret) Wipe() { clear(s.Bytes()) }

// clone is a Secret with a buffer of its own.
func (s Secret) clone() Secret { return NewSecret(append([]byte(nil), s.Bytes()...)) }
