package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pksa/protocol/hive"
)

// Schema returns the language as JSON Schema, draft 2020-12: for editors, which complete keys and
// underline mistakes. It takes every file that compiles. It refuses what such a schema can express;
// [Compile] finds the rest.
func Schema() []byte {
	w := schemaWriter{defs: map[string]any{}}
	root := w.file()
	root["$defs"] = w.defs
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(root); err != nil {
		panic(err) // unreachable: maps of texts
	}
	return b.Bytes()
}

// node is a schema, or a part of one.
type node = map[string]any

type schemaWriter struct{ defs node }

// ref makes a definition once, and refers to it. It is entered before it is built, since tests hold
// tests.
func (w *schemaWriter) ref(name string, build func() node) node {
	if _, known := w.defs[name]; !known {
		w.defs[name] = node{}
		w.defs[name] = build()
	}
	return node{"$ref": "#/$defs/" + name}
}

func object(properties node, required ...string) node {
	n := node{"type": "object", "properties": properties, "additionalProperties": false, "minProperties": 1}
	if len(required) > 0 {
		n["required"] = required
	}
	return n
}

func listOf(items any) node { return node{"type": "array", "items": items, "minItems": 1} }

func oneOfThese(options ...any) node { return node{"anyOf": options} }

func textLike(pattern string) node { return node{"type": "string", "pattern": pattern} }

func words(words ...string) node { return node{"enum": words} }

// described returns a schema with the sentence that the editor shows.
func described(n node, says string) node {
	out := maps.Clone(n)
	if says != "" {
		out["description"] = strings.ReplaceAll(says, "`", "")
	}
	return out
}

// scalar returns the schema of any single value: in this language a value is its text.
func scalar() node { return node{"type": []string{"string", "number", "boolean"}} }

const (
	spanPattern    = `[1-9][0-9]*[smhd]`
	amountPattern  = `[0-9]+\.([0-9]{3} (HIVE|HBD)|[0-9]{6} VESTS)`
	decimalPattern = `-?(0|[1-9][0-9]*)(\.[0-9]+)?`
	instantPattern = `[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?`
	refPattern     = `|^\$` // a list, another field, or a text that begins with $
)

func (w *schemaWriter) file() node {
	properties := node{
		"version":   node{"enum": []any{1, 2, "1", "2"}},
		"otherwise": words("reject", "ignore"),
		"lists": node{"type": "object", "minProperties": 1, "propertyNames": textLike(`^[A-Za-z][A-Za-z0-9_-]*$`),
			"additionalProperties": listOf(scalar())},
	}
	for s := allowSection; s <= limitSection; s++ {
		properties[s.String()] = listOf(w.ref(s.String(), func() node { return w.rule(s) }))
	}
	for key, n := range properties {
		properties[key] = described(n.(node), says(key, fileKeys))
	}
	root := object(properties, "version")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "policy of pksa"
	return root
}

// rule returns the schema of a rule or limit of a section.
func (w *schemaWriter) rule(s section) node {
	known := w.ruleProperties(s)
	properties := node{}
	for _, key := range sectionKeys[s] {
		properties[key] = described(known[key].(node), says(key, ruleKeys, limitKeys))
	}
	n := object(properties, "name")
	all := []any{node{"not": node{"required": []string{"operations", "transaction"}}}}
	for k := Auth; k <= Decrypt; k++ {
		all = append(all, kindRules(s, k))
	}
	if s.permits() {
		n["required"] = []string{"name", "request", "apps"}
	}
	if s == limitSection {
		var one []any
		for _, key := range measureNames[measureRequests:] {
			one = append(one, node{"required": []string{key}})
		}
		n["oneOf"] = one
		n["dependentRequired"] = node{"sum": []string{"of"}, "of": []string{"sum"}}
	}
	n["allOf"] = all
	return n
}

// kindRules returns what holds for one kind of request: the keys that it has no use for, and those
// that it needs.
func kindRules(s section, k Kind) node {
	useless := node{}
	for _, key := range sectionKeys[s] {
		if about := keysOf[key]; about != nil && !slices.Contains(about, k) {
			useless[key] = false
		}
	}
	then := node{"properties": useless}
	if s.permits() && k == Sign {
		then["anyOf"] = []any{node{"required": []string{"operations"}}, node{"required": []string{"transaction"}}}
	}
	if s.permits() && k == Challenge {
		then["required"] = []string{"text"}
	}
	return node{"if": node{"properties": node{"request": node{"const": k.String()}}, "required": []string{"request"}},
		"then": then}
}

