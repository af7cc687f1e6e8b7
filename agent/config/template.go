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
	b.WriteString("# Settings of pksa. Each can also be given as an environment variable, named on its line.\n")
	b.WriteString("# Relative paths are taken from the folder of this file. No secret belongs in here.\n")
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
		fmt.Fprintf(&b, "\n%s# %s (%s)\n", indent, s.Doc, s.Variable())
		value, set := values[s.Path]
		if !set {
			value = s.Example
		}
		fmt.Fprintf(&b, "%s%s%s: %s\n", indent, comment(!set), name, value)
	}
	return b.String()
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
