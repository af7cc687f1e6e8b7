package policy

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
)

// wholeText finds a pattern in a rule that forbids or counts which takes one text alone: whoever
// comes from other tools expects that it is searched for.
func wholeText(p *place) string {
	m, ok := p.matcher.(pattern)
	if !ok || p.rule.section.permits() || !m.oneText() || m.glob && looksLikeRegexp(m.source) ||
		isWord(m.word(), wordsForAll) || isWord(m.word(), wordsForNothing) {
		return ""
	}
	word := strings.Trim(m.source, "^$")
	write := fmt.Sprintf("regexp: '.*%s.*'", word)
	if m.glob {
		write = fmt.Sprintf("glob: '*%s*'", word)
	}
	return fmt.Sprintf("%s: a pattern is compared with the whole text, so this one fits a single text; write %s for "+
		"what "+
		"has it somewhere, or the text alone", p.name, write)
}

// oneText reports whether the pattern takes one text and no other.
func (m pattern) oneText() bool {
	if m.glob {
		return !strings.ContainsAny(m.source, "*?")
	}
	re := m.parsed()
	return re == nil || re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase == 0
}

// parsed returns the regular expression as a tree, without the marks of begin and end around it,
// which every pattern has anyway; nil if nothing is left.
func (m pattern) parsed() *syntax.Regexp {
	re, err := syntax.Parse("(?s:"+strings.TrimSuffix(strings.TrimPrefix(m.source, "^"), "$")+")", syntax.Perl)
	if err != nil || re.Simplify().Op == syntax.OpEmptyMatch {
		return nil
	}
	return re.Simplify()
}

// mostSpelled is how many texts a pattern is taken apart into.
const mostSpelled = 16

// texts returns all texts that the pattern takes, none if they are many.
func (m pattern) texts() []string {
	re := m.parsed()
	switch {
	case m.glob && m.oneText():
		return []string{m.source}
	case m.glob || re == nil:
		return nil
	}
	return spelled(re)
}

// spelled returns all texts that an expression takes, whatever it says of large and small letters;
// none if they are many.
func spelled(re *syntax.Regexp) (texts []string) {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return []string{""}
	case syntax.OpLiteral:
		return []string{string(re.Rune)}
	case syntax.OpCapture:
		return spelled(re.Sub[0])
	case syntax.OpAlternate:
		for _, one := range re.Sub {
			more := spelled(one)
			if more == nil || len(texts)+len(more) > mostSpelled {
				return nil
			}
			texts = append(texts, more...)
		}
	case syntax.OpConcat:
		texts = []string{""}
		for _, one := range re.Sub {
			ends := spelled(one)
			if len(texts)*len(ends) > mostSpelled {
				return nil
			}
			var longer []string
			for _, begin := range texts {
				for _, end := range ends {
					longer = append(longer, begin+end)
				}
			}
			texts = longer
		}
	}
	return texts
}

// globInRegexp finds a regular expression that was meant as a glob: its star repeats a letter.
func globInRegexp(p *place) string {
	m, ok := p.matcher.(pattern)
	if !ok || m.glob || strings.ContainsAny(m.source, `.[](){}|\+^$?`) || !strings.Contains(m.source, "*") {
		return ""
	}
	return fmt.Sprintf("%s: in a regexp * repeats the character before it, and stands for nothing else; write glob: %s",
		p.name, m.source)
}

// regexpInGlob finds a glob that was meant as a regular expression.
func regexpInGlob(p *place) string {
	m, ok := p.matcher.(pattern)
	if !ok || !m.glob || !looksLikeRegexp(m.source) {
		return ""
	}
	return fmt.Sprintf("%s: in a glob only * and ? stand for something else, and this looks like a regular "+
		"expression; "+
		"write regexp: '%s'", p.name, m.source)
}

// looksLikeRegexp reports whether a text has what regular expressions are made of.
func looksLikeRegexp(text string) bool {
	for _, mark := range []string{".*", ".+", "[0-9", "[a-z", "[A-Z", `\d`, `\w`} {
		if strings.Contains(text, mark) {
			_, err := syntax.Parse(text, syntax.Perl)
			return err == nil
		}
	}
	return strings.HasPrefix(text, "^") && strings.HasSuffix(text, "$")
}

func isNegation(m matcher) bool {
	_, is := m.(noneOf)
	return is
}

// fieldsOfPurpose are texts by which somebody is told what to do. What an application may write
// before the words that a rule wants can change what they mean.
var fieldsOfPurpose = []string{"id", "memo", "text"}

// wildFront finds a pattern of an allow rule that takes any text before the one that it wants.
func wildFront(p *place) string {
	m, ok := p.matcher.(pattern)
	if !ok || !p.allows() || p.name != p.field || !slices.Contains(fieldsOfPurpose, p.field) || m.takesAll() {
		return ""
	}
	if has(p.whole, isNegation) {
		return ""
	}
	re := m.parsed()
	if m.glob {
		glob, _ := newGlob(m.source)
		re = pattern{source: strings.TrimSuffix(strings.TrimPrefix(glob.String(), `\A(?s:`), `)\z`)}.parsed()
	}
	if re == nil || !wild(re, 0) || p.field == "memo" && !wild(re, -1) {
		return ""
	}
	return fmt.Sprintf("%s: this takes any text that has those words somewhere, and the app chooses what stands "+
		"before "+
		"them; begin the pattern with what the text begins with", p.name)
}

// wild reports whether the expression takes any text where it begins (at 0) or ends (at -1), in one
// of its alternatives.
func wild(re *syntax.Regexp, at int) bool {
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus:
		return wide(re.Sub[0])
	case syntax.OpCapture:
		return wild(re.Sub[0], at)
	case syntax.OpConcat:
		if at < 0 {
			return wild(re.Sub[len(re.Sub)-1], at)
		}
		return wild(re.Sub[0], at)
	case syntax.OpAlternate:
		return slices.ContainsFunc(re.Sub, func(one *syntax.Regexp) bool { return wild(one, at) })
	}
	return false
}

// wide reports whether the expression takes nearly every character.
func wide(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	case syntax.OpCharClass:
		characters := 0
		for i := 0; i < len(re.Rune); i += 2 {
			characters += int(re.Rune[i+1]-re.Rune[i]) + 1
		}
		return characters > 1000
	}
	return false
}
