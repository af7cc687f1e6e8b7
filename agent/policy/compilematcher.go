package policy

import (
	"fmt"
	"slices"
	"strings"

	"pksa/agent/yamlnode"
)

// matcher compiles a condition: a value, a list of conditions, or a map of them. What cannot be
// compiled was complained about and becomes a matcher of anything: the policy will not be used.
// where is the name that complaints call it by.
func (c *compiler) matcher(n *yamlnode.Node, sh *shape, where string) matcher {
	if c.Bad(n) {
		return anything{}
	}
	switch n.Kind {
	case yamlnode.Scalar:
		return c.valueMatcher(n, sh, where)
	case yamlnode.List:
		return c.listMatcher(n, sh, where)
	case yamlnode.Map:
		return c.mapMatcher(n, sh, where)
	}
	return anything{}
}

// listMatcher compiles a list of conditions, one of which has to match.
func (c *compiler) listMatcher(n *yamlnode.Node, sh *shape, where string) matcher {
	// [bob, carol] on a field that is a list may mean these two, both of them, or either. The words
	// each, any and exactly say which.
	if sh.kind == aList && slices.ContainsFunc(n.Items,
		func(item *yamlnode.Node) bool { return item.Kind == yamlnode.Scalar }) {
		c.Complain(n, "%s is a list: say each, any, exactly or size", where)
		return anything{}
	}
	if c.partedByComma(n, sh) || c.elementsAlone(n.Items, sh, where) {
		return anything{}
	}
	var t oneOf
	for _, item := range n.Items {
		t = append(t, c.matcher(item, sh, where))
	}
	c.parted = false
	return anyOf(t)
}

// elementsAlone complains about elements of a list that are written with the names of their members
// and without exactly. It reports whether it has.
func (c *compiler) elementsAlone(items []*yamlnode.Node, sh *shape, where string) bool {
	if sh.kind != aList || sh.element == nil || sh.element.kind != aMap || len(items) == 0 {
		return false
	}
	var elements []string
	for _, item := range items {
		sample, ok := sh.element.written(item)
		if !ok {
			return false
		}
		elements = append(elements, "{"+sample+"}")
	}
	const most = 3
	if len(elements) > most {
		elements = append(elements[:most], "…")
	}
	c.Complain(items[0], "%s is a list: say each, any, exactly or size, such as {exactly: [%s]}", where,
		strings.Join(elements, ", "))
	return true
}

// partedByComma looks for a number that YAML has made a list of. An amount and its part are not
// both values of one field, and of others it warns. It reports whether it has complained.
func (c *compiler) partedByComma(n *yamlnode.Node, sh *shape) bool {
	says := partsOfNumber(n.Items)
	switch {
	case says == "":
		return false
	case sh.kind == anAsset || sh.kind == aNumber && !strings.Contains(says, "%"):
		c.Complain(n, "%s", says)
		return true
	}
	if _, _, unknown := strings.Cut(says, nothingToWrite); !unknown {
		c.Warn(n, "%s; for two values, write a blank behind the comma", says)
		c.parted = true
	}
	return false
}

// valueMatcher compiles a single value: equal, or one of a list that it names.
func (c *compiler) valueMatcher(n *yamlnode.Node, sh *shape, where string) matcher {
	switch sh.kind {
	case aList:
		if !c.noWordForAll(n, where) {
			c.Complain(n, "%s is a list: say each, any, exactly or size", where)
		}
		return anything{}
	case aMap:
		if c.noWordForAll(n, where) {
			return anything{}
		}
		c.Complain(n, "%s is no single value: say %s", where, strings.Join(sh.memberNames(), ", "))
		return anything{}
	}
	if name, ok := strings.CutPrefix(n.Text, "$"); ok {
		return c.reference(n, name, sh, where)
	}
	if m, ok := c.filledText(n, sh); ok {
		return m
	}
	return c.literalMatcher(n, sh, where)
}

