package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// test compiles a test: a value, a list of tests, or a map of tests. What cannot be compiled was
// complained about and becomes a test that asks nothing: the policy will not be used. where is the
// name that complaints call it by.
func (c *compiler) test(n *yaml.Node, sh *shape, where string) test {
	if c.bad[n] {
		return anything{}
	}
	switch n.Kind {
	case yaml.ScalarNode:
		return c.valueTest(n, sh, where)
	case yaml.SequenceNode:
		return c.listTest(n, sh, where)
	case yaml.MappingNode:
		return c.mapTest(n, sh, where)
	}
	return anything{}
}

// listTest compiles one of several. For a field that is a list itself, what looks like its value is
// no test at all.
func (c *compiler) listTest(n *yaml.Node, sh *shape, where string) test {
	if sh.kind == aList && slices.ContainsFunc(n.Content,
		func(item *yaml.Node) bool { return item.Kind == yaml.ScalarNode }) {
		c.complain(n, "%s is a list: say each, any, exactly or size", where)
		return anything{}
	}
	var t oneOf
	for _, item := range n.Content {
		t = append(t, c.test(item, sh, where))
	}
	return t
}

// valueTest compiles a single value: equal, or one of a list that it names.
func (c *compiler) valueTest(n *yaml.Node, sh *shape, where string) test {
	switch sh.kind {
	case aList:
		c.complain(n, "%s is a list: say each, any, exactly or size", where)
		return anything{}
	case aMap:
		c.complain(n, "%s is no single value: say %s", where, strings.Join(sh.memberNames(), ", "))
		return anything{}
	}
	if name, ok := strings.CutPrefix(n.Value, "$"); ok {
		return c.reference(n, name, sh, where)
	}
	return c.literalTest(n, sh, where)
}

func (c *compiler) literalTest(n *yaml.Node, sh *shape, where string) test {
	v, err := sh.literal(n)
	if err != nil {
		c.complain(n, "%s", inField(where, err))
		return anything{}
	}
	c.reviewPercent(n, sh, v, where)
	return equals{v}
}

// inField names the field, unless the complaint begins with what was written there.
func inField(where string, err error) string {
	if text := err.Error(); strings.HasPrefix(text, `"`) || where == "" {
		return text
	}
	return where + ": " + err.Error()
}

// reference compiles $account, $list, $1.permlink and $$text.
func (c *compiler) reference(n *yaml.Node, name string, sh *shape, where string) test {
	if strings.HasPrefix(name, "$") {
		text := *n
		text.Value, text.Style = name, yaml.DoubleQuotedStyle
		return c.literalTest(&text, sh, where)
	}
	if name == "account" {
		switch sh.kind {
		case anAccount, aText, aDocument, aJSON:
			return isAccount{}
		}
		c.complain(n, "$account is a name, and %s is %s", where, sh.noun)
		return anything{}
	}
	if number, field, ok := strings.Cut(name, "."); ok && allDigits(number) {
		return c.otherField(n, number, field, sh, where)
	}
	list, ok := c.lists[name]
	if !ok {
		hint := didYouMean(name, c.listNames)
		if hint == "" {
			hint = fmt.Sprintf("; a text that begins with $ is written $$%s", name)
		}
		c.complain(n, "there is no list %q%s", name, hint)
		return anything{}
	}
	var t oneOf
	for _, item := range list {
		if !c.bad[item] {
			t = append(t, c.valueTest(item, sh, where))
		}
	}
	return t
}

// otherField compiles a field of another operation of the same transaction.
func (c *compiler) otherField(n *yaml.Node, number, field string, sh *shape, where string) test {
	i, ok := listIndex(number)
	switch {
	case c.transaction == nil:
		c.complain(n, `$%s.%s is a field of another operation, and only "transaction" says which; $$ begins a text`,
			number, field)
		return anything{}
	case !ok || i < 1 || i > len(c.transaction):
		c.complain(n, "$%s: the transaction has operations 1 to %d", number, len(c.transaction))
		return anything{}
	}
	operation := c.transaction[i-1]
	other, known := fieldsOf(operation)[field]
	switch {
	case !known:
		c.complain(n, "%s has no field %q%s", operation, field, didYouMean(field, fieldNames(operation)))
	case other.kind != sh.kind && !(isTextual(other) && (isTextual(sh) || sh.kind == aJSON)) || other.hasMembers():
		c.complain(n, "%s of %s is %s, and %s is %s", field, operation, other.noun, where, sh.noun)
	default:
		return sameAs{i - 1, field}
	}
	return anything{}
}

