package policy

import (
	"fmt"
	"maps"
	"math/big"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"

	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

// valueMaker makes values around what tests of the files say: at each bound, just below and just
// above, each name and one that nobody names, texts that fit a pattern and such that do not.
type valueMaker struct {
	chance *dice           // with a fixed seed
	only   map[string]bool // texts that stand in one of the files only; they are tried first
	cut    bool            // some long list was not tried to its end
	at     time.Time       // when most requests are judged
}

// dice are numbers by chance, the same in every run (splitmix64): this package has no other source.
type dice struct{ state uint64 }

// IntN returns a number from 0 to n-1.
func (d *dice) IntN(n int) int {
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) % uint64(n))
}

// Perm returns the numbers from 0 to n-1 in any order.
func (d *dice) Perm(n int) []int {
	all := make([]int, n)
	for i := range all {
		k := d.IntN(i + 1)
		all[i], all[k] = all[k], i
	}
	return all
}

// mostMade bounds how many values one test is tried with.
const mostMade = 64

// around returns values for which the answer of a test may change.
func (w *valueMaker) around(m matcher, sh *shape) []any {
	switch m := m.(type) {
	case equals:
		return w.near(m.value, sh)
	case bound:
		return w.near(m.limit, sh)
	case aroundNow:
		return w.moments(m, sh)
	case *literals:
		return w.names(m, sh)
	case isAccount, isActor:
		return []any{ownAccount{}, madeStranger}
	case filled:
		return w.withNames(m)
	case sameAs:
		return []any{fieldOf(m), "other"}
	case isPresent:
		return append(w.usual(sh), leftOut{})
	case pattern:
		return w.fitting(m)
	case noneOf:
		return w.around(m.matcher, sh)
	case oneOf:
		// In turns, so that no alternative with many values takes the room of the others.
		var all []any
		var made [][]any
		most := 0
		for _, one := range m {
			made = append(made, w.around(one, sh))
			most = max(most, len(made[len(made)-1]))
		}
		for i := range most {
			for _, values := range made {
				all = append(all, values[min(i, len(values)):min(i+1, len(values))]...)
			}
		}
		return w.few(all)
	case allOf:
		return w.together(m, sh)
	case inside:
		return w.nested(m, sh)
	case onlyMembers:
		names := map[string]any{}
		for name := range m {
			names[name] = whatever{}
		}
		more := maps.Clone(names)
		more["zz"] = whatever{}
		return []any{names, more, map[string]any{}}
	case each:
		return w.lists(w.around(m.matcher, sh.elementShape()), sh)
	case some:
		return w.lists(w.around(m.matcher, sh.elementShape()), sh)
	case exactly:
		return w.rows(m, sh)
	case size:
		return w.sizes(m, sh)
	}
	return nil
}

// few drops some of too many values.
func (w *valueMaker) few(all []any) []any {
	if len(all) <= mostMade {
		return all
	}
	w.cut = true
	kept := slices.Clone(all[:mostMade/2])
	for _, i := range w.chance.Perm(len(all) - mostMade/2)[:mostMade/2] {
		kept = append(kept, all[mostMade/2+i])
	}
	return kept
}

// names returns values of a long list: those first that one of the files has only.
func (w *valueMaker) names(m *literals, sh *shape) []any {
	var own, shared []any
	for _, one := range m.list {
		v := one.(equals).value
		if w.only[v.text] {
			own = append(own, w.near(v, sh)[0])
		} else {
			shared = append(shared, w.near(v, sh)...)
		}
	}
	w.cut = w.cut || len(own) > mostMade-16
	return append(own[:min(len(own), mostMade-16)], shared[:min(len(shared), 16)]...)
}

