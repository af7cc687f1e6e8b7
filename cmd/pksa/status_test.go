package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/control"
	"pksa/agent/ledger"
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

// Logins of an app have no session to be listed with: status names the app, and how to go on.
func TestQuarantineOfLogins(t *testing.T) {
	q := agent.Quarantine{App: "mybot", Relay: "wss://relay.example", Times: 1, Reason: "too many damaged requests"}
	var status bytes.Buffer
	printStatus(&status, agent.Status{Quarantine: []agent.Quarantine{q}})
	for _, want := range []string{"Logins of app mybot are not heard from wss://relay.example until ",
		": too many damaged requests came from there.", "`pksa session release --app mybot`"} {
		if !strings.Contains(status.String(), want) {
			t.Errorf("status does not say %q: %s", want, status.String())
		}
	}
}

// Each fact about a relay has its time, and how long ago that is, and nothing is printed that is
// not known.
func TestRelaysInStatus(t *testing.T) {
	at := time.Now().Add(-2 * time.Hour)
	soon := time.Now().Add(30 * time.Minute)
	for _, c := range []struct {
		link        agent.LinkStatus
		want, never []string
	}{
		{agent.LinkStatus{Relay: "wss://relay.example"}, // dialling for the first time
			[]string{"not connected, connecting now"}, []string{"last error", "next attempt"}},
		{agent.LinkStatus{Relay: "wss://relay.example", DownSince: at, LastError: "refused",
			LastErrorAt: at.Add(time.Minute),
			NextAttempt: soon},
			[]string{"not connected since " + when(at) + " (2 h ago), next attempt " + when(soon) + " (in 30 min)",
				"last error at " + when(at.Add(time.Minute)) + " (2 h ago): refused"}, nil},
		{agent.LinkStatus{Relay: "wss://relay.example", Connected: true, Since: at, RelayError: "no", RelayErrorAt: at},
			[]string{"the relay said at " + when(at) + " (2 h ago): no"}, nil},
	} {
		var text bytes.Buffer
		printStatus(&text, agent.Status{Links: []agent.LinkStatus{c.link}})
		for _, want := range c.want {
			if !strings.Contains(text.String(), want) {
				t.Errorf("%q is not in %s", want, &text)
			}
		}
		for _, never := range c.never {
			if strings.Contains(text.String(), never) {
				t.Errorf("%q is in %s", never, &text)
			}
		}
	}
}

// No line of status ends in spaces.
func TestStatusEndsNoLineInSpaces(t *testing.T) {
	var text bytes.Buffer
	printStatus(&text, agent.Status{Accounts: []agent.AccountStatus{{Name: "alice", Roles: []string{"posting"}},
		{Name: "bob", Roles: []string{"memo", "posting"}, Wrong: []string{"memo: wrong"}}}})
	for line := range strings.Lines(text.String()) {
		if line = strings.TrimSuffix(line, "\n"); line != strings.TrimRight(line, " ") {
			t.Errorf("%q ends in spaces", line)
		}
	}
	if want := "  alice  posting\n  bob    memo, posting  memo: wrong\n"; !strings.Contains(text.String(), want) {
		t.Errorf("status lacks the accounts:\n%s", &text)
	}
}

// The own relay stands in status, with what is wrong about it.
func TestOwnRelayInStatus(t *testing.T) {
	var text bytes.Buffer
	printStatus(&text, agent.Status{OwnRelay: &agent.OwnRelay{Listen: "127.0.0.1:9480", Wallets: 1, Apps: 2,
		Waiting: 3, Requests: 40, Unanswered: 5, Unproved: 1, Hint: "add it"}, NoNode: "no node",
		WillNotStart: []string{"the policy\nis bad"}})
	for _, want := range []string{"listens at 127.0.0.1:9480: 1 wallet, 2 applications connected, 40 requests",
		"5 requests ended without an answer", "1 wallet registered as protocol 0.8 has it",
		"Ready.\n\nNot everything is served:\n  no node\n", "hint: add it",
		"A restart will fail:\n  the policy\n  is bad\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in %s", want, &text)
		}
	}
}

