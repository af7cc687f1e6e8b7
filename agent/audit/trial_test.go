package audit_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pksa/agent/audit"
	"pksa/agent/policy"
)

const votesSplit = `version: 1
allow: [{name: votes, request: sign, apps: any, operations: [vote]}]
limits: [{name: few, apps: any, operations: [vote], per: [.permlink], count: %d per 1h}]
`

func goesOn() error { return nil }

// A trial compares two policies, each with what it counts itself, and not what was recorded: that
// may be of a policy of long ago. A person's no holds for both.
func TestTrialComparesPolicies(t *testing.T) {
	few := func(n int) *policy.Policy {
		return compiled(t, fmt.Sprintf(strings.Replace(votesSplit, " per: [.permlink],", "", 1), n))
	}
	ask := compiled(t, "version: 1\nask: [{name: votes, request: sign, apps: any, operations: [vote]}]\n"+
		"limits: [{name: few, apps: any, operations: [vote], count: 1 per 1h}]\n")
	three := []audit.Record{vote(1, "denied", madeAt), vote(2, "admitted", madeAt), vote(3, "admitted", madeAt)}
	declined := []audit.Record{vote(1, "pending", madeAt), decision(2, 1, false, madeAt), vote(3, "pending", madeAt)}
	for _, c := range []struct {
		old, next *policy.Policy
		trail     []audit.Record
		text      string
	}{
		{few(1), few(2), three, "Of the last 3 requests one gets another answer: 1 deny → allow."},
		{few(2), few(1), three, "Of the last 3 requests one gets another answer: 1 allow → deny."},
		{few(2), few(2), three, "Of the last 3 requests none gets another answer."},
		{few(3), ask, three, "Of the last 3 requests 3 get another answer: 1 allow → ask, 2 allow → deny."},
		{ask, ask, declined, "Of the last 2 requests none gets another answer."},
		{ask, few(1), declined, "Of the last 2 requests 2 get another answer: 1 ask → allow, 1 ask → deny."},
		{few(1), few(2), three[:1], "Of the last request none gets another answer."},
	} {
		got := audit.TryWith(sourceOf(c.trail...), c.old, c.next, 1<<20, goesOn)
		if got.Text() != c.text {
			t.Errorf("%s\nwant %s", got.Text(), c.text)
		}
	}
	got := audit.TryWith(sourceOf(three...), few(1), few(2), 1<<20, goesOn)
	if len(got.Changes) != 1 || got.Changes[0].Number != 2 || got.Changes[0].Reason == "" {
		t.Errorf("the change: %+v", got.Changes)
	}
}

// A trial is of the newest 5,000 records, lists five changes, holds a bounded part of what limits
// count, and ends when its time is over. It says that it ended.
func TestTrialIsBounded(t *testing.T) {
	for head, want := range map[uint64]uint64{0: 1, 4999: 1, 5000: 1, 5001: 2, 7000: 2001} {
		if got := audit.FirstTried(head); got != want {
			t.Errorf("of %d records it begins with %d, want %d", head, got, want)
		}
	}
	asked := 0
	audit.TryWith(func(q audit.Query, _ func(*audit.Record) error) error {
		if asked++; q.From != 7 {
			t.Errorf("it reads from record %d", q.From)
		}
		return nil
	}, compiled(t, "version: 1\n"), compiled(t, "version: 1\n"), 1<<20, goesOn)
	if asked != 2 {
		t.Errorf("it reads %d times", asked)
	}
	old, next := compiled(t, fmt.Sprintf(votesSplit, 1)), compiled(t, "version: 1\n")
	trail := slices.Repeat([]audit.Record{{}}, 12)
	for i := range trail {
		trail[i] = vote(uint64(i+1), "admitted", madeAt)
	}
	const each = 512 + 32 // a counter with one sum
	for n, ended := range map[int]bool{9: false, 10: false, 11: true, 12: true} {
		got := audit.TryWith(sourceOf(trail[:n]...), old, next, 10*each, goesOn)
		if (got.Ended != "") != ended || got.Requests != min(n, 11) || len(got.Changes) != 5 ||
			got.Turns[0].Requests != got.Requests {
			t.Errorf("%d counters: %+v", n, got)
		}
		got = audit.TryWith(sourceOf(trail[:n]...), next, old, 10*each, goesOn)
		if (got.Ended != "") != ended {
			t.Errorf("%d counters of the new one: %+v", n, got)
		}
	}
	left := 3
	got := audit.TryWith(sourceOf(trail...), old, next, 1<<20, func() error {
		if left--; left < 0 {
			return errors.New("that takes too long")
		}
		return nil
	})
	if want := "Of the last 3 requests 3 get another answer: 3 allow → deny; " +
		"newer ones were not tried: that takes too long."; got.Text() != want {
		t.Errorf("%s\nwant %s", got.Text(), want)
	}
}
