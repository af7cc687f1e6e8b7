package policy_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pksa/agent/policy"
)

func used(b *policy.Book, split string, window time.Duration, at time.Time) string {
	return b.Used(policy.Counter{Limit: "l", Split: split, Unit: "HBD"}, window, at).RatString()
}

func charge(split, amount string) []policy.Charge {
	return []policy.Charge{{Limit: "l", Split: split, Unit: "HBD", Amount: amount}}
}

func TestWindowIsOpenAtItsStart(t *testing.T) {
	var b policy.Book
	b.Add(noon, charge("", "1.5"))
	for _, tt := range []struct {
		after time.Duration
		want  string
		// A charge is never later than the instant that is asked for. If it were, it would count.
	}{{-1, "3/2"}, {0, "3/2"}, {time.Hour - 1, "3/2"}, {time.Hour, "0"}} {
		if got := used(&b, "", time.Hour, noon.Add(tt.after)); got != tt.want {
			t.Errorf("%v after: %s, want %s", tt.after, got, tt.want)
		}
	}
}

func TestTimeNeverGoesBack(t *testing.T) {
	var b policy.Book
	b.Add(noon, charge("", "1"))
	b.Add(noon.Add(-time.Hour), charge("", "2"))
	if b.Latest() != noon || used(&b, "", time.Second, noon) != "3" {
		t.Errorf("latest %v, used %s", b.Latest(), used(&b, "", time.Second, noon))
	}
	p := compile(t, `
allow: [{name: a, request: auth, apps: any, from: 2026-11-20T12:00:00Z}]
limits: [{name: l, requests: 1 per 1h}]
`)
	q := &policy.Request{Kind: policy.Auth, Account: "alice", App: "x"}
	uncovered.check(t, p.Decide(q, nil, noon.Add(-time.Second)))
	allowed.check(t, p.Decide(q, &b, noon.Add(-time.Second)))
}

func TestWhatWasChargedBeforeASplitCountsInEverySplit(t *testing.T) {
	var b policy.Book
	b.Add(noon, charge("", "1"))
	b.Add(noon, charge(".to=bob", "2"))
	b.Add(noon, charge(".to=carol", "4"))
	b.Add(noon, charge(".to=bob&app=x", "8"))
	b.Add(noon, charge("app=y", "16"))
	b.Add(noon, charge("%zz", "32")) // nothing that this package writes
	for split, want := range map[string]int{
		"":              63,
		".to=bob":       1 + 2 + 8 + 16 + 32,
		".to=carol":     1 + 4 + 16 + 32,
		".to=dave":      1 + 16 + 32,
		".to=bob&app=x": 1 + 2 + 8 + 32,
		".to=bob&app=y": 1 + 2 + 16 + 32,
		"account=alice": 63,
	} {
		if got := used(&b, split, time.Hour, noon); got != fmt.Sprint(want) {
			t.Errorf("%q: %s, want %d", split, got, want)
		}
	}
}

func TestKeepDropsWhatIsTooOld(t *testing.T) {
	const day = 24 * time.Hour
	var b policy.Book
	b.Add(noon, charge("", "1"))
	b.Add(noon.Add(day), charge(".to=bob", "2"))
	b.Add(noon.Add(2*day), charge("", "4"))
	at := noon.Add(32 * day)
	b.Keep(map[string]time.Duration{"l": 40 * day}, at)
	if got := used(&b, "", 40*day, at); got != "7" {
		t.Errorf("kept by its window: %s", got)
	}
	b.Keep(nil, at)
	if got := used(&b, "", 40*day, at); got != "4" || !slices.Equal(b.Splits("l"), []string{""}) {
		t.Errorf("kept for 31 days: %s %q", got, b.Splits("l"))
	}
	b.Keep(nil, at.Add(2*day))
	if got := used(&b, "", 40*day, at); got != "0" || len(b.Splits("l")) != 0 {
		t.Errorf("all gone: %s", got)
	}
}

// TestBookAgainstAddingUp compares with the sum over a plain list of charges.
func TestBookAgainstAddingUp(t *testing.T) {
	m := maker{rand.New(rand.NewPCG(7, 7))}
	type entry struct {
		at     time.Time
		split  string
		amount int64
	}
	for range 200 {
		var b policy.Book
		var all []entry
		at := noon
		for range 40 {
			if !m.chance(8) {
				at = at.Add(time.Duration(m.IntN(3)) * time.Second)
				e := entry{at, pick(m, "a=1", "a=2", "a=3"), int64(m.IntN(9))}
				all = append(all, e)
				b.Add(e.at, charge(e.split, fmt.Sprint(e.amount)))
			}
			split, window := pick(m, "a=1", "a=2", ""), time.Duration(1+m.IntN(9))*time.Second
			sum := new(big.Rat)
			for _, e := range all {
				if (split == "" || e.split == split) && e.at.After(at.Add(-window)) {
					sum.Add(sum, big.NewRat(e.amount, 1))
				}
			}
			if got := used(&b, split, window, at); got != sum.RatString() {
				t.Fatalf("%q in %v: %s, want %s", split, window, got, sum.RatString())
			}
		}
	}
}