func (c *compiler) literalMatcher(n *yamlnode.Node, sh *shape, where string) matcher {
	v, err := sh.literal(n)
	if err != nil && sh.kind != anAccount && c.noWordForAll(n, where) {
		return anything{}
	}
	if err != nil {
		c.Complain(n, "%s", inField(where, err))
		return anything{}
	}
	c.reviewPercent(n, sh, v, where)
	return equals{v}
}

// noWordForAll complains where a word for all stands in the place of a value that it can not be. It
// reports whether it has.
func (c *compiler) noWordForAll(n *yamlnode.Node, where string) bool {
	if !isWord(n.Text, wordsForAll) {
		return false
	}
	leaveOut := "leave this test out"
	if !strings.ContainsAny(where, ". ") && where != "size" {
		leaveOut = "leave " + where + " out; if no other field is tested, write the name of the operation alone"
	}
	c.Complain(n, "%s: %s is no word for all here; if it may be anything, %s", where, quote(n.Text), leaveOut)
	return true
}

// inField names the field, unless the complaint begins with what was written there.
func inField(where string, err error) string {
	if text := err.Error(); strings.HasPrefix(text, `"`) || where == "" {
		return text
	}
	return where + ": " + err.Error()
}

// reference compiles $account, $list, $1.permlink and $$text.
func (c *compiler) reference(n *yamlnode.Node, name string, sh *shape, where string) matcher {
	// $$ begins a text with one dollar sign. As text, even where the rest looks like a number.
	if strings.HasPrefix(name, "$") {
		if m, ok := c.filledText(n, sh); ok {
			return m
		}
		text := *n
		text.Text, text.Quoted = name, true
		return c.literalMatcher(&text, sh, where)
	}
	_, isList := c.lists[name]
	if name == accountName || name == actorName && !isList {
		// Its value is known only with the request, so it is no literal.
		switch sh.kind {
		case anAccount, aText, aDocument, aMemo, aJSON:
			if name == actorName {
				return isActor{}
			}
			return isAccount{}
		}
		c.Complain(n, "$%s is a name, and %s is %s", name, where, sh.noun)
		return anything{}
	}
	if number, field, ok := strings.Cut(name, "."); ok && allDigits(number) {
		return c.otherField(n, number, field, sh, where)
	}
	list, ok := c.lists[name]
	if !ok {
		if m, ok := c.filledText(n, sh); ok {
			return m
		}
		hint := c.meantList(name, accountName, actorName)
		switch {
		case hint != "":
		case strings.HasPrefix(name, "{") || strings.HasPrefix(name, "("):
			hint = "; nothing is filled in here: a value can be $account or the name of a list as a whole"
		case isWord(name, wordsForSelf):
			hint = "; the account of the request is $account"
		default:
			hint = fmt.Sprintf("; a text that begins with $ is written $$%s", name)
		}
		c.Complain(n, "there is no list %q%s", name, hint)
		return anything{}
	}
	if len(list) == 0 { // said where the list is
		return anything{}
	}
	if n := (&yamlnode.Node{Items: list, Line: list[0].Line, Column: list[0].Column}); c.partedByComma(n, sh) {
		return anything{}
	}
	var t oneOf
	for _, item := range list {
		if !c.Bad(item) {
			t = append(t, c.valueMatcher(item, sh, where))
		}
	}
	return anyOf(t)
}

// otherField compiles a field of another operation of the same transaction.
func (c *compiler) otherField(n *yamlnode.Node, number, field string, sh *shape, where string) matcher {
	i, ok := listIndex(number)
	switch {
	case c.transaction == nil:
		c.Complain(n, `$%s.%s is a field of another operation, and only "transaction" says which; $$ begins a text`,
			number, field)
		return anything{}
	case !ok || i < 1 || i > len(c.transaction):
		c.Complain(n, "$%s: the transaction has operations 1 to %d", number, len(c.transaction))
		return anything{}
	}
	operation := c.transaction[i-1]
	other, known := fieldsOf(operation)[field]
	switch {
	case !known:
		c.Complain(n, "%s has no field %q%s", operation, field, didYouMean(field, fieldNames(operation)))
	case other.kind != sh.kind && !(isTextual(other) && (isTextual(sh) || sh.kind == aJSON)) ||
		other.hasMembers() && other.kind != aMemo:
		c.Complain(n, "%s of %s is %s, and %s is %s", field, operation, other.noun, where, sh.noun)
	default:
		return sameAs{i - 1, field}
	}
	return anything{}
}

