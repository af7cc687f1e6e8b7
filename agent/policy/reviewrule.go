package policy

import (
	"fmt"
	"slices"
	"strings"
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
		c.reviewOtherWays(r, rules)
		c.reviewPayee(r, rules)
	}
	if n := c.valueOfKey(r, "transaction"); n != nil && r.evadable(rules) {
		c.Warn(n, "in %s, transaction matches these operations alone and in this order: one operation more, and %q "+
			"does "+
			"not match; write operations", r.section, r.name)
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
	if r.behalf == nil || len(r.entries) > 0 && !slices.ContainsFunc(r.entries, func(e opEntry) bool {
		return !e.testsSigner()
	}) {
		return
	}
	c.Warn(c.valueOfKey(r, "on_behalf_of"), "in deny, on_behalf_of takes these accounts besides the account of the "+
		"request, so %q denies what the account asks for itself, too; to deny what is signed for another, test the "+
		"field, "+
		"such as vote: {voter: %s}, or leave that account out of the rules that allow", r.name, r.behalf.text())
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

// payments are the operations that pay somebody. Who denies one of them by its recipient means all
// of them.
var payments = []string{"transfer", "recurrent_transfer", "transfer_to_savings", "transfer_from_savings",
	"transfer_to_vesting", "escrow_transfer"}

// reviewOtherWays warns where a rule denies one way to pay somebody, and others are open.
func (c *compiler) reviewOtherWays(r *rule, rules []*rule) {
	for i, n := range c.entryNodes(r) {
		e := &r.entries[i]
		who := e.recipients()
		if !slices.Contains(payments, e.name) || len(who) == 0 {
			continue
		}
		for _, other := range rules {
			if !other.section.permits() || other.observe || !other.mayMeet(r) {
				continue
			}
			if way := other.otherWay(who, rules); way != "" {
				c.Warn(c.entryName(n), "%q denies %s to %s, and %q lets %s through, which pays %s too; write "+
					"active: {payee: {any: %s}}", r.name, e.name, who[0], other.name, way, who[0], textIn(who))
				break
			}
		}
	}
}

func textIn(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return fmt.Sprintf("[%s]", strings.Join(names[:min(len(names), 3)], ", "))
}

// recipients returns the accounts by which the entry tests who is paid, and by nothing else.
func (e *opEntry) recipients() []string {
	d, ok := hive.DefinitionOf(e.name)
	if !ok || len(e.fields) != 1 || !slices.Contains(append([]string{payeeField}, d.Payees...), e.fields[0].field) {
		return nil
	}
	var texts nameSet
	switch m := e.fields[0].matcher.(type) {
	case allOf:
		if len(m) == 1 {
			if any, ok := m[0].(some); ok {
				texts = textsOf(any.matcher)
			}
		}
	default:
		texts = textsOf(m)
	}
	var names []string
	for _, name := range texts.sorted() {
		names = append(names, string(name))
	}
	return names
}

// otherWay returns a payment to one of the accounts that the rule permits and no rule denies.
func (r *rule) otherWay(who []string, rules []*rule) string {
	for _, name := range payments {
		pays := slices.ContainsFunc(r.entries, func(e opEntry) bool {
			return e.mayPay(name, r.section, who[0])
		})
		if !pays || slices.ContainsFunc(rules, func(other *rule) bool {
			return other.section == denySection && !other.observe && covers(other.apps, r.apps) &&
				(other.entries == nil || slices.ContainsFunc(other.entries, func(e opEntry) bool {
					return e.mayPay(name, denySection, who[0])
				}))
		}) {
			continue
		}
		return name
	}
	return ""
}

// mayPay reports whether the entry may be about a payment to an account.
func (e *opEntry) mayPay(operation string, in section, who string) bool {
	if !slices.Contains(e.mayName(in), operation) {
		return false
	}
	d, _ := hive.DefinitionOf(operation)
	for _, f := range e.fields {
		switch v := textValue(who); {
		case f.field == payeeField && !mayTake(f.matcher, value{kind: isList, items: []value{v}}),
			slices.Contains(d.Payees, f.field) && !mayTake(f.matcher, v):
			return false
		}
	}
	return true
}
