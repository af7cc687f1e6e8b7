package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pksa/protocol/plain"
)

// A Problem is one complaint about a policy file: where, what is wrong, and what would be right.
type Problem struct {
	File    string
	Line    int // from 1
	Column  int // from 1, in characters
	Text    string
	Warning bool // the file can be used nevertheless
}

// String reads `policy.yaml:12:7: …`.
func (p Problem) String() string {
	kind := ""
	if p.Warning {
		kind = "warning: "
	}
	return fmt.Sprintf("%s:%d:%d: %s%s", p.File, p.Line, p.Column, kind, p.Text)
}

// Problems are complaints in the order of the file, errors before warnings.
type Problems []Problem

// Errors returns those that keep the file from being used.
func (ps Problems) Errors() Problems { return ps.only(false) }

// Warnings returns those that do not.
func (ps Problems) Warnings() Problems { return ps.only(true) }

func (ps Problems) only(warning bool) (out Problems) {
	for _, p := range ps {
		if p.Warning == warning {
			out = append(out, p)
		}
	}
	return out
}

// String has one complaint a line.
func (ps Problems) String() string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(p.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// tidy sorts the complaints and drops repetitions: an item of a list is complained about once,
// however often the list is used.
func (ps Problems) tidy() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(compareBool(a.Warning, b.Warning), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(ps)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// quote returns a text quoted, fit for a sentence and not longer than a line.
func quote(s string) string { return plain.QuoteRunes(s, 60) }

// didYouMean is empty, or what to add to a complaint about a word that is none of known.
func didYouMean(word string, known []string) string {
	return plain.DidYouMean(nearestWord(word, known))
}

// nearestWord returns the one of known that the word was probably meant to be, or "".
func nearestWord(word string, known []string) string {
	if meant, ok := otherNames[word]; ok && slices.Contains(known, meant) {
		return meant
	}
	return plain.Nearest(word, known)
}

// otherNames are words that people use for a key and that are not near it in letters.
var otherNames = map[string]string{
	"on": "request", "when": "request", "type": "request", "kind": "request",
	"op": "operations", "ops": "operations", "user": "accounts", "users": "accounts", "account": "accounts",
	"app": "apps", "slot": "apps", "slots": "apps", "role": "key", "key_type": "key", "keys": "key",
	"description": "comment", "title": "name", "id": "name", "message": "text", "challenge": "text",
	"after": "from", "start": "from", "before": "until", "end": "until", "time": "hours", "behalf": "on_behalf_of",
	"equals": "exactly", "eq": "exactly", "in": "any", "all": "each", "len": "size", "length": "size", "count": "size",
	"regex": "regexp", "matches": "regexp", "pattern": "regexp", "like": "glob", "lte": "max", "le": "max",
	"gte": "min", "ge": "min",
	"exists": "present", "ne": "not", "none": "not", "keys_only": "members", "group": "per", "split": "per",
	"by":     "per",
	"amount": "spend", "ops_count": "count", "action": "answer", "expires": "session", "duration": "session",
	"wait": "timeout",
}
