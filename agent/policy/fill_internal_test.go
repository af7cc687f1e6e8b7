package policy

import (
	"regexp/syntax"
	"strings"
	"testing"
	"unicode"
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
			names := 0
			for _, one := range m.pieces {
				if one.name != "" {
					names++
				}
			}
			re, err := syntax.Parse(m.text(string(sign), string(sign)), syntax.Perl)
			if err != nil {
				continue // complained about
			}
			if !strings.ContainsAny(source, "{*+?") && literalSigns(re) != names { // these write a name out, or drop it
				t.Fatalf("%q: %v", source, re)
			}
		}
	})
}

// sign is a letter that no text has, of one case.
const sign = '\U00013000'

// literalSigns counts how often it stands for itself.
func literalSigns(re *syntax.Regexp) (n int) {
	if re.Op == syntax.OpLiteral {
		for _, r := range re.Rune {
			if unicode.ToLower(r) == sign {
				n++
			}
		}
	}
	for _, sub := range re.Sub {
		n += literalSigns(sub)
	}
	return n
}
