package policy

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"pksa/agent/yamlnode"
)

// settle decides what becomes of the complaints: what is a warning in version 1 of the language is
// an error in version 2. Besides, [compiler.fill] alone knows a difference between the versions.
//
// Two kinds of warnings stay warnings in version 2. One is what a comment says to be meant so. The
// other is what is around the file: a policy in force must not stop loading because a date has
// passed or an account was removed. A later program belongs to that, too: what it learns to look
// for, after version 2 was published, it says by WarnAround. reviewed says that all warnings were
// found.
func (c *compiler) settle(root *yamlnode.Node, reviewed bool) Problems {
	remarks := c.remarks(root)
	problems := c.Problems()
	today := map[target]bool{}
	for i := range problems {
		p := &problems[i]
		at := target{p.Line, p.Around}
		today[at] = true
		if left := remarks[at]; p.Warning && !p.Unseen && len(left) > 0 {
			p.Meant, remarks[at] = left[0].reason, left[1:]
		}
	}
	if reviewed {
		problems = append(problems, c.spare(remarks, today)...)
	}
	for i := range problems {
		if p := &problems[i]; c.version == version2 && p.Meant == "" && !p.Around && !c.options.TrapsWarn {
			p.Warning, p.Trap = false, p.Warning && !p.Unseen
		}
	}
	return problems.Tidied()
}

// spare returns complaints about remarks that silence nothing, given what is warned of today.
func (c *compiler) spare(remarks map[target][]remark, today map[target]bool) (problems Problems) {
	for at, left := range remarks {
		// Around, since a later program may no longer warn of what the comment is about.
		for i, one := range left {
			p := Problem{File: c.file, Line: at.line, Column: one.column, Warning: true, Around: true}
			switch {
			// On another day the wallet or the clock could give a warning here.
			case at.around && i < c.possible[at.line]:
				p.Meant, p.Spare, p.Text = one.reason, true, "silences nothing today"
			case !at.around && (c.possible[at.line] > 0 || today[target{at.line, true}]):
				p.Text = "this comment silences nothing that stands in the file; if it is about what the wallet " +
					"has, or about the day, write \"# pksa: meant so today: REASON\""
			default:
				p.Text = "this comment silences nothing, as there is no such warning on its line; leave it out"
			}
			problems = append(problems, p)
		}
	}
	return problems
}

// warnWhile warns of what depends on the wallet, its settings or the clock. Where it does not hold
// now, a comment that silences it is right nevertheless.
func (c *compiler) warnWhile(holds bool, n *yamlnode.Node, format string, args ...any) {
	if holds {
		c.WarnAround(n, format, args...)
		return
	}
	c.possible[n.Line]++
}

// target is what a remark may silence: warnings of a line, either of what stands in the file or of
// what is around it. If one remark could silence both, one that waits for the day when an account
// is gone would silence a trap that somebody writes on its line before.
type target struct {
	line   int
	around bool
}

// remark is a comment that silences a warning of its line.
type remark struct {
	column int
	reason string
}

var (
	// remarkMark begins a remark. A second one may follow behind its reason.
	remarkMark = regexp.MustCompile(`(?i)#[ \t]*pksa[ \t]*:[ \t]*`)
	remarkForm = regexp.MustCompile(`(?i)^meant[ \t]+so([ \t]+today)?[ \t]*:[ \t]*(.*?)[ \t]*$`)
)

// remarks returns the remarks by what they may silence.
func (c *compiler) remarks(root *yamlnode.Node) map[target][]remark {
	found := map[target][]remark{}
	if root == nil {
		return found
	}
	for _, comment := range c.Comments(root) {
		marks := remarkMark.FindAllStringIndex(comment.Text, -1)
		for i, mark := range marks {
			end := len(comment.Text)
			if i+1 < len(marks) {
				end = marks[i+1][0]
			}
			at := &yamlnode.Node{Line: comment.Line,
				Column: comment.Column + utf8.RuneCountInString(comment.Text[:mark[0]])}
			said := comment.Text[mark[1]:end]
			if m := remarkForm.FindStringSubmatch(said); m != nil && saysSomething(m[2]) {
				about := target{at.Line, m[1] != ""}
				found[about] = append(found[about], remark{at.Column, m[2]})
			} else if looksMeant(said) {
				c.Warn(at, `this comment silences nothing: write "# pksa: meant so: REASON"`)
			}
		}
	}
	return found
}

// saysSomething reports whether a reason has a letter or a digit.
func saysSomething(reason string) bool {
	return strings.ContainsFunc(reason, func(ch rune) bool { return unicode.IsLetter(ch) || unicode.IsDigit(ch) })
}

// looksMeant reports whether a comment was probably to silence a warning.
func looksMeant(said string) bool {
	words := strings.Fields(strings.ReplaceAll(strings.ToLower(said), ":", " "))
	first := strings.Join(words[:min(len(words), 2)], " ")
	return slices.Contains([]string{"meant so", "meantso"}, first) || nearestWord(first, []string{"meant so"}) != ""
}
