package policy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"pksa/agent/policy"
)

const published = "../../examples/policies"

// schema is read as any JSON; validate knows the words that ours uses, and fails on any other.
type schema struct {
	t    *testing.T
	root map[string]any
}

func readSchema(t *testing.T, src []byte) *schema {
	t.Helper()
	s := &schema{t: t}
	if err := json.Unmarshal(src, &s.root); err != nil {
		t.Fatal(err)
	}
	return s
}

// valid tells whether a value fits a schema.
func (s *schema) valid(rule, v any) bool {
	switch rule := rule.(type) {
	case bool:
		return rule
	case map[string]any:
		for word, arg := range rule {
			if !s.word(word, arg, rule, v) {
				return false
			}
		}
		return true
	}
	s.t.Fatalf("no schema: %v", rule)
	return false
}

func (s *schema) word(word string, arg any, rule map[string]any, v any) bool {
	object, isObject := v.(map[string]any)
	list, isList := v.([]any)
	text, isText := v.(string)
	switch word {
	case "$schema", "$defs", "title", "description", "then", "patternProperties", "additionalProperties":
		return word != "additionalProperties" && word != "patternProperties" || !isObject ||
			s.others(word, rule, object)
	case "$ref":
		name, ok := strings.CutPrefix(arg.(string), "#/$defs/")
		def, known := s.root["$defs"].(map[string]any)[name]
		if !ok || !known {
			s.t.Fatalf("there is no %v", arg)
		}
		return s.valid(def, v)
	case "type":
		names, many := arg.([]any)
		if !many {
			names = []any{arg}
		}
		return slices.Contains(names, any(typeOf(v)))
	case "enum":
		return slices.ContainsFunc(arg.([]any), func(one any) bool { return reflect.DeepEqual(one, v) })
	case "const":
		return reflect.DeepEqual(arg, v)
	case "anyOf":
		return s.fits(arg, v) > 0
	case "oneOf":
		return s.fits(arg, v) == 1
	case "allOf":
		return s.fits(arg, v) == len(arg.([]any))
	case "not":
		return !s.valid(arg, v)
	case "if":
		return !s.valid(arg, v) || s.valid(rule["then"], v)
	case "properties":
		return s.eachMember(arg.(map[string]any), object)
	case "propertyNames":
		return !slices.ContainsFunc(slices.Collect(maps.Keys(object)),
			func(name string) bool { return !s.valid(arg, name) })
	case "required":
		return !isObject || hasAll(object, arg)
	case "dependentRequired":
		for name, needs := range arg.(map[string]any) {
			if _, has := object[name]; has && !hasAll(object, needs) {
				return false
			}
		}
		return true
	case "minProperties":
		return !isObject || len(object) >= int(arg.(float64))
	case "maxProperties":
		return !isObject || len(object) <= int(arg.(float64))
	case "items":
		return !slices.ContainsFunc(list, func(item any) bool { return !s.valid(arg, item) })
	case "minItems":
		return !isList || len(list) >= int(arg.(float64))
	case "pattern":
		return !isText || regexp.MustCompile(arg.(string)).MatchString(text)
	}
	s.t.Fatalf("this test does not know the word %q", word)
	return false
}

// others looks at the members that properties does not name.
func (s *schema) others(word string, rule, object map[string]any) bool {
	named, _ := rule["properties"].(map[string]any)
	patterns, _ := rule["patternProperties"].(map[string]any)
	for name, v := range object {
		matched := named[name] != nil
		for pattern, sub := range patterns {
			if regexp.MustCompile(pattern).MatchString(name) {
				matched = true
				if word == "patternProperties" && !s.valid(sub, v) {
					return false
				}
			}
		}
		if word == "additionalProperties" && !matched && !s.valid(rule[word], v) {
			return false
		}
	}
	return true
}

func (s *schema) eachMember(properties, object map[string]any) bool {
	for name, sub := range properties {
		if v, has := object[name]; has && !s.valid(sub, v) {
			return false
		}
	}
	return true
}

func (s *schema) fits(rules, v any) (n int) {
	for _, rule := range rules.([]any) {
		if s.valid(rule, v) {
			n++
		}
	}
	return n
}

