package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pksa/agent/yamlnode"
	"pksa/protocol/hive"
)

var operationNames = func() []string {
	var names []string
	for _, d := range hive.Definitions() {
		names = append(names, d.Name)
	}
	return names
}()

// noLists says that operations are no values.
const noLists = "%s: a list holds values, and no operations; write their names under %s"

const groupPosting, groupActive = "posting", "active"

func (c *compiler) readOperations(m yamlnode.Mapping, r *rule) {
	key := "operations"
	if !m.Has(key) {
		if key = "transaction"; !m.Has(key) {
			return
		}
		r.ordered = true
	}
	if n := m.Value(key); n.Kind == yamlnode.Scalar && strings.HasPrefix(n.Text, "$") {
		c.Complain(n, noLists, quote(n.Text), key)
		r.entries = []opEntry{}
		return
	}
	items := c.operationItems(m.Value(key), key)
	// All names before the fields of any: $2.permlink may stand in the first operation.
	c.transaction = nil
	if r.ordered {
		c.transaction = []string{}
		for _, item := range items {
			c.transaction = append(c.transaction, c.entryName(item).Text)
		}
	}
	for _, item := range items {
		if e, ok := c.opEntry(item, r); ok {
			r.entries = append(r.entries, e)
		}
	}
	c.transaction = nil
	// An entry that was complained about must not leave the rule matching all, as nil does.
	if r.entries == nil {
		r.entries = []opEntry{}
	}
	able := slices.DeleteFunc(slices.Clone(r.entries), func(e opEntry) bool { return e.group || !canTakeOver(e.name) })
	switch {
	case !r.takeover:
	case len(able) == 0:
		c.Warn(m.Key("takeover"), "takeover is given, but the rule names neither account_update nor account_update2")
	case !slices.ContainsFunc(able, func(e opEntry) bool { return !e.changesNoKey() }):
		c.Warn(m.Key("takeover"), "takeover is given, but %s changes no key here: each is {present: false}; leave "+
			"takeover out", able[0].name)
	}
}

// operationItems returns the entries of a list of operations.
func (c *compiler) operationItems(n *yamlnode.Node, key string) []*yamlnode.Node {
	switch {
	case c.Bad(n):
	case n.Kind == yamlnode.Scalar && isWord(n.Text, wordsForAll) && c.section == askSection:
		c.Complain(n, "%s is a list of names; write [posting, active]", key)
		return nil
	case n.Kind == yamlnode.Scalar && isWord(n.Text, wordsForAll):
		c.Complain(n, "%s is a list of names%s", key, operationHint(n.Text, c.section))
		return nil
	case n.Kind == yamlnode.Map && slices.Contains(operationNames, n.Entries[0].Key.Text):
		c.Complain(n, "%s is a list: write [%s: {…}], or a dash before each operation", key,
			n.Entries[0].Key.Text)
		return nil
	case n.Kind == yamlnode.Map:
		c.Complain(n, "%s is a list of names, such as [vote, comment]%s", key,
			operationsOfOtherTools.to(n.Entries[0].Key.Text))
		return nil
	}
	return c.Sequence(n, key)
}

// entryName returns the node that names the operation of an entry.
func (c *compiler) entryName(n *yamlnode.Node) *yamlnode.Node {
	if len(n.Entries) > 0 {
		return n.Entries[0].Key
	}
	return n
}

func (c *compiler) opEntry(n *yamlnode.Node, r *rule) (opEntry, bool) {
	name := c.entryName(n)
	switch {
	case c.Bad(n) || c.Bad(name):
		return opEntry{}, false
	case n.Kind == yamlnode.List:
		c.Complain(n, "an entry is the name of an operation, alone or with fields (vote: {author: bob}), not a list")
		return opEntry{}, false
	case len(n.Entries) > 1:
		next := n.Entries[1].Key
		if first := n.Entries[0]; first.Value.Kind == yamlnode.Scalar && first.Value.Null && isUsable(first.Key.Text) {
			c.Complain(next, "%[1]s stands beside %[2]s: a field is indented more than the name of its operation, "+
				"or in "+
				"braces: - %[2]s: {%[1]s: …}", next.Text, name.Text)
			return opEntry{}, false
		}
		c.Complain(next, "one operation an entry; begin another line with - %s", next.Text)
		return opEntry{}, false
	}
	e := opEntry{name: name.Text, group: name.Text == groupPosting || name.Text == groupActive}
	ok := c.checkName(name, e, r)
	// What else is wrong with the entry is said in the same run, if it is known what its fields
	// are.
	if n.Kind == yamlnode.Map && (ok || e.group || isUsable(e.name)) {
		e.fields = c.fieldMatchers(n.Entries[0].Value, e)
	}
	if ok {
		c.reviewEntry(name, e, r)
	}
	return e, ok
}

func isUsable(operation string) bool {
	d, ok := hive.DefinitionOf(operation)
	return ok && refusedAlways(d) == ""
}

// checkName complains about an operation that the rule can never match.
func (c *compiler) checkName(n *yamlnode.Node, e opEntry, r *rule) bool {
	if e.group {
		return c.checkGroup(n, e, r)
	}
	d, ok := hive.DefinitionOf(e.name)
	if !ok && strings.HasPrefix(e.name, "$") {
		c.Complain(n, noLists, quote(e.name), "operations")
		return false
	}
	if !ok {
		c.Complain(n, "there is no operation %s%s", quote(e.name), operationHint(e.name, r.section))
		return false
	}
	if why := refusedAlways(d); why != "" {
		c.Complain(n, "%s %s: it is refused whatever the file says, leave it out", e.name, why)
		return false
	}
	if needs := usableRoles(d); r.keys != nil && !slices.ContainsFunc(needs,
		func(role hive.Role) bool { return r.keys[role] }) {
		c.Complain(n, "%s needs the %s key; %s", e.name, needs[0], r.keyAdvice(needs[0], c.entryNames(r)))
		return false
	}
	// It always can, so a rule without takeover would never match. account_update2 need not.
	if r.section.permits() && !r.takeover && e.name == "account_update" {
		c.Complain(n, `account_update can take the account over; add "takeover: allowed" if that is meant`)
		return false
	}
	return true
}

