package yamlnode

import (
	"cmp"
	"slices"

	"gopkg.in/yaml.v3"

	"pksa/protocol/sorts"
)

// Kind is what a node is.
type Kind uint8

// The kinds. The zero value is what could not be read, such as an alias; there is a complaint about
// it.
const (
	Scalar Kind = iota + 1 // a single value
	List
	Map
)

// Node is a value of the file. Nodes are made by [Reader.Read] and not changed afterwards.
type Node struct {
	Kind         Kind
	Line, Column int // from 1, the column in characters

	Text   string // of a scalar, as it stands in the file; quotes and escapes are resolved
	Quoted bool   // a scalar in quotes or in a block: text, whatever it looks like
	Null   bool   // a scalar that YAML takes for nothing: no text at all, ~ or null
	Number bool   // a scalar that YAML takes for a number: 10, 0x10, 1e3, .inf

	Items   []*Node // of a list
	Entries []Entry // of a map, in the order of the file

	source *yaml.Node // with the tags and anchors that the reader complains about
}

// Entry is a key of a map with its value.
type Entry struct{ Key, Value *Node }

// Sorted returns the entries of a map by key.
func (n *Node) Sorted() []Entry {
	sorted := slices.Clone(n.Entries)
	sorts.Stable(sorted, func(a, b Entry) int { return cmp.Compare(a.Key.Text, b.Key.Text) })
	return sorted
}

// Each returns the items of a list, and of anything else the node alone: where a list of one may be
// written without brackets.
func (n *Node) Each() []*Node {
	if n.Kind == List {
		return n.Items
	}
	return []*Node{n}
}

// Flow reports whether a list or map of the file stands in brackets.
func (n *Node) Flow() bool { return n.source.Style&yaml.FlowStyle != 0 }

// Text returns a scalar that stands in no file.
func Text(text string) *Node { return &Node{Kind: Scalar, Text: text} }

// nodeOf copies what the YAML library has read. Below the deepest level it copies nothing: the
// reader complains there and looks no further.
func nodeOf(y *yaml.Node, depth int) *Node {
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	n := &Node{Line: y.Line, Column: y.Column, Text: y.Value, source: y}
	switch y.Kind {
	case yaml.ScalarNode:
		n.Kind = Scalar
		n.Quoted = y.Style&quoted != 0
		n.Null = y.ShortTag() == "!!null"
		n.Number = y.ShortTag() == "!!int" || y.ShortTag() == "!!float"
	case yaml.SequenceNode:
		n.Kind = List
	case yaml.MappingNode:
		n.Kind = Map
	}
	if depth > deepest {
		return n
	}
	for i, child := range y.Content {
		switch {
		case n.Kind == List:
			n.Items = append(n.Items, nodeOf(child, depth+1))
		case n.Kind == Map && i%2 == 1:
			n.Entries = append(n.Entries, Entry{nodeOf(y.Content[i-1], depth+1), nodeOf(child, depth+1)})
		}
	}
	return n
}
