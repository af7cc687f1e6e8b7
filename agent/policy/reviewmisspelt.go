package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"pksa/protocol/hive"
)

// Names and values that are written otherwise than where something is permitted: a rule that denies
// or asks is then about nothing, and what was meant goes through. A rule about what nobody permits
// is no mistake by itself, and a good guard. So a name has to be nearly one that is permitted.

// permitted is how many rules permit something for each app or account that one of them names, and
// how many for all.
type permitted struct {
	named map[string]int
	all   int
}

// permittedBy counts the names of the rules that permit something.
func permittedBy(rules []*rule, of func(*rule) nameSet) (p permitted) {
	p.named = map[string]int{}
	for _, r := range rules {
		if !r.section.permits() {
			continue
		}
		if of(r) == nil {
			p.all++
		}
		for name := range of(r) {
			p.named[name]++
		}
	}
	return p
}

// reviewMisspelt warns of apps and accounts for which nothing is permitted, and which are nearly
// some for which something is: in rules that deny or ask, and in limits beside others.
func (c *compiler) reviewMisspelt(p *Policy) {
	hasApp := func(name string) bool { return slices.Contains(c.options.Apps, name) }
	hasAccount := func(name string) bool { return slices.Contains(c.options.Accounts, hive.AccountName(name)) }
	apps, accounts := func(r *rule) nameSet { return r.apps }, func(r *rule) nameSet { return r.accounts }
	forApps, forAccounts := permittedBy(p.rules, apps), permittedBy(p.rules, accounts)
	rules := slices.Clone(p.rules)
	for _, l := range p.limits {
		rules = append(rules, &l.rule)
	}
	for _, r := range rules {
		if r.section != allowSection {
			c.misspeltNames(r, "apps", apps(r), forApps, hasApp)
			c.misspeltNames(r, "accounts", accounts(r), forAccounts, hasAccount)
		}
	}
}

// misspeltNames warns of those of some names of a rule that nothing is permitted for, by another
// rule, and that the wallet does not have.
func (c *compiler) misspeltNames(r *rule, key string, said nameSet, other permitted, has func(string) bool) {
	if said == nil {
		return
	}
	permits := func(name string) bool {
		return other.named[name] > 1 || other.named[name] == 1 && !(r.section.permits() && said[name])
	}
	names := slices.Sorted(maps.Keys(said))
	// Of a limit that nothing touches another warning says so; lists of many come from programs.
	if len(other.named) > mostListed || r.section == limitSection && !slices.ContainsFunc(names, permits) {
		return
	}
	for _, name := range names {
		meant := ""
		if !permits(name) && !has(name) {
			meant = misspeltAs(name, other.named, permits)
		}
		switch {
		case meant == "":
		case other.all > 0:
			c.Warn(c.valueOfKey(r, key), "%s: no %srule that permits something names %s, and one names %s; did you "+
				"mean that?", key, otherThan[r.section], quote(name), quote(meant))
		default:
			c.Warn(c.valueOfKey(r, key), "%s: no %srule permits anything for %s, so %q %s nothing of it; did you mean "+
				"%s?", key, otherThan[r.section], quote(name), r.name, doing[r.section], quote(meant))
		}
	}
}

// mostListed is how many names or values are compared with one that may be misspelt. Programs list
// more, and in those one name is near another one.
const mostListed = 300

// doing says what rules of a section do, and otherThan which rules are looked at beside one of it.
var (
	doing     = map[section]string{denySection: "denies", askSection: "asks about", limitSection: "counts"}
	otherThan = map[section]string{askSection: "other "}
)

// misspeltAs returns which of some names another one is, written otherwise; "" if none.
func misspeltAs(name string, names map[string]int, permits func(string) bool) string {
	for _, other := range slices.Sorted(maps.Keys(names)) {
		if permits(other) && nearly(name, other) && !severalOf(name, other) {
			return other
		}
	}
	return ""
}

// severalOf reports whether one name is the plural of the other: these are two.
func severalOf(name, other string) bool { return name == other+"s" || other == name+"s" }

// nearly reports whether one name is another one, written otherwise: with other marks or large
// letters, with two letters in the wrong order or, in a word that is long enough, with one letter
// more, less or changed. Names that differ in a digit, or in a short word, are those of two: bot1
// and bot2, shop-a and shop-b.
func nearly(name, other string) bool {
	a, b := lettersOf(name), lettersOf(other)
	i := differ(a, b)
	switch {
	case i < 0:
		return true
	case len(a) == len(b) && i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]:
		return true
	}
	words, others := strings.FieldsFunc(name, isMark), strings.FieldsFunc(other, isMark)
	if len(words) != len(others) {
		return false
	}
	for k := range words {
		if words[k] != others[k] {
			return oneLetterOff(strings.ToLower(words[k]), strings.ToLower(others[k])) &&
				slices.Equal(words[k+1:], others[k+1:])
		}
	}
	return false
}