func (w *schemaWriter) ruleProperties(s section) node {
	names := func(name string, item node) node {
		return w.ref(name, func() node { return oneOfThese(node{"const": "any"}, textLike(`^\$`), listOf(item)) })
	}
	accounts := names("accounts", textLike(`^[a-z][a-z0-9.-]{2,15}$`+refPattern))
	key := words("posting", "active", "memo", "signing")
	span := textLike("^" + spanPattern + "$")
	quota := func(most string) node {
		one := textLike("^" + most + " per (request|" + spanPattern + ")$")
		return oneOfThese(one, listOf(one))
	}
	entries := listOf(w.ref("entry_in_"+s.String(), func() node { return w.entry(s) }))
	return node{
		"name": scalar(), "comment": scalar(), "mode": words("observe"), "request": words(kindNames[Auth:]...),
		"accounts": accounts, "on_behalf_of": accounts, "apps": names("apps", scalar()),
		"key": oneOfThese(key, listOf(key)), "operations": entries, "transaction": entries,
		"text": w.test(documentShape), "broadcast": node{"enum": []any{true, false, "true", "false", "any"}},
		"transaction_by": words(append(slices.Clone(makers), "any")...),
		"hours":          textLike(`^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$`), "days": listOf(words(weekdays...)),
		"from": textLike("^" + instantPattern + "$"), "until": textLike("^" + instantPattern + "$"),
		"takeover": words("allowed"), "tell": node{"enum": []any{true, false, "true", "false"}},
		"session": span, "renew": span, "only": words("uncovered"), "timeout": span,
		"approvers":  names("approvers", textLike(`^[a-z0-9][a-z0-9_-]{0,31}$`+refPattern)),
		"approvals":  node{"enum": []any{1, 2, 3, 4, 5, "1", "2", "3", "4", "5"}},
		"tell_first": node{"enum": []any{true, false, "true", "false"}},
		"answer":     words("reject", "ignore"),
		"requests":   quota(`[0-9]+(\.0+)?`), "count": quota(`[0-9]+(\.0+)?`), "sum": quota(`[0-9]+(\.[0-9]+)?`),
		"spend": quota(amountPattern),
		"of": object(node{
			"list":  described(scalar(), says("list", sumKeys)),
			"where": described(w.test(jsonShape), says("where", sumKeys)),
			"field": described(textLike(`^\.`), says("field", sumKeys)),
			"times": described(textLike(`^\.`), says("times", sumKeys)),
		}, "list", "field"),
		"per": listOf(textLike(`^(account|app|actor|\..+)$`)), "over": words("deny", "ask"),
	}
}

// entry returns the schema of a line of operations: a name, or a name with tests of its fields.
func (w *schemaWriter) entry(s section) node {
	names := []string{groupPosting}
	if s != allowSection {
		names = append(names, groupActive)
	}
	group := w.ref("fields_of_a_group", func() node { return object(node{payeeField: w.test(accountsShape)}) })
	properties := node{groupPosting: group}
	if s != allowSection {
		properties[groupActive] = group
	}
	for _, d := range hive.Definitions() {
		if refusedAlways(d) != "" {
			continue
		}
		names = append(names, d.Name)
		properties[d.Name] = w.ref("fields_of_"+d.Name, func() node { return w.fields(d) })
		properties[d.Name] = described(properties[d.Name].(node), d.Does)
	}
	with := object(properties)
	with["maxProperties"] = 1
	return oneOfThese(words(names...), with)
}

func (w *schemaWriter) fields(d *hive.Definition) node {
	properties := node{}
	for name, sh := range fieldsOf(d.Name) {
		properties[name] = w.test(sh)
	}
	return object(properties)
}

// test returns the schema of a test of a shape: a value, a list of tests, or a map of tests.
func (w *schemaWriter) test(sh *shape) node {
	name := "test_of_" + sh.name()
	return w.ref(name, func() node {
		self := node{"$ref": "#/$defs/" + name}
		options := []any{listOf(self), w.tests(sh, self)}
		if sh.kind != aList && sh.kind != aMap {
			options = append(options, sh.values())
		}
		return oneOfThese(options...)
	})
}

