package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/control"
	"pksa/agent/policy"
	"pksa/agent/refund"
)

// serveMethods serves methods as an agent in a new home folder, and returns the folder.
func serveMethods(t *testing.T, methods map[string]control.Handler) string {
	t.Helper()
	home := t.TempDir()
	listener, err := control.Listen(filepath.Join(home, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	server := &control.Server{Handlers: methods, Logger: slog.New(slog.DiscardHandler)}
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return home
}

// pksa runs the program on a home folder, without a terminal.
func pksa(t *testing.T, home string, args ...string) (status int, out, err string) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(t.Context(), append(args, "--home", home), streams{strings.NewReader(""), &o, &e})
	if slices.Contains(args, "--json") {
		for _, complaint := range printedBy(args, o.Bytes(), e.Bytes()) {
			t.Errorf("%v: %s", args, complaint)
		}
	}
	return status, o.String(), e.String()
}

// Limits show apart what never reached the chain, say how to give it back, and do.
func TestLimitCommands(t *testing.T) {
	room := policy.Room{Limit: policy.RuleRef{Name: "tips"}, Unit: "HBD", Window: 24 * time.Hour, Used: "1.6",
		Most:       "2",
		NotOnChain: "1.1"}
	charge := refund.Charge{Number: 12, App: "tipbot", Account: "alice", TxID: strings.Repeat("ab", 20),
		State: "not on the chain", Charges: []policy.Charge{{Limit: "tips", Unit: "HBD", Amount: "1.1"}}}
	home := serveMethods(t, map[string]control.Handler{
		agent.MethodStatus: func(context.Context, []byte) (any, error) {
			return agent.Status{Policy: agent.PolicyStatus{Room: []policy.Room{room}}}, nil
		},
		agent.MethodLimitList: func(context.Context, []byte) (any, error) { return []refund.Charge{charge}, nil },
		agent.MethodLimitRelease: func(_ context.Context, params []byte) (any, error) {
			var p agent.ReleaseParams
			if err := control.Decode(params, &p); err != nil || p.Number != 12 {
				return nil, errors.New("nothing that counts was charged")
			}
			done := charge
			done.State, done.Record, done.Hosts = "given back", 20, []string{"a.example", "b.example"}
			return done, nil
		},
	})
	const line = `limit "tips": 1.6 of 2 HBD used in 24h, of that 1.1 not on the chain`
	for _, c := range []struct {
		args   string
		status int
		want   []string
	}{
		{"limit list", exitOK, []string{line, "12  not on the chain  tipbot for alice, 1.1 HBD of \"tips\"",
			"`pksa limit release 12`"}},
		{"limit list --json", exitOK, []string{`"NotOnChain": "1.1"`, `"number": 12`}},
		{"status", exitOK, []string{line, "`pksa limit list` shows"}},
		{"limit release 12", exitOK, []string{"Given back: 1.1 HBD of \"tips\"", "a.example, b.example", "Record 20"}},
		{"limit release 12 --yes --json", exitOK, []string{`"state": "given back"`}},
		{"limit release 13", exitFailure, []string{"nothing that counts was charged"}},
		{"limit release", exitUsage, []string{"needs the NUMBER"}},
		{"limit release none", exitUsage, []string{`"none" is no number`, "`pksa limit list`"}},
	} {
		status, out, text := pksa(t, home, strings.Fields(c.args)...)
		for _, want := range c.want {
			want = strings.ReplaceAll(want, "`pksa ", "`pksa --home "+home+" ") // what is said is about this wallet
			if status != c.status || !strings.Contains(out+text, want) {
				t.Errorf("%s: status %d, want %q in\n%s%s", c.args, status, want, out, text)
			}
		}
	}
	// Without an agent nothing is given back: it has the ledger, and the nodes to ask.
	alone := t.TempDir()
	if err := os.WriteFile(filepath.Join(alone, "keystore.age"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, text := pksa(t, alone, "limit", "release", "12"); status != exitFailure ||
		!strings.Contains(text, "no agent is running") {
		t.Errorf("without an agent: %d %s", status, text)
	}
}
