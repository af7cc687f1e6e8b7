package yamlnode

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// vetAlike warns of what other readers of YAML read as another value. An editor that shows one
// value while another is in force deceives whoever reviews the file. It is no error: files that
// hold it were always taken.
func (r *Reader) vetAlike(n *Node, depth int) {
	inBlock := n.Kind == Scalar && n.source.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	switch {
	case inBlock && depth == 0:
		r.Warn(n, "a text in a block stands alone; it belongs behind a key")
	case inBlock && len(r.lines) > 0 && r.lines[len(r.lines)-1] != "" && r.endOfBlock(n) > len(r.lines):
		r.Warn(n, "the file ends within this text; end its last line, since some readers add the end and some do not")
	case inBlock && endsWithBlanks(n.Text):
		r.Warn(n, "this text ends with a line of blanks, which some readers drop; take them away")
	case n.source.Style&yaml.FlowStyle != 0:
		for _, item := range n.Items {
			r.vetColon(item)
		}
		for _, e := range n.Entries {
			r.vetQuestion(e.Key)
			r.vetColon(e.Key)
			r.vetColon(e.Value)
		}
	}
}

func endsWithBlanks(text string) bool {
	text = strings.TrimRight(text, "\n")
	return strings.HasSuffix(text[strings.LastIndex(text, "\n")+1:], " ") &&
		strings.TrimSpace(text[strings.LastIndex(text, "\n")+1:]) == ""
}

// vetQuestion warns of a key in brackets behind a ? without a blank: for some readers the ? is a
// part of the key.
func (r *Reader) vetQuestion(key *Node) {
	if line, before := r.line(key.Line), key.Column-2; before >= 0 && before < len(line) && line[before] == '?' {
		r.Warn(key, "some readers take the ? for a part of the key; leave it out, or put the key in quotes")
	}
}

// vetColon warns of a word in brackets that ends with a colon: for some readers it is a key.
func (r *Reader) vetColon(n *Node) {
	if n.Kind == Scalar && !n.Quoted && strings.HasSuffix(n.Text, ":") {
		r.Warn(n, "%s ends with a colon, and some readers take it for a key; put it in quotes", quote(n.Text))
	}
}
