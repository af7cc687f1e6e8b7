package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pksa/agent"
	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/agent/link"
	"pksa/agent/node"
	"pksa/agent/policy"
	"pksa/agent/status"
	"pksa/agent/trace"
)

// crowd is the state of a wallet with very many accounts, with something wrong of each kind.
func crowd(now time.Time) agent.Status {
	s := agent.Status{Sessions: 500, Apps: 12, Pending: 2, NotReady: []string{"no Hive API node answers"},
		StillServed: "logins and challenges", LastMinute: status.Minute{Answered: 1200, Refused: 3, Failed: 1,
			Dropped: 4},
		Chain: &agent.ChainStatus{HeadBlock: 98765432, Age: 50 * time.Second, Skew: -2 * time.Second},
		LastHour: []trace.Entry{{Kind: trace.Unopened, Account: "user00007", Count: 3, Last: now.Add(-4 * time.Minute)},
			{Kind: trace.Busy, Count: 30, Last: now.Add(-time.Minute)}},
		Links: []agent.LinkStatus{{Relay: "wss://relay.example/", Connected: true, Registered: 4980,
			Refused: []link.Refusal{{Account: "user00003", Reason: "invalid proof of key"}},
			Since:   now.Add(-time.Hour)},
			{Relay: "wss://other.example/", DownSince: now.Add(-5 * time.Minute), LastError: "connection refused"}},
	}
	for i := range 5000 {
		a := agent.AccountStatus{Name: fmt.Sprintf("user%05d", i), Roles: []string{"posting", "active"},
			SessionsMost: 1000}
		if i%100 == 3 {
			a.Wrong = []string{"the posting key is none of the account's on the chain"}
		}
		s.Accounts = append(s.Accounts, a)
	}
	for i := range 6 {
		s.Nodes = append(s.Nodes, node.NodeStatus{URL: fmt.Sprintf("https://node%d.example/", i), Chain: "ours",
			Failures: 4, RestUntil: now.Add(30 * time.Second), LastError: "connection refused"})
		s.Policy.Room = append(s.Policy.Room, policy.Room{Limit: policy.RuleRef{Name: fmt.Sprint("tips", i)},
			Unit:   "HBD",
			Window: 24 * time.Hour, Used: fmt.Sprint(i), Most: "10"})
		s.Quarantine = append(s.Quarantine, agent.Quarantine{Session: ledger.SessionID(i + 1),
			Relay: "wss://relay.example/",
			Until: now.Add(9 * time.Minute), Reason: "too many replays"})
	}
	return s
}

// Totals come first, then what is not well, each kind on few lines; nothing is wider than a
// terminal. With all of it each account has a line.
func TestWatchOfMany(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	f := frame{now: now, wide: 80}
	lines := f.lines(crowd(now), nil)
	text := strings.Join(lines, "\n")
	t.Logf("\n%s", text)
	for _, want := range []string{"pksa  12:00:00Z  NOT READY\n  no Hive API node answers\n  still served: logins",
		"Minute    1200 answered, 3 refused, 1 failed, 4 dropped; 2 wait for a person\n",
		"Accounts  5,000, 50 need a look; 500 sessions in 12 apps\n",
		"Relays    1 of 2 connected, up to 4980 accounts registered at one\n",
		"Nodes     0 of 6 usable; head 98765432, read 50 s ago; clock agrees\n",
		"wss://other.example/ is not connected, for 5 min: connection refused\n",
		"wss://relay.example/ does not take 1 account; user00003: invalid proof of key\n",
		"https://node0.example/ rests for 30 s after 4 failures: connection refused\n", "  and 3 more\n",
		"user00003: the posting key is none of the account's on the chain\n", "  and 47 more\n",
		"session 1: silent on wss://relay.example/ for 9 min, too many replays\n",
		"[##########----------]  50 %  limit \"tips5\": 5 of 10 HBD used in 24h\n",
		"3 requests for user00007 that nothing opens, the last 4 min ago\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if len(lines) > 36 { // the first 23 and how many more there are, on 80x24
		t.Errorf("%d lines", len(lines))
	}
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > 80 {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	elsewhere := frame{now: now, home: (&command{home: "/a"}).inPlace}
	if said := strings.Join(elsewhere.lines(agent.Status{NotReady: []string{"paused, until `pksa resume`"}}, nil),
		"\n"); !strings.Contains(said, "until `pksa --home /a resume`") {
		t.Error(said)
	}
	all := frame{now: now, wide: 80, all: true}
	if n := len(all.lines(crowd(now), nil)); n < 5000 {
		t.Errorf("with all of it %d lines", n)
	}
	quiet := f.lines(agent.Status{}, errors.New("it does not run"))
	if !strings.Contains(strings.Join(quiet, "\n"), "NO ANSWER, what follows is old\n  it does not run\n") ||
		strings.Contains(strings.Join(quiet, "\n"), "Not well") {
		t.Errorf("a wallet that ended: %q", quiet)
	}
}

// What a terminal has room for is shown, wherever a person has moved to, and how many more lines
// there are. Nobody moves beyond an end, and a list that becomes shorter is shown to its end.
func TestWatchWindow(t *testing.T) {
	var lines []string
	for i := range 30 {
		lines = append(lines, fmt.Sprint("line ", i))
	}
	s := &screen{terminal: true}
	for _, c := range []struct {
		top, high   int
		first, last string
	}{
		{0, 10, "line 1", "… 21 more below, --all (arrows, space, b)"},
		{-5, 10, "line 1", "… 21 more below, --all (arrows, space, b)"},
		{8, 10, "line 9", "… 13 more below, 8 above, --all (arrows, space, b)"},
		{99, 10, "line 22", "… 0 more below, 21 above, --all (arrows, space, b)"},
		{99, 30, "line 1", "line 29"},
		{0, 2, "line 1", "line 29"}, // no room for anything
		{0, 0, "line 1", "line 29"}, // of unknown size
	} {
		s.top = c.top
		got := s.window(lines, c.high)
		if got[0] != "line 0" || got[1] != c.first || got[len(got)-1] != c.last || c.high > 2 && len(got) != c.high {
			t.Errorf("%d lines from %d: %q", c.high, c.top, got)
		}
	}
}

// stopsWriter ends what writes to it after its first write.
type stopsWriter struct {
	text bytes.Buffer
	stop func()
}

func (w *stopsWriter) Write(p []byte) (int, error) {
	defer w.stop()
	return w.text.Write(p)
}

// In a pipe one state follows the other without anything that only terminals understand.
func TestWatchInAPipe(t *testing.T) {
	home := serveMethods(t, map[string]control.Handler{
		agent.MethodStatus: func(context.Context, []byte) (any, error) { return crowd(time.Now()), nil },
	})
	for flag, want := range map[string]string{"": "NOT READY\n  no Hive API node answers\n",
		" --json": `"no Hive API node answers"`} {
		ctx, stop := context.WithCancel(t.Context())
		out := &stopsWriter{stop: stop}
		status := run(ctx, append(strings.Fields("status --watch"+flag), "--home", home),
			streams{strings.NewReader(""), out, out})
		if status != exitOK || !strings.Contains(out.text.String(), want) {
			t.Errorf("status%s: %d: %.300s", flag, status, out.text.String())
		}
		if strings.ContainsAny(out.text.String(), "\x1b\r") {
			t.Errorf("codes of terminals: %q", out.text.String())
		}
	}
}