// With all details status shows the keys of relays, and always why one is refused because of its
// key.
func TestRelayKeysInStatus(t *testing.T) {
	links := []agent.LinkStatus{
		{Relay: "wss://a.example", Connected: true, Public: "STM1a", Pinned: true},
		{Relay: "wss://b.example", Connected: true, Public: "STM1b"},
		{Relay: "wss://c.example", LastError: "refused: key", KeyRefused: "refused: key"},
		{Relay: "wss://d.example", LastError: "dialling", KeyRefused: "refused: other"},
	}
	var text bytes.Buffer
	for _, l := range links {
		printLink(&text, l, true)
	}
	for want, n := range map[string]int{"key STM1a, pinned\n": 1, "key STM1b\n": 1, "refused: key\n": 1,
		"refused: other\n": 1} {
		if strings.Count(text.String(), want) != n {
			t.Errorf("%q is not %d times in %s", want, n, &text)
		}
	}
	text.Reset()
	links[0].Added = &agent.AddedRelay{Accounts: []string{"alice"}, Sessions: []ledger.SessionID{12}}
	printLink(&text, links[0], false)
	if !strings.Contains(text.String(), "not in the settings; for alice, by `pksa pair`, until session 12 ends\n") {
		t.Errorf("an added relay: %s", &text)
	}
	if strings.Contains(text.String(), "STM1a") {
		t.Errorf("without --all: %s", &text)
	}
}

// Not ready, status says what is served all the same, how old the head is and how far the clock is
// off; it says nothing of that twice.
func TestNotReadyInStatus(t *testing.T) {
	const noNode = "no Hive API node answers"
	var text bytes.Buffer
	printStatus(&text, agent.Status{NotReady: []string{noNode}, NoNode: noNode, StillServed: "logins and challenges",
		Chain: &agent.ChainStatus{HeadBlock: 100, Age: 3 * time.Minute, Skew: -90 * time.Second}})
	for _, want := range []string{"Not ready:\n  " + noNode + "\nStill served: logins and challenges.\n",
		"head of the chain: block 100, read 3 min ago; this machine's clock 90 s behind\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in %s", want, &text)
		}
	}
	if n := strings.Count(text.String(), noNode); n != 1 {
		t.Errorf("it says %d times that no node answers: %s", n, &text)
	}
	for d, want := range map[time.Duration]string{-time.Second: "0 s", 99 * time.Second: "99 s",
		100 * time.Second: "2 min",
		99 * time.Minute:  "99 min", 47 * time.Hour: "47 h", 50 * time.Hour: "2 d"} {
		if got := ago(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

// With --live status asks nothing but whether the agent goes on.
func TestLiveStatus(t *testing.T) {
	var hangs error
	home := serveMethods(t, map[string]control.Handler{
		agent.MethodLive: func(context.Context, []byte) (any, error) { return struct{}{}, hangs },
		agent.MethodStatus: func(context.Context, []byte) (any,
			error) {
			return agent.Status{NotReady: []string{"no"}}, nil
		},
	})
	for _, c := range []struct {
		args   string
		err    error
		status int
		says   string
	}{
		{"status --live", nil, exitOK, "Alive.\n"},
		{"status --live --json", nil, exitOK, "{\n  \"alive\": true\n}\n"},
		{"status --live", errors.New("the ledger has not come round"), exitFailure, "the ledger has not come round"},
		{"status", nil, exitFailure, "Not ready:\n  no\n"},
		{"status --live --all", nil, exitUsage, "takes neither --all nor --watch"},
	} {
		var out bytes.Buffer
		hangs = c.err
		status := run(t.Context(), append(strings.Fields(c.args), "--home", home), streams{strings.NewReader(""),
			&out, &out})
		if status != c.status || !strings.Contains(out.String(), c.says) {
			t.Errorf("%s: status %d: %s", c.args, status, &out)
		}
	}
}
