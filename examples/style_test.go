package examples_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The house style, as far as a program can hold it. CONTRIBUTING says the rest.
const (
	codeColumns    = 120
	commentColumns = 100
	tabColumns     = 4
)

// What a function does is said in Go's own verbs: it returns, reports, makes. A type may be
// something.
var (
	weakVerbs   = []string{"is", "are", "gives", "says", "tells"}
	weakOfTypes = []string{"gives", "says", "say", "tells", "tell"}
)

// style collects the places that break the rules.
type style struct {
	files  *token.FileSet
	broken map[string][]string
}

// TestStyle holds the Go files of the module to the widths and the forms of comments.
func TestStyle(t *testing.T) {
	s := style{token.NewFileSet(), map[string][]string{}}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		return s.file(path)
	})
	if err != nil {
		t.Fatal(err)
	}
	for rule, places := range s.broken {
		slices.Sort(places)
		t.Errorf("%s, at %d places:\n%s", rule, len(places), strings.Join(places, "\n"))
	}
}

func (s *style) breaks(rule, place string) { s.broken[rule] = append(s.broken[rule], place) }

func (s *style) file(path string) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(s.files, path, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for i, line := range strings.Split(string(source), "\n") {
		place := fmt.Sprintf("%s:%d", path, i+1)
		switch width := columns(line); {
		case strings.HasPrefix(strings.TrimSpace(line), "//") && width > commentColumns && breakable(line):
			s.breaks("a comment is too wide", place)
		case width > codeColumns && breakable(line):
			s.breaks("a line is too wide", place)
		}
	}
	if !strings.HasSuffix(path, "_test.go") {
		for _, decl := range parsed.Decls {
			s.declaration(decl)
		}
	}
	return nil
}

// columns returns the width of a line, where a tab counts as four columns.
func columns(line string) int {
	return utf8.RuneCountInString(line) + (tabColumns-1)*strings.Count(line, "\t")
}

// breakable reports whether a line has a place at which it can be broken.
func breakable(line string) bool {
	return strings.Contains(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "//")), " ")
}

func (s *style) declaration(decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		s.comment(d.Doc, d.Name, weakVerbs)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if t, ok := spec.(*ast.TypeSpec); ok {
				s.comment(cmp.Or(t.Doc, d.Doc), t.Name, weakOfTypes)
			}
		}
	}
}

// comment checks how a comment of a function or type begins. Most of a type's comments go on with
// "is"; a function does something.
func (s *style) comment(doc *ast.CommentGroup, name *ast.Ident, weak []string) {
	if doc == nil {
		return
	}
	place := s.files.Position(name.Pos()).String()
	switch words := strings.Fields(doc.Text()); {
	case len(words) < 2 || words[0] != name.Name:
		s.breaks("a comment does not begin with the name", place+" "+name.Name)
	case slices.Contains(weak, words[1]):
		s.breaks("a comment goes on with a weak verb", place+" "+name.Name+" "+words[1])
	}
}
