package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// fits returns how a JSON value differs from a schema; nothing is nil. A member that the schema
// does not have is a difference, too.
func (s *schema) fits(root *schema, value any, at string) (complaints []string) {
	complain := func(format string, args ...any) {
		complaints = append(complaints, at+": "+fmt.Sprintf(format, args...))
	}
	if s.Ref != "" {
		return root.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")].fits(root, value, at)
	}
	if len(s.OneOf) > 0 {
		var all []string
		for _, one := range s.OneOf {
			found := one.fits(root, value, at)
			if found == nil {
				return nil
			}
			all = append(all, found...)
		}
		return all
	}
	if types := typeNames(s.Type); types != nil && !slices.Contains(types, typeOf(value)) &&
		(typeOf(value) != "integer" || !slices.Contains(types, "number")) {
		complain("it is %s, and not %v", typeOf(value), types)
		return complaints
	}
	switch value := value.(type) {
	case string:
		if _, err := time.Parse(time.RFC3339, value); s.Format == "date-time" && err != nil {
			complain("%q is no time", value)
		}
	case []any:
		for i, item := range value {
			if s.Items != nil {
				complaints = append(complaints, s.Items.fits(root, item, fmt.Sprintf("%s[%d]", at, i))...)
			}
		}
	case map[string]any:
		for _, name := range s.Required {
			if _, ok := value[name]; !ok {
				complain("it has no %s", name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(value)) {
			member := s.Properties[name]
			if rest, ok := s.Additional.(*schema); ok && member == nil {
				member = rest
			}
			switch {
			case member != nil:
				complaints = append(complaints, member.fits(root, value[name], at+"."+name)...)
			case s.Additional == false:
				complain("%s is not documented", name)
			}
		}
	}
	return complaints
}

func typeNames(types any) []string {
	switch types := types.(type) {
	case string:
		return []string{types}
	case []string:
		return types
	}
	return nil
}

// typeOf returns how JSON Schema calls the type of a value.
func typeOf(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case json.Number:
		if f, err := value.Float64(); err == nil && f == math.Trunc(f) {
			return "integer"
		}
	}
	return "number"
}

// misfit returns how the JSON values of a text differ from a schema.
func misfit(s *schema, text []byte) (complaints []string) {
	values := json.NewDecoder(bytes.NewReader(text))
	values.UseNumber()
	for values.More() {
		var value any
		if err := values.Decode(&value); err != nil {
			return append(complaints, err.Error())
		}
		complaints = append(complaints, s.fits(s, value, "$")...)
	}
	return complaints
}
