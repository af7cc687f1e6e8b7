package policy

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Bounded returns a book in which the counters of one app hold so many sums at most.
func Bounded(most int) *Book { return &Book{mostSums: most} }

// held counts one by one what the counters of each app hold, by the names of apps.
func (b *Book) held(limit string) map[string]int {
	l, held := b.limits[limit], map[string]int{}
	for _, sh := range l.shapes {
		for _, s := range sh.splits {
			app := ""
			if s.opener > 0 {
				app = l.apps[s.opener-1]
			}
			for ; s != nil; s = s.next() {
				held[app] += s.weight()
			}
		}
	}
	return held
}

// usedNow returns what a window holds of each counter.
func (b *Book) usedNow(window time.Duration, now time.Time) map[Counter]*big.Rat {
	used := map[Counter]*big.Rat{}
	for _, split := range b.Splits("l") {
		for _, unit := range b.limits["l"].units {
			c := Counter{"l", split, unit}
			used[c] = b.Used(c, window, now)
		}
	}
	return used
}

// Whatever is charged, opened again, merged and thinned, it is known what an app's counters hold,
// and that is not more than it may be. Counters come neither into use by that nor out of it, and
// those of an app that is below the bound are as they are in a book without any.
func TestThinnedAgainstUnbounded(t *testing.T) {
	const most, counters = 100, 6 * 2
	thinned := 0
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, 61))
		now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
		longest := []time.Duration{time.Minute, time.Hour, 30 * 24 * time.Hour}[r.IntN(3)]
		bounded, free := Bounded(most), Bounded(math.MaxInt)
		for _, b := range []*Book{bounded, free} {
			b.Keep(map[string]time.Duration{"l": longest}, now)
		}
		quiet := 0 // charges of the app that has few counters
		for step := range 400 {
			now = now.Add(time.Duration(r.Int64N(int64(longest / 50))))
			app, split := "busy", fmt.Sprint("n=", r.IntN(6))
			if quiet < most && r.IntN(10) == 0 {
				app, split, quiet = "quiet", fmt.Sprint("n=q", r.IntN(3)), quiet+1
			}
			c := Charge{Limit: "l", Split: split, Unit: []string{"HBD", "HIVE"}[r.IntN(2)], Amount: "1.5"}
			bound := most
			if seed%5 == 0 { // amounts that do not fit: each counter keeps what it needs to be one
				if bound = max(most, 2*counters*fewestKept*largeSum); app == "busy" && r.IntN(100) == 0 {
					c.Amount = "0.00000001"
				}
			}
			if !free.Live("l", split, longest, now) {
				c.OpenedBy = app
			}
			before := bounded.usedNow(longest, now)
			for _, b := range []*Book{bounded, free} {
				b.Add(now, []Charge{c})
				if step%90 == 0 {
					b.Keep(map[string]time.Duration{"l": longest}, now)
				}
			}
			// At once nothing changes but by the charge: what has left a window never comes back.
			counter := Counter{"l", split, c.Unit}
			if amount, _ := new(big.Rat).SetString(c.Amount); before[counter] == nil {
				before[counter] = amount
			} else {
				before[counter].Add(before[counter], amount)
			}
			for counter, got := range bounded.usedNow(longest, now) {
				if want := before[counter]; want == nil && got.Sign() > 0 || want != nil && got.Cmp(want) != 0 {
					t.Fatalf("seed %d, step %d: %v has %s, want %s", seed, step, counter, got, want)
				}
			}
			at := now.Add(time.Duration(r.Int64N(int64(longest))))
			for _, split := range free.Splits("l") {
				if got, want := bounded.Live("l", split, longest, at), free.Live("l", split, longest, at); got != want {
					t.Fatalf("seed %d, step %d: %s in use: %t, want %t", seed, step, split, got, want)
				}
				for _, unit := range []string{"HBD", "HIVE"} {
					counter := Counter{"l", split, unit}
					got, want := bounded.Used(counter, longest, at), free.Used(counter, longest, at)
					if order := got.Cmp(want); order < 0 || order > 0 && split[2] == 'q' {
						t.Fatalf("seed %d, step %d: %s %s: %s, want %s", seed, step, split, unit, got, want)
					} else if order > 0 {
						thinned++
					}
				}
			}
			for app, n := range bounded.held("l") {
				known := bounded.limits["l"].holds(0)
				if i := slices.Index(bounded.limits["l"].apps, app); i >= 0 {
					known = bounded.limits["l"].holds(uint32(i + 1))
				}
				if known.n != n || n > bound {
					t.Fatalf("seed %d, step %d: %s holds %d sums, and %d are known", seed, step, app, n, known.n)
				}
			}
		}
	}
	if thinned == 0 {
		t.Error("nothing was thinned")
	}
}

// At the bound each charge leaves its window in time. With one sum more they are half as many, and
// a charge leaves late by the length of a slice then. A counter with few of them keeps them.
func TestSumsOfOneApp(t *testing.T) {
	const most = 400
	start := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for n, want := range map[int]struct {
		held int
		late bool
	}{most - 1: {most - 1, false}, most: {most, false}, most + 1: {most/2 + 2, true}} {
		b := Bounded(most)
		b.Keep(map[string]time.Duration{"l": time.Hour}, start)
		at := func(i int) time.Time { return start.Add(time.Duration(i) * 2 * time.Second) }
		// One that is charged often, and one that is not, long ago.
		for i := range n {
			c := Charge{Limit: "l", Split: "n=1", Unit: "count", Amount: "1"}
			if i == 3 {
				c.Split = "n=2"
			}
			if i == 0 || i == 3 {
				c.OpenedBy = "x"
			}
			b.Add(at(i), []Charge{c})
		}
		if held := b.held("l")["x"]; held > want.held || held < want.held/2 {
			t.Errorf("%d charges: %d sums are held, want %d", n, held, want.held)
		}
		if got := b.Used(Counter{"l", "n=2", "count"}, time.Hour, at(3).Add(time.Hour)); got.Sign() != 0 {
			t.Errorf("%d charges: the counter with one charge has %s after its window", n, got)
		}
		late := false
		for i := range n {
			left := int64(n - 1 - i) // of what was charged later than i
			if i < 3 {
				left-- // not to this counter
			}
			got := b.Used(Counter{"l", "n=1", "count"}, time.Hour, at(i).Add(time.Hour)).Num().Int64()
			late = late || got > left
			// The slices of 200 that are left in ten minutes and more are 8 s long at most.
			if got < left || got > left+8 {
				t.Fatalf("%d charges: %d are left an hour after charge %d, want %d", n, got, i, left)
			}
		}
		if late != want.late {
			t.Errorf("%d charges: a charge is late: %t", n, late)
		}
	}
}

// Of any points as many spans are left as may be, and no span is longer than its share.
func TestLastOfEach(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 62))
	for range 500 {
		var points []point
		for range r.IntN(40) {
			points = append(points, point{end: r.Int64N(200)})
		}
		slices.SortFunc(points, func(a, b point) int { return int(a.end - b.end) })
		most := 1 + r.IntN(20)
		lasts := slices.Collect(lastOfEach(points, most))
		if len(lasts) > most || len(points) > 0 && lasts[len(lasts)-1] != len(points)-1 {
			t.Fatalf("%v by %d: %v", points, most, lasts)
		}
		begin := 0
		for _, last := range lasts {
			whole := points[len(points)-1].end - points[0].end
			if length := points[last].end - points[begin].end; most > 1 && length > whole/int64(most-1)+1 {
				t.Fatalf("%v by %d: %v", points, most, lasts)
			}
			begin = last + 1
		}
	}
}
