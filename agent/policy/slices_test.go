package policy_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"

	"pksa/agent/policy"
)

// A charge leaves a window with the last of its slice: at the end of the longest slice of the table
// that is at most a thousandth of the window.
func TestChargeLeavesWithItsSlice(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct{ window, slice time.Duration }{
		{time.Second, ms}, {2*time.Second - 1, ms}, {2 * time.Second, 2 * ms}, {10 * time.Minute, 200 * ms},
		{time.Hour, 2 * time.Second}, {24 * time.Hour, time.Minute}, {7 * 24 * time.Hour, 5 * time.Minute},
		{366 * 24 * time.Hour, 6 * time.Hour},
	} {
		for _, at := range []time.Duration{-tt.slice + 1, -1, 0, 1} {
			var b policy.Book
			b.Add(noon.Add(at), charge("", "1"))
			end := noon.Add(tt.window)
			if at > 0 {
				end = end.Add(tt.slice)
			}
			if got := used(&b, "", tt.window, end.Add(-1)); got != "1" {
				t.Errorf("window %v, charged at %v: left early", tt.window, at)
			}
			if got := used(&b, "", tt.window, end); got != "0" {
				t.Errorf("window %v, charged at %v: left late", tt.window, at)
			}
		}
	}
}

// ledgerOf is a book, and beside it a plain list of what was charged.
type ledgerOf struct {
	maker
	book    policy.Book
	at      time.Time
	entries []listed
}

type listed struct {
	at     time.Time // as of when it counts
	made   time.Time // not later
	split  string
	amount string
}

func (l *ledgerOf) charge() {
	l.at = l.at.Add(time.Duration(l.Int64N(int64(pick(l.maker, time.Millisecond, time.Second, time.Minute, time.Hour,
		40*time.Hour)))))
	if l.chance(5) {
		l.at = l.at.Truncate(time.Minute).Add(time.Minute)
	}
	amount := pick(l.maker, "1", "0.001", "2.5", "12345.678901", "0")
	if l.chance(200) {
		amount = pick(l.maker, "0.00000001", "123456789012345678901234567890")
	}
	e := listed{l.at, l.at, pick(l.maker, "a=1", "a=2", "a=1&b=1", ""), amount}
	if l.chance(4) {
		e.at = e.at.Add(time.Duration(l.Int64N(int64(pick(l.maker, time.Second, time.Hour, 24*time.Hour)))))
	}
	l.entries = append(l.entries, e)
	l.book.AddUntil(e.made, e.at, charge(e.split, e.amount))
}

// sum adds up what was charged after an instant and counts in a counter.
func (l *ledgerOf) sum(split string, after time.Time) *big.Rat {
	sum := new(big.Rat)
	for _, e := range l.entries {
		counts := split == "" || e.split == "" || e.split == split || split == "a=1" && e.split == "a=1&b=1" ||
			split == "a=1&b=1" && e.split == "a=1"
		if n, ok := new(big.Rat).SetString(e.amount); ok && counts && e.at.After(after) {
			sum.Add(sum, n)
		}
	}
	return sum
}

func spans(m maker, most time.Duration) time.Duration {
	w := pick(m, time.Second, 10*time.Second, time.Minute, 49*time.Minute, time.Hour, 24*time.Hour, 40*24*time.Hour)
	return min(w, most)
}