func isTextual(sh *shape) bool {
	return sh.kind == aText || sh.kind == aMemo || sh.kind == anAccount || sh.kind == aKey
}

// mapMatcher compiles a map of conditions. Its order in the file does not matter: conditions are
// kept by name.
func (c *compiler) mapMatcher(n *yamlnode.Node, sh *shape, where string) matcher {
	if c.elementsAlone([]*yamlnode.Node{n}, sh, where) {
		return anything{}
	}
	known := sh.matchers()
	var t allOf
	var keys []*yamlnode.Node
	bounds := map[string]value{}
	for _, e := range n.Sorted() {
		switch {
		case c.Bad(e.Key):
		case strings.HasPrefix(e.Key.Text, "."):
			t, keys = append(t, c.memberMatcher(e, sh)), append(keys, e.Key)
		case !slices.Contains(known, e.Key.Text):
			c.complainUnknown(e.Key, sh, where, known)
		default:
			one := c.namedMatcher(e, sh, where)
			if b, ok := one.(bound); ok {
				bounds[e.Key.Text] = b.limit
			}
			t, keys = append(t, one), append(keys, e.Key)
		}
	}
	if !c.checkBounds(n, bounds) {
		c.reviewTogether(t, keys, where)
	}
	return t
}

func (c *compiler) complainUnknown(key *yamlnode.Node, sh *shape, where string, known []string) {
	all := (&shape{kind: aJSON}).matchers()
	switch {
	// The same JSON has many texts: with blanks, escapes, another order. A pattern on one of them
	// would be evaded by another.
	case sh.kind == aJSONText && slices.Contains(all, key.Text):
		c.Complain(key, "%s on %s would miss another spelling of the same JSON; test what is inside: .name, "+
			"members, each, any, exactly, size", key.Text, where)
	case foreignTest(key.Text, sh) != "":
		c.Complain(key, "%q is no test here; %s", key.Text, foreignTest(key.Text, sh))
	case sh.kind == aJSONText && foreignTest(key.Text, jsonShape) != "":
		c.Complain(key, "%q is no test here; test a member, such as {.name: {max: 5}}, {.name: [a, b]} or "+
			"{.name: {glob: 'a*'}}", key.Text)
	case sh.kind == aList && slices.Contains(all, key.Text):
		c.Complain(key, "%s is a list: say each, any, exactly or size", where)
	case sh.kind == aList && sh.element != nil && sh.element.kind == aMap:
		c.Complain(key, "%s is a list: say each, any, exactly or size, such as {exactly: [{%s}]}", where,
			sh.element.sample(key.Text))
	case key.Text == "present":
		c.Complain(key, `%s is never absent; an empty text is ""`, where)
	case slices.Contains(all, key.Text):
		one := ""
		if key.Text == "any" || key.Text == "each" {
			one = "; one of several values is a list, without a word before it"
		}
		c.Complain(key, "%s is no test for %s, which is %s; there are: %s%s", key.Text, where, sh.noun,
			strings.Join(append(known, sh.memberNames()...), ", "), one)
	case sh.kind == aMap:
		c.Complain(key, "%q is no test here; say %s", key.Text, strings.Join(sh.memberNames(), ", "))
	case sh.hasMembers() && didYouMean(key.Text, known) == "":
		c.Complain(key, "%q is no test here; a member is written .%s", key.Text, key.Text)
	default:
		c.Complain(key, "%q is no test here%s", key.Text, didYouMean(key.Text, known))
	}
}

// memberMatcher compiles .name, .a.b and .0.
func (c *compiler) memberMatcher(e yamlnode.Entry, sh *shape) matcher {
	names, ok := path(e.Key.Text)
	if !ok {
		c.Complain(e.Key, "%q: a path is written .name or .name.other", e.Key.Text)
		return anything{}
	}
	for i, name := range names {
		next, ok := sh.member(name)
		if !ok {
			c.Complain(e.Key, "there is no .%s here%s", strings.Join(names[:i+1], "."),
				didYouMean("."+name, sh.memberNames()))
			return anything{}
		}
		sh = next
	}
	return inside{names, c.matcher(e.Value, sh, e.Key.Text)}
}