func isTextual(sh *shape) bool {
	return sh.kind == aText || sh.kind == anAccount || sh.kind == aKey
}

// mapTest compiles a map of tests. Its order in the file does not matter: conditions are kept by
// name.
func (c *compiler) mapTest(n *yaml.Node, sh *shape, where string) test {
	known := sh.tests()
	var t allOf
	bounds := map[string]value{}
	for _, e := range sortedEntries(n) {
		switch {
		case c.bad[e.key]:
		case strings.HasPrefix(e.key.Value, "."):
			t = append(t, c.memberTest(e, sh))
		case !slices.Contains(known, e.key.Value):
			c.unknownTest(e.key, sh, where, known)
		default:
			one := c.namedTest(e, sh, where)
			if b, ok := one.(bound); ok {
				bounds[e.key.Value] = b.limit
			}
			t = append(t, one)
		}
	}
	c.checkBounds(n, bounds)
	return t
}

func sortedEntries(n *yaml.Node) []entry {
	var entries []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		entries = append(entries, entry{n.Content[i], n.Content[i+1]})
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.key.Value, b.key.Value) })
	return entries
}

func (c *compiler) unknownTest(key *yaml.Node, sh *shape, where string, known []string) {
	all := (&shape{kind: aJSON}).tests()
	switch {
	case sh.kind == aJSONText && slices.Contains(all, key.Value):
		c.complain(key, "%s on %s would miss another spelling of the same JSON; test what is inside: .name, "+
			"members, each, any, exactly, size", key.Value, where)
	case sh.kind == aList && slices.Contains(all, key.Value):
		c.complain(key, "%s is a list: say each, any, exactly or size", where)
	case key.Value == "present":
		c.complain(key, `%s is never absent; an empty text is ""`, where)
	case slices.Contains(all, key.Value):
		c.complain(key, "%s is no test for %s, which is %s; there are: %s", key.Value, where, sh.noun,
			strings.Join(append(known, sh.memberNames()...), ", "))
	case sh.kind == aMap:
		c.complain(key, "%q is no test here; say %s", key.Value, strings.Join(sh.memberNames(), ", "))
	case sh.hasMembers() && didYouMean(key.Value, known) == "":
		c.complain(key, "%q is no test here; a member is written .%s", key.Value, key.Value)
	default:
		c.complain(key, "%q is no test here%s", key.Value, didYouMean(key.Value, known))
	}
}

// memberTest compiles .name, .a.b and .0.
func (c *compiler) memberTest(e entry, sh *shape) test {
	names, ok := path(e.key.Value)
	if !ok {
		c.complain(e.key, "%q: a path is written .name or .name.other", e.key.Value)
		return anything{}
	}
	for i, name := range names {
		next, ok := sh.member(name)
		if !ok {
			c.complain(e.key, "there is no .%s here%s", strings.Join(names[:i+1], "."),
				didYouMean("."+name, sh.memberNames()))
			return anything{}
		}
		sh = next
	}
	return inside{names, c.test(e.value, sh, e.key.Value)}
}

// namedTest compiles one of the tests that have a word for a name.
func (c *compiler) namedTest(e entry, sh *shape, where string) test {
	switch key := e.key.Value; key {
	case "min", "max":
		return c.boundTest(e, sh, where)
	case "not":
		return noneOf{c.negated(e.value, sh, where)}
	case "glob", "regexp":
		return c.patternTest(e)
	case "present":
		word, _ := c.word(e.value, "present", "true", "false")
		return isPresent(word == "true")
	case "members":
		return c.membersTest(e)
	case "exactly":
		return c.exactlyTest(e, sh)
	case "size":
		return size{c.test(e.value, numberShape, "size")}
	case "each":
		return each{c.test(e.value, sh.elementShape(), where+" each")}
	case "any":
		return some{c.test(e.value, sh.elementShape(), where+" any")}
	}
	return anything{}
}

