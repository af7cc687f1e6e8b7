package policy_test

import (
	"testing"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// A limit keeps its charges for as long as its window sees them, also above 31 days.
func TestChargesLiveAsLongAsTheLongestWindow(t *testing.T) {
	p := compile(t, `
allow: [{name: a, request: sign, apps: any, operations: [vote]}]
limits:
  - {name: short, count: 1 per 1h}
  - {name: long, count: [1 per 60d, 1 per 1h]}
`)
	if kept := p.Limits(); kept["short"] != 31*day || kept["long"] != 60*day {
		t.Errorf("charges are kept for %v", kept)
	}
	q := sign("x", hive.Posting, vote(t, "alice", "bob", 100))
	var book policy.Book
	d := p.Decide(q, &book, noon)
	allowed.check(t, d)
	book.Add(noon, d.Charges)
	for _, after := range []time.Duration{32 * day, 59 * day} {
		book.Keep(p.Windows(), noon.Add(after))
		limited.check(t, p.Decide(q, &book, noon.Add(after)))
	}
	book.Keep(p.Windows(), noon.Add(61*day))
	allowed.check(t, p.Decide(q, &book, noon.Add(61*day)))
}

func TestTheEndOfHoursPastMidnightIsExcluded(t *testing.T) {
	p := compile(t, `
allow: [{name: a, request: sign, apps: any, operations: [vote], hours: '22:00-06:00'}]
`)
	q := sign("x", hive.Posting, vote(t, "alice", "bob", 100))
	midnight := noon.Add(-12 * time.Hour)
	for at, want := range map[time.Duration]answer{
		6*time.Hour - time.Second: allowed, 6 * time.Hour: uncovered, 22*time.Hour - time.Second: uncovered,
		22 * time.Hour: allowed, 24 * time.Hour: allowed,
	} {
		want.check(t, p.Decide(q, nil, midnight.Add(at)))
	}
}

// To some readers 5e0 is "5".
func TestATextIsComparedWithANumberThatHasAnExponent(t *testing.T) {
	p := compile(t, `
allow: [{name: a, request: sign, apps: any, operations: [custom_json]}]
deny: [{name: d, operations: [custom_json: {json: {.n: '5'}}]}]
`)
	for json, want := range map[string]answer{`{"n":5e0}`: denied, `{"n":50e-1}`: denied, `{"n":6}`: allowed,
		`{"n":"6"}`: allowed} {
		want.check(t, p.Decide(sign("x", hive.Posting, customJSON(t, hive.Posting, "game", json)), nil, noon))
	}
}

// What another operation does not have is neither equal nor different.
func TestAFieldThatTheOtherOperationLacks(t *testing.T) {
	p := compile(t, `
allow: [{name: a, request: sign, apps: any, key: active, operations: [account_update2], takeover: allowed}]
deny: [{name: d, transaction: [account_update2, account_update2: {memo_key: $1.memo_key}]}]
`)
	const key = `,"memo_key":"STM1111111111111111111111111111111114T1Anm"`
	update := func(more string) hive.Operation {
		return op(t, "account_update2",
			`{"account":"alice","json_metadata":"{}","posting_json_metadata":"","extensions":[]%s}`, more)
	}
	denied.check(t, p.Decide(sign("x", hive.Active, update(""), update(key)), nil, noon))
	allowed.check(t, p.Decide(sign("x", hive.Active, update(key), update("")), nil, noon))
}

func TestOnlyWhatIsAllowedIsCharged(t *testing.T) {
	p := compile(t, `
allow:
  - {name: a, request: sign, apps: [one], operations: [vote]}
  - {name: c, request: sign, apps: [three], operations: [vote], mode: observe}
ask: [{name: b, request: sign, apps: [two], operations: [vote]}]
limits: [{name: l, count: 5 per 1h}]
`)
	vote := vote(t, "alice", "bob", 100)
	if d := p.Decide(sign("one", hive.Posting, vote), nil, noon); len(d.Charges) != 1 {
		t.Errorf("allowed: %+v", d)
	}
	if d := p.Decide(sign("three", hive.Posting, vote), nil, noon); d.Observed == nil ||
		d.Observed.Verdict != policy.Allow || d.Observed.Charges != nil {
		t.Errorf("it would be allowed: %+v", d.Observed)
	}
	if d := p.Decide(sign("two", hive.Posting, vote), nil, noon); d.Verdict != policy.Ask || d.Charges != nil {
		t.Errorf("asked: %+v", d)
	}
}

// A new "per" gives no budget out twice, and takes none from others.
func TestChargesOfAnotherAccountDoNotCountAfterAChangeOfPer(t *testing.T) {
	var b policy.Book
	b.Add(noon, charge("account=alice", "1"))
	b.Add(noon, charge("account=bob", "2"))
	for split, want := range map[string]string{"account=alice&app=x": "1", "account=bob&app=x": "2",
		"account=carol&app=x": "0", "app=x": "3"} {
		if got := used(&b, split, time.Hour, noon); got != want {
			t.Errorf("%s: %s, want %s", split, got, want)
		}
	}
}
