package ledger

import (
	"fmt"
	"io"

	"pksa/protocol/secret"
)

// Secret is a text that must not be shown: an auth_key, a slot's secret. It formats, logs and
// marshals as "[redacted]"; string(s) is the text.
type Secret = secret.Text

// Format writes "ledger" for every verb. Without it fmt would look into the fields, and print the
// secrets of slots and sessions.
func (l *Ledger) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "ledger") }

// Format writes everything but the secret.
func (s Slot) Format(f fmt.State, verb rune) { secret.Format(f, verb, s) }

// Format writes everything but key and token.
func (n NewSession) Format(f fmt.State, verb rune) { secret.Format(f, verb, n) }

// Format writes everything but key and token.
func (s Session) Format(f fmt.State, verb rune) { secret.Format(f, verb, s) }
