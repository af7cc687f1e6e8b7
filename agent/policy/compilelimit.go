package policy

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"pksa/agent/yamlnode"
)

func (c *compiler) limit(n *yamlnode.Node) *limit {
	l := &limit{rule: rule{section: limitSection, line: n.Line}}
	c.nodes[&l.rule], c.section = n, limitSection
	m, ok := c.Mapping(n, "a limit", sectionKeys[limitSection])
	if !ok {
		return l
	}
	c.common(m, &l.rule)
	c.readMeasure(m, l)
	c.readSum(m, l)
	if m.Has("per") {
		for _, item := range c.Sequence(m.Value("per"), "per") {
			c.readDimension(item, l)
		}
	}
	if m.Has("over") {
		word, _ := c.OneOf(m.Value("over"), "over", "deny", "ask")
		l.over = word == "ask"
	}
	return l
}

func (c *compiler) readMeasure(m yamlnode.Mapping, l *limit) {
	for kind := measureRequests; kind <= measureSum; kind++ {
		key := kind.String()
		switch {
		case !m.Has(key):
			continue
		// Two measures in one limit would have two counters under one name.
		case l.measure != 0:
			c.Complain(m.Key(key), "a limit has one of requests, count, spend, sum; make another limit for %s", key)
			continue
		}
		l.measure = kind
		if says := partsOfNumber(m.Value(key).Items); says != "" {
			c.Complain(m.Value(key), "%s", says)
			continue
		}
		for _, item := range m.Value(key).Each() {
			c.readQuota(item, key, l)
		}
	}
	if l.measure == 0 && !m.HasAny(measureNames[measureRequests:]...) {
		c.Complain(m.Node, "a limit needs one of requests, count, spend, sum")
	}
}

var quotaForms = [...]string{
	measureRequests: "a number per window: 20 per 1h", measureCount: "a number per window: 3 per request",
	measureSpend: "an amount per window: 10.000 HBD per 24h", measureSum: "a number per window: 500 per 24h",
}

// perForm matches a number with a window as other tools write it: 5/minute, 5 / 1h, 5 in 1h.
var perForm = regexp.MustCompile(`^([0-9.]+(?: [A-Z]+)?) ?(?:/|in|every|each|an?) ?([0-9a-z]+)$`)

var errNegative = errors.New("a limit must not be negative")

// readQuota reads "N per WINDOW".
func (c *compiler) readQuota(n *yamlnode.Node, key string, l *limit) {
	if n.Kind == yamlnode.Map && !c.Bad(n) {
		c.Complain(n, "%s is one text, %s", key, quotaForms[l.measure])
		return
	}
	text, ok := c.Scalar(n, key)
	if !ok {
		return
	}
	if write := c.severalQuotas(text, l.measure); write != "" {
		c.Complain(n, "%s: several are a list: write %s: %s", quote(text), key, write)
		return
	}
	if bare, dimension, ok := splitByWord(text); ok {
		c.Complain(n, "%s: write %s: %s, and below it per: [%s]", quote(text), key, bare, dimension)
		return
	}
	most, window, ok := strings.Cut(text, " per ")
	if typed := keyboard(text); !ok && strings.Contains(typed, " per ") {
		c.Complain(n, "%s: write %s, with the signs of a plain keyboard", quote(text), typed)
		return
	}
	if !ok {
		write := quotaForms[l.measure]
		if m := perForm.FindStringSubmatch(text); m != nil {
			span := cmp.Or(spanInWords(m[2]), m[2])
			if _, err := parseSpan(span); err == nil {
				write = m[1] + " per " + span
			}
		}
		c.Complain(n, "%s: write %s", quote(text), write)
		return
	}
	q := quota{unit: key, text: most}
	var err error
	if window != "request" {
		if q.window, err = parseSpan(window); err != nil {
			c.Complain(n, "%v; a window is that, or the word request", err)
			return
		}
	}
	if q.most, q.unit, err = readMost(most, l.measure); err != nil {
		c.Complain(n, "%v", err)
		return
	}
	l.quotas = append(l.quotas, q)
}

