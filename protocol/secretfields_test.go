package protocol_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// secretName is how fields are called that hold secrets.
var secretName = regexp.MustCompile(`(?i)(secret|auth_?key|pass(word|phrase)|privatekey|wif|^token|^key)$`)

// notSecret are fields that are called like secrets and are plain, each with the reason.
var notSecret = map[string]string{
	"protocol.Request.AuthKey":           "it is sealed",
	"protocol.Request.Token":             "whoever sends it shows it to the relay",
	"agent/client.savedSession.AuthKey":  "lives only while the text of a session is read or written",
	"agent/client.savedSession.Token":    "lives only while the text of a session is read or written",
	"keystore.Complaint.Key":             "it names an account and a role",
	"agent/ledger.element.key":           "of a store of keys and values",
	"agent/config.Config.LedgerPassword": "it names where the secret is",
	"agent/ledger.pair.key":              "of a store of keys and values",
	"agent/ledger.edit.key":              "of a store of keys and values",
	"agent/ledger.name.key":              "of a store of keys and values",
	"agent/ledger.nameKey.key":           "of a store of keys and values",
	"agent/policy.fieldUse.key":          "of a mapping in YAML",
	"agent/policy.keyDoc.key":            "of a mapping in YAML",
	"cmd/pksa-bench.session.authKey":     "of a wallet that is made up, and gone with the benchmark",
	"cmd/pksa-bench.sample.authKey":      "of a wallet that is made up, and gone with the benchmark",
	"cmd/pksa-bench.application.secret":  "of a wallet that is made up, and gone with the benchmark",
	"cmd/pksa-bench.world.secret":        "of a wallet that is made up, and gone with the benchmark",
}

// whole are the types outside of package secret that write nothing of their fields, or only what
// their method Format names.
var whole = []string{"agent.Agent", "agent.run", "agent.proposal", "agent/ledger.Ledger"}

// aliases are the packages that call a type of package secret Secret.
var aliases = []string{"agent/ledger", "agent/control", "agent/client"}

// TestSecretsHaveOneRule holds the rule of package secret. A field that is called like a secret has
// a type of that package. A struct with such a field has a method Format that calls secret.Format,
// and no other method for printing. agent/redact_test.go prints what this test finds.
func TestSecretsHaveOneRule(t *testing.T) {
	used := map[string]bool{}
	holders, formats := map[string]bool{}, map[string]bool{}
	eachFile(t, func(pkg string, file *ast.File) {
		if pkg == "protocol/secret" {
			return
		}
		for _, decl := range file.Decls {
			if method, ok := decl.(*ast.FuncDecl); ok && method.Recv != nil {
				checkMethod(t, pkg, method, formats)
			}
			eachField(decl, func(of string, field *ast.Field, name string) {
				full := pkg + "." + of + "." + name
				switch {
				case secretType(pkg, field.Type) && ast.IsExported(name):
					holders[pkg+"."+of] = true
				case secretType(pkg, field.Type):
					t.Errorf("%s: fmt asks an unexported field for no methods; make it a secret.Hidden", full)
				case plainType(field.Type) && secretName.MatchString(name):
					used[full] = true
				}
			})
		}
	})
	for name := range used {
		if notSecret[name] == "" {
			t.Errorf("%s is called like a secret: give it a type of package secret, or say in notSecret why not", name)
		}
	}
	for name := range notSecret {
		if !used[name] {
			t.Errorf("notSecret has %s, which does not exist any more", name)
		}
	}
	for name := range holders {
		if !formats[name] {
			t.Errorf("%s has a secret member: give it a method Format that calls secret.Format", name)
		}
	}
	if len(holders) < 15 {
		t.Errorf("only %d types with a secret member are found", len(holders))
	}
}

// checkMethod notes a method Format that calls secret.Format, and complains of every other method
// that decides how fmt or a logger shows its receiver.
func checkMethod(t *testing.T, pkg string, f *ast.FuncDecl, formats map[string]bool) {
	t.Helper()
	if !slices.Contains([]string{"Format", "GoString", "LogValue"}, f.Name.Name) {
		return
	}
	of := f.Recv.List[0].Type
	if pointer, ok := of.(*ast.StarExpr); ok {
		of = pointer.X
	}
	receiver, _ := of.(*ast.Ident)
	if receiver == nil {
		t.Errorf("%s has a method %s of a generic type", pkg, f.Name.Name)
		return
	}
	name, calls := pkg+"."+receiver.Name, false
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if call, ok := n.(*ast.SelectorExpr); ok && selector(call) == "secret.Format" {
			calls = true
		}
		return true
	})
	switch {
	case f.Name.Name == "Format" && calls:
		formats[name] = true
	case !slices.Contains(whole, name):
		t.Errorf("%s has a method %s of its own; secret.Format is the one way to hide a part", name, f.Name.Name)
	}
}

// eachFile calls f with each Go file of the program, and its package's path below the module.
func eachFile(t *testing.T, f func(pkg string, file *ast.File)) {
	t.Helper()
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join("..", folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			pkg, err := filepath.Rel("..", filepath.Dir(path))
			f(filepath.ToSlash(pkg), file)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// eachField calls f with the fields of the structs that a declaration declares, but for those that
// embed secret.Redacted: they show nothing of themselves.
func eachField(decl ast.Decl, f func(of string, field *ast.Field, name string)) {
	list, _ := decl.(*ast.GenDecl)
	if list == nil {
		return
	}
	for _, spec := range list.Specs {
		of, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		ast.Inspect(of.Type, func(n ast.Node) bool {
			fields, ok := n.(*ast.StructType)
			if !ok || slices.ContainsFunc(fields.Fields.List, isRedacted) {
				return true
			}
			for _, field := range fields.Fields.List {
				for _, name := range field.Names {
					f(of.Name.Name, field, name.Name)
				}
			}
			return true
		})
	}
}

func isRedacted(field *ast.Field) bool {
	name, ok := field.Type.(*ast.SelectorExpr)
	return ok && len(field.Names) == 0 && selector(name) == "secret.Redacted"
}

// secretType reports whether a type is secret.Text or secret.Bytes, by whichever name.
func secretType(pkg string, of ast.Expr) bool {
	switch of := of.(type) {
	case *ast.Ident:
		return of.Name == "Secret" && slices.Contains(aliases, pkg)
	case *ast.SelectorExpr:
		name := selector(of)
		return name == "secret.Text" || name == "secret.Bytes" || slices.ContainsFunc(aliases, func(alias string) bool {
			return name == filepath.Base(alias)+".Secret"
		})
	}
	return false
}

// plainType reports whether a type is string, []byte or an array of bytes.
func plainType(of ast.Expr) bool {
	want := "string"
	if list, ok := of.(*ast.ArrayType); ok {
		of, want = list.Elt, "byte"
	}
	name, ok := of.(*ast.Ident)
	return ok && name.Name == want
}

// selector returns "package.Name", or "" for what is not that.
func selector(of *ast.SelectorExpr) string {
	if pkg, ok := of.X.(*ast.Ident); ok {
		return pkg.Name + "." + of.Sel.Name
	}
	return ""
}
