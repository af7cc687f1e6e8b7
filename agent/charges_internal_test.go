package agent

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/policy"
	"pksa/agent/refund"
)

// paidFor makes payments for so many days, and a fate of some. Then it has all of them gathered.
func paidFor(t *testing.T, days int) *payments {
	p := newPayments(t)
	t.Cleanup(func() { _ = p.l.Close() })
	random := rand.New(rand.NewPCG(7, 7))
	for n, end := 0, p.now.Add(time.Duration(days)*24*time.Hour); p.now.Before(end); n++ {
		if random.IntN(6) == 0 {
			p.now = p.now.Add(time.Duration(random.IntN(24*3600)) * time.Second)
		}
		p.now = p.now.Add(time.Duration(random.IntN(4000)) * time.Millisecond)
		p.pay(n, int64(1+random.IntN(6)))
		if m := p.made[len(p.made)-1]; m.state == ledger.Failed && n%3 == 0 {
			p.set(m, []ledger.FateState{ledger.Absent, ledger.Released, ledger.OnChain}[random.IntN(3)])
		}
	}
	p.must(p.l.Settle(p.begin("not settled", p.now), ledger.Settlement{Outcome: "accepted"}))
	p.gather()
	return p
}

// gather fills a segment, so that what was charged stands in its bucket.
func (p *payments) gather() {
	p.Helper()
	for range 4200 {
		p.must(p.l.Note(ledger.Entry{Type: ledger.RecordEvent, Outcome: "filler"}))
	}
	p.must(p.l.Flush(context.Background()))
}

// begin admits a request that costs nothing, and returns its number.
func (p *payments) begin(uuid string, at time.Time) uint64 {
	p.Helper()
	key := ledger.RequestKey{Relay: "relay", UUID: uuid}
	_, err := p.l.Begin(ledger.Arrival{Key: key, Digest: [32]byte{1}, Expires: at.Add(time.Minute)})
	p.must(err)
	out, err := p.l.Admit(context.Background(), ledger.Admission{Key: key, Account: "alice", Kind: "sign",
		Session: p.s.ID, Nonce: at.UnixMilli() + 2000},
		func(ledger.View) ledger.Ruling { return ledger.Ruling{Verdict: ledger.Admitted, Record: []byte("{}")} })
	p.must(err)
	return out.Number
}

// held returns all charges, and a book that is filled from them as the agent fills its own.
func (p *payments) held() (all []storedCharges, book *policy.Book) {
	p.Helper()
	b := new(budget)
	p.must(p.l.Look(context.Background(), func(v ledger.View) {
		for c := range v.Charges() {
			all = append(all, decodeCharges(c))
		}
		b.load(v, p.rules)
	}))
	return all, b.book
}

// TestSummedCharges: what is added up counts as it did one by one, in each window and at each later
// instant. What can still be given back, is too young or is not settled stays as it is.
func TestSummedCharges(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := paidFor(t, 20)
	singles, before := p.held()
	fates := p.l.Fates()
	for range 2 {
		p.must(p.l.SumCharges(ctx, sumUp, 0))
	}
	sums, after := p.held()
	p.must(p.l.Close())
	p.open()
	_, reopened := p.held()
	for _, window := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
		30 * 24 * time.Hour} {
		for later := time.Duration(0); later < window; later += window / 50 {
			at, c := p.now.Add(later), policy.Counter{Limit: "tips", Unit: "HBD"}
			want := before.Used(c, window, at)
			if a, b := after.Used(c, window, at), reopened.Used(c, window, at); a.Cmp(want) != 0 || b.Cmp(want) != 0 {
				t.Fatalf("in %v, %v later: %s, and %s after a start, want %s", window, later, a, b, want)
			}
		}
	}
	made, parts := 0, len(singles)-len(sums)
	for _, s := range sums {
		if !s.From.IsZero() {
			made, parts = made+1, parts+1
		}
		if !s.From.IsZero() && p.now.Sub(s.At) < refund.SummedAfter-time.Minute {
			t.Errorf("the sum up to %v is too young", s.At)
		}
	}
	if len(fates) < 10 || made < 10 || parts < 3*made/2 {
		t.Errorf("%d fates and %d sums of %d charges show nothing", len(fates), made, parts)
	}
	p.must(p.l.Look(ctx, func(v ledger.View) {
		for _, f := range fates {
			if found := chargesOf(v, []ledger.Fate{f}); len(found) != 1 {
				t.Errorf("the charges of fate %d are gone", f.Number)
			}
		}
	}))
	p.notReleased(sums)
}

