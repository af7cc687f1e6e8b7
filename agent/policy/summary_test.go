package policy_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pksa/agent/policy"
)

// Of many counters the fullest are listed, and how many are not.
func TestRoomOfTheFullest(t *testing.T) {
	for _, n := range []int{policy.MostShown - 1, policy.MostShown, policy.MostShown + 1, 5 * policy.MostShown} {
		p := compile(t, "\nlimits: [{name: each, operations: [transfer], spend: [500.000 HBD per 1h, 9.000 HIVE per "+
			"request], per: [.to]}]\n")
		var b policy.Book
		b.Summary(p, noon) // from now on candidates are noted
		for i := range n {
			b.Add(noon.Add(time.Second), []policy.Charge{{Limit: "each", Split: fmt.Sprintf(".to=a%03d", i),
				Unit:   "HBD",
				Amount: fmt.Sprint(1 + (i*7)%n)}})
			if i%3 == 0 {
				b.Summary(p, noon.Add(time.Second))
			}
		}
		for name, counters := range map[string]policy.Listed{"book": &b,
			"summary": b.Summary(p, noon.Add(time.Second))} {
			rooms := p.Room(counters, noon.Add(time.Minute))
			want := min(n, policy.MostShown)
			if len(rooms) != want || rooms[want-1].More != n-want {
				t.Errorf("%s of %d: %d listed, %d more", name, n, len(rooms), rooms[len(rooms)-1].More)
			}
			for _, r := range rooms {
				if least := max(1, n-want+1); len(r.Used) < len(fmt.Sprint(least)) {
					t.Errorf("%s of %d: %s used is not among the fullest", name, n, r.Used)
				}
			}
		}
	}
}

// A summary says what the book said when it was made, whatever is added and merged later, and
// whatever "per" says now.
func TestSummaryAgainstBook(t *testing.T) {
	for seed := range uint64(20) {
		m := maker{rand.New(rand.NewPCG(seed, 31))}
		var b policy.Book
		at, policies := noon, []*policy.Policy{}
		for _, per := range []string{"", ", per: [.to]", ", per: [.to, .from]"} {
			policies = append(policies, compile(t,
				"\nlimits: [{name: l, operations: [transfer], spend: [5.000 HBD per 1h, 9.000 HBD per "+
					"1m]"+per+"}]\n"))
		}
		type taken struct {
			s    *policy.Summary
			p    *policy.Policy
			at   time.Time
			want []policy.Room
		}
		var all []taken
		p := policies[0]
		for range 60 {
			at = at.Add(time.Duration(m.IntN(100)) * time.Second)
			amount := "1.5"
			if m.chance(20) {
				amount = "0.00000001"
			}
			b.Add(at, charge("", amount)[:1])
			until := at
			if m.chance(3) { // what is added after it stands before it, and some at the same instant
				until = at.Truncate(time.Hour).Add(pick(m, time.Hour, 2*time.Hour, 3*time.Hour))
			}
			b.AddUntil(at, until, []policy.Charge{{Limit: "l", Split: pick(m, "", ".to=bob", ".to=carol",
				".from=alice&.to=bob"), Unit: "HBD", Amount: amount}})
			if m.chance(10) {
				p = pick(m, policies[0], policies[1], policies[2])
			}
			if m.chance(10) {
				b.Keep(p.Windows(), at)
			}
			all = append(all, taken{b.Summary(p, at), p, at, p.Room(&b, at.Add(time.Minute))})
		}
		for _, one := range all {
			if got := one.p.Room(one.s, one.at.Add(time.Minute)); !reflect.DeepEqual(got, one.want) {
				t.Fatalf("seed %d:\n%+v\nwant\n%+v", seed, got, one.want)
			}
		}
	}
}

// What counts as of an instant of the future stands behind what is added later: a summary that was
// made before does not see that.
func TestSummaryOfWhatCountsLater(t *testing.T) {
	p := compile(t, "\nlimits: [{name: l, operations: [transfer], spend: 5.000 HBD per 1h}]\n")
	for _, amount := range []string{"1", "0.00000001"} { // the second one fits in no sum of millionths
		var b policy.Book
		for _, ahead := range []time.Duration{time.Hour, 2 * time.Hour} {
			b.AddUntil(noon, noon.Add(ahead), charge("", amount))
		}
		s := b.Summary(p, noon)
		before := p.Room(s, noon)
		for _, ahead := range []time.Duration{time.Hour, 0, 90 * time.Minute, 2 * time.Hour} {
			b.AddUntil(noon, noon.Add(ahead), charge("", amount))
			if now := p.Room(s, noon); !reflect.DeepEqual(before, now) {
				t.Errorf("%s: after one of %v more the summary says %+v, it said %+v", amount, ahead, now, before)
			}
		}
	}
}
