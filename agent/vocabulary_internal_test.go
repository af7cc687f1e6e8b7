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

	"pksa/agent/audit"
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

// Whatever is refused is refused by a code that the trail can be searched for and that metrics
// have: each is a constant, and each constant stands in the list. The same holds for what becomes
// of requests, for causes of not being ready, and for what links throw away.
func TestOneVocabularyOfCodes(t *testing.T) {
	constants := map[string][]string{} // by their type
	for _, pattern := range []string{"*.go", "audit/*.go", "policy/*.go", "status/*.go", "link/*.go"} {
		for _, tree := range parsed(t, pattern) {
			ast.Inspect(tree, func(n ast.Node) bool {
				if spec, ok := n.(*ast.ValueSpec); ok {
					collect(spec, constants)
				}
				return true
			})
		}
	}
	lists := map[string][]string{"Code": audit.Codes(), "Drop": linkDrops()}
	for _, cause := range status.Causes() {
		lists["Cause"] = append(lists["Cause"], string(cause))
	}
	for kind, known := range lists {
		if len(constants[kind]) < 8 {
			t.Errorf("only %d constants of type %s are found", len(constants[kind]), kind)
		}
		for _, word := range constants[kind] {
			if word != "" && !slices.Contains(known, word) {
				t.Errorf("%q, a %s, stands in no list", word, kind)
			}
		}
	}
	seen := 0
	words := append(audit.Results(), audit.Codes()...)
	for _, tree := range parsed(t, "*.go") {
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				key, _ := n.Key.(*ast.Ident)
				if key == nil || !slices.Contains([]string{"code", "Code", "Cause", "outcome"}, key.Name) {
					return true
				}
				seen++
				word, literal := literalOf(n.Value)
				if literal && key.Name == "outcome" && !slices.Contains(audit.Results(), word) {
					t.Errorf("requests become %q, which the trail cannot be searched for", word)
				}
				if literal && key.Name != "outcome" {
					t.Errorf("%q is no constant of those that stand in the lists", word)
				}
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Request" && len(n.Args) == 4 {
					seen++
					for _, arg := range n.Args[1:3] {
						if word, literal := literalOf(arg); literal && word != "" && !slices.Contains(words, word) {
							t.Errorf("metrics count %q, which the trail cannot be searched for", word)
						}
					}
				}
			}
			return true
		})
	}
	if seen < 20 {
		t.Errorf("only %d places are seen", seen)
	}
}

// parsed returns the files of a pattern, without tests.
func parsed(t *testing.T, pattern string) (trees []*ast.File) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", pattern, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		trees = append(trees, tree)
	}
	return trees
}

// collect adds the constants of a declaration to those of their type.
func collect(spec *ast.ValueSpec, constants map[string][]string) {
	kind := ""
	switch v := spec.Type.(type) {
	case *ast.Ident:
		kind = v.Name
	case *ast.SelectorExpr:
		kind = v.Sel.Name
	}
	for _, value := range spec.Values {
		if word, literal := literalOf(value); literal && kind != "" {
			constants[kind] = append(constants[kind], word)
		}
	}
}

// literalOf returns a text that stands in the code as it is.
func literalOf(e ast.Expr) (text string, ok bool) {
	v, ok := e.(*ast.BasicLit)
	if !ok || v.Kind != token.STRING {
		return "", false
	}
	text, _ = strconv.Unquote(v.Value)
	return text, true
}
