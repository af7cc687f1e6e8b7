package policy

import (
	"math/rand/v2"
	"testing"
)

// anyMatcher makes a test of JSON at random.
func anyMatcher(r *rand.Rand, depth int) matcher {
	n := 9
	if depth > 0 {
		n = 18
	}
	sub := func() matcher { return anyMatcher(r, depth-1) }
	switch k := r.IntN(n); k {
	case 0, 1, 2:
		return equals{anyLiteral(r)}
	case 3:
		return bound{integerValue([]string{"0", "5", "6"}[r.IntN(3)]), r.IntN(2) == 0}
	case 4:
		p, _ := newGlob([]string{"*", "b*", "bo?", "*b", "bob"}[r.IntN(5)])
		return p
	case 5:
		p, _ := newRegexp([]string{"b.*", "[bc].*", "bob|bot", "5.*", ""}[r.IntN(5)])
		return p
	case 6:
		return isPresent(r.IntN(2) == 0)
	case 7:
		return onlyMembers{"a": true, "b": r.IntN(2) == 0}
	case 8:
		var list oneOf
		for range 1 + r.IntN(12) {
			list = append(list, equals{anyLiteral(r)})
		}
		return anyOf(list)
	case 9, 10:
		return noneOf{[]matcher{equals{anyLiteral(r)}, anyMatcher(r, 0)}[r.IntN(2)]}
	case 11:
		return each{sub()}
	case 12:
		return some{sub()}
	case 13:
		return exactly{sub(), sub()}[:1+r.IntN(2)]
	case 14:
		return size{bound{countValue(r.IntN(3)), r.IntN(2) == 0}}
	case 15:
		return oneOf{sub(), sub()}
	case 16:
		return allOf{sub(), sub()}
	}
	return inside{[][]string{{"a"}, {"b"}, {"a", "b"}, {"0"}}[r.IntN(4)], sub()}
}

func anyLiteral(r *rand.Rand) value {
	return []value{textValue("bob"), textValue("bot"), textValue("5"), textValue("5.0"), textValue(""),
		integerValue("5"), integerValue("6"), boolValue(true), textValue("true"),
		{kind: isNull, text: "null"}}[r.IntN(10)]
}

// anyValues are what a field can hold, by JSON texts.
func anyValues(t *testing.T) []value {
	scalars := []string{`"bob"`, `"bot"`, `"b"`, `"5"`, `"5.0"`, `""`, `5`, `5.0`, `5e0`, `6`, `0`, `true`, `"true"`,
		`null`}
	texts := append([]string{`[]`, `{}`, `[[]]`, `{"a":{"b":5}}`, `{"a":{"b":"bob"},"b":6}`, `{"0":"bob"}`}, scalars...)
	for i, one := range scalars {
		other := scalars[(i*5+3)%len(scalars)]
		texts = append(texts, `[`+one+`]`, `[`+one+`,`+other+`]`, `{"a":`+one+`}`, `{"b":`+one+`}`,
			`{"a":`+one+`,"b":`+other+`}`, `{"c":`+one+`}`, `[{"a":`+one+`}]`)
	}
	values := []value{{}, {kind: isUnreadable}}
	for _, text := range texts {
		v, ok := readJSON(text)
		if !ok {
			t.Fatal(text)
		}
		values = append(values, v)
	}
	return values
}

// What the review calls certain has to hold for every value.
func TestCertainRelationsOfTestsHold(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	values := anyValues(t)
	met := map[string]int{}
	for range 12_000 {
		a, b := anyMatcher(r, 2), anyMatcher(r, 2)
		isWithin, isApart := within(a, b), apart(a, b)
		if !isWithin && !isApart {
			continue
		}
		for _, v := range values {
			if a.check(new(scope), v) != yes {
				continue
			}
			got := b.check(new(scope), v)
			if isWithin && got != yes || isApart && got != no {
				t.Fatalf("%#v\n%#v\nwithin %t, apart %t: %v says %d", a, b, isWithin, isApart, v, got)
			}
			if isWithin {
				met["within"]++
			} else {
				met["apart"]++
			}
		}
	}
	if met["within"] < 500 || met["apart"] < 500 {
		t.Errorf("the relations were compared with values %v times", met)
	}
}
