package policy

import (
	"math/big"
	"strconv"

	"pksa/protocol/hive"
)

// outcome is whether a value matches. The order is that of a map of conditions: no before unclear
// before yes.
type outcome int8

const (
	no outcome = iota
	unclear
	yes
)

func outcomeOf(ok bool) outcome {
	if ok {
		return yes
	}
	return no
}

func (o outcome) not() outcome { return yes - o }

type valueKind uint8

const (
	isAbsent     valueKind = iota // the zero value
	isUnreadable                  // a text that should hold JSON and does not, a price that divides by zero
	isNull
	isBool
	isNumber
	isText
	isList
	isMap
	isAsset
	isTime
	isRatio
)

// value is a field of an operation, or what lies inside one, in the one form that matchers look at.
// The zero value is absent.
type value struct {
	kind    valueKind
	json    bool   // came out of a JSON text
	odd     bool   // a JSON number that is none in this language: 1e3
	text    string // of a text, and of what else is written as one
	number  decimal
	asset   hive.Asset
	seconds int64    // of a time, since 1970
	ratio   *big.Rat // exact
	items   []value
	members map[string]value
	opens   *document // of a text that holds JSON
}

// document is a JSON text that is read when a matcher first looks inside.
type document struct {
	text string
	read bool
	root value
	// mayBeEmpty says that an empty text is no JSON by mistake: it holds nothing.
	mayBeEmpty bool
}

// open returns what the JSON text holds; of any other value, the value.
func (v value) open() value {
	if v.opens == nil {
		return v
	}
	// Read once, however many rules look inside, and not at all if none does: the text may be long.
	if d := v.opens; !d.read {
		d.read = true
		root, ok := readJSON(d.text)
		switch {
		case d.text == "" && d.mayBeEmpty:
			// As {}: both say nothing to whoever reads the field. Blanks alone are no JSON to the
			// chain either.
			root = mapValue(nil)
			root.json = true
		case !ok:
			root = value{kind: isUnreadable, json: true}
		}
		d.root = root
	}
	return v.opens.root
}

// member returns what the name leads to: a member of an object, or an element of a list. A member
// of nothing is nothing, so that .a.b says the same as .a: {.b}.
func (v value) member(name string) value {
	v = v.open()
	switch v.kind {
	case isAbsent:
		return value{}
	case isMap:
		return v.members[name]
	case isList:
		return v.element(name)
	}
	return value{kind: isUnreadable}
}

// element returns the element of a list by its number, from 0. Behind the end there is nothing.
func (v value) element(name string) value {
	// ".01" and ".+1" name no element. There must be one way to write each.
	i, err := strconv.Atoi(name)
	switch {
	case err != nil || strconv.Itoa(i) != name || i < 0:
		return value{kind: isUnreadable}
	case i < len(v.items):
		return v.items[i]
	}
	return value{}
}

// list returns the elements; a JSON value that is no list counts as a list of one.
func (v value) list() ([]value, outcome) {
	v = v.open()
	switch {
	case v.kind == isAbsent:
		return nil, no
	case v.kind == isList:
		return v.items, yes
	case v.kind == isUnreadable || !v.json:
		return nil, unclear
	}
	return []value{v}, yes
}

func textValue(s string) value      { return value{kind: isText, text: s} }
func assetValue(a hive.Asset) value { return value{kind: isAsset, asset: a, text: a.String()} }
func timeValue(t hive.Time) value {
	return value{kind: isTime, seconds: int64(t), text: t.String() + "Z"}
}

func integerValue(text string) value {
	d, _ := parseDecimal(text)
	return value{kind: isNumber, number: d, text: text}
}

func countValue(n int) value { return integerValue(strconv.Itoa(n)) }

func boolValue(b bool) value { return value{kind: isBool, text: strconv.FormatBool(b)} }

func jsonTextValue(s string) value {
	return value{kind: isText, text: s, opens: &document{text: s}}
}
