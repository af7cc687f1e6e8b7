package policy_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

const oneEach = `
allow: [{name: votes, request: sign, apps: any, operations: [vote]}]
limits: [{name: once, operations: [vote], count: 1 per 7d, per: [.author], over: ask%s}]
`

// authors is a request with one vote for each of some authors.
func authors(t *testing.T, app string, from, to int) *policy.Request {
	t.Helper()
	var ops []hive.Operation
	for i := from; i < to; i++ {
		ops = append(ops, vote(t, "alice", fmt.Sprintf("author%d", i), 100))
	}
	return sign(app, hive.Posting, ops...)
}

// One request opens 1,000 counters of a limit, and not one more.
func TestCountersOfOneRequest(t *testing.T) {
	p := compile(t, fmt.Sprintf(oneEach, ""))
	for n, want := range map[int]answer{policy.MostOpened - 1: allowed, policy.MostOpened: allowed,
		policy.MostOpened + 1: limited} {
		q := authors(t, "x", 0, n)
		want.check(t, p.Decide(q, nil, noon))
		q.Approved = true // a yes stands for the amount, not for memory
		want.check(t, p.Decide(q, nil, noon))
	}
	// What is in use already is not opened.
	var book policy.Book
	book.Add(noon, p.Decide(authors(t, "x", 0, 500), nil, noon).Charges)
	q := authors(t, "x", 0, 500+policy.MostOpened)
	q.Approved = true
	allowed.check(t, p.Decide(q, &book, noon))
}

// An app has 10,000 counters of a limit in use, and not one more until one has been without use for
// the longest window. Other apps have theirs.
func TestCountersOfOneApp(t *testing.T) {
	const each, window = policy.MostOpened, 7 * 24 * time.Hour
	p, observed := compile(t, fmt.Sprintf(oneEach, "")), compile(t, fmt.Sprintf(oneEach, ", mode: observe"))
	var book policy.Book
	at := func(i int) time.Time { return noon.Add(time.Duration(i) * time.Hour) }
	for i := range policy.MostCounters/each - 1 {
		book.Add(at(i), p.Decide(authors(t, "x", i*each, (i+1)*each), &book, at(i)).Charges)
	}
	last, now := policy.MostCounters-each, at(10)
	for n, want := range map[int]answer{each - 1: allowed, each: allowed} {
		want.check(t, p.Decide(authors(t, "x", last, last+n), &book, now))
	}
	book.Add(now, p.Decide(authors(t, "x", last, last+each), &book, now).Charges)
	q := authors(t, "x", 20_000, 20_001)
	limited.check(t, p.Decide(q, &book, now))
	if d := p.Decide(q, &book, now); !strings.Contains(d.Reason,
		"10000 counters that the app opened are in use, and 1 "+
			"more is above 10000; one is free 7d after it was last used, the first at 2026-11-27T12:00:00Z") {
		t.Error(d.Reason)
	}
	if r := p.Report(q, &book, now); !strings.Contains(fmt.Sprint(r.Needed), "a request that opens fewer counters") {
		t.Error(r.Needed)
	}
	allowed.check(t, p.Decide(authors(t, "y", 20_000, 20_001), &book, now))
	// A limit that only observes refuses nothing, and opens nothing beyond the bound either.
	if d := observed.Decide(q, &book, now); d.Verdict != policy.Allow || len(d.Charges) != 0 || d.Observed == nil {
		t.Errorf("observed: %v %v", d.Verdict, d.Charges)
	}
	limited.check(t, p.Decide(q, &book, noon.Add(window-1)))
	allowed.check(t, p.Decide(authors(t, "x", 20_000, 20_000+each), &book, noon.Add(window)))
	limited.check(t, p.Decide(authors(t, "x", 20_000, 20_001+each), &book, noon.Add(window)))
}

