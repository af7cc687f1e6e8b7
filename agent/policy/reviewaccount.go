package policy

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
)

// noAccount finds a pattern of accounts that wants a character which no account name has.
func noAccount(p *place) string {
	m, ok := p.matcher.(pattern)
	if !ok || p.shape.kind != anAccount {
		return ""
	}
	wanted := ""
	if m.glob {
		wanted = strings.Trim(strings.Map(func(r rune) rune {
			if r == '*' || r == '?' || inNames(r) {
				return -1
			}
			return r
		}, m.source), " ")
	} else if re := m.parsed(); re != nil {
		wanted = wantedBeside(re)
	}
	if wanted == "" || globOfShells(p) != "" || looksLikeRegexp(m.source) && m.glob || slashesAround(p) != "" {
		return ""
	}
	does := "so this never matches"
	if p.negated {
		does = "so with not this keeps nothing out"
	}
	return fmt.Sprintf("%s: no account name has %s in it, %s; they have small letters, digits, - and dots, and stand "+
		"without @", p.name, quote(wanted), does)
}

// reviewNone warns of a limit of how often that leaves room for nothing.
func (c *compiler) reviewNone(l *limit) {
	none := slices.ContainsFunc(l.quotas, func(q quota) bool { return q.most.Sign() == 0 })
	if none && !l.observe && !l.over && (l.measure == measureCount || l.measure == measureRequests) {
		c.Warn(c.nodes[&l.rule], "limit %q has room for none, so nothing that it is about passes; write how many, or "+
			"a deny rule in its place", l.name)
	}
}

// inNames reports whether account names may have a character.
func inNames(r rune) bool {
	return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '.'
}

// wantedBeside returns what every text has that an expression takes, and no account name; "" if it
// takes texts without such.
func wantedBeside(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		i := slices.IndexFunc(re.Rune, func(r rune) bool { return !inNames(r) })
		if i >= 0 && re.Flags&syntax.FoldCase == 0 {
			return string(re.Rune[i])
		}
	case syntax.OpCapture, syntax.OpPlus:
		return wantedBeside(re.Sub[0])
	case syntax.OpConcat:
		for _, one := range re.Sub {
			if wanted := wantedBeside(one); wanted != "" {
				return wanted
			}
		}
	case syntax.OpAlternate:
		wanted := ""
		for _, one := range re.Sub {
			if wanted = wantedBeside(one); wanted == "" {
				return ""
			}
		}
		return wanted
	}
	return ""
}
