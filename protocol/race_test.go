package protocol_test

import (
	"fmt"
	"go/ast"
	"os"
	"strings"
	"testing"
)

// TestRaceRunLeavesOutPurePackages: .ci/run does not look for races in the tests of packages that
// start no goroutine. Tests of these packages that start some are named there; those that run
// beside each other start none, and share what TestManyAtOnce shares.
func TestRaceRunLeavesOutPurePackages(t *testing.T) {
	text, err := os.ReadFile("../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("\npure=%q\n", strings.Join(pure, " ")); !strings.Contains(string(text), want) {
		t.Errorf(".ci/run leaves out other packages than%s", want)
	}
	for _, s := range sources(t) {
		if !s.test() || !matchesAny(pure, s.dir) {
			continue
		}
		for _, decl := range s.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if ok && startsGoroutines(f) && !strings.Contains(string(text), "'^"+f.Name.Name+"$'") {
				t.Errorf("%s: %s starts goroutines, and .ci/run does not name it", s.name, f.Name.Name)
			}
		}
	}
}

// startsGoroutines reports whether a function has a go statement, or starts a goroutine by a
// WaitGroup.
func startsGoroutines(f *ast.FuncDecl) (starts bool) {
	ast.Inspect(f, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			starts = true
		case *ast.SelectorExpr:
			starts = starts || node.Sel.Name == "Go"
		}
		return !starts
	})
	return starts
}