// Counters out of use are remembered, those of an app up to a number. Of more the oldest become
// one, which a window sees that is made longer: no counter finds more room than was left.
func TestCountersOutOfUse(t *testing.T) {
	const day = 24 * time.Hour
	for _, spare := range []int{-1, 0, 1} {
		var b policy.Book
		b.Keep(map[string]time.Duration{"l": time.Minute}, noon)
		for i := range policy.MostCounters + spare {
			c := charge(fmt.Sprint("n=", i), "1")
			c[0].OpenedBy = "x"
			b.Add(noon.Add(time.Duration(i)*time.Second), c)
		}
		at := noon.Add(day)
		b.Keep(map[string]time.Duration{"l": time.Minute}, at)
		left := policy.MostCounters + spare
		for _, split := range []string{"n=0", "n=9998", "n=none"} {
			if got := used(&b, split, time.Minute, at); got != "0" {
				t.Errorf("%d more: %s has %s in the window in force", spare, split, got)
			}
		}
		if spare > 0 {
			left = policy.MostCounters + 1 // with the one that stands for others
		}
		if got := len(b.Splits("l")); got != left {
			t.Errorf("%d more: %d counters, want %d", spare, got, left)
		}
		first, last := used(&b, "n=0", 2*day, at), used(&b, "n=9998", 2*day, at)
		if want := max(spare+1, 1); first != "1" || last != fmt.Sprint(want) {
			t.Errorf("%d more: %s and %s in a longer window", spare, first, last)
		}
	}
}

// Of a limit with a window of seconds, all counters are out of use soon: they do not grow without
// bound between two sweeps.
func TestCountersOfShortWindows(t *testing.T) {
	var b policy.Book
	b.Keep(map[string]time.Duration{"l": time.Second}, noon)
	most := 0
	for i := range 3 * policy.MostCounters {
		c := charge(fmt.Sprint("n=", i), "1")
		c[0].OpenedBy = "x"
		b.Add(noon.Add(time.Duration(i)*time.Millisecond), c)
		if i%5000 == 0 {
			most = max(most, len(b.Splits("l")))
		}
	}
	// None of them is lost on the way.
	at := noon.Add(time.Hour)
	if got := used(&b, "", 48*time.Hour, at); got != fmt.Sprint(3*policy.MostCounters) {
		t.Errorf("%s in a longer window", got)
	}
	if most > 2*policy.MostCounters || most < policy.MostCounters {
		t.Errorf("up to %d counters", most)
	}
}

// A counter is named by the digest of a long text. What an earlier program charged under the text
// itself counts there.
func TestCountersOfLongTexts(t *testing.T) {
	long := strings.Repeat("\u00e9", 1000)
	for _, c := range []struct {
		text string
		cut  bool
	}{
		{strings.Repeat("x", 255), false}, {strings.Repeat("x", 256), false}, {strings.Repeat("x", 257), true},
		{strings.Repeat("%", 85), false}, {strings.Repeat("%", 86), true}, {long, true},
	} {
		var book policy.Book
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		split := url.Values{"memo": {c.text}}.Encode()
		book.Add(now, []policy.Charge{{Limit: "l", Split: split, Unit: "count", Amount: "3"}})
		names := book.Splits("l")
		if len(names) != 1 || len(names[0]) > len("memo=")+256 || (names[0] != split) != c.cut {
			t.Errorf("%d bytes: %d bytes in the name", len(c.text), len(names[0]))
		}
		for _, asked := range []string{split, names[0]} {
			if used := book.Used(policy.Counter{Limit: "l", Split: asked, Unit: "count"}, time.Hour,
				now); used.RatString() != "3" {
				t.Errorf("%d bytes: %s used", len(c.text), used.RatString())
			}
		}
		other := url.Values{"memo": {c.text + "x"}}.Encode()
		if used := book.Used(policy.Counter{Limit: "l", Split: other, Unit: "count"}, time.Hour,
			now); used.Sign() != 0 {
			t.Errorf("%d bytes and one more: %s used", len(c.text), used.RatString())
		}
	}
}