// A sum is never larger than what could be mended. What would be is added up in parts, and what is
// too large by itself stays as it is.
func TestSumsHaveABound(t *testing.T) {
	t.Parallel()
	var members []member
	number := uint64(0)
	add := func(counters int) {
		m := member{held: int(number), number: number, expires: time.Unix(int64(number), 0)}
		for i := range counters {
			split := strings.Repeat("s", 240) + fmt.Sprint(number, " ", i)
			m.charges = append(m.charges, policy.Charge{Limit: "tips", Split: split, Unit: "HBD", Amount: "1"})
		}
		members, number = append(members, m), number+1
	}
	for range 50 {
		add(10)
	}
	add(200)
	for range 3 {
		add(1)
	}
	seen := map[int]bool{}
	for _, sum := range new(slice).sums(nil, members) {
		if len(sum.Charge.Data) > sumBytes || len(sum.Of) < 2 {
			t.Errorf("a sum of %d has %d bytes, at most %d are allowed", len(sum.Of), len(sum.Charge.Data), sumBytes)
		}
		want := 0
		for _, i := range sum.Of {
			if seen[i] {
				t.Errorf("%d is added up twice", i)
			}
			seen[i], want = true, want+len(members[i].charges)
			if members[i].expires.After(sum.Charge.Expires) {
				t.Errorf("the sum leaves before %d", i)
			}
		}
		if got := decodeCharges(sum.Charge).Charges; len(got) != want {
			t.Errorf("the sum is of %d counters, want %d", len(got), want)
		}
	}
	if seen[50] || len(seen) < 50 {
		t.Errorf("%d of %d are added up, the large one too: %v", len(seen), len(members), seen[50])
	}
	// At the edge: one byte more, and there are two sums.
	pair := members[:2]
	first := &pair[0].charges[0]
	first.Split += strings.Repeat("x", sumBytes-1-len(new(slice).sums(nil, pair)[0].Charge.Data))
	for size := sumBytes - 1; size <= sumBytes+1; size++ {
		sums := new(slice).sums(nil, pair)
		if whole := len(sums) == 1 && len(sums[0].Charge.Data) == size; whole != (size <= sumBytes) {
			t.Fatalf("%d bytes: %d sums", size, len(sums))
		}
		first.Split += "x"
	}
}

// notReleased fails if a request in the first sum can be given back, or if it is not said why not.
func (p *payments) notReleased(sums []storedCharges) {
	p.Helper()
	i := slices.IndexFunc(sums, func(s storedCharges) bool { return !s.From.IsZero() })
	watch := refund.New(refund.Options{Ledger: p.l, Charged: (&Agent{ledger: p.l}).charged})
	for _, m := range p.made {
		if m.state != 0 || !m.at.After(sums[i].From) || m.at.After(sums[i].At) {
			continue
		}
		const want = "are added up with those of other requests"
		if _, err := watch.Release(context.Background(), m.number); err == nil || !strings.Contains(err.Error(), want) {
			p.Errorf("release of %d: %v, want %q", m.number, err, want)
		}
		return
	}
	p.Error("nothing of the first sum was paid")
}

