package policy_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"pksa/agent/policy"
)

// rank orders answers by how much they permit.
func rank(d policy.Decision) int { return int(d.Verdict) }

func compileModel(t testing.TB, m maker, mod *model) *policy.Policy {
	t.Helper()
	src := pen{Rand: m.Rand}.model(mod)
	p, problems := policy.Compile("random.yaml", []byte(src), policy.Options{})
	if p == nil {
		t.Fatalf("%s\n%v", src, problems)
	}
	return p
}

func property(t *testing.T, seed uint64, check func(m maker, mod *model, p *policy.Policy, book *policy.Book)) {
	t.Helper()
	for i := range uint64(150) {
		m := maker{rand.New(rand.NewPCG(i, seed))}
		mod := m.model()
		p := compileModel(t, m, mod)
		var book policy.Book
		for range 5 {
			if d := p.Decide(m.request(t, mod).Request, &book, noon); d.Verdict == policy.Allow {
				book.Add(noon, d.Charges)
			}
		}
		check(m, mod, p, &book)
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", i, pen{Rand: m.Rand}.model(mod))
		}
	}
}

func (mod *model) with(rules ...*modelRule) *model {
	return &model{lists: mod.lists, rules: slices.Concat(mod.rules, rules), otherwise: mod.otherwise}
}

func (mod *model) without(i int) *model {
	return &model{lists: mod.lists, rules: slices.Delete(slices.Clone(mod.rules), i, i+1), otherwise: mod.otherwise}
}

func TestRemovingAllowNeverAllowsMore(t *testing.T) {
	property(t, 2, func(m maker, mod *model, p *policy.Policy, book *policy.Book) {
		i := slices.IndexFunc(mod.rules, func(r *modelRule) bool { return r.section == "allow" })
		if i < 0 {
			return
		}
		less := compileModel(t, m, mod.without(i))
		for range 10 {
			q := m.request(t, mod)
			before, after := p.Decide(q.Request, book, noon), less.Decide(q.Request, book, noon)
			// Without the rule a part may be asked that an "uncovered" rule left alone.
			if rank(after) > rank(before) {
				t.Errorf("%v, then %v: %+v %v", before.Verdict, after.Verdict, *q.Request, q.ops)
			}
		}
	})
}

func TestAddingDenyOrLimitNeverAllowsMore(t *testing.T) {
	property(t, 3, func(m maker, mod *model, p *policy.Policy, book *policy.Book) {
		more := m.rule(pick(m, "deny", "limits"), 90)
		more.observe = false
		narrow := compileModel(t, m, mod.with(more))
		for range 10 {
			q := m.request(t, mod)
			before, after := p.Decide(q.Request, book, noon), narrow.Decide(q.Request, book, noon)
			if rank(after) > rank(before) {
				t.Errorf("%v, then %v: %+v %v", before.Verdict, after.Verdict, *q.Request, q.ops)
			}
		}
	})
}

// summary is a decision without lines, which change with the order of the file.
func summary(d policy.Decision) string {
	var names []string
	for _, r := range d.Rules {
		names = append(names, r.Name)
	}
	var limits []string
	for _, l := range d.Limits {
		limits = append(limits, fmt.Sprint(l.Limit.Name, l.Split, l.Unit, l.Window, l.Used, l.Cost, l.Room))
	}
	slices.Sort(limits) // quotas of one limit are written in any order, too
	text := fmt.Sprintln(d.Verdict, d.Silent, d.Code, d.Session, d.Timeout, names, d.Charges, limits)
	if d.Observed != nil {
		text += summary(*d.Observed)
	}
	return text
}

func TestOrderInTheFileMattersNowhere(t *testing.T) {
	property(t, 4, func(m maker, mod *model, p *policy.Policy, book *policy.Book) {
		again := compileModel(t, m, mod)
		for range 10 {
			q := m.request(t, mod)
			if a, b := summary(p.Decide(q.Request, book, noon)), summary(again.Decide(q.Request, book, noon)); a != b {
				t.Errorf("%s%s%+v %v", a, b, *q.Request, q.ops)
			}
		}
	})
}

// TestTighterTestsMatchLess: one more condition on a field never lets an allow rule match more.
func TestTighterTestsMatchLess(t *testing.T) {
	property(t, 5, func(m maker, mod *model, p *policy.Policy, book *policy.Book) {
		i := slices.IndexFunc(mod.rules, func(r *modelRule) bool { return r.section == "allow" && len(r.ops) > 0 })
		if i < 0 {
			return
		}
		tight := *mod.rules[i]
		tight.ops = slices.Clone(tight.ops)
		e := &tight.ops[m.IntN(len(tight.ops))]
		fields := map[string]any{}
		for name, test := range e.fields {
			fields[name] = test
		}
		for name, kind := range fieldKinds[e.op] {
			if fields[name] == nil {
				fields[name] = m.test(kind, 2)
				break
			}
		}
		if len(fields) == 0 {
			return
		}
		e.fields = fields
		narrow := compileModel(t, m, mod.without(i).with(&tight))
		for range 10 {
			q := m.request(t, mod)
			before, after := p.Decide(q.Request, book, noon), narrow.Decide(q.Request, book, noon)
			if rank(after) > rank(before) {
				t.Errorf("%v, then %v: %+v %v", before.Verdict, after.Verdict, *q.Request, q.ops)
			}
		}
	})
}

