package hive

import (
	"fmt"
	"io"
	"log/slog"
)

const redactedText = "[redacted]"

// redacted is embedded by every type that holds a secret. It takes no room and takes over all usual
// ways of printing.
type redacted struct{}

// hidden keeps a secret where printers cannot follow. Methods are not enough: fmt does not call
// them on unexported fields of other structs. Nor is a pointer: asked for %s or %x there, fmt
// complains of a bad verb and prints what the pointer points to. A function is printed as an
// address by all. Copies share the secret. The zero value holds none.
type hidden[T any] func() *T

func hide[T any](secret *T) hidden[T] { return func() *T { return secret } }

// reveal returns the secret, nil if there is none.
func (h hidden[T]) reveal() *T {
	if h == nil {
		return nil
	}
	return h()
}

// Format writes "[redacted]" whatever the verb (fmt.Formatter).
func (redacted) Format(f fmt.State, _ rune) { io.WriteString(f, redactedText) }

// LogValue returns "[redacted]" (slog.LogValuer).
func (redacted) LogValue() slog.Value { return slog.StringValue(redactedText) }

// MarshalJSON returns "[redacted]" as a JSON string (json.Marshaler).
func (redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedText + `"`), nil }

// MarshalText returns "[redacted]" (encoding.TextMarshaler; XML, YAML, flags).
func (redacted) MarshalText() ([]byte, error) { return []byte(redactedText), nil }