func hasAll(object map[string]any, names any) bool {
	for _, name := range names.([]any) {
		if _, has := object[name.(string)]; !has {
			return false
		}
	}
	return true
}

func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

// asEditorsSee reads YAML into values as an editor does (YAML 1.2): dates are texts.
func asEditorsSee(src []byte) (any, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(src, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return nodeValue(doc.Content[0])
}

func nodeValue(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.AliasNode:
		return nodeValue(n.Alias)
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, err := nodeValue(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			if _, twice := object[n.Content[i].Value]; twice {
				return nil, fmt.Errorf("%q stands twice", n.Content[i].Value)
			}
			object[n.Content[i].Value] = v
		}
		return object, nil
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			v, err := nodeValue(item)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		return strconv.ParseBool(strings.ToLower(n.Value))
	case "!!int", "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return f, nil
		}
	}
	return n.Value, nil
}

func TestPublishedSchema(t *testing.T) {
	golden(t, filepath.Join(published, "schema.json"), string(policy.Schema()))
	if !bytes.Equal(policy.Schema(), policy.Schema()) {
		t.Error("the schema is not the same twice")
	}
}

// beyondEditors is taken, with a warning, and no editor takes it: null without quotes for a text.
const beyondEditors = "null_without_quotes.yaml"

// Everything that compiles fits the schema: examples, the language's own examples, what is warned
// of, and hundreds of random policies.
func TestSchemaTakesWhatCompiles(t *testing.T) {
	s := readSchema(t, policy.Schema())
	files := slices.Concat(inputs(t, "good", 9), inputs(t, "warn", 5))
	examples, err := filepath.Glob(filepath.Join(published, "*.yaml"))
	if err != nil || len(examples) < 18 {
		t.Fatalf("%d examples, %v", len(examples), err)
	}
	for _, file := range slices.Concat(files, examples) {
		if strings.HasSuffix(file, "_test.yaml") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		v, err := asEditorsSee(src)
		if fits := err == nil && s.valid(s.root, v); fits == (filepath.Base(file) == beyondEditors) {
			t.Errorf("%s fits: %t, %v", file, fits, err)
		}
	}
	for i := range uint64(300) {
		m := maker{rand.New(rand.NewPCG(i, 5))}
		src := pen{Rand: m.Rand}.model(m.model())
		v, err := asEditorsSee([]byte(src))
		if err != nil || !s.valid(s.root, v) {
			t.Fatalf("seed %d does not fit, %v:\n%s", i, err, src)
		}
	}
}

// beyondSchema are faults that a schema cannot tell: YAML itself, what a name refers to, relations
// between two values, and what only the chain's rules say.
var beyondSchema = []string{
	"anchor_and_alias", "behind_the_end", "bare_tag_and_directive", "hidden_rule", "odd_space_meant_so", "references",
	"repeated_name", "second_document", "tag", "wrong_key_of_operation",
}

func TestSchemaRefusesBadFiles(t *testing.T) {
	s := readSchema(t, policy.Schema())
	for _, file := range inputs(t, "bad", 30) {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		v, err := asEditorsSee(src)
		fits := err == nil && s.valid(s.root, v)
		if beyond := slices.Contains(beyondSchema, name); fits != beyond {
			t.Errorf("%s: fits %t, beyond what a schema can tell %t", name, fits, beyond)
		}
	}
}

// A key that is misspelt by one letter is refused anywhere.
func TestSchemaRefusesMisspeltKeys(t *testing.T) {
	s := readSchema(t, policy.Schema())
	for _, file := range inputs(t, "good", 9) {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		v, err := asEditorsSee(src)
		if err != nil {
			t.Fatal(err)
		}
		misspell(v, func(where string) {
			if s.valid(s.root, v) {
				t.Errorf("%s: %s fits", filepath.Base(file), where)
			}
		})
	}
}

// misspell changes one key after another, and back.
func misspell(v any, check func(where string)) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			misspell(item, check)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if key == "lists" || strings.HasPrefix(key, ".") {
				continue // names of the author's own
			}
			inner := v[key]
			delete(v, key)
			v[key+"x"] = inner
			check(key + "x")
			delete(v, key+"x")
			v[key] = inner
			misspell(inner, check)
		}
	}
}
