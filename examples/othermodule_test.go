package examples_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const clientPage = "docs/client.md"

// blocks returns the fenced blocks of a page that are marked as one language.
func blocks(page []byte, language string) (found []string) {
	fenced := regexp.MustCompile("(?ms)^```" + regexp.QuoteMeta(language) + "\n(.*?)^```$")
	for _, m := range fenced.FindAllSubmatch(page, -1) {
		found = append(found, string(m[1]))
	}
	return found
}

// TestOtherModule makes a module outside of this one as the page about the client shows it, and
// builds and vets the program of that page in it. The network is not asked.
func TestOtherModule(t *testing.T) {
	page := read(t, clientPage)
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	modules, programs := blocks(page, "go.mod"), blocks(page, "go")
	if len(modules) != 1 || len(programs) < 2 {
		t.Fatalf("%d go.mod and %d programs on the page", len(modules), len(programs))
	}
	if strings.Count(modules[0], "../pksa\n") != 1 {
		t.Fatal("go.mod does not replace pksa by the folder beside it")
	}
	folder := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", strings.Replace(modules[0], "../pksa\n", fmt.Sprintf("%q\n", filepath.ToSlash(root)), 1))
	write("go.sum", string(read(t, "../go.sum"))) // the page has it copied
	for i, program := range programs {
		write(fmt.Sprintf("part%d.go", i), program)
	}
	for _, args := range [][]string{{"build", "-o", filepath.Join(folder, "mybot"), "."}, {"vet", "."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", args[0], err, output)
		}
	}
	if output, err := exec.Command("gofmt", "-l", folder).CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("not formatted: %s%v", output, err)
	}
}

// TestClientErrorsAreExplained: the page has a line for each error that the client exports.
func TestClientErrorsAreExplained(t *testing.T) {
	page := string(read(t, clientPage))
	files, err := filepath.Glob("../agent/client/*.go")
	if err != nil {
		t.Fatal(err)
	}
	isError := regexp.MustCompile(`^(Err[A-Z]\w*|[A-Z]\w*Error)$`)
	explained := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, name := range declared(t, file) {
			if !isError.MatchString(name) {
				continue
			}
			if explained++; !strings.Contains(page, "`"+name+"`") {
				t.Errorf("%s does not explain %s", clientPage, name)
			}
		}
	}
	if explained < 10 {
		t.Errorf("only %d errors were found", explained)
	}
}

// declared returns the names of the types and package variables of a file.
func declared(t *testing.T, file string) (found []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range parsed.Decls {
		general, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					found = append(found, name.Name)
				}
			case *ast.TypeSpec:
				found = append(found, spec.Name.Name)
			}
		}
	}
	return found
}
