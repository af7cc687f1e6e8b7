package agent

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEveryAlarmIsListed reads the source: what is raised as an alarm is one of the constants, and
// each constant is in the list of those whose metric exists from the start.
func TestEveryAlarmIsListed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				called, ok := n.Fun.(*ast.SelectorExpr)
				if !ok || called.Sel.Name != "alarm" {
					break
				}
				if _, literal := n.Args[0].(*ast.BasicLit); literal {
					t.Errorf("%s: an alarm that is no constant", name)
				}
			case *ast.ValueSpec:
				if strings.HasPrefix(n.Names[0].Name, "alarm") && n.Names[0].Name != "alarms" {
					declared++
				}
			}
			return true
		})
	}
	if distinct := slices.Compact(slices.Sorted(slices.Values(alarms))); declared == 0 || len(distinct) != declared {
		t.Errorf("%d alarms are declared, %d listed", declared, len(distinct))
	}
}
