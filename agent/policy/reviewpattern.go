package policy

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
)

// wholeText finds a pattern in a rule that forbids or counts which takes one text alone: whoever
// comes from other tools expects that it is searched for.
func wholeText(p *place) string {
	m, ok := p.matcher.(pattern)
	if _, between := betweenSlashes(m.source); between && !m.glob {
		return "" // that is said
	}
	if !ok || p.rule.section.permits() || !m.oneText() || m.glob && looksLikeRegexp(m.source) ||
		isWord(m.word(), wordsForAll) || isWord(m.word(), wordsForNothing) {
		return ""
	}
	word := strings.Trim(m.source, "^$")
	write := fmt.Sprintf("regexp: '.*%s.*'", word)
	switch {
	case p.isProse() && strings.ToLower(word) == word:
		write = fmt.Sprintf("regexp: '(?i).*%s.*'", word)
	case m.glob:
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

// patternTree is what parsed returns, once it was asked: the review of a file compares each pattern
// with many.
type patternTree struct {
	once sync.Once
	root *syntax.Regexp
}

// parsed returns the regular expression as a tree, without the marks of begin and end around it,
// which every pattern has anyway; nil if nothing is left. Nobody changes the tree.
func (m pattern) parsed() *syntax.Regexp {
	if m.tree == nil {
		return m.parse()
	}
	m.tree.once.Do(func() { m.tree.root = m.parse() })
	return m.tree.root
}

func (m pattern) parse() *syntax.Regexp {
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
	if !ok || !m.glob || !looksLikeRegexp(m.source) || p.field == "id" && beginsKnownID(m.source) {
		return ""
	}
	return fmt.Sprintf("%s: in a glob only * and ? stand for something else, and this looks like a regular "+
		"expression; "+
		"write regexp: '%s'", p.name, m.source)
}

// beginsKnownID reports whether a glob takes ids of one side chain by what they begin with: those
// of VSC have a dot.
func beginsKnownID(glob string) bool {
	begin, _ := strings.CutSuffix(glob, "*")
	return slices.ContainsFunc(tokenMoves, func(move tokenMove) bool { return strings.HasPrefix(move.id, begin) })
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

// wildFront finds a pattern of an allow rule that takes any text before the one that it wants, or
// names of accounts that anybody can create.
func wildFront(p *place) string {
	m, ok := p.matcher.(pattern)
	if !ok || !p.allows() || m.takesAll() || has(p.whole, isNegation) {
		return ""
	}
	re := m.written()
	if re == nil || !hasWord(re) {
		return ""
	}
	if (p.getsPaid() || p.receives()) && (free(re, 0, letters) || free(re, -1, letters)) {
		return fmt.Sprintf("%s: this takes every account with such a name, and anybody can create one; name the "+
			"accounts", p.name)
	}
	purpose := p.purpose()
	kept := inSentences
	if purpose == "id" {
		kept = letters
	}
	if purpose == "" || !free(re, 0, kept) || purpose == "memo" && !free(re, -1, kept) {
		return ""
	}
	return fmt.Sprintf("%s: this takes any text that has those words somewhere, and the app chooses what stands "+
		"before "+
		"them; begin the pattern with what the text begins with", p.name)
}

// purpose returns which of the fields of purpose the test is of, "" for none. Games and side chains
// have a memo, too.
func (p *place) purpose() string {
	switch last := p.name[strings.LastIndex(p.name, ".")+1:]; {
	case p.name == p.field && slices.Contains(fieldsOfPurpose, last), p.entry != nil && p.shape.kind == aJSON &&
		last == "memo":
		return last
	}
	return ""
}

// getsPaid reports whether the test is of an account that is paid, and is there already.
func (p *place) getsPaid() bool {
	return p.entry != nil && p.shape.kind == anAccount && p.field != "new_account_name" && p.entry.isRecipient(p.field)
}

// written returns the pattern as a tree in which {0,500} is one repetition; nil if it is none.
func (m pattern) written() *syntax.Regexp {
	source := m.source
	if m.glob {
		glob, _ := newGlob(m.source)
		source = strings.TrimSuffix(strings.TrimPrefix(glob.String(), `\A(?s:`), `)\z`)
	}
	re, err := syntax.Parse("(?s:"+source+")", syntax.Perl)
	if err != nil {
		return nil
	}
	return re
}

// hasWord reports whether an expression wants a certain text somewhere.
func hasWord(re *syntax.Regexp) bool {
	return re.Op == syntax.OpLiteral || slices.ContainsFunc(re.Sub, hasWord)
}

// letters and inSentences are what names of accounts and ids are made of, and what sentences are.
const (
	letters     = "abcdefghijklmnopqrstuvwxyz"
	inSentences = letters + " "
)

// aSentence is how many characters are enough to say something else.
const aSentence = 10

// free reports whether the expression takes any text where it begins (at 0) or ends (at -1), in one
// of its alternatives: a text that is made of certain characters, at least.
func free(re *syntax.Regexp, at int, of string) bool {
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus:
		return wide(re.Sub[0], of) || free(re.Sub[0], at, of) || of == inSentences && takesSentence(re)
	case syntax.OpRepeat:
		return (re.Max < 0 || re.Max >= aSentence) && wide(re.Sub[0], of) || re.Max != 0 && free(re.Sub[0], at, of) ||
			of == inSentences && takesSentence(re)
	case syntax.OpCapture, syntax.OpQuest:
		return free(re.Sub[0], at, of)
	case syntax.OpConcat:
		// A single character, or what may be left out, holds nothing fast.
		for i := range re.Sub {
			one := re.Sub[i]
			if at < 0 {
				one = re.Sub[len(re.Sub)-1-i]
			}
			if free(one, at, of) {
				return true
			}
			if !loose(one) {
				return false
			}
		}
	case syntax.OpAlternate:
		return slices.ContainsFunc(re.Sub, func(one *syntax.Regexp) bool { return free(one, at, of) })
	}
	return false
}

// smallSentences are sentences as an expression takes them that repeats words: with what stands
// between words at the end, or at the begin of each.
var smallSentences = []string{"i owe mallory my house ", " i owe mallory my house", "i owe mallory my house",
	"i, owe, mallory, ", "I owe mallory ", "i owe mallory ", "i_owe_mallory_", "i-owe-mallory-", "i.owe.mallory.",
	"i\nowe\nmallory\n", "i; owe; mallory; ", "i/owe/mallory/"}

// takesSentence reports whether an expression takes a sentence that nobody has written into it.
func takesSentence(re *syntax.Regexp) bool {
	whole, err := regexp.Compile(`\A(?:` + re.String() + `)\z`)
	return err == nil && slices.ContainsFunc(smallSentences, whole.MatchString)
}

// wild reports whether the expression ends, or begins, with a star of any character.
func wild(re *syntax.Regexp, at int) bool {
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus:
		return wide(re.Sub[0], "")
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

// loose reports whether an expression takes nearly every character, once or more, or nothing at
// all.
func loose(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpStar, syntax.OpQuest, syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText,
		syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	case syntax.OpPlus:
		return loose(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min == 0 || loose(re.Sub[0])
	case syntax.OpCapture:
		return loose(re.Sub[0])
	}
	return wide(re, letters)
}

// wide reports whether the expression takes nearly every character, or all of some.
func wide(re *syntax.Regexp, of string) bool {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	case syntax.OpCapture:
		return wide(re.Sub[0], of)
	case syntax.OpAlternate:
		return slices.ContainsFunc(re.Sub, func(one *syntax.Regexp) bool { return wide(one, of) })
	case syntax.OpConcat:
		return !slices.ContainsFunc(re.Sub, func(one *syntax.Regexp) bool { return !wide(one, of) })
	case syntax.OpCharClass:
		characters := 0
		for i := 0; i < len(re.Rune); i += 2 {
			characters += int(re.Rune[i+1]-re.Rune[i]) + 1
		}
		missing := func(c rune) bool { return !inClass(re.Rune, c) }
		return characters > 1000 || of != "" && !strings.ContainsFunc(of, missing)
	}
	return false
}

func inClass(ranges []rune, c rune) bool {
	for i := 0; i < len(ranges); i += 2 {
		if ranges[i] <= c && c <= ranges[i+1] {
			return true
		}
	}
	return false
}
