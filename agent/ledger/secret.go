package ledger

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// Secret is a text that must not be shown: an auth_key, a slot's secret. It formats, logs and
// marshals as "[redacted]"; string(s) is the text.
type Secret string

const redacted = "[redacted]"

// Format writes "[redacted]" for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue is "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON is "[redacted]".
func (Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// MarshalText is "[redacted]".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format writes no more than what it is, for every verb: fmt would look into the fields, and show
// the secrets of slots and sessions there.
func (l *Ledger) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "ledger") }