// near returns a value, and those beside it.
func (w *valueMaker) near(v value, sh *shape) []any {
	inJSON := sh.kind == aJSON || sh.kind == aJSONText || sh.kind == aDocument || sh.kind == aMemo
	switch v.kind {
	case isText:
		all := []any{v.text}
		if d, ok := parseDecimal(v.text); ok && inJSON {
			all = append(all, number(d.String()), number(d.String()+"e0"))
		}
		switch {
		case inJSON && (v.text == "true" || v.text == "false" || v.text == "null"):
			return append(all, rawJSON(v.text))
		case sh.kind == aText || inJSON:
			return append(all, v.text+"x")
		}
		return all
	case isBool:
		all := []any{v.text == "true", v.text != "true"}
		if inJSON {
			all = append(all, v.text)
		}
		return all
	case isNull:
		return []any{nil, "null"}
	case isNumber:
		return nearNumber(v.number, sh)
	case isAsset:
		var all []any
		for _, step := range []int64{0, 1, -1} {
			a := v.asset
			if a.Amount += step; a.Amount >= 0 {
				all = append(all, a.String())
			}
		}
		return all
	case isTime:
		var all []any
		for _, step := range []int64{0, 1, -1} {
			all = append(all, time.Unix(v.seconds+step, 0).UTC().Format("2006-01-02T15:04:05"))
		}
		return all
	}
	return nil
}

// moments returns the first and the last instant that lie around the time of the requests, with
// those just beyond. In JSON they are seconds, or a text.
func (w *valueMaker) moments(m aroundNow, sh *shape) (all []any) {
	for _, away := range []time.Duration{0, m.span, m.span + time.Second, -m.span, -m.span - time.Second} {
		at := w.at.Add(away).UTC()
		if sh.kind == aTime {
			all = append(all, at.Format("2006-01-02T15:04:05"))
		} else {
			all = append(all, number(strconv.FormatInt(at.Unix(), 10)))
		}
	}
	if sh.kind != aTime {
		all = append(all, w.at.UTC().Format(time.RFC3339), "no time")
	}
	return all
}

func nearNumber(d decimal, sh *shape) (all []any) {
	text := d.String()
	inJSON := sh.kind == aJSON || sh.kind == aJSONText || sh.kind == aDocument || sh.kind == aMemo
	all = append(all, number(text))
	r, ok := d.rat()
	if !ok {
		return all
	}
	for _, step := range []*big.Rat{big.NewRat(1, 1), big.NewRat(-1, 1), big.NewRat(1, 1000), big.NewRat(-1, 1000)} {
		if step.IsInt() || inJSON {
			all = append(all, number(ratText(new(big.Rat).Add(r, step))))
		}
	}
	if inJSON {
		all = append(all, text, string(all[1].(number)), number(text+"e0"))
	}
	return all
}

// usual returns values of a shape that no file need name.
func (w *valueMaker) usual(sh *shape) []any {
	switch sh.kind {
	case aText:
		return []any{"x", "", "another text"}
	case aMemo:
		return []any{"x", "", "another text", "{}", "[]", `{"x":1,"x":2}`, "5"}
	case anAccount:
		return []any{madeStranger, ownAccount{}, ""}
	case aKey:
		return []any{madeKey, "STM1111111111111111111111111111111114T1Anm"}
	case aBool:
		return []any{true, false}
	case aNumber:
		return []any{number("1"), number("0"), number("2"), number("-1")}
	case anAsset:
		return []any{"1.000 HIVE", "1.000 HBD", "1.000000 VESTS", "0.001 HIVE", "0.001 HBD", "0.000 HBD", "0.000 HIVE",
			"0.000000 VESTS"}
	case aTime:
		return []any{"2030-01-01T00:00:00"}
	case aJSONText:
		return []any{rawJSON("{}"), "", rawJSON("[]"), rawJSON("5"), rawJSON(`"x"`), rawJSON("[{}]"),
			rawJSON(`{"x":1,"x":2}`)}
	case aDocument:
		return []any{"x", "{}", "[]", "another text", `{"x":1,"x":2}`, "5"}
	case aJSON:
		return []any{"x", map[string]any{}, number("1"), true, nil, "", []any{}, number("1e0")}
	case aList:
		return w.lists(w.usual(sh.elementShape()), sh)
	case aMap:
		if sh.members["weight_threshold"] != nil {
			return []any{madeAuthority}
		}
		one := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(sh.members)) {
			if all := w.usual(sh.members[name]); len(all) > 0 {
				one[name] = all[0]
			}
		}
		return []any{one}
	}
	return nil
}

