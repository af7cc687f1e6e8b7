package agent

import (
	"fmt"
	"io"
	"log/slog"

	"pksa/protocol/secret"
)

// Types of this package that hold secrets show none of it when they are formatted or logged. What a
// command shows once on purpose ([AppInfo], [SessionInfo]) stands in their JSON alone.

// Format writes no more than what it is, for every verb: fmt would look into the fields, and
// theirs.
func (a *Agent) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "agent") }

// Format writes whose request it is, for every verb.
func (r *run) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "request %s of %s", r.msg.UUID, r.app) }

// Format writes no more than what it is, for every verb: the session that it asks for has a key.
func (p *proposal) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "proposal") }

// Format writes everything but the secret.
func (i AppInfo) Format(f fmt.State, verb rune) {
	type plain AppInfo
	fmt.Fprintf(f, fmt.FormatString(f, verb), plain(i.shown()))
}

// LogValue returns everything but the secret.
func (i AppInfo) LogValue() slog.Value {
	type plain AppInfo
	return slog.AnyValue(plain(i.shown()))
}

func (i AppInfo) shown() AppInfo {
	if i.Secret != "" {
		i.Secret = secret.Mark
	}
	return i
}

// Format writes everything but the key.
func (i SessionInfo) Format(f fmt.State, verb rune) {
	type plain SessionInfo
	fmt.Fprintf(f, fmt.FormatString(f, verb), plain(i.shown()))
}

// LogValue returns everything but the key.
func (i SessionInfo) LogValue() slog.Value {
	type plain SessionInfo
	return slog.AnyValue(plain(i.shown()))
}

func (i SessionInfo) shown() SessionInfo {
	if i.AuthKey != "" {
		i.AuthKey = secret.Mark
	}
	return i
}
