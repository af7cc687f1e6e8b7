package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// sentences are texts that no login looks like. Who allows them allows any text.
var sentences = []string{"I sell my house to mallory", "7", `{"action":"pay","to":"mallory"}`,
	"Dear bank,\nplease pay 1000 to mallory."}

// reviewText warns where any text may be signed. A rule that asks shows the text to a person first.
func (c *compiler) reviewText(r *rule) {
	if r.section != allowSection || r.observe || r.text == nil || has(r.text, isWild) {
		return
	}
	taken := r.sentencesTaken()
	if len(taken) < 2 {
		return
	}
	c.Warn(c.valueOfKey(r, "text"),
		"rule %q lets nearly any text be signed, such as %q, and a signed text can be a login "+
			"or a promise elsewhere; test what your app's texts begin with, or their members", r.name, taken[0])
}

// letsSentences reports whether the rule takes texts that no login looks like.
func (r *rule) letsSentences() bool { return len(r.sentencesTaken()) > 1 }

func (r *rule) sentencesTaken() []string {
	return slices.DeleteFunc(slices.Clone(sentences), func(text string) bool {
		return !r.takesText(r.anAccount(), text)
	})
}

// isWild reports whether a pattern takes every text, or every line: there is a warning about it
// already.
func isWild(m matcher) bool {
	p, ok := m.(pattern)
	return ok && (p.takesAll() || p.takesLines())
}

// freeMembers finds a test of the members of a text, or of an object in it, that leaves the other
// members free.
func freeMembers(p *place) string {
	tests, ok := p.matcher.(allOf)
	if !ok || !p.allows() || p.entry != nil || p.shape.kind != aDocument && p.shape.kind != aJSON {
		return ""
	}
	within := *p
	within.beside = tests
	for _, path := range within.objects() {
		names, closed := map[string]bool{}, false
		for _, one := range within.testsAt(path) {
			switch m := one.(type) {
			case inside:
				names[m.path[0]] = true
			case onlyMembers:
				closed = true
			}
		}
		if closed {
			continue
		}
		where := p.name
		if len(path) > 0 {
			where = strings.TrimPrefix(where, p.field) + "." + strings.Join(path, ".")
		}
		return fmt.Sprintf("%s: members that are not named are free, and can make the text a login elsewhere; add "+
			"members: [%s]", where, strings.Join(slices.Sorted(maps.Keys(names)), ", "))
	}
	return ""
}

// objects returns the paths to the objects of which the tests of one value name members. An object
// that has a map of its own in the file is another place.
func (p *place) objects() (paths [][]string) {
	for _, one := range p.beside {
		m, ok := one.(inside)
		if !ok {
			continue
		}
		for i, name := range m.path {
			if path := m.path[:i]; !allDigits(name) && !slices.ContainsFunc(paths, func(known []string) bool {
				return slices.Equal(known, path)
			}) {
				paths = append(paths, path)
			}
		}
	}
	return paths
}
