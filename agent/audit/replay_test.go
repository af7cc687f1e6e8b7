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

// sourceOf is a trail of a few records.
func sourceOf(records ...audit.Record) audit.Source {
	return func(_ audit.Query, use func(*audit.Record) error) error {
		for _, r := range records {
			if err := use(&r); err != nil {
				return err
			}
		}
		return nil
	}
}

var madeAt = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// made is a trail of votes, each charged by a limit of one an hour if it was admitted. Others were
// allowed, and could not be carried out.
func made(admitted ...bool) []audit.Record {
	var trail []audit.Record
	for i, yes := range admitted {
		r := audit.Record{Number: uint64(i + 1), Time: madeAt, Type: "request", Verdict: "denied"}
		content := audit.Content{Result: "failed", Code: audit.CodeUnavailable}
		if yes {
			r.Verdict, content.Result, content.Code = "admitted", "admitted", ""
			content.Cost = []policy.Charge{{Limit: "few", Unit: "count", Amount: "1"}}
		}
		r.Content = content.Encode(audit.NewDraft(signing(ballot(i)), true), 0, true)
		trail = append(trail, r)
	}
	return trail
}

// replayed judges a trail by another policy.
func replayed(t *testing.T, src string, trail ...audit.Record) audit.Replayed {
	t.Helper()
	r, err := audit.Replay(sourceOf(trail...), compiled(t, src), hive.Mainnet)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const oneVote = `version: 1
allow: [{name: votes, request: sign, apps: any, operations: [vote]}]
limits: [{name: few, apps: any, operations: [vote], count: 1 per 1h}]
`

// What was allowed and could not be done was not charged, and is not in a replay.
func TestReplayChargesWhatWasDone(t *testing.T) {
	if r := replayed(t, oneVote, made(false, true)...); r.Same != 2 {
		t.Errorf("the first was not done, and there is no room for the second: %+v", r)
	}
	r := replayed(t, oneVote, made(true, true)...)
	if r.Same != 1 || changes(r) != "vote allow→deny limit" {
		t.Errorf("two were done: %+v", r)
	}
}

// What an app may have carried out until an instant counts in a replay as of then, and in the
// counters before a request: whether it was charged at once, or after a person's yes.
func TestReplayOfWhatCountsLater(t *testing.T) {
	trail := made(true, true)
	later := func(r *audit.Record, expires time.Time, content audit.Content) {
		content.Expires, content.Cost = expires, []policy.Charge{{Limit: "few", Unit: "count", Amount: "1"}}
		r.Content = content.Encode(audit.NewDraft(signing(ballot(1)), true), 0, true)
	}
	trail[1].Time = madeAt.Add(90 * time.Minute)
	for _, c := range []struct {
		life time.Duration
		want string
	}{{time.Minute, ""}, {45 * time.Minute, "vote allow→deny limit"}} {
		later(&trail[0], madeAt.Add(c.life), audit.Content{Result: "admitted"})
		if got := changes(replayed(t, oneVote, trail...)); got != c.want {
			t.Errorf("a life of %v: %q, want %q", c.life, got, c.want)
		}
		asked := audit.Record{Number: 1, Time: madeAt, Type: "decision", Request: 0, Verdict: "admitted"}
		later(&asked, madeAt.Add(c.life), audit.Content{Written: policy.Written{Request: "sign", Approved: true}})
		for name, first := range map[string]audit.Record{"at once": trail[0], "after a yes": asked} {
			past, err := audit.BookBefore(sourceOf(first), &audit.Request{Number: 2, Time: trail[1].Time},
				map[string]time.Duration{"few": time.Hour}, hive.Mainnet)
			if err != nil {
				t.Fatal(err)
			}
			used := past.Book.Used(policy.Counter{Limit: "few", Unit: "count"}, time.Hour, trail[1].Time)
			if (used.Sign() > 0) != (c.want != "") {
				t.Errorf("%s, a life of %v: %s used", name, c.life, used.RatString())
			}
		}
	}
}

// Of requests of the same instant, those with lower numbers were before.
func TestBookBeforeWithinAnInstant(t *testing.T) {
	trail := made(true, true, true)
	for i, want := range []string{"0", "1", "2"} {
		past, err := audit.BookBefore(sourceOf(trail...), &audit.Request{Number: uint64(i + 1), Time: madeAt},
			map[string]time.Duration{"few": time.Hour}, hive.Mainnet)
		if err != nil {
			t.Fatal(err)
		}
		used := past.Book.Used(policy.Counter{Limit: "few", Unit: "count"}, time.Hour, madeAt)
		if used.RatString() != want {
			t.Errorf("before record %d: %s, want %s", i+1, used.RatString(), want)
		}
	}
}