// TestSlicesAgainstTheList: whatever is charged and whenever old slices are merged, a window holds
// at least what the list of all charges says, and at most what it says of a window that is longer
// by a thousandth. A window that is longer than those the book was told of holds at least what the
// list says: an edit of the file finds no more room than was left.
func TestSlicesAgainstTheList(t *testing.T) {
	for seed := range uint64(12) {
		l := &ledgerOf{maker: maker{rand.New(rand.NewPCG(seed, 21))}, at: noon}
		// With a bound of sums that it comes to, a book frees no more than without.
		thinned := seed%2 == 1
		if thinned {
			l.book = *policy.Bounded(30)
		}
		longest, kept := spans(l.maker, policy.LongestWindow), noon.Add(-policy.LongestWindow)
		for range 250 {
			l.charge()
			now := l.at.Add(time.Duration(l.IntN(3)) * time.Duration(l.IntN(5000)) * time.Millisecond)
			if l.chance(20) {
				l.book.Keep(map[string]time.Duration{"l": longest}, l.at)
				kept = l.at.Add(-max(longest, 31*24*time.Hour))
			}
			split, window := pick(l.maker, "a=1", "a=2", "a=1&b=1", ""), spans(l.maker, policy.LongestWindow)
			from := now.Add(-window)
			if from.Before(kept) {
				from = kept // what is older may have been dropped
			}
			got := l.book.Used(policy.Counter{Limit: "l", Split: split, Unit: "HBD"}, window, now)
			if least := l.sum(split, from); got.Cmp(least) < 0 {
				t.Fatalf("seed %d: %q in %v: %s, the list says %s", seed, split, window, got, least)
			}
			if most := l.sum(split, now.Add(-window-window/1000)); !thinned && window <= longest && got.Cmp(most) > 0 {
				t.Fatalf("seed %d: %q in %v: %s, a little earlier it was %s", seed, split, window, got, most)
			}
		}
	}
}

// TestBookDoesNotDependOnItsPast: a book that is filled from the stored charges in any order says
// what the book says that counted them one by one, as far as windows in force see.
func TestBookDoesNotDependOnItsPast(t *testing.T) {
	for seed := range uint64(8) {
		l := &ledgerOf{maker: maker{rand.New(rand.NewPCG(seed, 22))}, at: noon}
		longest := spans(l.maker, policy.LongestWindow)
		windows := map[string]time.Duration{"l": longest}
		for i := range 600 {
			l.charge()
			if i%50 == 0 {
				l.book.Keep(windows, l.at)
			}
		}
		var filled policy.Book
		l.Shuffle(len(l.entries), func(i, j int) { l.entries[i], l.entries[j] = l.entries[j], l.entries[i] })
		for i, e := range l.entries {
			filled.FillUntil(e.made, e.at, charge(e.split, e.amount))
			if i%100 == 0 {
				filled.Keep(windows, filled.Latest())
			}
		}
		for range 60 {
			split, window := pick(l.maker, "a=1", "a=2", "a=1&b=1", ""), spans(l.maker, longest)
			now := l.at.Add(time.Duration(l.Int64N(int64(window))))
			if a, b := used(&l.book, split, window, now), used(&filled, split, window, now); a != b {
				t.Fatalf("seed %d: %q in %v: %s, and %s filled again", seed, split, window, a, b)
			}
		}
		// With a bound of sums it says something else then, and never less than the list.
		thinned := policy.Bounded(30)
		for _, e := range l.entries {
			thinned.FillUntil(e.made, e.at, charge(e.split, e.amount))
		}
		for _, split := range []string{"a=1", "a=2", "a=1&b=1", ""} {
			window := spans(l.maker, longest)
			got := thinned.Used(policy.Counter{Limit: "l", Split: split, Unit: "HBD"}, window, l.at)
			if least := l.sum(split, l.at.Add(-window)); got.Cmp(least) < 0 {
				t.Fatalf("seed %d: %q in %v: %s filled and thinned, the list says %s", seed, split, window, got, least)
			}
		}
	}
}

// inUse returns how much memory is in use after what make makes, more than before.
func inUse(t *testing.T, make func() any) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	made := make()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(made)
	return after.HeapAlloc - min(before.HeapAlloc, after.HeapAlloc)
}

func TestMemoryOfManyCounters(t *testing.T) {
	const counters, most = 100_000, 20_000_000 // a third of 300,000 counters in 60 MB
	book := new(policy.Book)
	got := inUse(t, func() any {
		for i := range counters {
			book.Add(noon.Add(time.Duration(i)*time.Second), []policy.Charge{{Limit: "l", Unit: "count", Amount: "1",
				Split: fmt.Sprintf(".author=author%d&.permlink=a-permlink-of-a-post-%d", i%1000, i)}})
		}
		return book
	})
	if t.Logf("%d bytes a counter", got/counters); got > most {
		t.Errorf("%d kB for %d counters", got/1000, counters)
	}
	bytesAreThose(t, book, got)
}