// namedMatcher compiles one of the conditions that have a word for a name.
func (c *compiler) namedMatcher(e yamlnode.Entry, sh *shape, where string) matcher {
	switch key := e.Key.Text; key {
	case "min", "max":
		return c.boundMatcher(e, sh, where)
	case "not":
		return noneOf{c.negatedMatcher(e.Value, sh, where)}
	case "glob", "regexp":
		return c.patternMatcher(e)
	case "within":
		return c.aroundMatcher(e)
	case "present":
		word, _ := c.OneOf(e.Value, "present", "true", "false")
		return isPresent(word == "true")
	case "members":
		return c.membersMatcher(e)
	case "exactly":
		return c.exactlyMatcher(e, sh)
	case "size":
		return size{c.matcher(e.Value, numberShape, "size")}
	case "each":
		return each{c.matcher(e.Value, sh.elementShape(), where+" each")}
	case "any":
		return some{c.matcher(e.Value, sh.elementShape(), where+" any")}
	}
	return anything{}
}

// elementShape returns what all elements of a list have in common.
func (sh *shape) elementShape() *shape {
	switch {
	case sh.kind != aList:
		return jsonShape
	case sh.tuple != nil:
		return textShape
	}
	return sh.element
}

func (c *compiler) boundMatcher(e yamlnode.Entry, sh *shape, where string) matcher {
	text, ok := c.Scalar(e.Value, e.Key.Text)
	if !ok {
		return anything{}
	}
	if strings.HasPrefix(text, "$") {
		c.Complain(e.Value, "%s takes a number, an amount or an instant, no reference%s", e.Key.Text,
			otherMoney(e.Value.Text))
		return anything{}
	}
	// JSON has no type that the file could know: the number is told by the missing quotes.
	if sh.kind == aJSON {
		if says := numberWithComma(text); says != "" {
			c.Complain(e.Value, "%s, and quotes make a text", says)
			return anything{}
		}
		if e.Value.Quoted {
			c.Complain(e.Value, "%s in quotes is a text; %s takes a number without", quote(text), e.Key.Text)
			return anything{}
		}
		sh = ratioShape
	}
	v, err := sh.literal(e.Value)
	if err != nil && isWord(text, wordsForAll) {
		c.Complain(e.Value, "%[1]s: %[2]s is no word for all here; leave %[1]s out if there is no bound", e.Key.Text,
			quote(text))
		return anything{}
	}
	if err != nil {
		c.Complain(e.Value, "%s", inField(e.Key.Text, err))
		return anything{}
	}
	// In a rule that forbids or counts, min: 1 is any weight above zero, and max: -1 any below. A
	// percentage in its place would let lighter votes through.
	above, below := e.Key.Text == "min" && text == "1", e.Key.Text == "max" && v.number.negative
	if c.section.permits() || !above && !below {
		c.reviewPercent(e.Value, sh, v, where)
	}
	return bound{v, e.Key.Text == "max"}
}

// checkBounds complains about bounds between which nothing lies, and reports whether it did.
func (c *compiler) checkBounds(n *yamlnode.Node, bounds map[string]value) bool {
	low, high := bounds["min"], bounds["max"]
	if low.kind == isAbsent || high.kind == isAbsent {
		return false
	}
	switch order, known := compareBound(low, high); {
	case known != yes:
		c.Complain(n, "min %s and max %s are of two assets; no amount is both", low.text, high.text)
	case order < 0:
		c.Complain(n, "min %s is above max %s; nothing lies between", low.text, high.text)
	default:
		return false
	}
	return true
}