func TestRoom(t *testing.T) {
	p := compile(t, `
limits:
  - {name: all, spend: [10.000 HBD per 24h, 5.000 HIVE per request]}
  - {name: each, operations: [transfer], count: 3 per 1h, per: [.to]}
`)
	var b policy.Book
	b.Add(noon, []policy.Charge{{Limit: "all", Unit: "HBD", Amount: "2.5"}, {Limit: "each", Split: ".to=bob",
		Unit: "count", Amount: "1"},
		{Limit: "each", Unit: "count", Amount: "1"}, {Limit: "each", Split: ".to=carol&app=x", Unit: "count",
			Amount: "1"}, {Limit: "gone", Unit: "count", Amount: "1"}})
	var got []string
	for _, r := range p.Room(&b, noon) {
		got = append(got, fmt.Sprintf("%s %s %s %s/%s per %v", r.Limit.Name, r.Split, r.Unit, r.Used, r.Most, r.Window))
	}
	want := []string{"all  HBD 2.5/10 per 24h0m0s", "each .to=bob count 2/3 per 1h0m0s"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if kept := p.Limits(); len(kept) != 2 || kept["all"] != 31*24*time.Hour {
		t.Errorf("kept %v", kept)
	}
}

// TestLimitsThroughEdits: what a limit counted stays when the file changes.
func TestLimitsThroughEdits(t *testing.T) {
	const allow = `
allow: [{name: a, request: sign, apps: any, key: active, operations: [transfer: {to: [bob, carol]}]}]
limits: [{name: l, operations: [transfer], count: 2 per 24h%s}]
`
	pay := func(to string) *policy.Request { return sign("x", 3, transfer(t, to, "1.000 HBD", "")) }
	var b policy.Book
	whole, split := compile(t, fmt.Sprintf(allow, "")), compile(t, fmt.Sprintf(allow, ", per: [.to]"))
	d := whole.Decide(pay("bob"), &b, noon)
	allowed.check(t, d)
	b.Add(noon, d.Charges)
	for _, to := range []string{"bob", "carol"} {
		d := split.Decide(pay(to), &b, noon)
		allowed.check(t, d)
		b.Add(noon, d.Charges)
		limited.check(t, split.Decide(pay(to), &b, noon))
	}
	limited.check(t, whole.Decide(pay("bob"), &b, noon.Add(24*time.Hour-1)))
	allowed.check(t, whole.Decide(pay("bob"), &b, noon.Add(24*time.Hour)))
}

// TestUnclearCostNeverHasRoom, not even at a person's yes, unless the limit asks.
func TestUnclearCostNeverHasRoom(t *testing.T) {
	src := `
allow: [{name: a, request: sign, apps: any, operations: [custom_json: {id: x}]}]
limits: [{name: l, operations: [custom_json], sum: 5 per 1h, of: {list: json, field: .n}%s}]
`
	for json, want := range map[string]answer{
		`{"n":5}`: allowed, `{"n":"5.0"}`: allowed, `{"n":5.1}`: limited, `[{"n":2},{"n":3}]`: allowed,
		`[{"n":3},{"n":3}]`: limited,
		`{}`:                limited, `{"n":-1}`: limited, `{"n":1e0}`: limited, `{"n":null}`: limited,
		`{"n":[1]}`: limited, `[1]`: limited, `[]`: allowed,
		`{"n":0}`: allowed, `{"n":-0}`: allowed, `{"n":1,"n":1}`: limited,
		`{"n":0.0000000000000000000000000000000000000000000000000000000000000001}`: limited,
	} {
		q := sign("x", 2, customJSON(t, 2, "x", json))
		if d := compile(t, fmt.Sprintf(src, "")).Decide(q, nil, noon); d.Verdict != want.verdict {
			t.Errorf("%s: %v %s", json, d.Verdict, d.Reason)
		}
		q.Approved = true
		if d := compile(t, fmt.Sprintf(src, "")).Decide(q, nil, noon); d.Verdict != want.verdict {
			t.Errorf("%s at a yes: %v %s", json, d.Verdict, d.Reason)
		}
		if d := compile(t, fmt.Sprintf(src, ", over: ask")).Decide(q, nil, noon); d.Verdict != policy.Allow {
			t.Errorf("%s at a yes to the limit: %v %s", json, d.Verdict, d.Reason)
		}
	}
}

// An admission whose charges were lost uses up every window that holds it, of every limit, until
// the instant up to which it counts.
func TestLostChargeUsesUpEveryWindow(t *testing.T) {
	var b policy.Book
	b.Add(noon, charge("", "1"))
	b.Lose(noon, noon.Add(2*time.Hour))
	for _, tt := range []struct {
		after, window time.Duration
		full          bool
	}{
		{0, time.Hour, true}, {time.Hour - 1, time.Hour, true}, {time.Hour, time.Hour, false},
		{time.Hour, 3 * time.Hour, true}, {2*time.Hour - 1, 3 * time.Hour, true}, {2 * time.Hour, 3 * time.Hour, false},
	} {
		for _, c := range []policy.Counter{{Limit: "l", Unit: "HBD"}, {Limit: "other", Split: "app=a",
			Unit: "requests"}} {
			got := b.Used(c, tt.window, noon.Add(tt.after)).Cmp(big.NewRat(1e18, 1)) >= 0
			if got != tt.full {
				t.Errorf("%s, %v after, window %v: used up is %v", c.Limit, tt.after, tt.window, got)
			}
		}
	}
	if b.Latest() != noon {
		t.Errorf("latest is %v", b.Latest())
	}
}
