package policy

import (
	"cmp"
	"slices"

	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

// Delegation is the authority of another account that a rule counts on: that account must have
// given it to accounts of ours.
type Delegation struct {
	Rule RuleRef
	// By is the account whose authority is used.
	By hive.AccountName
	// To are the accounts that use it; nil if the rule leaves them open.
	To []hive.AccountName
	// Roles are the levels that the rule lets be used, ascending.
	Roles []hive.Role
}

// Delegations lists the authorities that allow and ask rules count on by name, so that they can be
// compared with the chain. A rule with on_behalf_of: any names nobody.
func (p *Policy) Delegations() []Delegation {
	var all []Delegation
	for _, r := range p.rules {
		if !r.section.permits() {
			continue
		}
		for by := range r.behalf {
			all = append(all, Delegation{Rule: r.ref(), By: hive.AccountName(by), To: r.accounts.sorted(),
				Roles: r.signingRoles()})
		}
	}
	sorts.By(all, func(a, b Delegation) int {
		return cmp.Or(cmp.Compare(a.Rule.Name, b.Rule.Name), cmp.Compare(a.By, b.By))
	})
	return all
}

// sorted returns the names as accounts, nil for any.
func (n nameSet) sorted() []hive.AccountName {
	var names []hive.AccountName
	for name := range n {
		names = append(names, hive.AccountName(name))
	}
	slices.Sort(names)
	return names
}

func (r *rule) signingRoles() []hive.Role {
	var roles []hive.Role
	for _, role := range []hive.Role{hive.Posting, hive.Active} {
		if r.keys[role] {
			roles = append(roles, role)
		}
	}
	return roles
}
