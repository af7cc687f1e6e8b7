package main

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pksa/agent/config"
	"pksa/protocol/plain"
)

// Every command that a text of the program names is one that the program takes. Hints are executed,
// too, see TestHints; the others stand in errors, logs, and what commands print.
func TestTextsNameCommands(t *testing.T) {
	noRace(t)
	command := regexp.MustCompile("`pksa ([a-z-][^`]*)`")
	found := 0
	for file, texts := range textsOf(t, "../../cmd", "../../agent", "../../keystore") {
		for _, text := range texts {
			for _, m := range command.FindAllStringSubmatch(text, -1) {
				found++
				words := strings.Fields(strings.TrimSuffix(m[1], " --help"))
				if !strings.HasPrefix(words[0], "--home") {
					checkCommandLine(t, file, words)
				}
			}
		}
	}
	if found < 60 {
		t.Errorf("only %d commands were found", found)
	}
}

// textsOf returns the texts in the code of these folders, without tests. Texts that are added to
// each other are one.
func textsOf(t *testing.T, folders ...string) map[string][]string {
	t.Helper()
	texts := map[string][]string{}
	for _, folder := range folders {
		if err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			tree, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err == nil {
				ast.Inspect(tree, func(n ast.Node) bool {
					expr, ok := n.(ast.Expr)
					if !ok {
						return true
					}
					text, ok := textIn(expr)
					if ok {
						texts[path] = append(texts[path], text)
					}
					return !ok
				})
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return texts
}

// textIn returns the text of a literal, or of literals that are added.
func textIn(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		left, ok := textIn(e.X)
		right, ok2 := textIn(e.Y)
		return left + right, ok && ok2 && e.Op == token.ADD
	}
	return "", false
}

// No text makes a line of the log long, whoever sent it; the stack of a panic stays whole.
func TestLogLinesAreShort(t *testing.T) {
	long := strings.Repeat("é", longestAttr)
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log := (&command{streams: streams{err: &out}}).logger(&config.Config{LogFormat: format})
		for size, cut := range map[int]bool{longestAttr - 1: false, longestAttr: false, longestAttr + 1: true} {
			out.Reset()
			log.Info("m", "err", strings.Repeat("x", size))
			if got := strings.Contains(out.String(), plain.Ellipsis); got != cut {
				t.Errorf("%s, %d bytes: cut: %v", format, size, got)
			}
		}
		out.Reset()
		log.Info(long, "err", errors.New(long), "reason", long)
		if out.Len() > 3*(longestAttr+100) {
			t.Errorf("%s: a line of %d bytes", format, out.Len())
		}
		out.Reset()
		log.Info("m", "stack", long)
		if !strings.Contains(out.String(), long) {
			t.Errorf("%s: the stack is cut", format)
		}
	}
}