// TestSumsAndTheTrail: when the ledger is led back, charges of the trail count that the ledger
// lacks, and not those that are part of a sum, nor what was given back.
func TestSumsAndTheTrail(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := paidFor(t, 12)
	p.must(p.l.SumCharges(ctx, sumUp, 0))
	total := func(list []ledger.Charge) string {
		book := new(policy.Book)
		for _, c := range list {
			decodeCharges(c).count(book)
		}
		return book.Used(policy.Counter{Limit: "tips", Unit: "HBD"}, 300*24*time.Hour, book.Latest()).RatString()
	}
	var held []ledger.Charge
	p.must(p.l.Look(ctx, func(v ledger.View) {
		for c := range v.Charges() {
			held = append(held, c)
		}
	}))
	recorded, number := Admin{Ledger: p.l}.recordedCharges(p.now, 31*24*time.Hour), 0
	for _, err := range recorded {
		p.must(err)
		number++
	}
	if number != len(p.made) || len(held) >= len(p.made) {
		t.Fatalf("%d recorded, %d held, of %d", number, len(held), len(p.made))
	}
	// Of a shorter time those count that could be carried out in it.
	want, got := 0, 0
	for _, m := range p.made {
		if m.counts().Add(24 * time.Hour).After(p.now) {
			want++
		}
	}
	for _, err := range (Admin{Ledger: p.l}).recordedCharges(p.now, 24*time.Hour) {
		p.must(err)
		got++
	}
	if got != want {
		t.Errorf("%d recorded of a day, want %d", got, want)
	}
	merged, err := mergeCharges(held, recorded, p.now)
	p.must(err)
	if len(merged) != len(held) || total(merged) != total(held) {
		t.Errorf("%d charges of %s, want %d of %s", len(merged), total(merged), len(held), total(held))
	}
	// Without its first sum the ledger lacks the requests in it.
	for i, c := range held {
		if decodeCharges(c).From.IsZero() {
			continue
		}
		without := append(append([]ledger.Charge{}, held[:i]...), held[i+1:]...)
		merged, err := mergeCharges(without, recorded, p.now)
		p.must(err)
		if len(merged) > len(held) || total(merged) != total(held) {
			t.Errorf("%d charges of %s, want %d of %s", len(merged), total(merged), len(held), total(held))
		}
		break
	}
	// Four days before the latest sums: these are of the future then, and count from then on.
	early := p.now.Add(-6 * 24 * time.Hour).Truncate(time.Hour) // what is in a sum is all before it, or all after
	recorded = Admin{Ledger: p.l}.recordedCharges(early, 31*24*time.Hour)
	merged, err = mergeCharges(held, recorded, early)
	p.must(err)
	if total(merged) != total(held) {
		t.Errorf("%s, want %s", total(merged), total(held))
	}
	for _, c := range merged {
		if s := decodeCharges(c); s.At.After(early) || s.From.After(early) {
			t.Errorf("a charge of the future: %+v", s)
		}
	}
}

// What an app made is kept until no window holds it any more, which is counted from its expiration
// on.
func TestChargesOfExactTransactionsAreKept(t *testing.T) {
	p := newPayments(t)
	defer func() { _ = p.l.Close() }()
	p.pay(13, 5)
	p.must(p.l.Look(t.Context(), func(v ledger.View) {
		for c := range v.Charges() {
			s := decodeCharges(c)
			life, kept := s.ExactExpires.Sub(s.At), c.Expires.Sub(s.ExactExpires)
			if life < 9*time.Hour || kept != 31*24*time.Hour {
				t.Errorf("it lives for %v, and is kept for %v more", life, kept)
			}
		}
	}))
}

