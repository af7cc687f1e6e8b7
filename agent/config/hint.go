package config

import (
	"fmt"
	"regexp"
	"strings"

	"pksa/agent/yamlnode"
	"pksa/protocol/plain"
)

var (
	commentedSection = regexp.MustCompile(`^#\s*([a-z_]+):\s*$`)
	indentedSetting  = regexp.MustCompile(`^( +)([a-z_]+):( |$)`)
)

// sectionComment is a section that stands in the file as a comment: "# relay:". The zero value is
// none.
type sectionComment struct {
	section string
	line    int // from 1
}

// commentsAbove returns for each line of a file the section that stands above it as a comment, with
// nothing in between but comments and indented lines.
func commentsAbove(lines []string) []sectionComment {
	above := make([]sectionComment, len(lines))
	var last sectionComment
	for i, text := range lines {
		above[i] = last
		switch m := commentedSection.FindStringSubmatch(text); {
		case m != nil && isSection(m[1]):
			last = sectionComment{m[1], i + 1}
		case strings.TrimSpace(text) != "" && text[0] != ' ' && text[0] != '#':
			last = sectionComment{} // a setting that is in use
		}
	}
	return above
}

// belongsTo returns the section above a line, which is a comment, if a setting of that name belongs
// to it.
func (r *reader) belongsTo(line int, name string) (sectionComment, bool) {
	if line < 1 || line > len(r.above) {
		return sectionComment{}, false
	}
	c := r.above[line-1]
	_, ok := find(c.section + "." + name)
	return c, ok
}

// settingHint returns what to add to a complaint about a key that is no setting.
func (r *reader) settingHint(key *yamlnode.Node, full string) string {
	if c, ok := r.belongsTo(key.Line, key.Text); ok {
		return fmt.Sprintf("; it belongs to %[1]s, which is a comment: remove the # before `%[1]s:` on line %[2]d",
			c.section, c.line)
	}
	var homes []string
	for _, s := range settings {
		if section, ok := strings.CutSuffix(s.Path, "."+key.Text); ok {
			homes = append(homes, "`"+section+":`")
		}
	}
	if len(homes) > 0 {
		return "; write it below " + strings.Join(homes, " or ") + ", indented"
	}
	return plain.DidYouMean(plain.Nearest(full, paths()))
}

// complainUnderComments complains about each indented setting whose section is still a comment, and
// reports whether there is one: YAML takes such a line for a part of the value above, and gives no
// useful place.
func (r *reader) complainUnderComments(lines []string) bool {
	found := false
	for i, text := range lines {
		m := indentedSetting.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		if c, ok := r.belongsTo(i+1, m[2]); ok {
			found = true
			r.complain(fmt.Sprintf("%s:%d:%d", r.file, i+1, len(m[1])+1),
				"%[1]s belongs to %[2]s, which is a comment: "+
					"remove the # before `%[2]s:` on line %[3]d", m[2], c.section, c.line)
		}
	}
	return found
}