// severalQuotas returns the list that a text such as "5.000 HBD per 24h, 3.000 HIVE per 24h" was
// meant to be, "" if it is no such text. A part without a window has that of the last one.
func (c *compiler) severalQuotas(text string, m measure) string {
	parts := regexp.MustCompile(`(?:, *| and )`).Split(text, -1)
	_, last, ok := strings.Cut(parts[len(parts)-1], " per ")
	if len(parts) < 2 || !ok {
		return ""
	}
	for i, part := range parts {
		most, window, said := strings.Cut(part, " per ")
		if !said {
			window = last
		}
		_, _, err := readMost(most, m)
		if _, wrong := parseSpan(window); err != nil || wrong != nil && window != "request" {
			return ""
		}
		parts[i] = most + " per " + window
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// splitByWord returns a quota, and for what there is to be one each: "1.000 HBD per 1d per app".
func splitByWord(text string) (quota, dimension string, ok bool) {
	i := strings.LastIndex(text, " per ")
	if i < 0 || !strings.Contains(text[:i], " per ") {
		return "", "", false
	}
	word := text[i+len(" per "):]
	return text[:i], word, slices.Contains([]string{"account", "app", "actor"}, word)
}

func readMost(text string, m measure) (*big.Rat, string, error) {
	if m == measureSpend {
		a, err := parseAmount(text)
		return assetRat(a.Amount, max(a.Symbol.Decimals(), 0)), a.Symbol.String(), err
	}
	if shareForm.MatchString(text) {
		return nil, "", fmt.Errorf("%s: a limit is a number, and nothing here knows what a share would be of",
			quote(text))
	}
	sh := numberShape
	if m == measureSum {
		sh = ratioShape
	}
	v, err := sh.literal(yamlnode.Text(text))
	if err != nil {
		return nil, "", err
	}
	if v.number.negative {
		return nil, "", errNegative
	}
	most, _ := v.number.rat()
	return most, m.String(), nil
}

func (c *compiler) readSum(m yamlnode.Mapping, l *limit) {
	switch {
	case m.Has("of") && l.measure != measureSum:
		c.Complain(m.Key("of"), "of says what sum adds up; this limit has no sum")
		return
	case l.measure == measureSum && !m.Has("of"):
		c.Complain(m.Key("sum"), "sum needs of: {list: json, where: TEST, field: .path.to.number}")
		return
	case !m.Has("of"):
		return
	}
	of, ok := c.Mapping(m.Value("of"), "of", keysIn(sumKeys))
	if !ok {
		return
	}
	l.of = &tokenSum{}
	for _, key := range []string{"list", "field"} {
		if !of.Has(key) {
			c.Complain(of.Node, "of needs list, the field that holds JSON, and field, the path to the number in "+
				"each element")
			return
		}
	}
	l.of.list, _ = c.Scalar(of.Value("list"), "list")
	c.checkField(of.Value("list"), l, fieldUse{
		field: l.of.list, key: "list", wanted: "a field that holds JSON",
		fits: func(sh *shape) bool { return sh.kind == aJSONText },
	})
	l.of.field, l.of.text = c.pathOf(of, "field")
	if of.Has("times") {
		l.of.times, _ = c.pathOf(of, "times")
		if slices.Equal(l.of.times, l.of.field) {
			c.Complain(of.Value("times"), "times and field are the same number; times is what each is multiplied by, "+
				"such as a price")
		}
	}
	if of.Has("where") {
		l.of.where = c.matcher(of.Value("where"), jsonShape, "where")
	}
}

// pathOf reads a path into the elements that a sum looks at.
func (c *compiler) pathOf(of yamlnode.Mapping, key string) (names []string, text string) {
	n := of.Value(key)
	text, ok := c.Scalar(n, key)
	if ok {
		if names, ok = path(text); !ok {
			c.Complain(n, "%s: a path is written .name or .name.other", quote(text))
		}
	}
	return names, text
}

// fieldUse is what a limit does with a field of its operations.
type fieldUse struct {
	field  string
	key    string // of the limit, which names the field
	wanted string // what fits, in words
	fits   func(*shape) bool
}

// checkField complains unless every operation of the limit has the field, and in a form that can be
// used. A limit that finds nothing in one of its operations would let that operation pass
// uncounted.
func (c *compiler) checkField(n *yamlnode.Node, l *limit, use fieldUse) {
	if c.Bad(n) {
		return
	}
	if l.entries == nil {
		c.Complain(n, "%s names a field, so the limit must say which operations have it", use.key)
		return
	}
	for _, e := range l.entries {
		sh, ok := fieldsOf(e.name)[use.field]
		switch {
		case e.group:
			c.Complain(n, "%s names a field, and %s is a group; name the operations", use.key, e.name)
		case !ok:
			c.Complain(n, "%s has no field %s%s", e.name, quote(use.field),
				didYouMean(use.field, fieldNames(e.name)))
		case !use.fits(sh):
			c.Complain(n, "%s of %s is %s; %s takes %s", use.field, e.name, sh.noun, use.key, use.wanted)
		default:
			continue
		}
		return
	}
}

func (c *compiler) readDimension(n *yamlnode.Node, l *limit) {
	text, ok := c.Scalar(n, "per")
	if !ok {
		return
	}
	d := dimension{name: text}
	field, isField := strings.CutPrefix(text, ".")
	switch {
	case isField:
		c.readSplit(n, l, &d, field)
	case !slices.Contains([]string{"account", "app", "actor"}, text):
		c.Complain(n, "per: %s is none of account, app, actor, .field%s", quote(text), l.dimensionHint(text))
		return
	}
	if slices.ContainsFunc(l.per, func(other dimension) bool { return other.name == text }) {
		c.Complain(n, "%s stands here twice", text)
	}
	l.per = append(l.per, d)
}

// readSplit reads a field, or a path into the JSON that it holds.
func (c *compiler) readSplit(n *yamlnode.Node, l *limit, d *dimension, field string) {
	// The value names the counter, so there has to be one value, written in one way.
	use := fieldUse{
		field: field, key: "per", wanted: "a field with a single value, or a path into JSON such as .json.symbol",
		fits: func(sh *shape) bool {
			return (!sh.hasMembers() || sh.kind == aMemo) && !sh.absent && sh.kind != aRatio
		},
	}
	if names, ok := path(d.name); ok && len(names) > 1 {
		use.field, d.path = names[0], names[1:]
		use.wanted, use.fits = "a path into a field that holds JSON", func(sh *shape) bool {
			return sh.kind == aJSONText || sh.kind == aMemo
		}
	}
	d.field = use.field
	c.checkField(n, l, use)
}

// dimensionHint returns what to write instead of a word that a limit cannot be split by.
func (l *limit) dimensionHint(word string) string {
	switch hint := didYouMean(word, []string{"account", "app", "actor"}); {
	case isWord(word, wordsForAll):
		return "; leave per out for one counter of all"
	case hint != "":
		return hint
	case slices.ContainsFunc(l.entries, func(e opEntry) bool { return fieldsOf(e.name)[word] != nil }):
		return "; a field is written ." + word
	case isWord(word, wordsForSelf):
		return "; write account"
	case isWord(word, []string{"application", "bot", "client", "site", "slot"}):
		return "; write app"
	}
	return "; a field of its operations is written with a point, such as .to of transfer"
}

// windowText writes a window as the file does.
func windowText(w time.Duration) string {
	if w == 0 {
		return "request"
	}
	for _, unit := range []byte("dhm") {
		if u := spanUnits[unit]; w%u == 0 {
			return big.NewInt(int64(w/u)).String() + string(unit)
		}
	}
	return big.NewInt(int64(w/time.Second)).String() + "s"
}