// element returns the i-th of elements that may stand in one list.
func (w *valueMaker) element(sh *shape, i int) any {
	switch sh.kind {
	case anAccount:
		return fmt.Sprintf("stranger%02d", i)
	case aNumber:
		return number(strconv.Itoa(900 + i))
	case aMap:
		if sh.members["account"] != nil {
			return map[string]any{"account": fmt.Sprintf("stranger%02d", i), "weight": number("1")}
		}
	}
	return "x"
}

// lists returns lists of some values: each alone, each with others, none.
func (w *valueMaker) lists(items []any, sh *shape) []any {
	var all []any
	element := sh.elementShape()
	for i, item := range items {
		// A beneficiary is an account and a weight, also where only one of them is tested.
		items[i] = w.whole(item, element)
		all = append(all, []any{items[i]})
	}
	for i, item := range items {
		all = append(all, []any{item, w.element(element, 0)}, []any{item, items[w.chance.IntN(len(items))]})
		if i < 4 {
			all = append(all, []any{item, item})
		}
		if (sh.kind == aJSON || sh.kind == aJSONText || sh.kind == aDocument || sh.kind == aMemo) && i < 8 {
			all = append(all, item) // what is no list is a list of one
		}
	}
	return append(w.few(all), []any{})
}

// whole adds members that a value of the chain must have.
func (w *valueMaker) whole(v any, sh *shape) any {
	m, ok := v.(map[string]any)
	if !ok || sh.kind != aMap || sh.members["account"] == nil {
		return v
	}
	full := map[string]any{"account": "stranger9", "weight": number("1")}
	maps.Copy(full, m)
	return full
}

// rows returns lists of which each element is tested by itself.
func (w *valueMaker) rows(m exactly, sh *shape) []any {
	made := make([][]any, len(m))
	row := make([]any, len(m))
	element := sh.elementShape()
	for i, one := range m {
		if sh.tuple != nil && i < len(sh.tuple) {
			element = sh.tuple[i]
		}
		for _, v := range w.around(one, element) {
			made[i] = append(made[i], w.whole(v, element))
		}
		if made[i] == nil {
			made[i] = []any{w.element(element, i)}
		}
		row[i] = made[i][0]
	}
	all := []any{slices.Clone(row), slices.Clone(row[:len(row)-1]), append(slices.Clone(row), w.element(element, 9))}
	for i, values := range made {
		for _, v := range values[1:] {
			other := slices.Clone(row)
			other[i] = v
			all = append(all, other)
		}
	}
	return w.few(all)
}

// sizes returns lists of as many elements as a test says, and of others.
func (w *valueMaker) sizes(m size, sh *shape) []any {
	var all []any
	for _, n := range append(w.around(m.matcher, numberShape), number("1"), number("0")) {
		n, _ := strconv.Atoi(string(n.(number)))
		if n < 0 || n > 40 {
			continue
		}
		list := make([]any, n)
		for i := range list {
			list[i] = w.element(sh.elementShape(), i)
		}
		all = append(all, list)
	}
	return all
}

// nested returns values that hold, where a path leads to, what a test there is about.
func (w *valueMaker) nested(m inside, sh *shape) []any {
	at := sh
	for _, name := range m.path {
		if next, ok := at.member(name); ok {
			at = next
		}
	}
	values := w.around(m.matcher, at)
	if at.kind == aJSON {
		values = append(values, w.usual(at)[:3]...)
	}
	var all []any
	for _, v := range values {
		all = append(all, nest(m.path, v))
	}
	return append(all, nest(m.path, leftOut{}))
}

func nest(path []string, v any) any {
	for _, name := range slices.Backward(path) {
		if i, ok := listIndex(name); ok && i < mostPlaces {
			list := make([]any, i+1)
			for k := range list {
				list[k] = map[string]any{}
			}
			if list[i] = v; v == (leftOut{}) {
				list = list[:i]
			}
			v = list
			continue
		}
		v = map[string]any{name: v}
	}
	return v
}

