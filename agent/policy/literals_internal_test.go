package policy

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Looking values up must find what comparing them one by one finds: for every kind of value, and
// for spellings that look alike.
func TestLiteralsMatchAsOneByOne(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	texts := []string{"", "bob", "Bob", "5", "5.0", "-0", "0", "1e3", "true", "null", "0x10", "05", "1.50", "1.5"}
	number := func(text string) value { return integerValue(text) }
	ratio, _ := number("1.5").number.rat()
	values := []value{{}, {kind: isUnreadable}, {kind: isList}, {kind: isMap}, boolValue(true), boolValue(false),
		{kind: isNull, text: "null"}, number("5"), number("0"), number("1.50"), number("7"),
		{kind: isNumber, text: "1e3", odd: true}, {kind: isRatio, ratio: ratio, text: "1.5"}}
	for _, text := range texts {
		values = append(values, textValue(text), jsonTextValue(text))
	}
	for range 3_000 {
		var list oneOf
		for i := range fewLiterals + 1 + r.IntN(6) {
			switch r.IntN(4) {
			case 0:
				list = append(list, equals{number([]string{"5", "0", "1.5", "-3"}[r.IntN(4)])})
			case 1:
				list = append(list, equals{textValue(texts[r.IntN(len(texts))])})
			default:
				list = append(list, equals{textValue(fmt.Sprintf("other%d", i))})
			}
		}
		m, ok := anyOf(list).(*literals)
		if !ok {
			t.Fatal("a long list of plain values is compared one by one")
		}
		for _, v := range values {
			if got, want := m.check(nil, v), list.check(nil, v); got != want {
				t.Fatalf("%+v in %v: %v, one by one %v", v, list, got, want)
			}
		}
	}
}
