package policy

import (
	"slices"
	"strings"

	"pksa/agent/yamlnode"
	"pksa/protocol/hive"
)

// review warns about what is written correctly and is probably not meant.
func (c *compiler) review(p *Policy) {
	for _, r := range p.rules {
		r.mark()
	}
	for _, l := range p.limits {
		l.mark()
	}
	c.reviewed = p.rules
	c.reviewNear(p)
	apps := rulesByApp(p.rules)
	for _, r := range p.rules {
		near := apps.of(r)
		c.reviewTime(r)
		c.reviewLimits(r, p.rules)
		c.reviewShadow(r, near)
		c.reviewKeys(r)
		c.reviewAccounts(r)
		c.reviewSignedOnly(r)
		c.reviewCredentials(r)
		c.reviewWitness(r)
		c.reviewTests(r, near)
		c.reviewEntries(r)
		c.reviewOptions(r, p.rules)
		c.reviewShort(r)
		c.reviewGroup(r, p.limits)
		c.reviewSocial(r, p.rules)
		c.reviewRule(r, near)
		c.reviewTokens(r, p.rules)
		c.reviewReceivers(r, p.rules)
		c.reviewCovered(r)
		c.reviewNarrower(r, p.rules)
		c.reviewUnasked(r, p.rules)
		c.reviewAlwaysAsked(r, p.rules)
		c.reviewSessions(r, p.rules)
		c.reviewSpareKeys(r)
		c.reviewPast(r)
		c.reviewSums(r)
		c.reviewIdle(r, p)
		c.reviewText(r)
		c.reviewGames(r, p.rules)
		c.reviewActions(r, p.rules)
		c.reviewTokenKinds(r)
		c.reviewTickets(r)
		c.reviewForbidden(r, near)
		c.reviewAside(r, near, p.rules)
		c.reviewDenyHead(r, near)
		c.reviewPaidNames(r, p.rules)
		c.reviewEverybody(r)
		if r.tell {
			c.warnWhile(c.options.NobodyToTell, c.nodes[r],
				"rule %q has a person told, and no notifier is configured: set notify in config.yaml, or take "+
					"tell out", r.name)
		}
		if r.section == askSection {
			c.warnWhile(c.options.nobody() != "", c.nodes[r], "rule %q asks, and %s", r.name, c.options.nobody())
			c.reviewConsent(r)
		}
	}
	c.reviewMisspelt(p)
	c.reviewWindows(p.limits)
	c.reviewBehind(p.limits)
	c.reviewNeverFull(p)
	defer c.reviewSize(p)
	for _, l := range p.limits {
		c.reviewTime(&l.rule)
		c.reviewTests(&l.rule, p.rules)
		c.reviewEntries(&l.rule)
		c.reviewWhere(l)
		c.reviewUnmet(l, p.rules, p.limits)
		c.reviewNone(l)
		c.reviewNoRoom(l, p.rules)
		c.reviewIdleWindow(l)
		c.reviewReach(l)
		c.reviewPace(l)
		c.reviewSpoken(l)
		if l.over {
			c.warnWhile(c.options.nobody() != "", c.nodes[&l.rule], "limit %q asks, and %s", l.name, c.options.nobody())
		}
	}
}

// nobody returns why asking denies, and what to do; empty if somebody can be asked.
func (o *Options) nobody() string {
	switch {
	case o.NobodyToAsk:
		return "no way to ask a person is configured, so it denies: say \"ask: pending\" in config.yaml"
	case o.NoApprover:
		return "nobody has a passkey to say yes with, so it denies: enrol an approver"
	}
	return ""
}

// reviewAccounts warns where a login or a challenge of one account may be delivered as another's. A
// login does not name its account inside what is sealed: the relay names it.
func (c *compiler) reviewAccounts(r *rule) {
	if !r.section.permits() || r.observe || r.accounts != nil || !r.kinds[Auth] && !r.kinds[Challenge] {
		return
	}
	held := c.options.Accounts
	first := ""
	if len(held) > 0 {
		first = string(held[0])
	}
	c.warnWhile(len(held) > 1, c.nodes[r],
		"rule %q names no accounts, and this wallet has %d: a relay can deliver one "+
			"account's login as another's; say for whom the application asks, such as \"accounts: [%s]\"", r.name,
		len(held),
		first)
}

