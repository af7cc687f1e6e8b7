package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"pksa/agent"
)

// Both lists of what is in quarantine say why, each with the reason of its own.
func TestQuarantineIsExplained(t *testing.T) {
	until := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ reason, want string }{
		{"too many damaged requests", ": too many damaged requests came from there."},
		{"too many replays", ": too many replays came from there."},
		{"", ": too many damaged requests or replays came from there."}, // an agent of an earlier version
	} {
		q := agent.Quarantine{Session: 2, Relay: "wss://relay.example", Until: until, Times: 1, Reason: c.reason}
		var status, sessions bytes.Buffer
		printStatus(&status, agent.Status{Quarantine: []agent.Quarantine{q}})
		printSessions(&sessions, []agent.SessionInfo{{ID: 2, Quiet: []agent.Quarantine{q}}})
		for name, text := range map[string]string{"status": status.String(), "session list": sessions.String()} {
			if !strings.Contains(text, "Session 2 does not listen to wss://relay.example until ") ||
				!strings.Contains(text, c.want) {
				t.Errorf("reason %q: %s says %s", c.reason, name, text)
			}
		}
	}
}
