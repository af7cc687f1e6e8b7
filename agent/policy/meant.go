package policy

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"pksa/agent/yamlnode"
)

// settle decides what becomes of the complaints. No other place knows the difference between the
// versions of the language: what is a warning in version 1 is an error in version 2.
//
// Two kinds of warnings stay warnings in version 2. One is what a comment says to be meant so. The
// other is what is around the file: a policy in force must not stop loading because a date has
// passed or an account was removed. A later program belongs to that, too: what it learns to look
// for, after version 2 was published, it says by WarnAround. reviewed says that all warnings were
// found.
func (c *compiler) settle(root *yamlnode.Node, reviewed bool) Problems {
	remarks := c.remarks(root)
	problems := c.Problems()
	// What stands in the file is silenced first. Otherwise a date that passes could take the reason
	// that another warning needs.
	for _, around := range []bool{false, true} {
		for i := range problems {
			p := &problems[i]
			if left := remarks[p.Line]; p.Warning && !p.Unseen && p.Around == around && len(left) > 0 {
				p.Meant, remarks[p.Line] = left[0].reason, left[1:]
			}
		}
	}
	for line, left := range remarks {
		if !reviewed {
			break
		}
		// On another day the wallet or the clock could give a warning here. Until then it is
		// listed, since it would silence a trap, too, that somebody writes on the line.
		kept := min(c.possible[line], len(left))
		for _, one := range left[:kept] {
			problems = append(problems, Problem{File: c.file, Line: line, Column: one.column, Warning: true,
				Around: true, Meant: one.reason, Spare: true, Text: "silences nothing today"})
		}
		for _, one := range left[kept:] {
			// Around, since a later program may no longer warn of what the comment is about.
			problems = append(problems, Problem{File: c.file, Line: line, Column: one.column, Warning: true,
				Around: true, Text: "this comment silences nothing, as there is no such warning on its line; leave " +
					"it out"})
		}
	}
	for i := range problems {
		if p := &problems[i]; c.version == version2 && p.Meant == "" && !p.Around {
			p.Warning = false
		}
	}
	return problems.Tidied()
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

// remark is a comment that silences a warning of its line.
type remark struct {
	column int
	reason string
}

var (
	// remarkMark begins a remark. A second one may follow behind its reason.
	remarkMark = regexp.MustCompile(`(?i)#[ \t]*pksa[ \t]*:[ \t]*`)
	remarkForm = regexp.MustCompile(`(?i)^meant[ \t]+so[ \t]*:[ \t]*(.*?)[ \t]*$`)
)

// remarks returns the remarks of each line.
func (c *compiler) remarks(root *yamlnode.Node) map[int][]remark {
	found := map[int][]remark{}
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
			if m := remarkForm.FindStringSubmatch(said); m != nil && m[1] != "" {
				found[at.Line] = append(found[at.Line], remark{at.Column, m[1]})
			} else if looksMeant(said) {
				c.Warn(at, `this comment silences nothing: write "# pksa: meant so: REASON"`)
			}
		}
	}
	return found
}

// looksMeant reports whether a comment was probably to silence a warning.
func looksMeant(said string) bool {
	words := strings.Fields(strings.ReplaceAll(strings.ToLower(said), ":", " "))
	first := strings.Join(words[:min(len(words), 2)], " ")
	return slices.Contains([]string{"meant so", "meantso"}, first) || nearestWord(first, []string{"meant so"}) != ""
}
