package main

import (
	"context"
	"strings"
	"testing"

	"pksa/agent"
	"pksa/agent/control"
	"pksa/agent/probe"
)

// The exit status says whether each relay delivers; each one has its line, and what to do.
func TestCanaryCommand(t *testing.T) {
	works := probe.Canary{Relay: "wss://one.example/", Result: probe.Works, TripMS: 12}
	own := probe.Canary{Relay: "ws://127.0.0.1:9480/", Result: probe.Own}
	for _, tt := range []struct {
		name   string
		found  []probe.Canary
		status int
		says   string
	}{
		{"all deliver", []probe.Canary{works, own}, exitOK, "came back after 12 ms"},
		{"the own relay", []probe.Canary{own}, exitOK, "wallet's own relay: not tried"},
		{"one does not", []probe.Canary{works, {Relay: "wss://two.example/", Result: probe.Fails, Failed: 2,
			Hint: "what to do"}}, exitFailure, "does not serve: 2 requests in a row failed\n  what to do"},
		{"no account", []probe.Canary{{Relay: "wss://two.example/", Result: probe.Unsent}}, exitFailure,
			"no account is registered there"},
		{"unsure", []probe.Canary{{Relay: "wss://two.example/", Result: probe.Unsure}}, exitFailure,
			"nothing is known yet"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home := serveMethods(t, map[string]control.Handler{
				agent.MethodCanary: func(context.Context, []byte) (any, error) { return tt.found, nil },
			})
			status, out, _ := pksa(t, home, "canary")
			if status != tt.status || !strings.Contains(out, tt.says) {
				t.Errorf("%d: %s", status, out)
			}
			if _, out, _ := pksa(t, home, "canary", "--json"); !strings.Contains(out, `"result": "`+
				tt.found[0].Result) {
				t.Errorf("%s", out)
			}
		})
	}
}
