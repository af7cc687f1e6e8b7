package agent

import (
	"fmt"
	"io"

	"pksa/protocol/secret"
)

// These types hold secrets in fields that fmt would look into, so they show nothing of themselves.
// Where only some fields are secret ([AppInfo], [SessionInfo]), [secret.Format] writes the others.
// What a command shows once on purpose is written by package control alone.

// Format writes no more than what it is, for every verb: fmt would look into the fields, and
// theirs.
func (a *Agent) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "agent") }

// Format writes whose request it is, for every verb.
func (r *run) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "request %s of %s", r.msg.UUID, r.app) }

// Format writes no more than what it is, for every verb: the session that it asks for has a key.
func (p *proposal) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "proposal") }

// Format writes everything but the secret.
func (i AppInfo) Format(f fmt.State, verb rune) { secret.Format(f, verb, i) }

// Format writes everything but the key.
func (i SessionInfo) Format(f fmt.State, verb rune) { secret.Format(f, verb, i) }

// Format writes everything but the secret.
func (p AppParams) Format(f fmt.State, verb rune) { secret.Format(f, verb, p) }

// Format writes everything but the link.
func (p PairParams) Format(f fmt.State, verb rune) { secret.Format(f, verb, p) }

// Format writes everything but the secret.
func (p ReloadParams) Format(f fmt.State, verb rune) { secret.Format(f, verb, p) }

// Format writes everything but the key.
func (q SessionRequest) Format(f fmt.State, verb rune) { secret.Format(f, verb, q) }