// together returns values that several tests are about at once.
func (w *valueMaker) together(m allOf, sh *shape) []any {
	var made [][]any
	for _, one := range m {
		if values := w.around(one, sh); len(values) > 0 {
			made = append(made, values)
		}
	}
	if len(made) == 0 {
		return nil
	}
	var all []any
	pick := func(of func(i int) any) {
		v := of(0)
		for i := 1; i < len(made); i++ {
			v = merged(v, of(i))
		}
		all = append(all, v)
	}
	pick(func(i int) any { return made[i][0] })
	for at, values := range made {
		for _, v := range values[min(1, len(values)-1):] {
			pick(func(i int) any {
				if i == at {
					return v
				}
				return made[i][0]
			})
		}
	}
	all = w.few(all)
	for range 3 * mostMade / 2 {
		pick(func(i int) any { return made[i][w.chance.IntN(len(made[i]))] })
	}
	for _, values := range made {
		all = append(all, values...) // also alone: bounds of one number do not merge
	}
	return all
}

// merged puts two values in one, as far as they can be.
func merged(a, b any) any {
	switch b := b.(type) {
	case whatever:
		return a
	case map[string]any:
		if a, ok := a.(map[string]any); ok {
			both := maps.Clone(a)
			for name, v := range b {
				if _, has := both[name]; has {
					v = merged(both[name], v)
				}
				both[name] = v
			}
			return both
		}
	case []any:
		if a, ok := a.([]any); ok {
			both := slices.Clone(a)
			for i, v := range b {
				if i < len(both) {
					both[i] = merged(both[i], v)
				}
			}
			return both
		}
	}
	return b
}

// withNames returns texts that fit with the name of the account, and such that do with another one.
func (w *valueMaker) withNames(m filled) (all []any) {
	const own = "the.account"
	for _, name := range []string{own, madeStranger} {
		text, texts := m.text(name, name), []any{}
		if m.form == "" {
			texts = []any{text, text + "x"}
		} else if p, err := newPattern(m.form, text); err == nil {
			texts = w.fitting(p)
		}
		for _, one := range texts {
			if text := one.(string); strings.Contains(text, own) {
				one = ownText(strings.ReplaceAll(text, own, ownMark))
			}
			all = append(all, one)
		}
	}
	return all
}

// fitting returns texts that fit a pattern, and such that nearly do.
func (w *valueMaker) fitting(m pattern) []any {
	re, err := syntax.Parse(m.Regexp.String(), syntax.Perl)
	if err != nil {
		return nil
	}
	var all []any
	for range 12 {
		text := w.fit(re)
		if all = append(all, text); text != "" {
			all = append(all, text[:len(text)-1], text+"x", "x"+text)
		}
	}
	sorts.Stable(all, func(a, b any) int {
		fits := func(v any) int {
			if m.MatchString(v.(string)) {
				return 0
			}
			return 1
		}
		return fits(a) - fits(b)
	})
	return append(slices.Compact(all), "")
}

// fit writes a text that an expression takes, unless it looks ahead or at its ends.
func (w *valueMaker) fit(re *syntax.Regexp) (text string) {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return []string{"a", "7", "x", "\n"}[w.chance.IntN(3+int(re.Op-syntax.OpAnyCharNotNL))]
	case syntax.OpCharClass:
		if len(re.Rune) == 0 {
			return ""
		}
		i := w.chance.IntN(len(re.Rune)/2) * 2
		low, high := re.Rune[i], re.Rune[i+1]
		if low < ' ' && high >= 'a' {
			low = 'a' // what people write, rather than a character that nobody sees
		}
		return string(low + rune(w.chance.IntN(min(int(high-low), 64)+1)))
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			text += w.fit(sub)
		}
	case syntax.OpAlternate:
		return w.fit(re.Sub[w.chance.IntN(len(re.Sub))])
	case syntax.OpCapture:
		return w.fit(re.Sub[0])
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		low, high := re.Min, re.Max
		switch re.Op {
		case syntax.OpStar:
			low, high = 0, -1
		case syntax.OpPlus:
			low, high = 1, -1
		case syntax.OpQuest:
			low, high = 0, 1
		}
		n := low + []int{0, 1, 3, 9}[w.chance.IntN(4)]
		if high >= 0 && (n > high || w.chance.IntN(4) == 0) {
			n = high
		}
		for range min(n, 300) {
			text += w.fit(re.Sub[0])
		}
	}
	return text
}

