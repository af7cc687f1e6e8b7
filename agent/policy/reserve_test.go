package policy_test

import (
	"testing"
	"time"

	"pksa/agent/policy"
)

// What is reserved counts in every window beside what was charged, in every counter of the limit
// that does not contradict it, and not any more once it was taken off.
func TestReserve(t *testing.T) {
	var book policy.Book
	book.Add(noon, []policy.Charge{{Limit: "few", Split: "app=a", Unit: "count", Amount: "2"}})
	var reserve policy.Reserve
	charges := []policy.Charge{
		{Limit: "few", Split: "app=a", Unit: "count", Amount: "0.5"},
		{Limit: "few", Split: "app=b", Unit: "count", Amount: "3"},
		{Limit: "other", Unit: "requests", Amount: "1"},
	}
	counters := reserve.Beside(&book)
	used := func(c policy.Counter) string {
		return policy.Amount(counters.Used(c, time.Second, noon.Add(time.Minute)))
	}
	check := func(want map[policy.Counter]string) {
		t.Helper()
		for c, n := range want {
			if got := used(c); got != n {
				t.Errorf("%+v: %s, want %s", c, got, n)
			}
		}
	}
	a, b := policy.Counter{Limit: "few", Split: "app=a", Unit: "count"},
		policy.Counter{Limit: "few", Split: "app=b", Unit: "count"}
	whole := policy.Counter{Limit: "few", Unit: "count"}
	finer := policy.Counter{Limit: "few", Split: "account=alice&app=b", Unit: "count"}
	check(map[policy.Counter]string{a: "0", b: "0", whole: "0"})
	reserve.Add(charges)
	reserve.Add(charges[1:2])
	check(map[policy.Counter]string{a: "0.5", b: "6", whole: "6.5", finer: "6", {Limit: "few", Unit: "sum"}: "0",
		{Limit: "other", Unit: "requests"}: "1"})
	if got := policy.Amount(counters.Used(a, time.Hour, noon.Add(time.Minute))); got != "2.5" {
		t.Errorf("beside what was charged: %s", got)
	}
	if got := counters.Splits("few"); len(got) != 2 {
		t.Errorf("splits %q", got)
	}
	reserve.Remove(charges)
	check(map[policy.Counter]string{a: "0", b: "3", whole: "3", {Limit: "other", Unit: "requests"}: "0"})
	reserve.Remove(charges[1:2])
	check(map[policy.Counter]string{a: "0", b: "0", whole: "0"})
	if got := counters.Splits("few"); len(got) != 1 {
		t.Errorf("after all were taken off: splits %q", got)
	}
}