// reviewEntry warns about an entry of an allow rule that is wider than it looks.
func (c *compiler) reviewEntry(n *yamlnode.Node, e opEntry, r *rule) {
	d, ok := hive.DefinitionOf(e.name)
	if !ok || r.section != allowSection {
		return
	}
	recipients := append(slices.Clone(d.Payees), payeeField)
	if len(d.Payees) > 0 && e.name != "comment_options" && !d.OnlyPosting() && e.paysAnybody() &&
		!canTakeOver(e.name) && !e.spendsNothing() && !slices.Equal(d.Payees, newAccount) {
		say := d.Payees[0] + ", or payee"
		// Who gets rights by keys is named by the accounts behind them.
		if fieldsOf(e.name)[d.Payees[0]].kind != anAccount {
			say = "payee: {each: [bob, carol]}"
		}
		c.Warn(n, "%s to anybody: say %s", e.name, say)
	}
	for _, f := range e.fields {
		if slices.Contains(recipients, f.field) && hasNot(f.matcher) {
			c.Warn(n, "%s: with not, %s may be anybody else; name those who are allowed", e.name, f.field)
		}
	}
	if id := e.test("id"); strings.HasPrefix(e.name, "custom") && (id == nil ||
		fieldsOf(e.name)["id"].kind == aNumber && e.takesEvery("id", id)) {
		c.Warn(n, "%s without id allows every game and side chain", e.name)
	}
	if len(d.Price) > 0 && len(d.Spends) > 0 && !e.hasMatcher(priceField) {
		if says := e.givesAway(d); says != "" {
			c.Warn(n, "%s", says)
		}
	}
}

// newAccount is who is paid by an operation that makes an account. Nobody can name it beforehand.
var newAccount = []string{"new_account_name"}

func (e *opEntry) hasMatcher(fields ...string) bool {
	return slices.ContainsFunc(e.says(), func(f fieldMatcher) bool { return slices.Contains(fields, f.field) })
}

func hasNot(t matcher) bool {
	switch t := t.(type) {
	case noneOf:
		return true
	case allOf:
		return slices.ContainsFunc(t, hasNot)
	case oneOf:
		return slices.ContainsFunc(t, hasNot)
	case each:
		return hasNot(t.matcher)
	case some:
		return hasNot(t.matcher)
	case exactly:
		return slices.ContainsFunc(t, hasNot)
	case inside:
		return hasNot(t.matcher)
	}
	return false
}

// reviewPercent warns about a weight that looks like a percentage and is a hundredth of it.
func (c *compiler) reviewPercent(n *yamlnode.Node, sh *shape, v value, where string) {
	if c.parted || !sh.percent || strings.HasSuffix(n.Text, "%") || v.kind != isNumber || v.number.whole == "" ||
		n.Text == "-1" { // all that are below zero
		return
	}
	// Who writes 50 or 100 thinks in percent. From 101 on, the number is more likely meant as it
	// is.
	if w := v.number.whole; len(w) < 3 || w == "100" {
		share, _ := parseDecimal("0." + strings.Repeat("0", max(0, 2-len(w))) + w)
		if w == "100" {
			share, _ = parseDecimal("1")
		}
		c.Warn(n, "%s: %s is %s%%, since 10000 is all; write %s%% if percent is meant", where, n.Text, share, n.Text)
	}
}

// reviewWitness warns where a rule lets a witness's signing key be replaced, and does not seem to
// mean that.
func (c *compiler) reviewWitness(r *rule) {
	if r.section != allowSection || r.observe || !r.keys[hive.Signing] {
		return
	}
	for i, n := range c.entryNodes(r) {
		e := &r.entries[i]
		if slices.Contains(e.mayName(r.section), setProperties) && e.letsSigningKey() {
			c.Warn(c.entryName(n), "%q lets %s hand the witness to another signing key; for a price feed say "+
				"\"props: {members: [key, hbd_exchange_rate]}\"", r.name, e.name)
		}
	}
}

// setProperties is the operation by which a witness's signing key replaces itself.
const setProperties = "witness_set_properties"

// letsSigningKey reports whether the entry takes properties with a signing key that no rule names.
func (e *opEntry) letsSigningKey() bool {
	return mayTakeSketch(e.testOf("props"), mapValue(map[string]value{"key": textValue(aKeyOfNobody),
		"new_signing_key": textValue(aKeyOfNobody)}))
}