// TestMissingChargesAreAddedUp: what a wrong clock let the ledger drop, of a month of requests,
// comes back as sums of slices of time: few, none too large, and at no time with more room in any
// window.
func TestMissingChargesAreAddedUp(t *testing.T) {
	t.Parallel()
	const month = 31 * 24 * time.Hour
	now := time.Date(2026, 7, 1, 12, 0, 0, 123e6, time.UTC)
	every := 2 * time.Minute
	if *chargeDays > 0 {
		every = time.Second
	}
	exact := new(policy.Book)
	recorded := func(yield func(recordedCharge, error) bool) {
		n := 0
		for at := now.Add(-month); !at.After(now); at = at.Add(every) {
			c := recordedCharge{storedCharges: storedCharges{At: at}, expires: at.Add(month)}
			if n%3 == 0 { // of a transaction that its app made, and that lives for some hours
				c.ExactExpires = at.Add(20 * time.Hour)
				c.expires = c.ExactExpires.Add(month)
			}
			for _, split := range []string{"", fmt.Sprintf("to=customer%d", n%10)} {
				c.Charges = append(c.Charges, policy.Charge{Limit: "tips", Split: split, Unit: "HBD", Amount: "0.001"})
			}
			if n++; c.expires.After(now) && !yield(c, nil) {
				return
			}
		}
		for n := range 2000 { // of the future, before it was led back
			c := recordedCharge{storedCharges: storedCharges{At: now}, expires: now.Add(month)}
			c.Charges = []policy.Charge{{Limit: "tips", Split: fmt.Sprintf("to=customer%d", n), Unit: "HBD",
				Amount: "1"}}
			if !yield(c, nil) {
				return
			}
		}
	}
	for c := range recorded {
		exact.FillUntil(c.At, c.ExactExpires, c.Charges)
	}
	merged, err := mergeCharges(nil, recorded, now)
	if err != nil {
		t.Fatal(err)
	}
	book, ends, bytes := new(policy.Book), map[time.Time]int{}, 0
	for _, c := range merged {
		decodeCharges(c).count(book)
		ends[c.Expires] += len(c.Data)
		bytes += len(c.Data)
	}
	for end, size := range ends {
		if size > 32<<10 {
			t.Errorf("%d bytes expire at %s: they would be one value", size, end)
		}
	}
	for _, split := range []string{"", "to=customer7", "to=customer1999"} {
		for _, window := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour, month} {
			for _, after := range []time.Duration{0, 30 * time.Minute, 12 * time.Hour, 30 * 24 * time.Hour} {
				at := policy.Counter{Limit: "tips", Split: split, Unit: "HBD"}
				want, got := exact.Used(at, window, now.Add(after)), book.Used(at, window, now.Add(after))
				if got.Cmp(want) < 0 {
					t.Errorf("%s after %s, of %q: %s, and %s by the sums", window, after, split, want, got)
				}
			}
		}
	}
	t.Logf("%d values of %d bytes", len(merged), bytes)
	if most := 25_000; len(merged) > most {
		t.Errorf("%d values, %d at the most", len(merged), most)
	}
}

var chargeDays = flag.Int("chargedays", 0, "how many days of a request a second the ledger has that is started")

// charge has the ledger hold charges of three limits at every so often of a day, beside those that
// it holds: by one commit, where as many requests would take hours.
func (p *payments) charge(every time.Duration) {
	p.Helper()
	ctx, end := context.Background(), p.now.Add(24*time.Hour)
	var fresh []ledger.Charge
	for at := p.now; at.Before(end); at = at.Add(every) {
		s := storedCharges{At: at, Tx: strings.Repeat("0123456789", 4), TxExpires: at.Add(time.Minute)}
		for _, limit := range []string{"tips", "a week", "of an app"} {
			s.Charges = append(s.Charges, policy.Charge{Limit: limit, Unit: "HBD", Amount: "0.001"})
		}
		fresh = append(fresh, ledger.Charge{Data: s.encode(), Expires: at.Add(31 * 24 * time.Hour)})
	}
	p.now = end.Add(time.Second)
	_, err := p.l.Append(ctx, ledger.Entry{Type: ledger.RecordEvent, Outcome: "of the future"})
	p.must(err)
	p.now = end
	_, err = p.l.TurnBack(ctx, ledger.TurnBack{
		Now:     p.now,
		Charges: func(held []ledger.Charge) ([]ledger.Charge, error) { return append(held, fresh...), nil },
		Audit:   func(ledger.TurnedBack) []byte { return []byte("{}") },
	})
	p.must(err)
}

