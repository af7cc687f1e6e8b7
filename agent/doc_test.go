package agent_test

import (
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The package comment is the map of this package: it names every file, and only files that exist.
func TestDocNamesEveryFile(t *testing.T) {
	doc, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, name := range regexp.MustCompile(`\b\w+\.go\b`).FindAllString(doc.Doc.Text(), -1) {
		named[name] = true
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, name := range files {
		if !strings.HasSuffix(name, "_test.go") && name != "doc.go" {
			there[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		if !named[name] {
			t.Errorf("doc.go does not name %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if !there[name] {
			t.Errorf("doc.go names %s, which does not exist", name)
		}
	}
	const most = 30
	if n := len(there) + 1; n > most {
		t.Errorf("%d files; a reader finds the way among %d", n, most)
	}
}
