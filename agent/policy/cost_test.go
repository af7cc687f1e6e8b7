package policy_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// crowd is a policy with n rules and limits that cannot concern the app "one", beside the few that
// do.
func crowd(t testing.TB, n int) *policy.Policy {
	t.Helper()
	var allow, limits strings.Builder
	for i := range n {
		fmt.Fprintf(&allow, "  - {name: a%d, request: sign, apps: [app%d], operations: [vote: {author: {regexp: "+
			"'(x|y)*%d'}}]}\n", i, i, i)
		fmt.Fprintf(&allow, "  - {name: b%d, request: sign, apps: any, accounts: [user%d], operations: [vote]}\n", i, i)
		fmt.Fprintf(&allow, "  - {name: c%d, request: challenge, apps: [one], text: 'login %d'}\n", i, i)
		fmt.Fprintf(&limits, "  - {name: l%d, apps: [app%d], requests: 5 per 1h}\n", i, i)
	}
	return compile(t, `
allow:
  - {name: vote, request: sign, apps: [one], operations: [vote: {weight: {max: 100%}}]}
`+allow.String()+`
limits:
  - {name: votes, apps: [one], count: 100 per 24h}
`+limits.String())
}

func TestCostDoesNotGrowWithOtherRules(t *testing.T) {
	few, many := crowd(t, 1), crowd(t, 500)
	q := sign("one", hive.Posting, vote(t, "alice", "bob", 100))
	refused := sign("one", hive.Posting, vote(t, "alice", "bob", 100),
		op(t, "delete_comment", `{"author":"alice","permlink":"p"}`))
	for _, q := range []*policy.Request{q, refused} {
		a := testing.AllocsPerRun(50, func() { few.Decide(q, nil, noon) })
		b := testing.AllocsPerRun(50, func() { many.Decide(q, nil, noon) })
		if b > a*1.2 { // the race detector adds a few of its own
			t.Errorf("%v allocations with few rules, %v with many", a, b)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := crowd(b, n)
			q := sign("one", hive.Posting, vote(b, "alice", "bob", 100))
			var book policy.Book
			for range 90 {
				book.Add(noon, p.Decide(q, &book, noon).Charges)
			}
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(q, &book, noon)
			}
		})
	}
}

// customers is a policy that allows transfers to n names. They stand on one line, as scripts write
// them.
func customers(t testing.TB, n int) *policy.Policy {
	t.Helper()
	var names strings.Builder
	for i := range n {
		fmt.Fprintf(&names, "customer%d, ", i)
	}
	return compile(t, "lists: {customers: ["+names.String()+"bob]}\n"+
		"allow: [{name: pay, request: sign, apps: [one], key: active, operations: [transfer: {to: $customers}]}]\n")
}

// toStrangers is a request with a thousand transfers to nobody of the list.
func toStrangers(t testing.TB) *policy.Request {
	t.Helper()
	var ops []hive.Operation
	for range 1_000 {
		ops = append(ops, op(t, "transfer", `{"from":"alice","to":"stranger","amount":"0.001 HIVE","memo":""}`))
	}
	return sign("one", hive.Active, ops...)
}

// fastest returns the shortest time that f takes of some: the machine has other work, too.
func fastest(f func()) time.Duration {
	best := time.Duration(math.MaxInt64)
	for range 20 {
		begun := time.Now()
		f()
		best = min(best, time.Since(begun))
	}
	return best
}

// A list of names is a set: a hundred times as many cost no more, where looking at each of them
// would cost a hundred times as much.
func TestCostOfNames(t *testing.T) {
	q, few, many := toStrangers(t), customers(t, 1_000), customers(t, 100_000)
	a := fastest(func() { few.Decide(q, nil, noon) })
	b := fastest(func() { many.Decide(q, nil, noon) })
	if t.Logf("%v against 1,000 names, %v against 100,000", a, b); b > 50*a {
		t.Errorf("%v against 1,000 names, %v against 100,000", a, b)
	}
}

