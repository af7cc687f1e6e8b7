package main

import (
	"fmt"
	"path"
	"strings"
	"time"

	"pksa/protocol"
)

// caseSpec is one thing to measure. Each has a wallet, a relay and a node of its own.
type caseSpec struct {
	Name     string        `json:"name"`
	Kind     protocol.Kind `json:"-"`
	Width    int           `json:"in_flight"`
	Accounts int           `json:"accounts"`
	Sessions int           `json:"sessions"` // made before; of an auth case with New: none of them is used
	New      bool          `json:"-"`        // auth: each request is of a new session
	Node     time.Duration `json:"-"`        // that the node takes to answer
	Relay    time.Duration `json:"-"`        // round trip between wallet and relay
	Soak     time.Duration `json:"-"`        // instead of the usual time, in rounds
	Pause    time.Duration `json:"-"`        // between an answer and the next request; nothing is raised then
	Large    int           `json:"-"`        // requests of another app, of 300 kB, that are in flight beside
}

// sizes are the numbers that the cases are made of: tests take smaller ones.
type sizes struct {
	widths   []int
	sessions int
	accounts []int
	far      time.Duration // round trip to a node or a relay that is far away
}

var fullSize = sizes{widths: []int{1, 8, 64}, sessions: 1000, accounts: []int{1, 1000, 10_000},
	far: 100 * time.Millisecond}

// usualWidth is how many requests are in flight where another number is what varies.
const usualWidth = 8

// quietPause keeps an app that asks for one thing after the other within the rate of its account.
const quietPause = 40 * time.Millisecond

// accountSessions is how many accounts at most have a session in cases with many accounts.
const accountSessions = 64

// allCases returns every case, in the order in which they run.
func allCases(s sizes, soak time.Duration) (list []caseSpec) {
	add := func(c caseSpec, name string, args ...any) {
		c.Name = fmt.Sprintf(name, args...)
		c.Accounts, c.Sessions = max(c.Accounts, 1), max(c.Sessions, 1)
		list = append(list, c)
	}
	for _, width := range s.widths {
		add(caseSpec{Kind: protocol.Challenge, Width: width}, "challenge-%d", width)
	}
	for _, width := range s.widths {
		add(caseSpec{Kind: protocol.Sign, Width: width}, "vote-%d", width)
	}
	for _, width := range s.widths {
		add(caseSpec{Kind: protocol.Sign, Width: width, Node: s.far}, "vote-%d-far", width)
	}
	for _, width := range s.widths {
		add(caseSpec{Kind: protocol.Auth, Width: width, New: true}, "auth-new-%d", width)
	}
	for _, width := range s.widths {
		add(caseSpec{Kind: protocol.Auth, Width: width, Sessions: width}, "auth-known-%d", width)
	}
	add(caseSpec{Kind: protocol.Challenge, Width: usualWidth, Sessions: s.sessions}, "sessions-%d", s.sessions)
	for _, n := range s.accounts {
		add(caseSpec{Kind: protocol.Challenge, Width: usualWidth, Accounts: n, Sessions: min(n, accountSessions)},
			"accounts-%d", n)
	}
	n := s.accounts[len(s.accounts)-1]
	add(caseSpec{Kind: protocol.Challenge, Width: usualWidth, Accounts: n, Sessions: min(n, accountSessions),
		Relay: s.far}, "accounts-%d-far", n)
	add(caseSpec{Kind: protocol.Challenge, Width: 1, Pause: quietPause}, "quiet")
	add(caseSpec{Kind: protocol.Challenge, Width: 1, Pause: quietPause, Large: usualWidth}, "beside-large")
	if soak > 0 {
		add(caseSpec{Kind: protocol.Challenge, Width: s.widths[len(s.widths)-1], Soak: soak}, "soak")
	}
	return list
}

// choose returns the cases that the flag -only names.
func choose(cases []caseSpec, only string) (chosen []caseSpec, err error) {
	patterns := strings.Split(only, ",")
	used := make([]bool, len(patterns))
	for _, c := range cases {
		taken := false
		for i, pattern := range patterns {
			match, err := path.Match(pattern, c.Name)
			if err != nil {
				return nil, usageError{fmt.Sprintf("-only: %q is no pattern", pattern)}
			}
			used[i] = used[i] || match
			taken = taken || match
		}
		if taken {
			chosen = append(chosen, c)
		}
	}
	for i, pattern := range patterns {
		if !used[i] {
			return nil, usageError{fmt.Sprintf("-only: no case is named %q; pksa-bench -help lists them "+
				"(soak needs -soak)", pattern)}
		}
	}
	return chosen, nil
}

// meaning describes the case in a few words.
func (c caseSpec) meaning() string {
	what := map[protocol.Kind]string{protocol.Challenge: "challenges", protocol.Sign: "votes",
		protocol.Auth: "logins of known sessions"}[c.Kind]
	if c.New {
		what = "logins of new sessions"
	}
	text := fmt.Sprintf("%s, %d in flight", what, c.Width)
	switch {
	case c.Accounts > 1:
		text += fmt.Sprintf(", %d accounts", c.Accounts)
	case c.Sessions > c.Width:
		text += fmt.Sprintf(", %d sessions", c.Sessions)
	}
	if c.Node > 0 {
		text += ", node " + c.Node.String() + " away"
	}
	if c.Relay > 0 {
		text += ", relay " + c.Relay.String() + " away"
	}
	if c.Large > 0 {
		text += fmt.Sprintf(", beside %d of 300 kB of another app", c.Large)
	}
	if c.Soak > 0 {
		text += ", for the time of -soak"
	}
	return text
}