// TestSpendingIsMonotone: the more was charged, the less is let through.
func TestSpendingIsMonotone(t *testing.T) {
	property(t, 6, func(m maker, mod *model, p *policy.Policy, book *policy.Book) {
		for range 10 {
			q := m.request(t, mod)
			q.Approved = false
			before := p.Decide(q.Request, book, noon)
			if before.Verdict == policy.Allow {
				book.Add(noon, before.Charges)
			}
			if after := p.Decide(q.Request, book, noon); rank(after) > rank(before) {
				t.Errorf("%v, then %v: %+v %v", before.Verdict, after.Verdict, *q.Request, q.ops)
			}
		}
	})
}

// TestDecideChangesNothing: the same question has the same answer.
func TestDecideChangesNothing(t *testing.T) {
	property(t, 8, func(m maker, mod *model, p *policy.Policy, book *policy.Book) {
		q := m.request(t, mod)
		a := summary(p.Decide(q.Request, book, noon))
		p.Report(q.Request, book, noon)
		p.Room(book, noon)
		if b := summary(p.Decide(q.Request, book, noon)); a != b {
			t.Errorf("%s%s", a, b)
		}
	})
}

// TestManyAtOnce: a policy is used by any number of goroutines.
func TestManyAtOnce(t *testing.T) {
	p := compile(t, firstPage)
	q := sign("tipbot", 3, transfer(t, "bob", "1.000 HBD", "tip 7"))
	want := summary(p.Decide(q, nil, noon))
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 50 {
				if got := summary(p.Decide(q, new(policy.Book), noon)); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		})
	}
	wait.Wait()
}

var never = regexp.MustCompile(`"(r\d\d)" can never match:|limit "(r\d\d)" (?:counts|sums up) nothing`)

// What the review says of rules that never match, and of limits that count nothing, is certain.
func TestWhatNeverMatchesNeverDoes(t *testing.T) {
	told := 0
	property(t, 9, func(m maker, mod *model, p *policy.Policy, book *policy.Book) {
		_, problems := policy.Compile("random.yaml", []byte(pen{Rand: m.Rand}.model(mod)), policy.Options{})
		idle := map[string]bool{}
		for _, found := range never.FindAllStringSubmatch(problems.String(), -1) {
			idle[found[1]+found[2]] = true
		}
		told += len(idle)
		for i := range 8 {
			q := m.request(t, mod)
			d := p.Decide(q.Request, book, noon.Add(time.Duration(i)*3*time.Hour))
			for _, r := range d.Rules {
				if d.Verdict != policy.Deny && idle[r.Name] {
					t.Errorf("%q matches %+v %v", r.Name, *q.Request, q.ops)
				}
			}
			for _, l := range d.Limits {
				if d.Verdict != policy.Deny && idle[l.Limit.Name] && l.Cost != "0" {
					t.Errorf("limit %q counts %+v %v", l.Limit.Name, *q.Request, q.ops)
				}
			}
		}
	})
	if told < 20 {
		t.Errorf("%d rules and limits in all the policies", told)
	}
}

var (
	covered = regexp.MustCompile(`"([^"]+)" allows nothing that "([^"]+)" does not allow, too`)
	unasked = regexp.MustCompile(`"([^"]+)" never asks:`)
)

// Where check says that a rule allows nothing that another one does not allow, the other one
// matches whatever it does. One that never asks never does.
func TestWhatIsCoveredAddsNothing(t *testing.T) {
	told, matched, silent := 0, 0, 0
	property(t, 10, func(m maker, mod *model, p *policy.Policy, book *policy.Book) {
		_, problems := policy.Compile("random.yaml", []byte(pen{Rand: m.Rand}.model(mod)), policy.Options{})
		by := covered.FindAllStringSubmatch(problems.String(), -1)
		idle := unasked.FindAllStringSubmatch(problems.String(), -1)
		told, silent = told+len(by), silent+len(idle)
		for i := range 8 {
			q := m.request(t, mod)
			d := p.Decide(q.Request, book, noon.Add(time.Duration(i)*3*time.Hour))
			names := map[string]bool{}
			for _, r := range d.Rules {
				names[r.Name] = d.Verdict != policy.Deny
			}
			for _, pair := range by {
				if !names[pair[1]] {
					continue
				}
				if matched++; !names[pair[2]] {
					t.Errorf("%q matches, and %q does not: %+v %v", pair[1], pair[2], *q.Request, q.ops)
				}
			}
			for _, one := range idle {
				if names[one[1]] {
					t.Errorf("%q asks: %+v %v", one[1], *q.Request, q.ops)
				}
			}
		}
	})
	if told < 20 || matched == 0 || silent == 0 {
		t.Errorf("%d rules in all the policies, of which one matched %d times, and %d that never ask", told, matched,
			silent)
	}
}
