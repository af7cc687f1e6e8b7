package main

import (
	"encoding"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/protocol/secret"
)

// schema is what this project uses of JSON Schema, draft 2020-12.
type schema struct {
	Schema      string             `json:"$schema,omitempty"`
	ID          string             `json:"$id,omitempty"`
	Ref         string             `json:"$ref,omitempty"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	Type        any                `json:"type,omitempty"` // a name, or a list of names
	Format      string             `json:"format,omitempty"`
	Properties  map[string]*schema `json:"properties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	// Additional is false, or the schema of all members of a map.
	Additional any                `json:"additionalProperties,omitempty"`
	Items      *schema            `json:"items,omitempty"`
	OneOf      []*schema          `json:"oneOf,omitempty"`
	Defs       map[string]*schema `json:"$defs,omitempty"`
}

// generator makes schemas of Go types, with what their comments say.
type generator struct {
	defs     map[string]*schema
	comments func(folder string) map[string]string // by "Type" and "Type.Field"
}

// schemaOf returns the schema of a value that is written as encoding/json writes it.
func (g *generator) schemaOf(t reflect.Type) *schema {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return &schema{Type: "string", Format: "date-time"}
	case t == reflect.TypeFor[json.RawMessage](), t.Kind() == reflect.Interface:
		return &schema{}
	case t == reflect.TypeFor[secret.Text](), t == reflect.TypeFor[secret.Bytes]():
		return &schema{Type: "string"}
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return &schema{Type: "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.schemaOf(t.Elem())
	case reflect.Struct:
		return g.object(t)
	case reflect.Map:
		return &schema{Type: "object", Additional: g.schemaOf(t.Elem())}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return &schema{Type: "string"} // base64
		}
		return &schema{Type: "array", Items: g.schemaOf(t.Elem())}
	case reflect.String:
		return &schema{Type: "string"}
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Float64, reflect.Float32:
		return &schema{Type: "number"}
	}
	return &schema{Type: "integer"}
}

// object returns a reference to the schema of a struct.
func (g *generator) object(t reflect.Type) *schema {
	name := strings.TrimPrefix(t.String(), "main.")
	name = strings.Trim(regexp.MustCompile(`[^A-Za-z0-9.]+`).ReplaceAllString(name, "_"), "_")
	ref := &schema{Ref: "#/$defs/" + name}
	if t.Name() == "" {
		ref = new(schema)
	} else if g.defs[name] != nil {
		return ref
	}
	made := &schema{Type: "object", Properties: map[string]*schema{}, Additional: false}
	if t.Name() != "" {
		g.defs[name] = made
		made.Description = g.about(t, "")
	}
	for _, f := range reflect.VisibleFields(t) {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "-" || f.Anonymous && tag == "" || !f.IsExported() || hiddenIn(t, f) {
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		member := g.schemaOf(f.Type)
		optional := strings.Contains(options, "omit")
		if kind := f.Type.Kind(); !optional && member.Type != nil && member.Format == "" &&
			(kind == reflect.Slice || kind == reflect.Map || kind == reflect.Pointer) && member.Type != "string" {
			member.Type = []string{member.Type.(string), "null"} // null stands for none
		}
		if text := g.about(outer(t, f), f.Name); text != "" {
			member.Description = text
		}
		made.Properties[tag] = member
		if !optional {
			made.Required = append(made.Required, tag)
		}
	}
	slices.Sort(made.Required)
	if t.Name() == "" {
		return made
	}
	return ref
}

// outer returns the struct that has a field, which may be embedded in another one.
func outer(t reflect.Type, f reflect.StructField) reflect.Type {
	for _, i := range f.Index[:len(f.Index)-1] {
		if t = t.Field(i).Type; t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
	}
	return t
}

// hiddenIn reports whether a field is inside one that has a name of its own.
func hiddenIn(t reflect.Type, f reflect.StructField) bool {
	for i := 1; i < len(f.Index); i++ {
		parent := t.FieldByIndex(f.Index[:i])
		if name, _, _ := strings.Cut(parent.Tag.Get("json"), ","); name != "" {
			return true
		}
	}
	return false
}

// about returns what the comment of a type or of a field says, without the words for programmers.
func (g *generator) about(t reflect.Type, field string) string {
	folder, ok := strings.CutPrefix(t.PkgPath(), "pksa/")
	if !ok || g.comments == nil {
		return ""
	}
	if folder == "main" {
		folder = "cmd/pksa"
	}
	name, _, _ := strings.Cut(t.Name(), "[")
	if field != "" {
		name += "." + field
	}
	text := strings.Join(strings.Fields(g.comments(folder)[name]), " ")
	text = strings.NewReplacer("[", "", "]", "").Replace(text)
	return text
}

// commentsOf reads the comments of the types in a folder of the project.
func commentsOf(t *testing.T) func(folder string) map[string]string {
	read := map[string]map[string]string{}
	return func(folder string) map[string]string {
		if read[folder] != nil {
			return read[folder]
		}
		found := map[string]string{}
		read[folder] = found
		files, err := filepath.Glob(filepath.Join("../..", folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(tree, func(n ast.Node) bool {
				decl, ok := n.(*ast.GenDecl)
				if !ok {
					return true
				}
				for _, s := range decl.Specs {
					if spec, ok := s.(*ast.TypeSpec); ok {
						found[spec.Name.Name] = spec.Doc.Text()
						if len(decl.Specs) == 1 {
							found[spec.Name.Name] = decl.Doc.Text()
						}
						commentsOfFields(found, spec)
					}
				}
				return true
			})
		}
		return found
	}
}

func commentsOfFields(found map[string]string, spec *ast.TypeSpec) {
	fields, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range fields.Fields.List {
		for _, name := range f.Names {
			found[spec.Name.Name+"."+name.Name] = f.Doc.Text() + " " + f.Comment.Text()
		}
	}
}
