package config

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"pksa/agent/yamlnode"
)

// readFile reads the settings that the file has.
func (r *reader) readFile(src []byte) {
	options := yamlOptions(r.file, "relays")
	options.Reviewed = true
	y := yamlnode.NewReader(options)
	root, ok := y.Read(src)
	lines := strings.Split(strings.ReplaceAll(string(src), "\r\n", "\n"), "\n")
	r.above = commentsAbove(lines)
	switch {
	case !ok && r.complainUnderComments(lines): // the cause, in place of what YAML stumbled over
		return
	case root == nil: // an empty file, or a complaint
	case root.Kind != yamlnode.Map:
		y.Complain(root, "wants settings, one `name: value` a line")
	default:
		r.readMap(y, "", root)
	}
	for _, p := range y.Problems().Errors() {
		r.problems = append(r.problems, Problem{p.Place(), p.Text})
	}
	for _, p := range y.Problems().Warnings() {
		r.config.Warnings = append(r.config.Warnings, Problem{p.Place(), p.Text})
	}
}

// placed are complaints about places within the value of a setting.
type placed []placedProblem

type placedProblem struct {
	at   *yamlnode.Node
	text string
}

// Error returns all complaints, for a value that stands in one line.
func (p placed) Error() string {
	texts := make([]string, len(p))
	for i, one := range p {
		texts[i] = one.text
	}
	return strings.Join(texts, "; ")
}