// Names on one line are read in a time that grows with their number, a second or two on a busy
// machine. By the square of their number it would be minutes.
func TestCostOfNamesOnOneLine(t *testing.T) {
	begun := time.Now()
	customers(t, 100_000)
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("100,000 names take %v", took)
	}
}

func BenchmarkStrangersAgainstNames(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		p, q := customers(b, n), toStrangers(b)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(q, nil, noon)
			}
		})
	}
}

func BenchmarkCompileNamesOnOneLine(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				customers(b, n)
			}
		})
	}
}

// receivers is a policy of one app with rules about n receivers, ten rules about each.
func receivers(t testing.TB, n int) *policy.Policy {
	t.Helper()
	var rules strings.Builder
	for i := range 10 * n {
		fmt.Fprintf(&rules, "  - {name: r%d, request: sign, apps: [one], key: active, operations: [transfer: {to: "+
			"customer%d, amount: {max: 1.000 HBD}}]}\n", i, i/10)
	}
	return compile(t, "allow:\n"+rules.String())
}

func pay(t testing.TB, to string) *policy.Request {
	t.Helper()
	return sign("one", hive.Active, op(t, "transfer", `{"from":"alice","to":%q,"amount":"0.001 HBD","memo":""}`, to))
}

func TestCostDoesNotGrowWithRulesAboutOthers(t *testing.T) {
	few, many := receivers(t, 10), receivers(t, 200)
	for _, to := range []string{"customer7", "stranger"} {
		q := pay(t, to)
		a := testing.AllocsPerRun(50, func() { few.Decide(q, nil, noon) })
		b := testing.AllocsPerRun(50, func() { many.Decide(q, nil, noon) })
		if b > a*1.2 {
			t.Errorf("to %s: %v allocations with few rules, %v with many", to, a, b)
		}
	}
}

// An app that is denied all the time costs the comparisons with a few rules, however many there
// are.
func TestCostOfDenials(t *testing.T) {
	p := receivers(t, 50)
	allowed, denied := pay(t, "customer7"), pay(t, "stranger")
	a := testing.AllocsPerRun(50, func() { p.Decide(allowed, nil, noon) })
	d := testing.AllocsPerRun(50, func() { p.Decide(denied, nil, noon) })
	if t.Logf("%v allocations to allow, %v to deny", a, d); d > 2*a {
		t.Errorf("%v allocations to deny, %v to allow by ten rules", d, a)
	}
}

func BenchmarkManyRulesOfOneApp(b *testing.B) {
	p := receivers(b, 500)
	for _, to := range []string{"customer7", "stranger"} {
		q := pay(b, to)
		b.Run(to, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(q, nil, noon)
			}
		})
	}
}

// A file that a program wrote is checked in a time that grows with its length, not with its square.
func TestCostOfChecking(t *testing.T) {
	rules := func(n int) string {
		var b strings.Builder
		b.WriteString("version: 1\nallow:\n")
		for i := range n {
			fmt.Fprintf(&b, "  - {name: a%d, request: sign, apps: [one], operations: [vote: {author: user%d}]}\n", i, i)
		}
		return b.String()
	}
	entries := func(n int) string {
		var b strings.Builder
		b.WriteString("version: 1\nallow: [{name: a, request: sign, apps: [one], operations: [comment")
		for i := range n {
			fmt.Fprintf(&b, ", vote: {author: user%d}", i)
		}
		b.WriteString("]}]\n")
		return b.String()
	}
	for name, file := range map[string]func(int) string{"rules": rules, "entries": entries} {
		cost := func(n int) float64 {
			src := []byte(file(n))
			return testing.AllocsPerRun(1, func() { policy.Compile("p.yaml", src, policy.Options{}) })
		}
		if a, b := cost(400), cost(800); b > 2.5*a {
			t.Errorf("%v allocations for 400 %s, %v for 800", a, name, b)
		}
	}
}
