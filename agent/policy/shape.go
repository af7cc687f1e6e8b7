package policy

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"pksa/agent/yamlnode"
)

// shape is what is known about a value before there is one: which conditions make sense on it, and
// how the file writes its values.
type shape struct {
	kind    shapeKind
	noun    string // for complaints: "an account"
	percent bool   // 5% may be written for 500
	absent  bool   // may be absent
	element *shape
	tuple   []*shape // of a list whose elements differ
	members map[string]*shape
	varied  bool // a map whose members are there or not
}

type shapeKind uint8

const (
	aText shapeKind = iota + 1
	anAccount
	aKey
	aBool
	aNumber // whole
	aRatio  // a number, not whole
	anAsset
	aTime
	aJSONText // a text that holds JSON
	aDocument // the text of a challenge: patterns, and JSON inside
	aMemo     // a memo: a text that may hold a JSON object
	aJSON     // what is inside
	aList
	aMap
)

var (
	textShape     = &shape{kind: aText, noun: "text"}
	accountShape  = &shape{kind: anAccount, noun: "an account"}
	keyShape      = &shape{kind: aKey, noun: "a public key"}
	boolShape     = &shape{kind: aBool, noun: "true or false"}
	numberShape   = &shape{kind: aNumber, noun: "a whole number"}
	percentShape  = &shape{kind: aNumber, noun: "a whole number", percent: true}
	ratioShape    = &shape{kind: aRatio, noun: "a number"}
	assetShape    = &shape{kind: anAsset, noun: "an amount"}
	timeShape     = &shape{kind: aTime, noun: "an instant"}
	jsonTextShape = &shape{kind: aJSONText, noun: "JSON"}
	documentShape = &shape{kind: aDocument, noun: "text"}
	memoShape     = &shape{kind: aMemo, noun: "text"}
	jsonShape     = &shape{kind: aJSON, noun: "JSON"}
	priceShape    = mapShape(map[string]*shape{"base": assetShape, "quote": assetShape})
	accountsShape = listShape(accountShape)
	numbersShape  = listShape(numberShape)

	chainPropertiesShape = mapShape(map[string]*shape{
		"account_creation_fee": assetShape, "maximum_block_size": numberShape, "hbd_interest_rate": numberShape})
	authorityShape = mapShape(map[string]*shape{
		"weight_threshold": numberShape,
		"account_auths":    listShape(&shape{kind: aList, noun: "a list", tuple: []*shape{accountShape, numberShape}}),
		"key_auths":        listShape(&shape{kind: aList, noun: "a list", tuple: []*shape{keyShape, numberShape}}),
	})
	propsShape = variedShape(map[string]*shape{
		"key": optional(keyShape), "new_signing_key": optional(keyShape),
		"account_creation_fee": optional(assetShape), "account_subsidy_budget": optional(numberShape),
		"account_subsidy_decay": optional(numberShape), "maximum_block_size": optional(numberShape),
		"hbd_interest_rate": optional(numberShape), "hbd_exchange_rate": optional(priceShape),
		"url": optional(textShape)})
	beneficiariesShape = listShape(mapShape(map[string]*shape{"account": accountShape, "weight": percentShape}))
)

func listShape(element *shape) *shape { return &shape{kind: aList, noun: "a list", element: element} }

func mapShape(members map[string]*shape) *shape {
	return &shape{kind: aMap, noun: "a map", members: members}
}

func variedShape(members map[string]*shape) *shape {
	sh := mapShape(members)
	sh.varied = true
	return sh
}

func optional(s *shape) *shape {
	copied := *s
	copied.absent = true
	return &copied
}

// member returns the shape of what a name leads to.
func (sh *shape) member(name string) (*shape, bool) {
	switch sh.kind {
	case aJSON, aJSONText, aDocument, aMemo:
		return jsonShape, true
	case aMap:
		m, ok := sh.members[name]
		return m, ok
	case aList:
		i, ok := listIndex(name)
		switch {
		case !ok:
			return nil, false
		case sh.tuple == nil:
			return optional(sh.element), true
		case i < len(sh.tuple):
			return sh.tuple[i], true
		}
	}
	return nil, false
}

// sample writes a map of this shape with one of its names filled in: what {bob: 5%} may mean.
func (sh *shape) sample(first string) string {
	var words []string
	for i, name := range sh.memberNames() {
		text := name + ": …"
		if i == 0 {
			text = name + ": " + first
		}
		words = append(words, text)
	}
	return strings.Join(words, ", ")
}

// written returns the members of an element as they are written, given a map in which some stand
// without their points. The second result is false if it is no such map.
func (sh *shape) written(n *yamlnode.Node) (text string, ok bool) {
	if n.Kind != yamlnode.Map {
		return "", false
	}
	values := map[string]string{}
	bare := false
	for _, e := range n.Entries {
		name := strings.TrimPrefix(e.Key.Text, ".")
		bare = bare || name == e.Key.Text
		if sh.members[name] == nil {
			return "", false
		}
		values["."+name] = "…"
		if e.Value.Kind == yamlnode.Scalar && plainValue.MatchString(e.Value.Text) {
			values["."+name] = e.Value.Text
		}
	}
	var words []string
	for _, name := range sh.memberNames() {
		if value, ok := values[name]; ok {
			words = append(words, name+": "+value)
		}
	}
	return strings.Join(words, ", "), bare
}

// plainValue matches what can be written again as it stands.
var plainValue = regexp.MustCompile(`^[\w$][\w.%-]{0,40}$`)

// memberNames returns what can stand behind the point.
func (sh *shape) memberNames() []string {
	if sh.kind == aList {
		return []string{".0"}
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(sh.members)) {
		names = append(names, "."+name)
	}
	return names
}

// matchers returns the keys that a map of conditions may have on this shape.
func (sh *shape) matchers() []string {
	var keys []string
	switch sh.kind {
	case aText, anAccount, aKey:
		keys = []string{"not", "glob", "regexp"}
	case aBool:
		keys = []string{"not"}
	case aNumber, aRatio, anAsset:
		keys = []string{"min", "max", "not"}
	case aTime:
		keys = []string{"min", "max", "within", "not"}
	case aJSONText:
		return []string{"members", "each", "any", "exactly", "size"}
	case aMemo:
		// None of lists: who writes size of a memo means its length.
		return []string{"not", "glob", "regexp", "members"}
	case aDocument:
		return []string{"not", "glob", "regexp", "members", "each", "any", "exactly", "size"}
	case aJSON:
		return []string{"min", "max", "within", "not", "glob", "regexp", "present", "members", "each", "any", "exactly",
			"size"}
	case aList:
		return []string{"each", "any", "exactly", "size"}
	case aMap:
		if sh.varied {
			keys = []string{"members"}
		}
	}
	if sh.absent {
		keys = append(keys, "present")
	}
	return keys
}

// hasMembers reports whether conditions may look inside.
func (sh *shape) hasMembers() bool {
	switch sh.kind {
	case aJSONText, aDocument, aMemo, aJSON, aList, aMap:
		return true
	}
	return false
}

func listIndex(name string) (int, bool) {
	if !allDigits(name) || len(name) > 6 || (len(name) > 1 && name[0] == '0') {
		return 0, false
	}
	n := 0
	for _, c := range name {
		n = n*10 + int(c-'0')
	}
	return n, true
}

// path splits .a.b into its names.
func path(key string) ([]string, bool) {
	rest, ok := strings.CutPrefix(key, ".")
	if !ok {
		return nil, false
	}
	names := strings.Split(rest, ".")
	return names, !slices.Contains(names, "")
}