func (c *compiler) checkGroup(n *yamlnode.Node, e opEntry, r *rule) bool {
	role, _ := hive.ParseRole(e.name)
	switch {
	// Whoever allows "all that the active key can do" gives the account away.
	case e.name == groupActive && r.section == allowSection:
		c.Complain(n, `in allow there is no group "active": name the operations`)
		return false
	case r.keys != nil && !r.keys[role]:
		c.Complain(n, "the group %s needs the %s key; %s", e.name, e.name, r.keyAdvice(role, c.entryNames(r)))
		return false
	}
	return true
}

// keyAdvice returns what to write so that the rule is about a key, too. What it lists already stays
// if another one of the named operations of the rule needs it.
func (r *rule) keyAdvice(role hive.Role, names []string) string {
	if !r.keysSaid {
		return fmt.Sprintf(`add "key: %v"`, role)
	}
	roles := []hive.Role{role}
	for _, listed := range operationRoles {
		if r.keys[listed] && slices.ContainsFunc(names, func(name string) bool {
			d, ok := hive.DefinitionOf(name)
			return name == listed.String() || ok && slices.Contains(usableRoles(d), listed)
		}) {
			roles = append(roles, listed)
		}
	}
	slices.Sort(roles)
	return fmt.Sprintf(`write "key: %s"`, keyText(slices.Compact(roles)))
}

// entryNames returns the names of a rule's operations while it is being compiled.
func (c *compiler) entryNames(r *rule) (names []string) {
	for _, n := range c.entryNodes(r) {
		names = append(names, c.entryName(n).Text)
	}
	return names
}

// refusedAlways returns why an operation is never signed, "" if it can be.
func refusedAlways(d *hive.Definition) string {
	switch {
	case d.State != hive.Live:
		return "is " + d.State.String()
	case len(usableRoles(d)) > 0:
		return ""
	case slices.Contains(d.Roles(), hive.Owner):
		return "needs the owner key"
	}
	return "needs another authority than an account's"
}

// usableRoles returns the roles that an operation can need and for which there can be a key here.
func usableRoles(d *hive.Definition) []hive.Role {
	return slices.DeleteFunc(d.Roles(), func(r hive.Role) bool { return !slices.Contains(operationRoles, r) })
}

// operationRoles are the roles of keys that sign operations.
var operationRoles = []hive.Role{hive.Posting, hive.Active, hive.Signing}

func canTakeOver(name string) bool {
	d, ok := hive.DefinitionOf(name)
	return ok && len(d.Takeover) > 0
}

// changesNoKey reports whether the entry takes only operations that leave out all that can take the
// account over.
func (e *opEntry) changesNoKey() bool {
	d, _ := hive.DefinitionOf(e.name)
	return !slices.ContainsFunc(d.Takeover, func(field string) bool { return !e.testsWithin(field, isPresent(false)) })
}

// fieldMatchers compiles the fields of an entry, sorted by name.
func (c *compiler) fieldMatchers(n *yamlnode.Node, e opEntry) []fieldMatcher {
	if c.Bad(n) {
		return nil
	}
	if n.Kind != yamlnode.Map {
		c.Complain(n, "%s takes a map of its fields: {field: test}", e.name)
		return nil
	}
	// The operations of a group have no field in common but what each has: who is paid.
	known := fieldsOf(e.name)
	if e.group {
		known = map[string]*shape{payeeField: accountsShape}
	}
	var tests []fieldMatcher
	for _, f := range n.Sorted() {
		name := f.Key.Text
		switch sh, ok := known[name]; {
		case c.Bad(f.Key):
		case !ok && e.group:
			c.Complain(f.Key, "a group has the field payee only; name the operation to test %s", quote(name))
		case !ok && name == "extensions":
			c.Complain(f.Key, "extensions are opened here%s", openedInstead(e.name))
		case !ok && (isRuleKey(name) || slices.Contains((&shape{kind: aJSON}).matchers(), name)) &&
			nearestWord(name, slices.Sorted(maps.Keys(known))) == "":
			c.Complain(f.Key, "%s has no field %s; %s", e.name, quote(name), misplaced(name))
		case !ok:
			names := slices.Sorted(maps.Keys(known))
			c.Complain(f.Key, "%s has no field %s%s", e.name, quote(name),
				cmp.Or(didYouMean(name, names), otherField(name, names)))
		default:
			m := c.matcher(f.Value, sh, strings.TrimPrefix(name, "."))
			tests = append(tests, fieldMatcher{field: name, matcher: m})
		}
	}
	return tests
}

// misplaced returns where a word belongs that stands among the fields of an operation.
func misplaced(word string) string {
	if isRuleKey(word) {
		return "it is a key of the rule, and stands where operations does"
	}
	return "it is a test, and stands under the field that it is about, such as amount: {max: 1.000 HBD}"
}

func openedInstead(operation string) string {
	d, _ := hive.DefinitionOf(operation)
	if f, ok := d.Opened(); ok {
		return ": say " + f.Name
	}
	return ", and " + operation + " has none"
}
