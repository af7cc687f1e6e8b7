package policy

import (
	"fmt"
	"slices"
	"time"

	"pksa/protocol/hive"
)

// reviewRule warns about what a rule says as a whole and probably does not mean.
func (c *compiler) reviewRule(r *rule, rules []*rule) {
	if r.observe {
		return
	}
	if r.section.permits() {
		c.reviewPowers(r)
	}
	if r.section == denySection {
		c.reviewBehalf(r)
		c.reviewStop(r, rules)
	}
	if r.evadable(rules) {
		c.reviewOtherWays(r, rules)
		c.reviewPayee(r, rules)
	}
	if n := c.valueOfKey(r, "transaction"); n != nil && r.evadable(rules) {
		c.Warn(n, "in %s, transaction matches these operations alone and in this order: one operation more, and %q "+
			"does not match; write operations, which also matches each of them alone", r.section, r.name)
	}
	c.reviewTimeout(r)
}

// evadable reports whether a request that evades the rule is better off: the rule forbids, or it
// asks a person where another rule allows.
func (r *rule) evadable(rules []*rule) bool {
	if r.section != askSection || r.onlyUncovered {
		return r.section == denySection
	}
	return slices.ContainsFunc(rules, func(other *rule) bool {
		return other.section == allowSection && !other.observe && other.mayMeet(r) && other.sharesOperation(r)
	})
}

// sharesOperation reports whether two rules may be about one operation.
func (r *rule) sharesOperation(other *rule) bool {
	names := other.operationNames()
	return slices.ContainsFunc(r.operationNames(), func(name string) bool { return slices.Contains(names, name) })
}

// reviewPowers warns where a rule hands a key that moves value to more than it names.
func (c *compiler) reviewPowers(r *rule) {
	if !r.keys[hive.Active] && !r.keys[hive.Signing] {
		return
	}
	if c.valueOfKey(r, "accounts") == nil {
		c.Warn(c.nodes[r], "rule %q is for key: %s and names no accounts: it is about every account of this wallet, "+
			"also "+
			"those that are imported later; say \"accounts: [%s]\", or any if that is meant", r.name,
			keyText(r.roles()),
			r.anAccount())
	}
	if r.apps == nil {
		c.Warn(c.valueOfKey(r, "apps"),
			"rule %q is for key: %s and any app, also those that are added later; name the apps",
			r.name, keyText(r.roles()))
	}
}

// roles returns the roles of keys that the rule names.
func (r *rule) roles() (roles []hive.Role) {
	for role, on := range r.keys {
		if on {
			roles = append(roles, role)
		}
	}
	slices.Sort(roles)
	return roles
}

// reviewBehalf warns where a rule seems to deny what is signed for certain accounts only.
func (c *compiler) reviewBehalf(r *rule) {
	if c.valueOfKey(r, "on_behalf_of") == nil || len(r.entries) > 0 && !slices.ContainsFunc(r.entries,
		func(e opEntry) bool {
			return !e.testsSigner()
		}) {
		return
	}
	whom := "these accounts besides"
	if r.behalf == nil {
		whom = "any account, also"
	}
	c.Warn(c.valueOfKey(r, "on_behalf_of"),
		"in deny, on_behalf_of takes %s the account of the request, so %q denies what the account asks for itself, "+
			"too; to deny what is signed for another, test the "+
			"field, "+
			"such as %s, or leave that account out of the rules that allow", whom, r.name, r.testOfSigner())
}

// testOfSigner returns an entry that tests whose authority is used: of the first operation that the
// rule names and that has a field for it.
func (r *rule) testOfSigner() string {
	name, field, whom := "vote", "voter", r.behalf.text()
	for _, e := range r.entries {
		if d, ok := hive.DefinitionOf(e.name); ok && len(d.Signers) > 0 &&
			fieldsOf(e.name)[d.Signers[0].Field] != nil &&
			!e.testsSigner() {
			name, field = e.name, d.Signers[0].Field
			break
		}
	}
	switch {
	case r.behalf == nil:
		whom = "{not: $account}"
	case len(r.behalf) > 1:
		whom = "[" + whom + "]"
	}
	return fmt.Sprintf("%s: {%s: %s}", name, field, whom)
}

// testsSigner reports whether the entry tests a field that says whose authority is needed.
func (e *opEntry) testsSigner() bool {
	d, ok := hive.DefinitionOf(e.name)
	return ok && slices.ContainsFunc(d.Signers, func(s hive.Signer) bool { return e.hasMatcher(s.Field) })
}

// requestsLive is how long a relay keeps a request that nobody answers, if its operator has not
// changed that.
const requestsLive = time.Minute

// reviewTimeout warns where a person seems to have more time than there is.
func (c *compiler) reviewTimeout(r *rule) {
	if r.timeout > requestsLive {
		c.Warn(c.valueOfKey(r, "timeout"),
			"relays keep a request for %s by default, so a yes after that reaches nobody; "+
				"write 50s", windowText(requestsLive))
	}
}
