package yamlnode

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// vetAlike complains about what other readers of YAML read as another value. An editor that shows
// one value while another is in force deceives whoever reviews the file. What a configuration held
// always goes on with a warning.
func (r *Reader) vetAlike(n *Node, depth int) {
	complain := r.Complain
	if r.options.Lenient {
		complain = r.Warn
	}
	inBlock := n.Kind == Scalar && n.source.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	switch {
	case inBlock && depth == 0:
		complain(n, "a text in a block stands alone; it belongs behind a key")
	case inBlock && len(r.lines) > 0 && r.lines[len(r.lines)-1] != "" && r.endOfBlock(n) > len(r.lines):
		complain(n, "the file ends within this text; end its last line, since some readers add the end and some do not")
	case inBlock && endsWithBlanks(n.Text):
		complain(n, "this text ends with a line of blanks, which some readers drop; take them away")
	case n.source.Style&yaml.FlowStyle != 0:
		for _, item := range n.Items {
			r.vetColon(item, complain)
		}
		for _, e := range n.Entries {
			r.vetQuestion(e.Key, complain)
			r.vetColon(e.Key, complain)
			r.vetColon(e.Value, complain)
		}
	}
}

func endsWithBlanks(text string) bool {
	text = strings.TrimRight(text, "\n")
	return strings.HasSuffix(text[strings.LastIndex(text, "\n")+1:], " ") &&
		strings.TrimSpace(text[strings.LastIndex(text, "\n")+1:]) == ""
}

// vetQuestion complains about a key in brackets behind a ? without a blank: for some readers the ?
// is a part of the key.
func (r *Reader) vetQuestion(key *Node, complain func(*Node, string, ...any)) {
	if line, before := r.line(key.Line), key.Column-2; before >= 0 && before < len(line) && line[before] == '?' {
		complain(key, "some readers take the ? for a part of the key; leave it out, or put the key in quotes")
	}
}

// vetColon complains about a word in brackets that ends with a colon: for some readers it is a key.
func (r *Reader) vetColon(n *Node, complain func(*Node, string, ...any)) {
	if n.Kind == Scalar && !n.Quoted && strings.HasSuffix(n.Text, ":") {
		complain(n, "%s ends with a colon, and some readers take it for a key; put it in quotes", quote(n.Text))
	}
}
