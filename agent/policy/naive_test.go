package policy_test

import (
	"encoding/json"
	"io"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The naive evaluator: the language read a second time, from its description, over models and raw
// operations. Slow, without index, without shared code.

type tri int

const (
	tNo tri = iota
	tUnclear
	tYes
)

func triOf(b bool) tri {
	if b {
		return tYes
	}
	return tNo
}

type (
	absent struct{}
	broken struct{}
	null   struct{}
)

type naive struct {
	m       *model
	history []naiveCharge
	latest  time.Time

	mostCounters, mostOpened int
}

type naiveCharge struct {
	at          time.Time
	limit, unit string
	dims        map[string]string
	amount      *big.Rat
	opener      string // app, if nothing of the counter was in use
}

// naiveJudgement is one judgement.
type naiveJudgement struct {
	*naive
	r        modelRequest
	now      time.Time
	observed bool     // observed rules are in force
	actors   []string // of the part
}

type naivePart struct {
	kind  string
	roles []string
	text  string
	op    modelOp
	isOp  bool
	actor []string
}

func numberOf(s string) (*big.Rat, bool) {
	if !regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`).MatchString(s) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// parseJSON is nil, false for what is not strict.
func parseJSON(text string) (any, bool) {
	if !utf8.ValidString(text) || !json.Valid([]byte(text)) {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, ok := parseValue(d)
	if _, err := d.Token(); err != io.EOF {
		return nil, false
	}
	return v, ok
}

func parseValue(d *json.Decoder) (any, bool) {
	tok, err := d.Token()
	if err != nil {
		return nil, false
	}
	switch tok {
	case nil:
		return null{}, true
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, ok := parseValue(d)
			if !ok {
				return nil, false
			}
			list = append(list, v)
		}
		d.Token()
		return list, true
	case json.Delim('{'):
		members := map[string]any{}
		for d.More() {
			name, _ := d.Token()
			if _, twice := members[name.(string)]; twice {
				return nil, false
			}
			v, ok := parseValue(d)
			if !ok {
				return nil, false
			}
			members[name.(string)] = v
		}
		d.Token()
		return members, true
	}
	return tok, true
}

// isJSONText reports whether a field of this kind is a text that holds JSON. Metadata may be empty.
func isJSONText(kind string) bool {
	return slices.Contains([]string{"json", "metadata", "document", "memo"}, kind)
}

// insideJSON opens a text field that holds JSON.
func insideJSON(kind, text string) any {
	if kind == "metadata" && text == "" {
		return map[string]any{}
	}
	v, ok := parseJSON(text)
	if !ok {
		return broken{}
	}
	return v
}

func (c naiveJudgement) test(t any, kind string, v any) tri {
	switch t := t.(type) {
	case lit:
		return c.literal(t, kind, v)
	case []any:
		best := tNo
		for _, one := range t {
			best = max(best, c.test(one, kind, v))
		}
		return best
	case map[string]any:
		worst := tYes
		for key, one := range t {
			worst = min(worst, c.named(key, one, kind, v))
		}
		return worst
	}
	panic("no test")
}

func (c naiveJudgement) named(key string, t any, kind string, v any) tri {
	_, isAbsent := v.(absent)
	_, isBroken := v.(broken)
	switch key {
	case "present":
		if isBroken {
			return tUnclear
		}
		return triOf(isAbsent != (t.(lit).text == "true"))
	case "within":
		return c.within(t.(lit).text, v)
	case "not":
		if isAbsent {
			return tUnclear
		}
		return tYes - c.test(t, kind, v)
	}
	if strings.HasPrefix(key, ".") {
		return c.member(strings.Split(key[1:], "."), t, kind, v)
	}
	if isAbsent {
		return tNo
	}
	switch key {
	case "min", "max":
		return bound(key, t.(lit), kind, v)
	case "glob", "regexp":
		s, ok := v.(string)
		if !ok {
			return tUnclear
		}
		return c.filled(t.(lit).text, func(source string) tri { return triOf(fits(key, source, s)) })
	}
	if isJSONText(kind) {
		v, kind = insideJSON(kind, v.(string)), "inside"
	}
	if _, isBroken = v.(broken); isBroken {
		return tUnclear
	}
	if key == "members" {
		members, ok := v.(map[string]any)
		if !ok {
			return tUnclear
		}
		for name := range members {
			if !slices.Contains(t.([]string), name) {
				return tNo
			}
		}
		return tYes
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	return c.list(key, t, elementKind(kind), list)
}

func elementKind(kind string) string {
	switch kind {
	case "accounts":
		return "account"
	case "numbers":
		return "number"
	}
	return kind
}

func (c naiveJudgement) list(key string, t any, kind string, list []any) tri {
	switch key {
	case "each":
		worst := triOf(len(list) > 0)
		for _, v := range list {
			worst = min(worst, c.test(t, kind, v))
		}
		return worst
	case "any":
		best := tNo
		for _, v := range list {
			best = max(best, c.test(t, kind, v))
		}
		return best
	case "exactly":
		tests := t.([]any)
		if len(tests) != len(list) {
			return tNo
		}
		worst := tYes
		for i, v := range list {
			worst = min(worst, c.test(tests[i], kind, v))
		}
		return worst
	case "size":
		return c.test(t, "number", big.NewRat(int64(len(list)), 1))
	}
	panic("no list test " + key)
}

func (c naiveJudgement) member(path []string, t any, kind string, v any) tri {
	if isJSONText(kind) {
		v, kind = insideJSON(kind, v.(string)), "inside"
	}
	for _, name := range path {
		switch at := v.(type) {
		case absent:
		case map[string]any:
			next, ok := at[name]
			if v = next; !ok {
				v = absent{}
			}
		case []any:
			i, err := strconv.Atoi(name)
			switch {
			case err != nil:
				v = broken{}
			case i < len(at):
				v = at[i]
			default:
				v = absent{}
			}
		default:
			v = broken{}
		}
		switch {
		case name == "account" && kind == "beneficiaries":
			kind = "account"
		case name == "weight" && kind == "beneficiaries":
			kind = "percent"
		default:
			kind = elementKind(kind)
		}
	}
	return c.test(t, kind, v)
}

// fits matches by backtracking for globs, unlike the engine.
func fits(key, source, s string) bool {
	if key == "regexp" {
		re := regexp.MustCompile(`(?s:` + source + `)`)
		re.Longest()
		return re.FindString(s) == s && re.MatchString(s)
	}
	if source == "" {
		return s == ""
	}
	if source[0] == '*' {
		return fits(key, source[1:], s) || s != "" && fits(key, source, s[1:])
	}
	return s != "" && (source[0] == '?' || source[0] == s[0]) && fits(key, source[1:], s[1:])
}

func instant(text string) time.Time {
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04:05Z", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	panic(text)
}

// within finds how far an instant is from now. Numbers below 10^11 are seconds since 1970, others
// below 10^14 milliseconds.
func (c naiveJudgement) within(span string, v any) tri {
	most, _ := new(big.Rat).SetString(span[:len(span)-1])
	most.Mul(most, map[byte]*big.Rat{'s': big.NewRat(1, 1), 'm': big.NewRat(60, 1), 'h': big.NewRat(3600, 1),
		'd': big.NewRat(86400, 1)}[span[len(span)-1]])
	seconds := func(t time.Time) *big.Rat {
		return new(big.Rat).Add(big.NewRat(t.Unix(), 1), big.NewRat(int64(t.Nanosecond()), 1e9))
	}
	var at *big.Rat
	text := ""
	switch v := v.(type) {
	case absent:
		return tNo
	case time.Time:
		at = seconds(v)
	case json.Number:
		text = v.String()
	case string:
		text = v
		for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05"} {
			if t, err := time.Parse(layout, v); err == nil {
				at = seconds(t)
			}
		}
	}
	if n, ok := numberOf(text); ok && n.Sign() >= 0 && n.Cmp(big.NewRat(1e14, 1)) < 0 {
		if at = n; n.Cmp(big.NewRat(1e11, 1)) >= 0 {
			at = new(big.Rat).Quo(n, big.NewRat(1000, 1))
		}
	}
	if at == nil {
		return tUnclear
	}
	away := new(big.Rat).Sub(at, seconds(c.now))
	return triOf(away.Abs(away).Cmp(most) <= 0)
}

func bound(key string, t lit, kind string, v any) tri {
	var order int
	switch v := v.(type) {
	case time.Time:
		order = v.Compare(instant(t.text))
	case *big.Rat:
		want, _ := numberOf(t.text)
		order = v.Cmp(want)
	case string:
		if kind == "asset" {
			amount, symbol, _ := strings.Cut(v, " ")
			wantAmount, wantSymbol, _ := strings.Cut(t.text, " ")
			if symbol != wantSymbol {
				return tNo
			}
			a, _ := numberOf(amount)
			b, _ := numberOf(wantAmount)
			order = a.Cmp(b)
			break
		}
		n, ok := numberOf(v)
		if !ok {
			return tUnclear
		}
		want, _ := numberOf(t.text)
		order = n.Cmp(want)
	case json.Number:
		n, ok := numberOf(v.String())
		if !ok {
			return tUnclear
		}
		want, _ := numberOf(t.text)
		order = n.Cmp(want)
	default:
		return tUnclear
	}
	if key == "min" {
		return triOf(order >= 0)
	}
	return triOf(order <= 0)
}

// filled asks about a text or pattern with the names in it that the request gives. If the operation
// needs several accounts, and they differ, nobody knows.
func (c naiveJudgement) filled(text string, ask func(string) tri) tri {
	if !c.m.second || !strings.Contains(text, "$a") {
		return ask(text)
	}
	text = strings.ReplaceAll(text, "$account", string(c.r.Account))
	said := map[tri]bool{}
	for _, actor := range c.actors {
		said[ask(strings.ReplaceAll(text, "$actor", actor))] = true
	}
	for one := range said {
		if len(said) == 1 {
			return one
		}
	}
	return tUnclear
}

func (c naiveJudgement) literal(t lit, kind string, v any) tri {
	if _, ok := v.(absent); !ok && strings.Contains(t.text[min(1, len(t.text)):], "$a") {
		return c.filled(t.text, func(text string) tri {
			if kind == "inside" {
				return c.inside(text, true, v)
			}
			return equalText(text, v)
		})
	}
	if name, ok := strings.CutPrefix(t.text, "$"); ok {
		switch {
		case name == "account":
			return c.literal(lit{string(c.r.Account), true}, kind, v)
		case name == "actor":
			said := map[tri]bool{}
			for _, actor := range c.actors {
				said[c.literal(lit{actor, true}, kind, v)] = true
			}
			if len(said) > 1 {
				return tUnclear
			}
			return c.literal(lit{c.actors[0], true}, kind, v)
		case strings.HasPrefix(name, "$"):
			if kind == "inside" {
				return c.inside(name, true, v)
			}
			return equalText(name, v)
		case name[0] >= '0' && name[0] <= '9':
			i, _ := strconv.Atoi(name[:1])
			if i > len(c.r.ops) {
				return tNo
			}
			other, ok := c.r.ops[i-1].fields["permlink"].(string)
			if !ok {
				return tUnclear
			}
			return equalText(other, v)
		}
		var list []any
		for _, item := range c.m.lists[name] {
			list = append(list, lit{item, false})
		}
		return c.test(list, kind, v)
	}
	if _, ok := v.(absent); ok {
		return tNo
	}
	if _, ok := v.(broken); ok {
		return tUnclear
	}
	switch kind {
	case "percent", "number", "ratio":
		text, isPercent := strings.CutSuffix(t.text, "%")
		want, _ := numberOf(text)
		if isPercent {
			want = new(big.Rat).Mul(want, big.NewRat(100, 1))
		}
		return triOf(want.Cmp(v.(*big.Rat)) == 0)
	case "time", "optional time":
		return triOf(v.(time.Time).Equal(instant(t.text)))
	case "bool":
		return triOf(v.(bool) == (t.text == "true"))
	case "inside":
		return c.inside(t.text, t.quoted, v)
	}
	return equalText(t.text, v)
}

func equalText(want string, v any) tri {
	switch v := v.(type) {
	case string:
		return triOf(v == want)
	case absent:
		return tNo
	}
	return tUnclear
}

// inside compares within JSON: "5" and 5 are the same text of two types.
func (c naiveJudgement) inside(want string, quoted bool, v any) tri {
	n, isNumber := numberOf(want)
	word := !quoted && (want == "true" || want == "false" || want == "null")
	switch v := v.(type) {
	case absent:
		return tNo
	case string:
		if !quoted && isNumber {
			got, ok := numberOf(v)
			return triOf(ok && got.Cmp(n) == 0)
		}
		if v != want {
			return tNo
		}
		if word {
			return tUnclear
		}
		return tYes
	case json.Number:
		got, ok := numberOf(v.String())
		switch {
		case !quoted && isNumber && ok:
			return triOf(got.Cmp(n) == 0)
		case isNumber && (!ok || got.Cmp(n) == 0), v.String() == want:
			return tUnclear
		}
		return tNo
	case bool, null:
		text := "null"
		if b, ok := v.(bool); ok {
			text = strconv.FormatBool(b)
		}
		switch {
		case text != want:
			return tNo
		case word:
			return tYes
		}
		return tUnclear
	}
	return tUnclear
}
