package yamlnode

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one complaint about a file: where, what is wrong, and what would be right.
type Problem struct {
	File    string
	Line    int // from 1
	Column  int // from 1, in characters
	Text    string
	Warning bool // the file can be used nevertheless
}

// Place returns where the problem is: "policy.yaml:12:7".
func (p Problem) Place() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// String returns place and text: "policy.yaml:12:7: …".
func (p Problem) String() string {
	kind := ""
	if p.Warning {
		kind = "warning: "
	}
	return p.Place() + ": " + kind + p.Text
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

// String returns one complaint a line.
func (ps Problems) String() string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(p.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// tidied returns the complaints sorted and without repetitions: an item of a list is complained
// about once, however often the list is used.
func (ps Problems) tidied() Problems {
	sorted := slices.Clone(ps)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		return cmp.Or(compareBool(a.Warning, b.Warning), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(sorted)
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