// each reads the items of a list, and returns what is wrong with any of them, each at its place.
func each(items []*yamlnode.Node, read func(item *yamlnode.Node) error) error {
	var wrong placed
	for _, item := range items {
		if err := read(item); err != nil {
			wrong = append(wrong, placedProblem{item, err.Error()})
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

// yamlOptions returns what all settings may hold; relays is the key that leads to entries of
// relays.
func yamlOptions(file, relays string) yamlnode.Options {
	// Lenient, since it always was: a section may be empty, a file may begin with %YAML 1.1, and in
	// an entry of relays the last of two keys counts.
	return yamlnode.Options{File: file, Noun: "a configuration", Lenient: true, LastCounts: []string{relays}}
}

// readMap reads the entries below prefix, which is empty or ends with a dot.
func (r *reader) readMap(y *yamlnode.Reader, prefix string, m *yamlnode.Node) {
	for _, e := range m.Entries {
		if y.Bad(e.Key) || y.Bad(e.Value) {
			continue
		}
		full := prefix + e.Key.Text
		setting, isSetting := find(full)
		switch {
		case isSetting && y.BadWithin(e.Value): // to read it would find the same fault in other words
		case isSetting:
			err := setting.read(r, e.Value)
			var within placed
			if errors.As(err, &within) {
				for _, p := range within {
					y.Complain(p.at, "%s: %s", full, p.text)
				}
			} else if err != nil {
				y.Complain(e.Value, "%s: %v", full, err)
			}
			r.took(setting, fmt.Sprintf("%s:%d:%d", r.file, e.Value.Line, e.Value.Column))
		case isSection(full) && e.Value.Kind == yamlnode.Map:
			r.readMap(y, full+".", e.Value)
		case isSection(full):
			y.Complain(e.Value, "%s wants settings of its own, indented below it", full)
		default:
			y.Complain(e.Key, "there is no setting %q%s", full, r.settingHint(e.Key, full))
		}
	}
}

// noSettings are variables that are none: one leads to the settings, and by the others shells say
// what completion shall offer (fish always does).
var noSettings = []string{"PKSA_HOME", "PKSA_ACTIVE_HELP", "PKSA_COMPLETION_DESCRIPTIONS"}

// readEnviron takes the PKSA_… variables in the order of their names, so that complaints are the
// same in every run.
func (r *reader) readEnviron(environ []string) {
	vars := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "PKSA_") && !slices.Contains(noSettings, name) {
			vars[name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		// An empty one is not set: so write tools that pass on what they may not have.
		if vars[name] == "" {
			r.config.empty = append(r.config.empty, name)
			continue
		}
		if isServiceLink(vars, name) {
			continue
		}
		setting, ok := byVariable(name)
		if !ok {
			r.unknown = append(r.unknown, name)
			continue
		}
		n, err := r.environNode(name, vars[name])
		if err == nil {
			err = setting.read(r, n)
		}
		if err != nil {
			r.complain(name, "%v", err)
		}
		r.took(setting, name)
	}
}

// environNode makes of a variable's text what the file would have held: YAML if it stands in
// brackets, a list if it has commas, else a plain text.
func (r *reader) environNode(name, v string) (*yamlnode.Node, error) {
	// Only brackets: a text such as "a: b" is a text, whatever YAML makes of it.
	if strings.HasPrefix(v, "[") || strings.HasPrefix(v, "{") {
		o := yamlOptions("", "")
		o.FirstOnly = true
		y := yamlnode.NewReader(o)
		root, _ := y.Read([]byte(v))
		// One line of YAML: the text of the complaint finds its place without a column.
		if problems := y.Problems().Errors(); len(problems) > 0 {
			return nil, errors.New(problems[0].Text)
		}
		for _, p := range y.Problems().Warnings() {
			r.config.Warnings = append(r.config.Warnings, Problem{name, p.Text})
		}
		return root, nil
	}
	// Here no setting has a comma in an item, and a text with commas is no single value.
	if !strings.Contains(v, ",") {
		return yamlnode.Text(v), nil
	}
	list := &yamlnode.Node{Kind: yamlnode.List}
	for item := range strings.SplitSeq(v, ",") {
		list.Items = append(list.Items, yamlnode.Text(strings.TrimSpace(item)))
	}
	return list, nil
}

// scalar returns the text of a value, as it is written. YAML's own ideas of types are ignored.
func scalar(n *yamlnode.Node) (string, error) {
	if n.Kind != yamlnode.Scalar {
		return "", errors.New("wants a single value")
	}
	if n.Null {
		return "", errors.New("has no value; remove the line or write one")
	}
	return n.Text, nil
}

// listed returns the items of a list. A single value is a list of one, and a text is a list if it
// has commas: a comma ends an item where what follows can be an item of its own.
func listed(n *yamlnode.Node, item func(text string) bool) ([]*yamlnode.Node, error) {
	if n.Kind == yamlnode.List && len(n.Items) == 0 {
		return nil, errors.New("is an empty list")
	}
	var items []*yamlnode.Node
	for _, one := range n.Each() {
		if one.Kind != yamlnode.Scalar || one.Null {
			items = append(items, one)
			continue
		}
		for _, text := range parts(one.Text, item) {
			part := yamlnode.Text(text)
			part.Line, part.Column = one.Line, one.Column
			items = append(items, part)
		}
	}
	return items, nil
}

// parts splits a text at its commas. A comma too much is none; without any part the text stays as
// it is.
func parts(text string, item func(text string) bool) (all []string) {
	for i, part := range strings.Split(text, ",") {
		switch blank := strings.TrimSpace(part) == ""; {
		case blank:
		case i > 0 && len(all) > 0 && !item(part):
			all[len(all)-1] += "," + part
		default:
			all = append(all, part)
		}
	}
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	if len(all) == 0 {
		return []string{text}
	}
	return all
}

// anyText takes every text for an item: no item has a comma in it.
func anyText(string) bool { return true }

func (r *reader) absolute(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(r.home, p)
}

func find(path string) (setting, bool) {
	for _, s := range settings {
		if s.Path == path {
			return s, true
		}
	}
	return setting{}, false
}

// IsVariable reports whether an environment variable of that name is a setting.
func IsVariable(name string) bool {
	_, ok := byVariable(name)
	return ok
}

func byVariable(name string) (setting, bool) {
	for _, s := range settings {
		if s.Variable() == name {
			return s, true
		}
	}
	return setting{}, false
}

func isSection(path string) bool {
	for _, s := range settings {
		if strings.HasPrefix(s.Path, path+".") {
			return true
		}
	}
	return false
}

// paths returns where each setting stands.
func paths() []string {
	all := make([]string, len(settings))
	for i, s := range settings {
		all[i] = s.Path
	}
	return all
}
