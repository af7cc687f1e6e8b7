package config

import (
	"fmt"
	"strings"
)

// Template returns the commented config.yaml that `pksa init` writes: every setting with its
// meaning, those in values set, the others shown as comments with an example. Keys of values are
// paths.
func Template(values map[string]string) string {
	var b strings.Builder
	writeComment(&b, "", "Settings of pksa. Each can also be given as an environment variable, named above it. "+
		"Relative paths are taken from the folder of this file. No secret belongs in here.")
	section := ""
	for _, s := range settings {
		name, indent := s.Path, ""
		if head, tail, nested := strings.Cut(s.Path, "."); nested {
			name, indent = tail, "  "
			if head != section {
				b.WriteString("\n" + comment(!anyIn(values, head)) + head + ":\n")
				section = head
			}
		}
		b.WriteString("\n")
		writeComment(&b, indent, s.Doc+" ("+s.Variable()+")")
		if value, set := values[s.Path]; set {
			fmt.Fprintf(&b, "%s%s: %s\n", indent, name, value)
		} else {
			writeExample(&b, indent, name+": "+s.Example)
		}
	}
	return b.String()
}

// templateWidth is how wide a terminal surely is, and so how wide the comments are.
const templateWidth = 80

// writeComment writes a text as comment lines.
func writeComment(b *strings.Builder, indent, text string) {
	writeWrapped(b, indent+"# ", indent+"# ", strings.Fields(text))
}

// writeExample writes a setting as a comment. A long list goes on in further lines, which are
// indented, so that it still loads when somebody takes the marks of the comment away.
func writeExample(b *strings.Builder, indent, line string) {
	mark := indent + "# "
	if len(mark)+len(line) <= templateWidth {
		b.WriteString(mark + line + "\n") // with the blank after a colon, where a value is to be typed
		return
	}
	writeWrapped(b, mark, mark+"  ", strings.Fields(line))
}

// writeWrapped writes words in lines that fit, the first after one prefix and the others after
// another. A word that is too long stands alone.
func writeWrapped(b *strings.Builder, first, next string, words []string) {
	line := first + words[0]
	for _, word := range words[1:] {
		if len(line)+1+len(word) > templateWidth {
			b.WriteString(line + "\n")
			line = next + word
			continue
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}

func comment(on bool) string {
	if on {
		return "# "
	}
	return ""
}

// anyIn reports whether a setting below head is given: then the line of the section must stand,
// too.
func anyIn(values map[string]string, head string) bool {
	for path := range values {
		if strings.HasPrefix(path, head+".") {
			return true
		}
	}
	return false
}
