package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sort"
	"strings"

	"gopkg.in/yaml.v3"

	"pksa/protocol/plain"
)

func (r *reader) readFile(src []byte) {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return
	case err != nil:
		r.complain(r.file, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	var second yaml.Node
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		r.complain(r.file, "holds more than one document; remove all from the second --- on")
		return
	}
	if root := doc.Content[0]; root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return
	} else if root.Kind != yaml.MappingNode {
		r.complain(r.at(root), "wants settings, one `name: value` a line")
	} else {
		r.readMapping("", root)
	}
}

// readMapping reads the entries below prefix, which is empty or ends with a dot.
func (r *reader) readMapping(prefix string, m *yaml.Node) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(m.Content); i += 2 {
		key, value := m.Content[i], m.Content[i+1]
		full := prefix + key.Value
		setting, isSetting := find(full)
		switch {
		case seen[key.Value]:
			r.complain(r.at(key), "%s is set twice", full)
		case isSetting:
			if err := setting.read(r, value); err != nil {
				r.complain(r.at(value), "%s: %v", full, err)
			}
		case isSection(full) && value.Kind == yaml.MappingNode:
			r.readMapping(full+".", value)
		case isSection(full):
			r.complain(r.at(value), "%s wants settings of its own, indented below it", full)
		default:
			r.complain(r.at(key), "there is no setting %q%s", full, didYouMean(full))
		}
		seen[key.Value] = true
	}
}

// readEnviron takes the PKSA_… variables in the order of their names, so that complaints are the
// same in every run.
func (r *reader) readEnviron(environ []string) {
	vars := map[string]string{}
	var names []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "PKSA_") && name != "PKSA_HOME" {
			vars[name] = value
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		setting, ok := byVariable(name)
		if !ok {
			r.unknown = append(r.unknown, name)
			continue
		}
		n, err := environNode(vars[name])
		if err == nil {
			err = setting.read(r, n)
		}
		if err != nil {
			r.complain(name, "%v", err)
		}
	}
}

// environNode makes of a variable's text what the file would have held: YAML if it stands in
// brackets, a list if it has commas, else a plain text.
func environNode(v string) (*yaml.Node, error) {
	if strings.HasPrefix(v, "[") || strings.HasPrefix(v, "{") {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(v), &doc); err != nil {
			return nil, fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "yaml: "))
		}
		return doc.Content[0], nil
	}
	if !strings.Contains(v, ",") {
		return &yaml.Node{Kind: yaml.ScalarNode, Value: v}, nil
	}
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for item := range strings.SplitSeq(v, ",") {
		list.Content = append(list.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: strings.TrimSpace(item)})
	}
	return list, nil
}

// scalar gives the text of a value, as it is written. YAML's own ideas of types are ignored.
func scalar(n *yaml.Node) (string, error) {
	if n.Kind != yaml.ScalarNode {
		return "", errors.New("wants a single value")
	}
	if n.Anchor != "" {
		return "", errors.New("anchors are not supported here")
	}
	if n.Tag == "!!null" {
		return "", errors.New("has no value; remove the line or write one")
	}
	return n.Value, nil
}

// sequence gives the items of a list; a single value is a list of one.
func sequence(n *yaml.Node) ([]*yaml.Node, error) {
	switch n.Kind {
	case yaml.SequenceNode:
		if len(n.Content) == 0 {
			return nil, errors.New("is an empty list")
		}
		return n.Content, nil
	case yaml.ScalarNode, yaml.MappingNode:
		return []*yaml.Node{n}, nil
	default:
		return nil, errors.New("wants a list")
	}
}

func (r *reader) absolute(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(r.home, p)
}

func find(path string) (Setting, bool) {
	for _, s := range settings {
		if s.Path == path {
			return s, true
		}
	}
	return Setting{}, false
}

func byVariable(name string) (Setting, bool) {
	for _, s := range settings {
		if s.Variable() == name {
			return s, true
		}
	}
	return Setting{}, false
}

func isSection(path string) bool {
	for _, s := range settings {
		if strings.HasPrefix(s.Path, path+".") {
			return true
		}
	}
	return false
}

// didYouMean names the nearest setting when one is near enough to be meant.
func didYouMean(path string) string {
	var known []string
	for _, s := range settings {
		known = append(known, s.Path)
	}
	return plain.DidYouMean(plain.Nearest(path, known))
}
