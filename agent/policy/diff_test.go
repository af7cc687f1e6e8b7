package policy_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/policy"
)

var (
	diffPairs    = flag.Int("diffpairs", 6, "how many random pairs of policies are compared")
	diffMost     = flag.Int("diffmost", 1500, "how many requests the search tries by a pair; 0: as many as it wants")
	diffFrom     = flag.Uint64("difffrom", 0, "the first pair")
	diffRequests = flag.Int("diffrequests", 1000, "how many random requests are judged by a pair without a difference")
)

// edited returns the model after one edit, as people make them.
func (m maker) edited(mod *model) *model {
	edited := mod.with()
	i := m.IntN(len(mod.rules))
	r := *mod.rules[i]
	switch m.IntN(8) {
	case 0:
		return mod.without(i)
	case 1:
		return mod.with(m.rule(pick(m, "allow", "ask", "deny", "limits"), 90))
	case 2:
		edited.otherwise = !mod.otherwise
		return edited
	case 3:
		edited.lists = map[string][]string{"some": some(m, "alice", "bob", "carol", "dave")}
		return edited
	case 4:
		r = *m.rule(r.section, 91)
		r.name = mod.rules[i].name
	case 5:
		r.hours, r.days, r.until, r.from = "", nil, "", ""
		m.schedule(&r)
	case 6:
		if r.apps = m.names("one", "two"); r.apps == nil {
			r.apps = []string{"any"}
		}
	default:
		for k := range r.ops {
			e := &r.ops[k]
			for field, kind := range sortedMap(fieldKinds[e.op]) {
				if m.chance(2) {
					r.ops = slices.Clone(r.ops)
					e = &r.ops[k]
					e.fields = maps.Clone(e.fields)
					e.set(field, m.test(kind, 2))
					break
				}
			}
		}
	}
	edited.rules[i] = &r
	return edited
}

// noticed is what of a decision somebody notices.
type noticed struct {
	verdict                 policy.Verdict
	silent                  bool
	session, renew, timeout time.Duration
	consents                string
	tell                    bool // not of what is observed
}

func noticedOf(d policy.Decision) (is, observed noticed) {
	of := func(d *policy.Decision) noticed {
		return noticed{d.Verdict, d.Silent, d.Session, d.Renew, d.Timeout,
			fmt.Sprint(d.Consents), false}
	}
	is, observed = of(&d), of(&d)
	if d.Observed != nil {
		observed = of(d.Observed)
	}
	is.tell = d.Tell
	return is, observed
}

func judgedAlike(a, b policy.Decision) bool {
	is, observed := noticedOf(a)
	is2, observed2 := noticedOf(b)
	return is == is2 && observed == observed2
}

// TestDiffFindsWhatChanceFinds compares random policies with edited ones. Where no difference is
// found, none is found by random requests either, and each that is found is one.
func TestDiffFindsWhatChanceFinds(t *testing.T) {
	found, same := 0, 0
	for seed := *diffFrom; seed < *diffFrom+uint64(*diffPairs); seed++ {
		m := maker{rand.New(rand.NewPCG(seed, 17))}
		mod := m.model()
		other := m.edited(mod)
		before, after := pen{Rand: m.Rand}.model(mod), pen{Rand: m.Rand}.model(other)
		d, problems, err := policy.Compare(context.Background(), policy.Draft{File: "old.yaml", Src: []byte(before)},
			policy.Draft{File: "new.yaml", Src: []byte(after)}, policy.DiffOptions{Now: noon, Most: *diffMost})
		if err != nil || d == nil {
			t.Fatalf("seed %d: %v %v\n%s\n%s", seed, err, problems, before, after)
		}
		old, _ := policy.Compile("old.yaml", []byte(before), policy.Options{ErrorsOnly: true})
		now, _ := policy.Compile("new.yaml", []byte(after), policy.Options{ErrorsOnly: true})
		for _, one := range d.Answers {
			a, b := old.Decide(one.Request, nil, one.Time), now.Decide(one.Request, nil, one.Time)
			if one.Times == 0 && judgedAlike(a, b) {
				t.Errorf("seed %d: no difference: %+v", seed, one.Request)
			}
		}
		if len(d.Answers) > 0 {
			found++
			continue
		}
		same++
		for range *diffRequests {
			q := m.request(t, pick(m, mod, other))
			late := pick(m, 0, 3*time.Second, 5*time.Second, -time.Second, 12*time.Hour, 18*time.Hour-time.Second)
			at := noon.Add(late).AddDate(0, 0, m.IntN(7)-1)
			if a, b := old.Decide(q.Request, nil, at), now.Decide(q.Request, nil, at); !judgedAlike(a, b) {
				t.Errorf("seed %d: %v, then %v at %v, after %d requests (same %t): %+v %v\n%s\n%s\n%+v\n%+v", seed, a,
					b, at, d.Tried, d.Same, *q.Request, q.ops, before, after, d.Changes, d.Unsearched)
				break
			}
		}
	}
	if found == 0 || same == 0 {
		t.Errorf("%d pairs with a difference, %d without", found, same)
	}
	t.Logf("%d pairs with a difference, %d without", found, same)
}