// elementShape is what all elements of a list have in common.
func (s *shape) elementShape() *shape {
	switch {
	case s.kind != aList:
		return jsonShape
	case s.tuple != nil:
		return textShape
	}
	return s.element
}

func (c *compiler) boundTest(e entry, sh *shape, where string) test {
	text, ok := c.scalar(e.value, e.key.Value)
	if !ok {
		return anything{}
	}
	if strings.HasPrefix(text, "$") {
		c.complain(e.value, "%s takes a number, an amount or an instant, no reference", e.key.Value)
		return anything{}
	}
	if sh.kind == aJSON {
		if !unquoted(e.value) {
			c.complain(e.value, "%s in quotes is a text; %s takes a number without", quote(text), e.key.Value)
			return anything{}
		}
		sh = ratioShape
	}
	v, err := sh.literal(e.value)
	if err != nil {
		c.complain(e.value, "%s", inField(e.key.Value, err))
		return anything{}
	}
	c.reviewPercent(e.value, sh, v, where)
	return bound{v, e.key.Value == "max"}
}

// checkBounds complains about bounds between which nothing lies.
func (c *compiler) checkBounds(n *yaml.Node, bounds map[string]value) {
	low, high := bounds["min"], bounds["max"]
	if low.kind == isAbsent || high.kind == isAbsent {
		return
	}
	switch order, known := compareBound(low, high); {
	case known != yes:
		c.complain(n, "min %s and max %s are of two assets; no amount is both", low.text, high.text)
	case order < 0:
		c.complain(n, "min %s is above max %s; nothing lies between", low.text, high.text)
	}
}

// negated compiles what not takes: values, lists of them, min, max, glob, regexp.
func (c *compiler) negated(n *yaml.Node, sh *shape, where string) test {
	if c.bad[n] {
		return anything{}
	}
	switch n.Kind {
	case yaml.SequenceNode:
		var t oneOf
		for _, item := range n.Content {
			t = append(t, c.negated(item, sh, where))
		}
		return t
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if key := n.Content[i]; !c.bad[key] && !slices.Contains([]string{"min", "max", "glob", "regexp"},
				key.Value) {
				c.complain(key, "%s cannot stand under not, which takes values, min, max, glob and regexp",
					quote(key.Value))
				return anything{}
			}
		}
		return c.mapTest(n, sh, where)
	}
	return c.valueTest(n, sh, where)
}

func (c *compiler) patternTest(e entry) test {
	source, ok := c.scalar(e.value, e.key.Value)
	if !ok {
		return anything{}
	}
	build := newGlob
	if e.key.Value == "regexp" {
		build = newRegexp
	}
	p, err := build(source)
	if err != nil {
		c.complain(e.value, "%s: %v", quote(source), strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return anything{}
	}
	if p.takesAll() {
		c.warn(e.value, "%s %s takes every text", e.key.Value, quote(source))
	}
	return p
}

func (c *compiler) membersTest(e entry) test {
	t := onlyMembers{}
	for _, item := range c.sequence(e.value, "members") {
		name, ok := c.scalar(item, "a member")
		if ok && strings.HasPrefix(name, ".") {
			c.complain(item, "members are named without a point: %s", name[1:])
		}
		t[name] = true
	}
	return t
}

func (c *compiler) exactlyTest(e entry, sh *shape) test {
	var t exactly
	for i, item := range c.sequence(e.value, "exactly") {
		element := sh.elementShape()
		if sh.tuple != nil && i < len(sh.tuple) {
			element = sh.tuple[i]
		}
		t = append(t, c.test(item, element, fmt.Sprintf("element %d", i+1)))
	}
	return t
}