// bytesAreThose compares what a book says that it takes with what it took.
func bytesAreThose(t *testing.T, book *policy.Book, took uint64) {
	t.Helper()
	// It counts words of 64 bits.
	if n := uint64(book.Bytes()); n < took || n > 5*64/strconv.IntSize*took {
		t.Errorf("the book says %d bytes, and takes %d", n, took)
	}
}

// Three limits and a month. At one request in 20 seconds the slices older than six hours are as
// many as they can be.
func TestMemoryOfAMonth(t *testing.T) {
	const day = 24 * time.Hour
	windows := map[string]time.Duration{"a": 10 * time.Minute, "b": day, "c": 30 * day}
	var charges []policy.Charge
	for name := range windows {
		charges = append(charges, policy.Charge{Limit: name, Unit: "count", Amount: "1"})
	}
	book := new(policy.Book)
	got := inUse(t, func() any {
		for at := noon; at.Before(noon.Add(31 * day)); at = at.Add(20 * time.Second) {
			book.Add(at, charges)
		}
		return book
	})
	if t.Logf("%d bytes", got); got > 2_000_000 {
		t.Errorf("%d kB for a month", got/1000)
	}
	bytesAreThose(t, book, got)
}

// After an edit of "per" the counters of before count on. A decision does not look at each of them.
func TestCostAfterAnEditOfPer(t *testing.T) {
	used := func(n int) float64 {
		var b policy.Book
		for i := range n {
			b.Add(noon, charge(fmt.Sprintf(".to=a%d", i), "1"))
		}
		return testing.AllocsPerRun(10, func() {
			b.Add(noon, charge("app=x", "1"))
			b.Used(policy.Counter{Limit: "l", Split: "app=x", Unit: "HBD"}, time.Hour, noon)
		})
	}
	if few, many := used(10), used(2000); many > 2*few {
		t.Errorf("%v allocations beside few counters, %v beside many", few, many)
	}
}

// The sums of one app's counters end at their bound, however often these are charged: a fifth of
// the counters and of the sums that there may be, in a fifth of their memory.
func TestMemoryOfManySums(t *testing.T) {
	const counters, sums, rounds, most = policy.MostCounters / 5, policy.MostSums / 5, 200, 3_600_000
	var charges []policy.Charge
	for i := range counters {
		charges = append(charges, policy.Charge{Limit: "l", Unit: "count", Amount: "1", Split: fmt.Sprintf(".to=%d", i),
			OpenedBy: "x"})
	}
	for _, rounds := range []int{sums / counters, rounds} { // at the bound, and far beyond it
		got := inUse(t, func() any {
			book := policy.Bounded(sums)
			book.Keep(map[string]time.Duration{"l": 10 * time.Minute}, noon)
			for i := range rounds {
				book.Add(noon.Add(time.Duration(i)*time.Second), charges)
			}
			return book
		})
		if t.Logf("%d bytes", got); got > most {
			t.Errorf("%d kB for %d sums", got/1000, sums)
		}
	}
}

// Amounts with more than six decimals take more memory, and weigh more against the bound.
func TestLargeSumsWeighMore(t *testing.T) {
	const counters, sums, most = 100, 60_000, 1_000_000 // 5,000 sums of 141 bytes each are 700 kB
	got := inUse(t, func() any {
		book := policy.Bounded(sums)
		book.Keep(map[string]time.Duration{"l": time.Hour}, noon)
		for i := range 20_000 {
			book.Add(noon.Add(time.Duration(i)*100*time.Millisecond), []policy.Charge{{Limit: "l", Unit: "sum",
				Amount: "0.00000001", Split: fmt.Sprintf(".id=%d", i%counters)}})
		}
		return book
	})
	if t.Logf("%d bytes", got); got > most {
		t.Errorf("%d kB for %d sums", got/1000, sums)
	}
}
