package doctor

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"pksa/agent/status"
)

// Whoever finds something says what to do about it: where a finding is made, Next stands in it.
func TestFindingsSayWhatToDo(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	set, made := token.NewFileSet(), 0
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(set, file.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if name, ok := literal.Type.(*ast.Ident); !ok || name.Name != "Finding" {
				return true
			}
			made++
			for _, element := range literal.Elts {
				if pair, ok := element.(*ast.KeyValueExpr); ok && pair.Key.(*ast.Ident).Name == "Next" {
					return true
				}
			}
			t.Errorf("%s: a finding without Next", set.Position(literal.Pos()))
			return true
		})
	}
	if made < 40 {
		t.Errorf("only %d findings were looked at", made)
	}
}

// Each check and each cause has something to do, which a finding gets that has nothing of its own.
func TestEveryCheckSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, check := range Checks() {
		if nextOfChecks[check] == "" {
			t.Errorf("check %s says nothing", check)
		}
		var r Report
		r.Add(Finding{Check: check, Level: Error, What: "something"})
		if r.Findings[0].Next != nextOfChecks[check] {
			t.Errorf("check %s: %q", check, r.Findings[0].Next)
		}
	}
	for _, cause := range status.Causes() {
		if nextOfCauses[cause] == "" {
			t.Errorf("cause %s says nothing", cause)
		}
	}
	if nextOf("none of them") == "" || nextReady("") == "" {
		t.Error("there is always something to do")
	}
}
