package keystore

import "pksa/protocol/secret"

// Secret is a buffer of secret bytes that cannot be printed and can be wiped. Copies of a Secret
// share the buffer. The zero value is an empty secret. Reading concurrently is safe, wiping while
// others read is not.
type Secret struct {
	secret.Redacted
	// Hidden, because fmt would print a slice where a struct of others has a Secret in an
	// unexported field.
	buffer secret.Hidden[[]byte]
}

// NewSecret returns a Secret that owns b: the caller must not use b any more.
func NewSecret(b []byte) Secret { return Secret{buffer: secret.Hide(b)} }

// Bytes returns the buffer itself, not a copy: it holds zeros after [Secret.Wipe]. It is nil for
// the zero Secret.
func (s Secret) Bytes() []byte { return s.buffer.Reveal() }

// Wipe overwrites the buffer with zeros, for every copy of the Secret. It cannot reach copies of
// the bytes that the Go runtime or a library has made (see the package comment).
func (s Secret) Wipe() { clear(s.Bytes()) }

// clone returns a Secret with a buffer of its own.
func (s Secret) clone() Secret { return NewSecret(append([]byte(nil), s.Bytes()...)) }