// tests returns the schema of a map of tests.
func (w *schemaWriter) tests(sh *shape, self node) node {
	properties := node{}
	for _, key := range sh.matchers() {
		properties[key] = described(w.namedTest(key, sh), says(key, matcherKeys))
	}
	patterns := node{}
	switch {
	case sh.kind == aMap:
		for name, member := range sh.members {
			properties["."+name] = w.test(member)
			if member.hasMembers() {
				patterns[`^\.`+name+`\.`] = true
			}
		}
	case sh.kind == aList:
		patterns[`^\.(0|[1-9][0-9]{0,5})\.`] = true
		if sh.tuple == nil {
			patterns[`^\.(0|[1-9][0-9]{0,5})$`] = w.test(optional(sh.element))
		} else {
			for i, element := range sh.tuple {
				properties[fmt.Sprintf(".%d", i)] = w.test(element)
			}
		}
	case sh.hasMembers():
		patterns[`^\..`] = w.test(jsonShape)
	}
	n := object(properties)
	if len(patterns) > 0 {
		n["patternProperties"] = patterns
	}
	return n
}

func (w *schemaWriter) namedTest(key string, sh *shape) node {
	switch key {
	case "min", "max":
		if sh.kind == aJSON {
			return node{"type": "number"}
		}
		return sh.values()
	case "not":
		return w.ref("not_"+sh.name(), func() node {
			self := node{"$ref": "#/$defs/not_" + sh.name()}
			properties := node{}
			for _, key := range sh.matchers() {
				if slices.Contains(underNotWords, key) {
					properties[key] = w.namedTest(key, sh)
				}
			}
			return oneOfThese(sh.values(), listOf(self), object(properties))
		})
	case "within":
		return textLike(`^[1-9][0-9]*[smhd]$`)
	case "glob", "regexp":
		return scalar()
	case "present":
		return node{"enum": []any{true, false, "true", "false"}}
	case "members":
		return listOf(scalar())
	case "exactly":
		return listOf(w.element(sh))
	case "size":
		return w.test(numberShape)
	}
	return w.element(sh) // each, any
}

func (w *schemaWriter) element(sh *shape) node {
	if sh.tuple != nil {
		return node{} // elements differ; the compiler tells
	}
	return w.test(sh.elementShape())
}

// values returns the schema of the single values that a file may write for a shape.
func (sh *shape) values() node {
	switch sh.kind {
	case anAccount:
		return textLike(`^[a-z][a-z0-9.-]{2,15}$|^$` + refPattern + `|\$(account|actor)`)
	case aKey:
		return textLike(`^STM` + refPattern)
	case aBool:
		return oneOfThese(node{"enum": []any{true, false, "true", "false"}}, textLike(`^\$`))
	case aNumber, aRatio:
		percent := ""
		if sh.percent {
			percent = "%?"
		}
		return oneOfThese(node{"type": "number"}, textLike("^"+decimalPattern+percent+"$"+refPattern))
	case anAsset:
		return textLike("^" + amountPattern + "$" + refPattern)
	case aTime:
		return textLike("^" + instantPattern + "$" + refPattern)
	case aJSON:
		return node{"type": []string{"string", "number", "boolean", "null"}}
	}
	return scalar()
}

// name returns the name of the shape's definition, one for each shape.
func (sh *shape) name() string {
	name := strings.ReplaceAll(sh.noun, " ", "_")
	switch {
	case sh.kind == aJSONText:
		name = "JSON_in_a_text"
	case sh.kind == aDocument:
		name = "the_text_of_a_challenge"
	case sh.kind == aMemo:
		name = "a_memo"
	case sh.tuple != nil:
		name = "a_pair"
		for _, element := range sh.tuple {
			name += "_" + element.name()
		}
	case sh.kind == aList:
		name = "a_list_of_" + sh.element.name()
	case sh.kind == aMap:
		name = "a_map_of_" + strings.Join(slices.Sorted(maps.Keys(sh.members)), "_")
	case sh.percent:
		name = "a_percentage"
	}
	if sh.absent {
		name += "_or_nothing"
	}
	return name
}
