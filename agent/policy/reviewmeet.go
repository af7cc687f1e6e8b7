package policy

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// tokenForm is what a HiveSigner token can look like, with members of the application's own; %s is
// the account.
const tokenForm = `\{(?:MEMBER,)*"signed_message":\{(?:MEMBER,)*"type":"(?:login|posting|code|refresh)"(?:,MEMBER)*\}` +
	`(?:,MEMBER)*,"authors":\["%s"\](?:,MEMBER)*,"timestamp":[0-9]+(?:,MEMBER)*\}`

// memberForm is a member of an object: its value is a text or a number.
const memberForm = `"[^"\\\x00-\x1f]+":(?:"[^"\\\x00-\x1f]*"|[0-9]+)`

// mostSteps bounds how much of a file is compared with other parts of it, and mostOfOneMatch how
// far two patterns are followed side by side. A file of thousands of rules must not take long to
// load, so beyond that some traps stay unseen.
const (
	mostSteps      = 4_000_000
	mostOfOneMatch = 30_000
)

// steps counts what was compared in a file.
type steps int

// left takes n more steps, and reports whether there were so many.
func (s *steps) left(n int) bool {
	*s += steps(n)
	return *s <= mostSteps
}

// reviewSize warns of a file of which not all was compared.
func (c *compiler) reviewSize(p *Policy) {
	if len(p.rules) > 0 && (!c.steps.left(0) || c.tried >= mostPayments) {
		c.WarnAround(c.nodes[p.rules[0]], "this file has so many rules and patterns that not all of them were "+
			"compared: there may be traps in it of which nothing is said; fewer rules, each with lists, say the same; "+
			"where that cannot be, say on this line that you know it: # pksa: meant so today: REASON")
	}
}

// meetsPattern reports whether a pattern of the rule's text takes something of a form: a word that
// the pattern wants may stand anywhere in that.
func (c *compiler) meetsPattern(r *rule, form string) bool {
	form = strings.ReplaceAll(form, "MEMBER", memberForm)
	if strings.Contains(form, "%s") {
		form = fmt.Sprintf(form, regexp.QuoteMeta(string(r.anAccount())))
	}
	other := program(form)
	return slices.ContainsFunc(wantedPatterns(r.text), func(m pattern) bool {
		if !c.steps.left(0) {
			return false
		}
		text, n := meet(program(m.String()), other, mostOfOneMatch)
		c.steps.left(n)
		return text != "" && r.takesText(r.anAccount(), text)
	})
}

// program compiles an expression of this package, which compiles.
func program(source string) *syntax.Prog {
	re, err := syntax.Parse("(?s:"+source+")", syntax.Perl)
	if err != nil {
		return nil
	}
	prog, _ := syntax.Compile(re.Simplify())
	return prog
}

// state is where two programs stand after the same text.
type state struct{ a, b uint32 }

// meet returns a text that two expressions take, the empty one if none was found in so many steps.
// Where one of them looks at the ends of words or lines, the text may be none that it takes.
func meet(a, b *syntax.Prog, most int) (text string, n int) {
	if a == nil || b == nil {
		return "", 0
	}
	type step struct {
		before int
		letter rune // -1: none
	}
	first := state{uint32(a.Start), uint32(b.Start)}
	states, from, known := []state{first}, []step{{-1, -1}}, map[state]bool{first: true}
	for i := 0; i < len(states) && i < most; i++ {
		at := states[i]
		one, other := &a.Inst[at.a], &b.Inst[at.b]
		add := func(next state, letter rune) {
			if !known[next] {
				known[next] = true
				states, from = append(states, next), append(from, step{i, letter})
			}
		}
		switch nextA, freeA := withoutLetter(one); {
		case freeA:
			for _, pc := range nextA {
				add(state{pc, at.b}, -1)
			}
		case other.Op == syntax.InstMatch && one.Op == syntax.InstMatch:
			var letters []rune
			for k := i; k >= 0; k = from[k].before {
				if from[k].letter >= 0 {
					letters = append(letters, from[k].letter)
				}
			}
			slices.Reverse(letters)
			return string(letters), i
		default:
			if nextB, freeB := withoutLetter(other); freeB {
				for _, pc := range nextB {
					add(state{at.a, pc}, -1)
				}
			} else if letter, ok := commonLetter(one, other); ok {
				add(state{one.Out, other.Out}, letter)
			}
		}
	}
	return "", len(states)
}

// withoutLetter returns where a program goes on without a letter, if it does.
func withoutLetter(in *syntax.Inst) (next []uint32, ok bool) {
	switch in.Op {
	case syntax.InstAlt, syntax.InstAltMatch:
		return []uint32{in.Out, in.Arg}, true
	case syntax.InstCapture, syntax.InstNop, syntax.InstEmptyWidth:
		return []uint32{in.Out}, true
	case syntax.InstFail:
		return nil, true
	}
	return nil, false
}

// commonLetter returns a letter that two instructions take.
func commonLetter(a, b *syntax.Inst) (letter rune, ok bool) {
	if a.Op == syntax.InstMatch || b.Op == syntax.InstMatch {
		return 0, false
	}
	// What two sets have in common begins where one of them does.
	tries := []rune{'x'}
	for _, in := range []*syntax.Inst{a, b} {
		for i := 0; i < len(in.Rune); i += 2 {
			tries = append(tries, in.Rune[i], unicode.SimpleFold(in.Rune[i]))
		}
	}
	for _, letter := range append(tries, '\n') {
		if a.MatchRune(letter) && b.MatchRune(letter) {
			return letter, true
		}
	}
	return 0, false
}
