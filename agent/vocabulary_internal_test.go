package agent

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pksa/agent/link"
	"pksa/agent/status"
)

var updatePages = flag.Bool("update-metrics", false, "write the page about metrics anew")

func linkDrops() (words []string) {
	for _, d := range link.Drops() {
		words = append(words, string(d))
	}
	return words
}

// The page about metrics says what the code exports.
func TestMetricsPage(t *testing.T) {
	page := filepath.Join("..", "examples", "docs", "metrics.md")
	want := status.Page(status.Words{Drops: reasons, LinkDrops: linkDrops(), Alarms: alarms})
	if *updatePages {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("the page is not that of the code: go test ./agent -run TestMetricsPage -update-metrics")
	}
}

// Log, metrics and audit trail say why by the same words: reasons of drops and alarms are constants
// that stand in the lists from which metrics and the page are made, and nothing else is counted.
func TestOneVocabularyOfReasons(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	declared, used := map[string]string{}, map[string]bool{}
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
			case *ast.ValueSpec:
				declare(n, declared)
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok {
					if i, counts := map[string]int{"drop": 1, "Dropped": 0, "alarm": 0}[s.Sel.Name]; counts &&
						i < len(n.Args) {
						wordsOf(t, n.Args[i], used)
					}
				}
			}
			return true
		})
	}
	lists := append(slices.Clone(reasons), alarms...)
	for name, word := range declared {
		if !slices.Contains(lists, word) {
			t.Errorf("%s, %q, stands in no list", name, word)
		}
	}
	if len(declared) != len(lists) {
		t.Errorf("%d constants, and %d words in the lists", len(declared), len(lists))
	}
	if len(used) < len(alarms) {
		t.Errorf("the test sees only %d of the words in use", len(used))
	}
	for _, cause := range status.Causes() {
		if strings.Trim(string(cause), "abcdefghijklmnopqrstuvwxyz") != "" {
			t.Errorf("%q is not one word", cause)
		}
	}
}

// declare collects the constants that are reasons.
func declare(spec *ast.ValueSpec, declared map[string]string) {
	for i, name := range spec.Names {
		rest, is := strings.CutPrefix(name.Name, "drop")
		if !is {
			rest, is = strings.CutPrefix(name.Name, "alarm")
		}
		if !is || rest == "" || rest == "s" || strings.ToUpper(rest[:1]) != rest[:1] || i >= len(spec.Values) {
			continue
		}
		switch v := spec.Values[i].(type) {
		case *ast.BasicLit:
			if v.Kind == token.STRING {
				declared[name.Name], _ = strconv.Unquote(v.Value)
			}
		case *ast.BinaryExpr: // one of them and more words
			declared[name.Name] = alarmTwinYielded
		}
	}
}

// wordsOf notes a reason that is counted. It must be a constant, or a variable that has one.
func wordsOf(t *testing.T, arg ast.Expr, used map[string]bool) {
	switch v := arg.(type) {
	case *ast.Ident:
		used[v.Name] = true
	case *ast.BasicLit:
		t.Errorf("a reason is counted that is no constant: %s", v.Value)
	}
}
