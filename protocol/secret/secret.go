// Package secret keeps secrets out of logs, error texts and JSON. Its types print "[redacted]" for
// every verb of fmt, every logger and every encoder. To read a secret takes an explicit step: a
// conversion to string or []byte, or a call of [Hidden.Reveal].
//
//   - [Text] and [Bytes] are secrets in fields that are exported.
//   - [Hidden] is a secret in a field that is not exported, where fmt calls no methods.
//   - [Redacted] is embedded by structs that show nothing of themselves.
//
// A struct that is secret in part has [Text] or [Bytes] for its secret members, and a method Format
// that calls [Format]. So the other members stay readable.
package secret

// Mark stands where a secret would.
const Mark = "[redacted]"

// Redacted is embedded by a struct that holds secrets. It takes no room, and its methods become
// those of the struct: all usual ways of printing and encoding write [Mark].
type Redacted struct{}

// Text is a secret text. string(t) is its content.
//
// Three things print a Text as it is, because they ask for no methods: fmt in an unexported field
// (see [Hidden]), the verbs %p and %w, which go vet refuses, and encoding/json for keys of maps.
type Text string

// Bytes is a secret whose owner wipes it after use. []byte(b) is its content. The limits of [Text]
// are those of Bytes too.
type Bytes []byte

// Hidden is a secret that stays hidden in unexported fields too. fmt calls no methods on the values
// of those. It prints them, and for a verb that does not fit it even follows pointers: %s writes
// "%!s(*T=&{[1 2 …]})". But it prints a function as an address. Copies share the secret. The zero
// value has the zero value of T as its secret.
type Hidden[T any] func() T

// Hide returns v as a hidden secret. It does not copy what v points to.
func Hide[T any](v T) Hidden[T] { return func() T { return v } }

// Reveal returns the secret.
func (h Hidden[T]) Reveal() T {
	if h == nil {
		var none T
		return none
	}
	return h()
}