// manyVotes is a policy of rules for votes, each from another weight on, and one of rule 1 on its
// own.
func manyVotes(rules int, first string) policy.Draft {
	var b strings.Builder
	b.WriteString("version: 1\nallow:\n")
	for i := range rules {
		least := fmt.Sprint(10 * (i + 1))
		if i == 0 {
			least = first
		}
		fmt.Fprintf(&b, "  - {name: r%d, request: sign, accounts: [alice], apps: [bot], operations: [vote: {weight: "+
			"{min: %s}, permlink: p%d}]}\n", i, least, i)
	}
	return policy.Draft{File: fmt.Sprintf("of%s.yaml", first), Src: []byte(b.String())}
}

// Where a file names more values than are tried, the search says of which field.
func TestDiffSaysWhatItDrops(t *testing.T) {
	for rules, want := range map[int]string{
		3: "",
		// Two values at each of 150 bounds are taken by the rule that changed.
		150: "some of the values of vote.weight: there are too many",
		// Each rule is a test of the field.
		450: "some of the values of vote.permlink, vote.weight: there are too many",
	} {
		d, problems, err := policy.Compare(context.Background(), manyVotes(rules, "10"), manyVotes(rules, "11"),
			policy.DiffOptions{Now: noon, Most: 500})
		if err != nil || d == nil {
			t.Fatal(problems, err)
		}
		said := ""
		for _, line := range d.Unsearched {
			if strings.HasPrefix(line, "some of the values of ") {
				said = line
			}
		}
		if said != want {
			t.Errorf("%d rules: %q, want %q", rules, said, want)
		}
	}
	// Times, texts and names, too.
	var when, texts, names strings.Builder
	for i := range 120 {
		fmt.Fprintf(&when, "  - {name: w%d, request: sign, apps: [bot], operations: [vote], "+
			"hours: '%02d:%02d-%02d:%02d'}\n", i, i/6, i%6*7, i/6+1, i%6*7+1)
	}
	for i := range 900 {
		fmt.Fprintf(&texts, "  - {name: t%d, request: challenge, apps: [bot], text: {glob: 'x%d*'}}\n", i, i)
	}
	for i := range 90 {
		fmt.Fprintf(&names, "%sname%d", map[bool]string{true: ", "}[i > 0], i)
	}
	for src, want := range map[string]string{
		when.String():  "some of the values of time: there are too many",
		texts.String(): "some of the values of text: there are too many",
		"  - {name: v, request: sign, apps: [bot], operations: [vote: {author: [" + names.String() + "]}]}\n": "" +
			"values that stand in long lists",
	} {
		before := policy.Draft{File: "old.yaml", Src: []byte("version: 1\nallow:\n" + src)}
		after := policy.Draft{File: "new.yaml",
			Src: []byte(strings.Replace(string(before.Src), "apps: [bot]", "apps: [x]", 1))}
		d, problems, err := policy.Compare(context.Background(), before, after,
			policy.DiffOptions{Now: noon, Most: 500})
		if err != nil || d == nil {
			t.Fatal(problems, err)
		}
		if !strings.Contains(strings.Join(d.Unsearched, "\n"), want) {
			t.Errorf("no %q in %q", want, d.Unsearched)
		}
	}
}
