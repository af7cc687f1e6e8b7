package policy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pksa/agent/policy"
)

// summed adds up what may be added up of a list at an instant, as the wallet does it with charges
// that are stored.
func summed(all []stored, now time.Time) []stored {
	var out []stored
	at := map[time.Time]*policy.Sums{}
	for _, s := range all {
		begin, end := policy.Slice(s.at, now)
		if begin.Equal(end) {
			out = append(out, s)
			continue
		}
		if at[end] == nil {
			at[end] = new(policy.Sums)
		}
		at[end].Add(s.charges)
	}
	for end, sums := range at {
		out = append(out, stored{end, sums.Charges()})
	}
	slices.SortFunc(out, func(a, b stored) int { return a.at.Compare(b.at) })
	return out
}

type stored struct {
	at      time.Time
	charges []policy.Charge
}

func bookOf(all []stored, windows map[string]time.Duration, now time.Time) *policy.Book {
	b := new(policy.Book)
	for _, s := range all {
		b.Fill(s.at, s.charges)
	}
	b.Keep(windows, now)
	return b
}

// TestBookFromSums: a book that is filled with sums says what one says that is filled with the
// charges one by one, now and at each later instant, of each window, also of one that is longer or
// shorter after an edit of the policy, and of each split. It does so however often what was summed
// is summed once more.
func TestBookFromSums(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		m := maker{rand.New(rand.NewPCG(seed, 23))}
		at, singles, sums := noon, []stored(nil), []stored(nil)
		splits := []string{"", "a=1", "a=2", "a=1&b=1"}
		for range 300 {
			at = at.Add(time.Duration(m.Int64N(int64(pick(m, time.Millisecond, time.Second, time.Minute,
				12*time.Hour)))))
			c := policy.Charge{Limit: pick(m, "l", "k"), Split: pick(m, splits...), Unit: pick(m, "HBD", "count"),
				Amount: pick(m, "1", "0.001", "2.5", "12345.678901", "0", "0.00000001",
					"123456789012345678901234567890")}
			if m.chance(3) {
				c.OpenedBy = pick(m, "x", "y")
			}
			s := stored{at, []policy.Charge{c}}
			singles, sums = append(singles, s), append(sums, s)
			if m.chance(10) {
				sums = summed(sums, at)
			}
		}
		if sums = summed(sums, at); len(sums) >= len(singles) {
			t.Fatalf("seed %d: %d sums of %d charges", seed, len(sums), len(singles))
		}
		windows := map[string]time.Duration{"l": spans(m, policy.LongestWindow), "k": spans(m, time.Hour)}
		one, other := bookOf(singles, windows, at), bookOf(sums, windows, at)
		now := at
		for range 30 {
			window := spans(m, policy.LongestWindow)
			if m.chance(10) {
				windows["l"] = window
				one, other = bookOf(singles, windows, now), bookOf(sums, windows, now)
			}
			for _, unit := range []string{"HBD", "count"} {
				for _, split := range splits {
					c := policy.Counter{Limit: "l", Split: split, Unit: unit}
					// Beyond what is kept, the end of a slice is dropped as a whole, later.
					a, b := one.Used(c, window, now), other.Used(c, window, now)
					if kept := max(windows["l"], 31*24*time.Hour); a.Cmp(b) > 0 || window <= kept && a.Cmp(b) != 0 {
						t.Fatalf("seed %d: %v in %v: %s, by the sums %s", seed, c, window, a, b)
					}
					if a, b := one.Live("l", split, window, now), other.Live("l", split, window, now); a != b {
						t.Fatalf("seed %d: %q in %v lives: %v, by the sums %v", seed, split, window, a, b)
					}
				}
			}
			o := policy.Openings{Limit: "l", App: "x", Window: window, Enough: -1}
			a, _ := one.Opened(o, now)
			if b, _ := other.Opened(o, now); a != b {
				t.Fatalf("seed %d: %d counters are open, by the sums %d", seed, a, b)
			}
			now = now.Add(time.Duration(m.Int64N(int64(spans(m, policy.LongestWindow)))))
		}
	}
}

// A slice is as long as the age of its end allows: a thousandth of it, at most a day, of the table.
func TestSliceOfAge(t *testing.T) {
	t.Parallel()
	const ms, min = time.Millisecond, time.Minute
	for _, tt := range []struct{ age, grain time.Duration }{
		{0, 0}, {time.Second - 1, 0}, {time.Second, ms}, {1000*min - 1, 30 * time.Second}, {1000 * min, min},
		{5000*min - 1, min}, {5000 * min, 5 * min}, {1000*24*time.Hour - 1, 12 * time.Hour},
		{1000 * 24 * time.Hour, 24 * time.Hour},
	} {
		midnight := noon.Truncate(24 * time.Hour)
		begin, end := policy.Slice(midnight, midnight.Add(tt.age))
		if got := end.Sub(begin); got != tt.grain || !end.Equal(midnight) {
			t.Errorf("at the age of %v: %v up to %v, want %v", tt.age, got, end, tt.grain)
		}
		if tt.grain > ms {
			if b, e := policy.Slice(midnight.Add(-tt.grain+1), midnight.Add(tt.age)); !b.Equal(begin) || !e.Equal(end) {
				t.Errorf("the first instant of %v: %v to %v", tt.grain, b, e)
			}
		}
	}
}

// Sums are exact, say who opened a counter last, and give back what they hold and no more.
func TestSums(t *testing.T) {
	t.Parallel()
	var s policy.Sums
	if s.Take(charge("", "1")) || len(s.Charges()) != 0 {
		t.Error("nothing gave something")
	}
	a := policy.Charge{Limit: "l", Split: "to=a", Unit: "HBD", Amount: "0.1", OpenedBy: "x"}
	b := policy.Charge{Limit: "l", Split: "to=a", Unit: "HBD", Amount: "0.2", OpenedBy: "y"}
	c := policy.Charge{Limit: "k", Unit: "count", Amount: "1"}
	s.Add([]policy.Charge{a, c})
	s.Add([]policy.Charge{b, {Limit: "l", Unit: "HBD", Amount: "many"}})
	want := []policy.Charge{c, {Limit: "l", Split: "to=a", Unit: "HBD", Amount: "0.3", OpenedBy: "y"}}
	if got := s.Charges(); len(got) != 2 || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	if s.Take([]policy.Charge{c, c}) || s.Take([]policy.Charge{a, b, a}) || !s.Take([]policy.Charge{a, c}) ||
		s.Take([]policy.Charge{c}) || s.Take([]policy.Charge{a, b}) || !s.Take([]policy.Charge{b}) {
		t.Errorf("left: %v", s.Charges())
	}
}