// underNot returns what to write instead of not with a word that cannot stand there.
func underNot(word string, sh *shape) string {
	switch plainWord(word) {
	case "in", "oneof", "anyof":
		return "; write not: [a, b]"
	case "any", "each", "exactly":
		return "; for a list of which no element is x, write {each: {not: x}}"
	case "not":
		return "; take out both"
	}
	switch hint := foreignPattern(plainWord(word), sh); {
	case hint == forSomewhere:
		return "; write not: {regexp: '(?i).*x.*'}"
	case strings.HasPrefix(hint, "write glob"):
		return "; " + strings.Replace(hint, "write ", "write not: {", 1) + "}"
	}
	return ""
}

// underNotWords are the tests that not takes.
var underNotWords = []string{"min", "max", "within", "glob", "regexp"}

// negatedMatcher compiles what not takes: values, lists of them, and underNotWords.
func (c *compiler) negatedMatcher(n *yamlnode.Node, sh *shape, where string) matcher {
	if c.Bad(n) {
		return anything{}
	}
	switch n.Kind {
	case yamlnode.List:
		var t oneOf
		for _, item := range n.Items {
			t = append(t, c.negatedMatcher(item, sh, where))
		}
		return anyOf(t)
	case yamlnode.Map:
		for _, e := range n.Entries {
			if key := e.Key; !c.Bad(key) && !slices.Contains(underNotWords,
				key.Text) {
				c.Complain(key, "%s cannot stand under not, which takes values, min, max, within, glob and regexp%s",
					quote(key.Text), underNot(key.Text, sh))
				return anything{}
			}
		}
		return c.mapMatcher(n, sh, where)
	}
	return c.valueMatcher(n, sh, where)
}

func (c *compiler) patternMatcher(e yamlnode.Entry) matcher {
	if e.Value.Kind == yamlnode.List && !c.Bad(e.Value) {
		c.Complain(e.Value, "%s takes one pattern; several are a list of tests: [{%s: 'a*'}, {%s: 'b*'}]", e.Key.Text,
			e.Key.Text, e.Key.Text)
		return anything{}
	}
	source, ok := c.Scalar(e.Value, e.Key.Text)
	if !ok {
		return anything{}
	}
	m, isFilled := c.fill(e.Key.Text, source)
	tried := source
	if isFilled {
		tried = m.text(sampleAccount, sampleActor)
	}
	p, err := newPattern(e.Key.Text, tried)
	if err != nil {
		text := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		switch {
		case strings.HasPrefix(text, "missing argument to repetition"):
			text += "; a glob is written {glob: …}"
		case strings.HasPrefix(text, "invalid or unsupported Perl syntax"):
			text += "; nothing looks ahead or behind here: write another rule, or {not: {regexp: …}} beside it"
		case strings.HasPrefix(text, "invalid repeat count"):
			text += ", which is 1000 at most; there is no test of how long a text is, and .{1,1000}.{0,1000} takes " +
				"up to 2000 characters"
		}
		c.Complain(e.Value, "%s: %s", quote(source), text)
		return anything{}
	}
	// An allow rule with glob: '*' looks like a condition and is none.
	if p.takesAll() && !c.everyText {
		c.Warn(e.Value, "%s %s takes every text", e.Key.Text, quote(source))
	}
	if isFilled {
		c.fillsIn, m.sample, m.size = true, p, sizeOf(p)
		return m
	}
	return p
}

func (c *compiler) membersMatcher(e yamlnode.Entry) matcher {
	t := onlyMembers{}
	for _, item := range c.Sequence(e.Value, "members") {
		name, ok := c.Scalar(item, "a member")
		if ok && strings.HasPrefix(name, ".") {
			c.Complain(item, "members are named without a point: %s", name[1:])
		}
		t[strings.TrimPrefix(name, ".")] = true
	}
	return t
}

func (c *compiler) exactlyMatcher(e yamlnode.Entry, sh *shape) matcher {
	var t exactly
	for i, item := range c.Sequence(e.Value, "exactly") {
		element := sh.elementShape()
		if sh.tuple != nil && i < len(sh.tuple) {
			element = sh.tuple[i]
		}
		t = append(t, c.matcher(item, element, fmt.Sprintf("element %d", i+1)))
	}
	return t
}
