package policy

import (
	"fmt"
	"slices"
	"strings"

	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

// quote makes a text fit for a sentence: quoted, and not longer than a line.
func quote(s string) string { return plain.QuoteRunes(s, 60) }

// didYouMean returns what to add to a complaint about a word that is none of known, or "".
func didYouMean(word string, known []string) string {
	return plain.DidYouMean(nearestWord(word, known))
}

// meantList returns the list that a name behind $ may have been meant to be, of those with a name
// that a list can have, or one of some other names.
func (c *compiler) meantList(name string, others ...string) string {
	known := slices.DeleteFunc(slices.Clone(c.listNames), func(list string) bool {
		return list == accountName || list == actorName || list == "" || list[0] >= '0' && list[0] <= '9'
	})
	if hint := didYouMean(name, known); hint != "" {
		return hint
	}
	if meant := nearestWord(name, others); meant != "" {
		return "; did you mean $" + meant + "?"
	}
	return ""
}

// nearestWord returns the one of known that the word was probably meant to be, or "".
func nearestWord(word string, known []string) string {
	if meant, ok := otherNames[word]; ok && slices.Contains(known, meant) {
		return meant
	}
	return plain.Nearest(word, known)
}

// keyHint returns what a key that is not known here may have been meant to be, or where it belongs.
func keyHint(key string, known []string) string {
	for s := allowSection; s <= limitSection; s++ {
		if slices.Contains(sectionKeys[s], key) && slices.Contains(known, "name") {
			return fmt.Sprintf("; what stands under %s may have it", s)
		}
	}
	if meant, ok := otherNames[key]; ok && slices.Contains(known, meant) {
		return didYouMean(key, known)
	}
	if hint := policyKeyHint(key, known); hint != "" {
		return hint
	}
	return didYouMean(key, known)
}

// emptyListHint returns how to test for a list without elements.
func emptyListHint(key string) string {
	for _, d := range hive.Definitions() {
		if sh := fieldsOf(d.Name)[key]; sh != nil && sh.kind == aList {
			return "; a list without elements is {size: 0}"
		}
	}
	return ""
}

// emptyMapHint returns what to write in the place of an empty map: below the name of an operation,
// that name alone.
func emptyMapHint(key string) string {
	if _, ok := hive.DefinitionOf(key); ok || key == groupPosting || key == groupActive {
		return "write " + key + " alone"
	}
	if key == "any" {
		return "write size: {min: 1} for a list with any element"
	}
	return ""
}

// foreignTest returns what to write instead of a test that other tools have, "" if it is none.
func foreignTest(word string, sh *shape) string {
	known, word := sh.matchers(), plainWord(word)
	switch word {
	case "in", "oneof", "anyof", "enum", "or", "either", "||", "|":
		if sh.kind == aList {
			return "say each, any, exactly or size"
		}
		return "one of several values is a list, without a word before it: [a, b]"
	case "and", "allof", "&&", "&":
		return "a map means all of its tests: {min: 1, max: 5}, {glob: 'a*', not: ab}"
	case "ne", "neq", "noteq", "notequal", "notequals", "stringnotequals", "isnot", "!=", "<>", "!", "except",
		"exclude", "unless", "nin",
		"notin", "noneof":
		if slices.Contains(known, "not") {
			return "write not: x, or not: [a, b]"
		}
	case "between", "range", "from", "to":
		if slices.Contains(known, "min") {
			return "write {min: …, max: …}; both belong to it"
		}
	case "required", "exists", "optional":
		if slices.Contains(known, "present") {
			return "write present: true or false"
		}
	case "eq", "equal", "equals", "stringequals", "is", "const", "=", "==", "===", "value":
		if sh.kind == aList {
			return "write exactly: [a, b]"
		}
		if sh.kind == aJSONText {
			return ""
		}
		return "to be equal is the value alone, without a word before it"
	case "gt", "gte", "ge", "lt", "lte", "le", "above", "below", "minimum", "maximum", "<", "<=", ">", ">=", "atmost",
		"atleast", "upto", "limit", "morethan", "lessthan", "greaterthan", "numericlessthan", "numericlessthanequals",
		"numericgreaterthan", "numericgreaterthanequals":
		if slices.Contains(known, "min") {
			return "write min or max; both include the bound itself"
		}
		if slices.Contains(known, "regexp") {
			return "a text has no order; write regexp: '[0-9]+' for one that is a number"
		}
	}
	return foreignPattern(word, sh)
}

// foreignPattern returns what to write instead of a test of texts that other tools have.
func foreignPattern(word string, sh *shape) string {
	known := sh.matchers()
	glob := func(form string) string {
		switch {
		case slices.Contains(known, "glob"):
			return "write glob: '" + form + "'"
		case sh.kind == aJSONText:
			return "test a member of it: .name: {glob: '" + form + "'}"
		}
		return ""
	}
	switch word {
	case "~", "=~", "re", "rx", "regex", "match", "matches", "pattern":
		if slices.Contains(known, "regexp") {
			return "write regexp: 'tip [0-9]+', which is compared with the whole text"
		}
	case "startswith", "prefix", "stringlike", "wildcard", "beginswith", "hasprefix":
		return glob("x*")
	case "endswith", "suffix", "hassuffix":
		return glob("*x")
	case "contains", "includes", "has", "substring":
		if slices.Contains(known, "any") && !slices.Contains(known, "glob") {
			return "an element of a list is any: x"
		}
		if sh.kind == aJSON {
			return "write any: x for a list that has x in it, and glob: '*x*' for a text"
		}
		if slices.Contains(known, "glob") {
			return forSomewhere
		}
		return glob("*x*")
	case "length", "len", "minlength", "maxlength", "strlen":
		if slices.Contains(known, "regexp") {
			return "there is no test of a text's length; regexp: '.{1,200}' takes 1 to 200 characters, " +
				"1000 at most"
		}
	}
	return ""
}

// forSomewhere is what to write for a text with a word in it. Where a rule allows, a star in front
// of the word lets the application write what it wants; where it denies, large letters evade it.
const forSomewhere = "for a text with x in it write regexp: '(?i).*x.*' where you deny; where you allow, write what " +
	"it begins with: glob: 'x*'"

// otherNames are words that people use for a key and that are not near it in letters.
var otherNames = map[string]string{
	"on": "request", "type": "request", "kind": "request",
	"op": "operations", "ops": "operations", "user": "accounts", "users": "accounts", "account": "accounts",
	"app": "apps", "slot": "apps", "slots": "apps", "role": "key", "key_type": "key", "keys": "key",
	"description": "comment", "title": "name", "message": "text", "challenge": "text",
	"after": "from", "start": "from", "before": "until", "end": "until", "time": "hours", "behalf": "on_behalf_of",
	"equals": "exactly", "eq": "exactly", "in": "any", "all": "each", "len": "size", "length": "size", "count": "size",
	"regex": "regexp", "matches": "regexp", "pattern": "regexp", "like": "glob", "lte": "max", "le": "max",
	"gte": "min", "ge": "min",
	"exists": "present", "ne": "not", "none": "not", "keys_only": "members", "group": "per", "split": "per",
	"by":     "per",
	"amount": "spend", "ops_count": "count", "action": "answer", "expires": "until", "duration": "session",
	"wait": "timeout",
}

// Permits returns what the rules let an app do for an account, one line for each rule that allows
// or asks. Deny rules and limits may take from it.
func (p *Policy) Permits(app string, account hive.AccountName) (lines []string) {
	for _, r := range p.rules {
		if !r.section.permits() || r.observe || !r.apps.has(app) || !r.accounts.has(string(account)) {
			continue
		}
		var kinds, names []string
		for kind := Auth; kind <= Decrypt; kind++ {
			if r.kinds[kind] {
				kinds = append(kinds, kind.String())
			}
		}
		for _, e := range r.entries {
			names = append(names, e.name)
		}
		line := fmt.Sprintf("%s %q: %s", r.section, r.name, strings.Join(kinds, ", "))
		if len(names) > 0 {
			line += " " + strings.Join(names, ", ")
		}
		lines = append(lines, line)
	}
	return lines
}

// Ignores reports whether requests of a kind by an app for an account may be met with silence, so
// that another wallet can answer them: a deny rule in force says so for some of them, or the whole
// policy does, and no rule lets any of them pass.
func (p *Policy) Ignores(kind Kind, app string, account hive.AccountName) bool {
	otherwise := p.otherwise
	for _, r := range p.rules {
		if r.observe || !r.kinds[kind] || !r.apps.has(app) || !r.accounts.has(string(account)) {
			continue
		}
		if r.section == denySection && r.silent {
			return true
		}
		otherwise = otherwise && !r.section.permits()
	}
	return otherwise
}