// prices returns fields that make an operation have a price near one that a test names.
func (w *valueMaker) prices(d *hive.Definition, m matcher) (all []fields) {
	for _, v := range append(w.around(m, ratioShape), number("1"), number("0.5")) {
		text, ok := v.(number)
		price, isNumber := new(big.Rat).SetString(string(text))
		if !ok || !isNumber || price.Sign() <= 0 {
			continue
		}
		for _, hives := range []int64{1000, 1, 1_000_000} {
			for _, step := range []int64{0, 1, -1} {
				hbd := new(big.Rat).Mul(price, big.NewRat(hives*1000, 1))
				n := new(big.Int).Quo(hbd.Num(), hbd.Denom())
				if !n.IsInt64() || n.Int64() > 1<<60 {
					continue
				}
				gives := hive.Asset{Amount: hives * 1000, Symbol: hive.HIVE}.String()
				gets := hive.Asset{Amount: n.Int64() + step, Symbol: hive.HBD}.String()
				all = append(all, priced(d, gives, gets), priced(d, gets, gives))
			}
		}
	}
	return all
}

// exchanged returns a field of an order with what is given for it: the chain takes no order for the
// same asset.
func exchanged(d *hive.Definition, field string, v any) (all []fields) {
	text, isText := v.(string)
	if !isText || !slices.Contains(d.Price, field) {
		return nil
	}
	for _, other := range d.Price {
		if other == field || fieldsOf(d.Name)[other] == nil || fieldsOf(d.Name)[other].kind != anAsset {
			continue
		}
		symbol := hive.HIVE
		if strings.HasSuffix(text, " HIVE") {
			symbol = hive.HBD
		}
		all = append(all, fields{field: v, other: hive.Asset{Amount: 1000, Symbol: symbol}.String()})
	}
	return all
}

// priced returns fields of an operation that gives an amount for another.
func priced(d *hive.Definition, gives, gets string) fields {
	rate := map[string]any{"base": gives, "quote": gets}
	switch d.Name {
	case "limit_order_create":
		return fields{"amount_to_sell": gives, "min_to_receive": gets}
	case "limit_order_create2":
		return fields{"amount_to_sell": gives, "exchange_rate": rate}
	}
	return fields{"exchange_rate": rate}
}

// paying returns fields by which an operation pays whom a test names: each alone, and all of a list
// in one field that takes them.
func (w *valueMaker) paying(d *hive.Definition, m matcher) (all []fields) {
	for _, v := range w.around(m, accountsShape) {
		list, _ := v.([]any)
		for _, field := range d.Payees {
			if sh := fieldsOf(d.Name)[field]; sh == beneficiariesShape && len(list) > 1 {
				var rows []any
				for _, name := range list {
					rows = append(rows, map[string]any{"account": name, "weight": number("1")})
				}
				all = append(all, fields{field: rows})
			}
		}
		for _, name := range list {
			for _, field := range d.Payees {
				switch sh := fieldsOf(d.Name)[field]; {
				case sh == nil:
				case sh.kind == anAccount:
					all = append(all, fields{field: name})
				case sh == beneficiariesShape:
					all = append(all, fields{field: []any{map[string]any{"account": name, "weight": number("1")}}})
				case sh.kind == aMap && sh.members["account_auths"] != nil:
					one := maps.Clone(madeAuthority)
					one["account_auths"] = []any{[]any{name, number("1")}}
					all = append(all, fields{field: one})
				}
			}
		}
	}
	return all
}
