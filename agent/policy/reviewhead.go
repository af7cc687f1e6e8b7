package policy

import (
	"fmt"
	"slices"

	"pksa/protocol/hive"
)

// What stands in the head of a deny rule makes it forbid less than it seems to: the same goes
// through with another key, signed and not sent, or made by the app; or the rule names as an
// account, or as an app, who was meant as the one that is paid.

// reviewDenyHead warns of a deny rule that the application evades by what its head leaves out.
func (c *compiler) reviewDenyHead(r *rule, rules []*rule) {
	if r.section != denySection || r.observe || !r.kinds[Sign] || r.keys == nil && r.broadcast == nil &&
		r.exact == nil {
		return
	}
	for _, other := range rules {
		if !c.steps.left(1) || !other.letsPast(r) || other.observe || !other.kinds[Sign] ||
			!intersect(r.apps, other.apps) || !intersect(r.accounts, other.accounts) {
			continue
		}
		says := r.headEvaded(other)
		if says != "" && c.steps.left(len(rules)) && !r.deniedElsewhere(other, rules) {
			c.Warn(c.nodes[r], "%q %s", r.name, says)
			return
		}
	}
}

// deniedElsewhere reports whether another rule denies what this one does of what a rule permits,
// and not in the same way only.
func (r *rule) deniedElsewhere(other *rule, rules []*rule) bool {
	e := r.meets(other)
	return slices.ContainsFunc(rules, func(d *rule) bool {
		return d != r && d.forbidsAs(r) && !d.when.bounded() && !sameHead(d.broadcast, r.broadcast) &&
			!sameHead(d.exact, r.exact) && covers(d.apps, other.apps) && covers(d.accounts, other.accounts) &&
			(d.entries == nil || e != nil && slices.ContainsFunc(d.entries, func(by opEntry) bool {
				return e.within(r, &by)
			}))
	})
}

func sameHead(a, b *bool) bool { return a != nil && b != nil && *a == *b }

// headEvaded returns by what an application evades the head of a deny rule in what another rule
// permits, "" if by nothing.
func (r *rule) headEvaded(other *rule) string {
	met := r.entries == nil || r.meets(other) != nil
	switch {
	case met && r.broadcast != nil && *r.broadcast && (other.broadcast == nil || !*other.broadcast):
		return fmt.Sprintf("denies what is broadcast only, and %q also hands it out signed, so that the app sends it "+
			"itself; take broadcast out", other.name)
	case met && r.exact != nil && !*r.exact && (other.exact == nil || *other.exact):
		return fmt.Sprintf("denies transactions of the wallet's making only, and %q lets those of the app pass, too; "+
			"take transaction_by out", other.name)
	}
	if e, role := r.otherKey(other); e != nil {
		return fmt.Sprintf("denies %s with the %s key only, and %q lets it through with the %s key; take key out",
			e.name, keyText(r.roles()), other.name, role)
	}
	return ""
}

// otherKey returns an entry of a deny rule of which another rule takes the same with a key that the
// deny rule does not name; nil if there is none.
func (r *rule) otherKey(other *rule) (*opEntry, hive.Role) {
	e := r.meets(other)
	if e == nil || r.keys == nil {
		return nil, 0
	}
	for _, role := range e.roles(other) {
		if !r.keys[role] {
			return e, role
		}
	}
	return nil, 0
}

// reviewPaidNames warns of a deny rule, or one that asks about what is allowed, whose accounts or
// apps are such that no rule lets do anything, and that other rules let be paid.
func (c *compiler) reviewPaidNames(r *rule, rules []*rule) {
	if r.observe || r.section != denySection && r.section != askSection {
		return
	}
	for _, of := range []struct {
		key   string
		names nameSet
		says  string
		get   func(*rule) nameSet
	}{
		{"accounts", r.accounts, "accounts are those whose key signs", func(r *rule) nameSet { return r.accounts }},
		{"apps", r.apps, "apps are those that ask", func(r *rule) nameSet { return r.apps }},
	} {
		if of.names == nil || c.valueOfKey(r, of.key) == nil {
			continue
		}
		paid, by := "", ""
		for _, other := range rules {
			if other == r || other.observe || !other.letsPast(r) {
				continue
			}
			if !c.steps.left(1) || intersect(of.names, of.get(other)) {
				paid = ""
				break
			}
			for i := range other.entries {
				names := other.entries[i].recipients()
				if at := slices.IndexFunc(names, func(name string) bool { return of.names[name] }); at >= 0 {
					paid, by = names[at], other.name
				}
			}
		}
		if paid != "" {
			c.Warn(c.valueOfKey(r, of.key), "%s, and no rule lets %s do anything, so %q %s nothing; who is paid, as "+
				"by %q, stands under payee: active: {payee: {any: %[2]s}}", of.says, paid, r.name, forbids[r.section],
				by)
		}
	}
}
