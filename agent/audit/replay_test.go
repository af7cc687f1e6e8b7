package audit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent/audit"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

func compiled(t *testing.T, src string) *policy.Policy {
	t.Helper()
	p, problems := policy.Compile("other.yaml", []byte(src), policy.Options{})
	if p == nil {
		t.Fatal(problems)
	}
	return p
}

// changes writes a replay in one line for each change.
func changes(r audit.Replayed) string {
	var lines []string
	for _, c := range r.Changes {
		lines = append(lines, fmt.Sprintf("%s %s→%s %s", c.What, c.Was, c.Now, c.Code))
	}
	return strings.Join(lines, "; ")
}

// made is a trail of votes, each charged by a limit of one an hour.
func made(admitted ...bool) []audit.Request {
	op, err := hive.Mainnet.ParseOperation([]byte(`["vote",{"voter":"alice","author":"bob","permlink":"p",` +
		`"weight":1}]`))
	if err != nil {
		panic(err)
	}
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var trail []audit.Request
	for i, yes := range admitted {
		r := audit.Request{
			Number: uint64(i + 1), Time: at, Was: policy.Allow, Admitted: yes,
			Request: &policy.Request{Kind: policy.Sign, Account: "alice", App: "app", Role: hive.Posting,
				Broadcast: true, Ops: []hive.Operation{op}},
		}
		if yes {
			r.Charged, r.Charges = at, []policy.Charge{{Limit: "few", Unit: "count", Amount: "1"}}
		}
		trail = append(trail, r)
	}
	return trail
}

const oneVote = `version: 1
allow: [{name: votes, request: sign, apps: any, operations: [vote]}]
limits: [{name: few, apps: any, operations: [vote], count: 1 per 1h}]
`

// What was allowed and could not be done was not charged, and is not in a replay.
func TestReplayChargesWhatWasDone(t *testing.T) {
	if r := audit.Replay(compiled(t, oneVote), made(false, true)); r.Same != 2 {
		t.Errorf("the first was not done, and there is no room for the second: %+v", r)
	}
	r := audit.Replay(compiled(t, oneVote), made(true, true))
	if r.Same != 1 || changes(r) != "vote allow→deny limit" {
		t.Errorf("two were done: %+v", r)
	}
}

// Of requests of the same instant, those with lower numbers were before.
func TestBookBeforeWithinAnInstant(t *testing.T) {
	trail := made(true, true, true)
	for i, want := range []string{"0", "1", "2"} {
		used := audit.BookBefore(trail, uint64(i+1)).Used(policy.Counter{Limit: "few", Unit: "count"}, time.Hour,
			trail[0].Time)
		if used.RatString() != want {
			t.Errorf("before record %d: %s, want %s", i+1, used.RatString(), want)
		}
	}
}