// sampleCharges are stored charges of each shape that encode writes.
func sampleCharges() []storedCharges {
	at := time.Date(2026, 7, 1, 12, 0, 0, 123e6, time.UTC)
	one := []policy.Charge{{Limit: "tips", Unit: "HBD", Amount: "0.001"}}
	return []storedCharges{
		{At: at, Charges: one},
		{At: at, Charges: append(one, policy.Charge{Limit: "votes", Split: "author=bob&permlink=a-b.c", Unit: "count",
			Amount: "1", OpenedBy: "mybot"}), Tx: strings.Repeat("0f", 20), TxExpires: at.Add(time.Minute)},
		{At: at, From: at.Add(-time.Minute), Charges: one},
		{At: at, Charges: one, LostUntil: at.Add(time.Hour)},
	}
}

// A start need not ask the usual decoder about what this program writes.
func TestStoredChargesAreReadFast(t *testing.T) {
	t.Parallel()
	for _, s := range sampleCharges() {
		if got, ok := readCharges(s.encode()); !ok || !reflect.DeepEqual(got, s) {
			t.Errorf("%s is read as %+v, %v", s.encode(), got, ok)
		}
	}
}

// FuzzStoredCharges: what is read fast, is read as the usual decoder does.
func FuzzStoredCharges(f *testing.F) {
	for _, s := range sampleCharges() {
		f.Add(s.encode())
	}
	for _, text := range []string{`{"at":"2026-07-01T12:00:00Z","charges":null}`,
		`{"at":"2026-07-01T12:00:00+02:00","charges":[{"limit":"\\u0026","unit":"é","amount":"\""}],"tx":"\u0026"}`,
		`{"at":"2026-07-01T12:00:00Z","charges":[{"limit":"a","unit":"\u0026b","amount":"1"}],"tx":""}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := readCharges(data)
		if !ok {
			return
		}
		var want storedCharges
		if err := json.Unmarshal(data, &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v, want %+v, %v", data, got, want, err)
		}
	})
}

// TestStartAfterAMonth: a start reads the charges of the last day one by one, and of all before
// them as many as there are slices of time. With -chargedays 31 it has 2.7 million requests behind
// it, and takes less than two seconds.
func TestStartAfterAMonth(t *testing.T) {
	t.Parallel()
	days, every := 4, time.Minute/2
	if *chargeDays > 0 {
		days, every = *chargeDays, time.Second
	}
	p := newPayments(t)
	t.Cleanup(func() { _ = p.l.Close() })
	requests := 0
	for range days {
		p.charge(every)
		p.must(p.l.SumCharges(context.Background(), sumUp, 0))
		requests += int(24 * time.Hour / every)
	}
	held, book := p.held()
	// A minute is the shortest slice at the age of a day.
	if most := int(refund.SummedAfter/every) + days*24*60; len(held) > most {
		t.Errorf("%d values of %d requests, want %d at most", len(held), requests, most)
	}
	want := big.NewRat(int64(requests), 1000)
	if got := book.Used(policy.Counter{Limit: "tips", Unit: "HBD"}, 31*24*time.Hour, p.now); got.Cmp(want) != 0 {
		t.Errorf("%s was charged, want %s", got, want)
	}
	p.must(p.l.Close())
	values := len(held)
	held, book = nil, nil
	took := time.Duration(math.MaxInt64)
	for try := range 3 { // the fastest counts: the machine has other work, too
		if try > 0 {
			p.must(p.l.Close())
		}
		begin := time.Now()
		p.open()
		took = min(took, time.Since(begin))
	}
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	file, err := os.Stat(p.path)
	p.must(err)
	if *chargeDays > 0 {
		t.Logf("%d requests are %d values: a start takes %v, %d kB are in use then, the file has %d MB", requests,
			values, took.Round(time.Millisecond), memory.HeapAlloc/1000, file.Size()/1e6)
	}
	if *chargeDays > 0 && took > 2*time.Second {
		t.Errorf("a start takes %v", took)
	}
}
