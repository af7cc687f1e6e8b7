package policy

import (
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
)

// FuzzFill: what stands between names is the source, and in a regular expression names stand where
// a letter would stand for itself: never in a class of characters.
func FuzzFill(f *testing.F) {
	for _, source := range []string{"I am $account", "$$account", `[$account]x$actor`, `\$account|[[:word:]$actor]`,
		`\Q$account\E$account`, `[]$account]$account`, `[^]$account`, `(?i:$actor){2}`, `\\$account$`} {
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		c := &compiler{version: version2}
		for _, form := range []string{"", "glob", "regexp"} {
			m, found := c.fill(form, source)
			if !found {
				continue
			}
			if again := m.text("$account", "$actor"); form != "regexp" &&
				strings.ReplaceAll(again, "$", "") != strings.ReplaceAll(source, "$", "") {
				t.Fatalf("%q: %q", source, again)
			}
			if form != "regexp" || strings.ContainsRune(source, sign) {
				continue
			}
			if _, err := syntax.Parse(source, syntax.Perl); err != nil {
				continue // not taken
			}
			// Two signs, since "0|x" is the same as a class.
			re, err := syntax.Parse(m.text(string(sign)+string(sign), string(sign)+string(sign)), syntax.Perl)
			if err != nil {
				continue // complained about
			}
			if alone, inClasses := signs(re); inClasses || !alone && !strings.ContainsAny(source, "{*+?") {
				t.Fatalf("%q: %v", source, re) // but what is repeated may be dropped
			}
		}
	})
}

// sign is a letter that no text has, of one case.
const sign = '\U00013000'

// signs reports whether the sign stands for itself in an expression, and whether in a class.
func signs(re *syntax.Regexp) (alone, inClass bool) {
	switch re.Op {
	case syntax.OpLiteral:
		alone = slices.Contains(re.Rune, sign)
	case syntax.OpCharClass:
		inClass = slices.Contains(re.Rune, sign) // a range begins or ends there
	}
	for _, sub := range re.Sub {
		one, other := signs(sub)
		alone, inClass = alone || one, inClass || other
	}
	return alone, inClass
}
