package yamlnode

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// Comment is a comment of the file.
type Comment struct {
	Line, Column int    // of the #, from 1
	Text         string // from the # to the end of the line
}

// Comments returns the comments of the file in their order, given the root that [Reader.Read]
// returned. What looks like a comment and stands inside a text is none.
func (r *Reader) Comments(root *Node) []Comment {
	comments, _ := r.parts(root)
	return comments
}

// span is a text of the file: from its first place to the one behind its last.
type span struct{ start, end place }

// parts returns the comments of the file, and its texts in quotes and in blocks.
func (r *Reader) parts(root *Node) (comments []Comment, spans []span) {
	texts := textsOf(nil, root)
	for at, next := (place{1, 1}), 2; at.line <= len(r.lines); {
		line := r.line(at.line)
		switch {
		case at.column > len(line):
			at, next = place{next, 1}, next+1
		case len(texts) > 0 && texts[0].Line == at.line && texts[0].Column == at.column:
			if texts[0].source.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
				// The text begins on the next line; what stands behind its | may be a comment.
				next = r.endOfBlock(texts[0])
				spans = append(spans, span{place{at.line + 1, 1}, place{next, 1}})
				at.column++
			} else {
				end := r.endOfQuotes(texts[0])
				spans = append(spans, span{at, end})
				at, next = end, end.line+1
			}
			texts = texts[1:]
		case line[at.column-1] == '#' && (at.column == 1 || strings.ContainsRune(" \t", line[at.column-2])):
			comments = append(comments, Comment{at.line, at.column, string(line[at.column-1:])})
			at, next = place{next, 1}, next+1
		default:
			at.column++
		}
	}
	return comments, spans
}

// place is a character of the file.
type place struct{ line, column int }

func (p place) before(other place) bool {
	return p.line < other.line || p.line == other.line && p.column < other.column
}

// textsOf adds the scalars in which a # begins no comment, in the order of the file.
func textsOf(texts []*Node, n *Node) []*Node {
	switch {
	case n == nil:
		return texts
	case n.Kind == Scalar && n.Quoted:
		return append(texts, n)
	}
	for _, item := range n.Items {
		texts = textsOf(texts, item)
	}
	for _, e := range n.Entries {
		texts = textsOf(textsOf(texts, e.Key), e.Value)
	}
	return texts
}

// endOfQuotes returns the place behind the closing quote of a text.
func (r *Reader) endOfQuotes(n *Node) place {
	single := n.source.Style&yaml.SingleQuotedStyle != 0
	from := n.Column // behind the opening quote
	for number := n.Line; number <= len(r.lines); number++ {
		line := r.line(number)
		for i := from; i < len(line); i++ {
			switch {
			case single && line[i] == '\'':
				if i+1 == len(line) || line[i+1] != '\'' {
					return place{number, i + 2}
				}
				i++ // two of them are one quote of the text
			case !single && line[i] == '"':
				return place{number, i + 2}
			case !single && line[i] == '\\':
				i++
			}
		}
		from = 0
	}
	return place{len(r.lines) + 1, 1} // unreachable: the YAML library has found the end
}

// endOfBlock returns the number of the first line behind a text in a block: one that is indented
// less than the text.
func (r *Reader) endOfBlock(n *Node) int {
	first := strings.TrimLeft(n.Text, "\n")
	indent := -1
	for number := n.Line + 1; number <= len(r.lines); number++ {
		line := r.lines[number-1]
		before := len(line) - len(strings.TrimLeft(line, " "))
		switch {
		case before == len(line): // blank lines belong to the text, or to nothing
		case first == "":
			return number
		case indent < 0:
			// With a number behind the |, the text itself begins with blanks.
			indent = before - (len(first) - len(strings.TrimLeft(first, " ")))
		case before < indent:
			return number
		}
	}
	return len(r.lines) + 1
}
