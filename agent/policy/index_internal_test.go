package policy

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The index may leave out only rules that surely do not match, whatever the value of a field is:
// also one that is absent, unclear, or a number where the rule wants a text.
func TestIndexFindsAllThatMayMatch(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	values := []value{{}, {kind: isUnreadable}, {kind: isList}, textValue("bob"), textValue("5"), textValue("5.0"),
		textValue("true"),
		integerValue("5"), boolValue(true), {kind: isNull, text: "null"}, {kind: isNumber, text: "1e3", odd: true}}
	wanted := func() matcher {
		var list oneOf
		for range 1 + r.IntN(12) {
			v := values[3+r.IntN(len(values)-4)]
			list = append(list, equals{v})
		}
		switch r.IntN(4) {
		case 0:
			return list[0]
		case 1:
			return noneOf{list[0]}
		}
		return anyOf(list)
	}
	found := 0
	for range 5_000 {
		var rules []*rule
		x := index[*rule]{}
		for range 1 + r.IntN(6) {
			one := &rule{kinds: map[Kind]bool{Sign: true}, section: denySection}
			for range 1 + r.IntN(2) {
				e := opEntry{name: "transfer"}
				for _, field := range []string{"to", "memo"}[r.IntN(2):] {
					e.fields = append(e.fields, fieldMatcher{field: field, matcher: wanted()})
				}
				one.entries = append(one.entries, e)
			}
			rules = append(rules, one)
			x.add(one, one)
		}
		fields := map[string]value{"to": values[r.IntN(len(values))], "memo": values[r.IntN(len(values))]}
		p := &part{kind: Sign, name: "transfer", fields: fields}
		var got []*rule
		x.find(&Request{App: "one", Account: "alice"}, p, func(one *rule) { got = append(got, one) })
		found += len(got)
		for _, one := range rules {
			o, _ := one.matchesContent(&scope{}, p)
			switch n := len(slices.DeleteFunc(slices.Clone(got), func(g *rule) bool { return g != one })); {
			case n > 1:
				t.Fatalf("a rule is found %d times for %+v", n, fields)
			case n == 0 && o != no:
				t.Fatalf("a rule with outcome %v is not found for %+v: %+v", o, fields, one.entries)
			}
		}
	}
	if found == 0 {
		t.Error("no rule was ever found")
	}
}
