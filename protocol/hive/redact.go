package hive

import (
	"fmt"
	"io"
	"log/slog"
)

const redactedText = "[redacted]"

// redacted is embedded by every type that holds a secret. It takes no room
// and takes over all usual ways of printing. Formatting goes by method, and
// fmt cannot call methods on unexported fields of other structs; the types
// therefore keep their secret behind a pointer as well, which fmt prints as an
// address there.
type redacted struct{}

// Format writes "[redacted]" whatever the verb (fmt.Formatter).
func (redacted) Format(f fmt.State, _ rune) { io.WriteString(f, redactedText) }

// LogValue returns "[redacted]" (slog.LogValuer).
func (redacted) LogValue() slog.Value { return slog.StringValue(redactedText) }

// MarshalJSON returns "[redacted]" as a JSON string (json.Marshaler).
func (redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedText + `"`), nil }

// MarshalText returns "[redacted]" (encoding.TextMarshaler; XML, YAML, flags).
func (redacted) MarshalText() ([]byte, error) { return []byte(redactedText), nil }