// longEnough is how many letters the longer of two words has that are one word with a letter wrong.
const longEnough = 5

// oneLetterOff reports whether two words differ in one letter, which is no digit.
func oneLetterOff(a, b string) bool {
	if len(a) < len(b) {
		a, b = b, a
	}
	i := differ(a, b)
	if len(a) < longEnough || len(a) > len(b)+1 || i < 0 || unicode.IsDigit(rune(a[i])) {
		return false
	}
	if len(a) > len(b) {
		return a[i+1:] == b[i:]
	}
	return a[i+1:] == b[i+1:] && !unicode.IsDigit(rune(b[i]))
}

// lettersOf returns a name in small letters, without the marks between its words.
func lettersOf(name string) string {
	return strings.ToLower(strings.Join(strings.FieldsFunc(name, isMark), ""))
}

// isMark reports whether a character stands between the words of a name.
func isMark(ch rune) bool { return strings.ContainsRune("-_. ", ch) }

// differ returns the first place at which two texts differ, -1 if they do not.
func differ(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	if len(a) == len(b) {
		return -1
	}
	return min(len(a), len(b))
}

// mostMisspelt is how many values a test has at most of which one may be misspelt. Longer lists are
// of those who imitate others, and no mistake.
const mostMisspelt = 5

// misspeltValue finds a value of a rule that forbids which none of the rules takes that it is to
// forbid something of, where these list theirs, and one of those is nearly the same. In files that
// programs write it looks for none, so it takes no steps away from what looks for worse.
func (c *compiler) misspeltValue(r *rule, e *opEntry, rules []*rule) string {
	if len(rules) > mostReviewed {
		return ""
	}
	permits := map[*opEntry]string{} // the names of their rules
	for _, other := range rules {
		if !other.letsPast(r) || other.observe || !other.mayMeet(r) || !c.spelt.left(len(other.entries)) {
			continue
		}
		for i := range other.entries {
			one := &other.entries[i]
			if slices.ContainsFunc(one.mayName(other.section), func(name string) bool {
				return slices.Contains(e.mayName(r.section), name)
			}) {
				permits[one] = other.name
			}
		}
	}
	if len(permits) == 0 || !c.spelt.left(len(permits)) {
		return ""
	}
	for _, test := range e.textTests() {
		if len(test.texts) > mostMisspelt || e.name == "custom_json" && test.where == "id" &&
			c.otherLetters(r, e, rules) != "" {
			continue
		}
		listed := test.listedBy(permits)
		for _, text := range slices.Sorted(maps.Keys(test.texts)) {
			for _, one := range slices.Sorted(maps.Keys(listed)) {
				if listed[text] == "" && nearly(text, one) {
					return fmt.Sprintf("%s: no rule lets %s through, so %q %s nothing by it, and %q lists %s; did you "+
						"mean that?", test.where, quote(text), r.name, forbids[r.section], listed[one], quote(one))
				}
			}
		}
	}
	return ""
}

// textTest is a test of a value of an operation that takes some texts and nothing else.
type textTest struct {
	where string  // the field, with the members that lead to the value
	texts nameSet // nil: others, too
}

// textTests returns the tests of an entry that list texts. Who gets something is one value,
// whatever field says it.
func (e *opEntry) textTests() (tests []textTest) {
	for _, f := range e.fields {
		where := f.field
		if e.isRecipient(where) {
			where = payeeField
		}
		tests = append(tests, textTestsOf(where, f.matcher)...)
	}
	return tests
}

func textTestsOf(where string, m matcher) (tests []textTest) {
	switch m := m.(type) {
	case allOf:
		for _, one := range m {
			tests = append(tests, textTestsOf(where, one)...)
		}
		return tests
	case exactly:
		for _, one := range m {
			tests = append(tests, textTestsOf(where, one)...)
		}
		return tests
	case each:
		return textTestsOf(where, m.matcher)
	case some:
		return textTestsOf(where, m.matcher)
	case inside:
		for _, part := range m.path {
			if !allDigits(part) {
				where += "." + part
			}
		}
		return textTestsOf(where, m.matcher)
	}
	return []textTest{{where, textsOf(m)}}
}

// listedBy returns the texts that some entries list at the place of a test, each with the name of a
// rule that does; nil if one of them takes others there.
func (t textTest) listedBy(entries map[*opEntry]string) map[string]string {
	texts := map[string]string{}
	for e, by := range entries {
		if d, ok := hive.DefinitionOf(e.name); t.where == payeeField && ok && len(d.Payees) == 0 {
			continue // it pays nobody
		}
		listed := false
		for _, own := range e.textTests() {
			if own.where != t.where {
				continue
			}
			if own.texts == nil || len(own.texts) > mostListed {
				return nil
			}
			listed = true
			for text := range own.texts {
				if texts[text] == "" || by < texts[text] { // whatever the order of the entries is
					texts[text] = by
				}
			}
		}
		if !listed {
			return nil
		}
	}
	return texts
}
