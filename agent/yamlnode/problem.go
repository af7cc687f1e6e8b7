package yamlnode

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pksa/protocol/plain"
	"pksa/protocol/sorts"
)

// Problem is one complaint about a file: where, what is wrong, and what would be right.
type Problem struct {
	File    string
	Line    int // from 1
	Column  int // from 1, in characters
	Text    string
	Warning bool // the file can be used nevertheless
	// Around says that a warning is about what is around the file, such as the clock.
	Around bool
	// Unseen says that a warning is about a character that looks like another one. No reason
	// silences it: who reads the file does not see what it is about.
	Unseen bool
	// Meant is why a warning is meant so, in the words of the file; "" if it is not.
	Meant string
	// Trap says that an error is a warning where the version of the file is older: a reason
	// silences it.
	Trap bool
	// Spare says that no warning stands here today which the reason silences.
	Spare bool
}

// Place returns where the problem is: "policy.yaml:12:7".
func (p Problem) Place() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// String returns place and text: "policy.yaml:12:7: …".
func (p Problem) String() string {
	kind := ""
	switch {
	case p.Meant != "":
		kind = "meant so (" + plain.Line(p.Meant, mostReason) + "): "
	case p.Warning:
		kind = "warning: "
	}
	return p.Place() + ": " + kind + p.Text
}

// mostReason is how many bytes of a reason are shown.
const mostReason = 200

// Problems are complaints in the order of the file: errors, then warnings, then those that are
// meant so.
type Problems []Problem

// Errors returns those that keep the file from being used.
func (ps Problems) Errors() Problems {
	return ps.only(func(p Problem) bool { return !p.Warning })
}

// Warnings returns those that do not, without those that are meant so.
func (ps Problems) Warnings() Problems {
	return ps.only(func(p Problem) bool { return p.Warning && p.Meant == "" })
}

// Silenced returns the warnings that are meant so.
func (ps Problems) Silenced() Problems {
	return ps.only(func(p Problem) bool { return p.Meant != "" && !p.Spare })
}

// Spare returns the reasons that silence nothing today.
func (ps Problems) Spare() Problems {
	return ps.only(func(p Problem) bool { return p.Spare })
}

func (ps Problems) only(wanted func(Problem) bool) (out Problems) {
	for _, p := range ps {
		if wanted(p) {
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

// Tidied returns the complaints sorted and without repetitions: an item of a list is complained
// about once, however often the list is used.
func (ps Problems) Tidied() Problems {
	sorted := slices.Clone(ps)
	sorts.Stable(sorted, func(a, b Problem) int {
		return cmp.Or(compareBool(a.Warning, b.Warning), compareBool(a.Meant != "", b.Meant != ""),
			cmp.Compare(a.Line, b.Line),
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
