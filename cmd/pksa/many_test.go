package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/link"
)

// Of many accounts, status tells how many there are and lists those that need a look; --all lists
// every one.
func TestStatusOfManyAccounts(t *testing.T) {
	s := agent.Status{Links: []agent.LinkStatus{{Relay: "wss://relay.example", Connected: true}}}
	for i := range 5000 {
		a := agent.AccountStatus{Name: fmt.Sprintf("user%05d", i), Roles: []string{"posting"}}
		if i == 17 {
			a.Wrong = []string{"posting: the chain does not know this key"}
		}
		s.Accounts = append(s.Accounts, a)
		if i < 300 {
			s.Links[0].Refused = append(s.Links[0].Refused, link.Refusal{Account: "user", Reason: "unknown"})
		}
	}
	var some, all bytes.Buffer
	printStatus(&some, s)
	printWhole(&all, s, true)
	if n := strings.Count(some.String(), "\n"); n > 50 {
		t.Errorf("%d lines", n)
	}
	for _, want := range []string{"Accounts  5,000, 1 that needs a look (`pksa status --all` lists every one)",
		"user00017  posting  posting: the chain does not know this key", "and 280 more are not registered"} {
		if !strings.Contains(some.String(), want) {
			t.Errorf("no %q in\n%s", want, some.String())
		}
	}
	if n := strings.Count(all.String(), "\n"); n < 5300 {
		t.Errorf("--all has %d lines", n)
	}
	few := agent.Status{Accounts: s.Accounts[:20]}
	some.Reset()
	printStatus(&some, few)
	if n := strings.Count(some.String(), "  user000"); n != 20 {
		t.Errorf("%d of few accounts", n)
	}
}

// Sessions are listed by app and account, in the order that is asked for, with their number.
func TestSessionsListed(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	sessions := []agent.SessionInfo{
		{ID: 1, App: "b", Account: "carol", Expires: day(9), LastUsed: day(1)},
		{ID: 2, App: "a", Account: "alice", Expires: day(8), LastUsed: day(3)},
		{ID: 3, App: "a", Account: "bob", Expires: day(7), LastUsed: day(2)},
	}
	for _, c := range []struct {
		filter sessionFilter
		want   string
	}{
		{sessionFilter{order: "number"}, "1 2 3"},
		{sessionFilter{order: "account"}, "2 3 1"},
		{sessionFilter{order: "app"}, "2 3 1"},
		{sessionFilter{order: "until"}, "3 2 1"},
		{sessionFilter{order: "used"}, "2 3 1"},
		{sessionFilter{order: "used", app: "a"}, "2 3"},
		{sessionFilter{order: "number", account: "bob"}, "3"},
		{sessionFilter{order: "number", app: "b", account: "bob"}, ""},
	} {
		var got []string
		for _, s := range c.filter.of(sessions) {
			got = append(got, s.ID.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %v, want %s", c.filter, got, c.want)
		}
	}
	var out bytes.Buffer
	printSessions(&out, sessions)
	if !strings.Contains(out.String(), "\n3 sessions (2 of a, 1 of b)\n") {
		t.Errorf("no count:\n%s", out.String())
	}
	wrong := sessionFilter{order: "untill"}
	if err := wrong.check(); err == nil || !strings.Contains(err.Error(),
		`did you mean "until"?; known: account, app`) {
		t.Errorf("order: %v", err)
	}
}

// A person at the terminal reads where applications can ask.
func TestReadyText(t *testing.T) {
	s := agent.Status{Accounts: make([]agent.AccountStatus, 2), Links: []agent.LinkStatus{
		{Relay: "ws://127.0.0.1:9480/", Registered: 2}, {Relay: "wss://down.example/"}}}
	want := "pksa: Ready: apps can ask at ws://127.0.0.1:9480/ for 2 accounts. `pksa status --home /h` shows more; " +
		"Ctrl-C ends it.\n"
	if got := readyText(&config.Config{Home: "/h"}, s); got != want {
		t.Errorf("%q", got)
	}
}
