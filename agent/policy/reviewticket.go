package policy

import (
	"fmt"
	"slices"
	"strings"

	"pksa/protocol/hive"
)

// Some operations cost the account what no field of them names: a ticket for a new account, or the
// income from a proposal.

// reviewTickets warns where a rule lets accounts be made by tickets without any limit.
func (c *compiler) reviewTickets(r *rule) {
	if r.section != allowSection || r.observe {
		return
	}
	for i, n := range c.entryNodes(r) {
		if r.entries[i].name != "create_claimed_account" {
			continue
		}
		limits, compared := c.near.of(r, i)
		if compared && !r.countedOften(&r.entries[i], limits) {
			c.Warn(c.entryName(n), "%q lets create_claimed_account through without any limit, and each uses up a "+
				"ticket of the account, which only resource credits or HIVE buy anew; say how many, such as "+
				"count: 5 per 24h",
				r.name)
		}
	}
}

// lessPay is a pay by which a proposal earns next to nothing.
var lessPay = assetValue(hive.Asset{Amount: 1, Symbol: hive.HBD})

// lessIncome finds a rule that lets the application end or lower what a proposal pays.
func lessIncome(r *rule, e *opEntry) string {
	switch {
	case r.section != allowSection:
		return ""
	case e.name == "remove_proposal" && e.keepsNoProposal():
		return "remove_proposal ends any proposal of the account, with all that it would still pay; say which, such " +
			"as proposal_ids: {each: [345]}"
	case e.name == "update_proposal" && e.lets("daily_pay", lessPay):
		return "update_proposal can lower the pay of a proposal to nearly nothing, and nothing raises it again; say " +
			"daily_pay: {min: 100.000 HBD}"
	}
	return ""
}

// keepsNoProposal reports whether the entry takes proposals that nobody has made yet.
func (e *opEntry) keepsNoProposal() bool {
	return !slices.ContainsFunc(proposalsToCome, func(id int) bool {
		return !mayTake(e.testOf("proposal_ids"), value{kind: isList, items: []value{countValue(id)}})
	})
}

// otherIDs are ids that people write for that of Hive-Engine: of the same on another chain, or its
// name.
var otherIDs = []string{"ssc-mainnet1", "ssc-mainnet", "ssc-mainnet-steem", "hive-engine", "hive_engine", "hiveengine",
	"steem-engine", "engine", "ssc"}

// membersOfEngine are what Hive-Engine alone has at the root of its JSON.
var membersOfEngine = []string{"contractName", "contractAction", "contractPayload"}

// idOfAnotherChain finds an entry that seems to be about Hive-Engine, under an id that Hive-Engine
// does not read.
func idOfAnotherChain(_ *rule, e *opEntry) string {
	ids := textsOf(e.testOf("id"))
	if e.name != "custom_json" || len(ids) == 0 || ids[engineID] {
		return ""
	}
	inside := slices.ContainsFunc(membersOf(elementTests(e.testOf("json")), nil), func(one inside) bool {
		return slices.Contains(membersOfEngine, one.path[0])
	})
	for _, id := range ids.sorted() {
		// There are others of its kind, under ids that begin like its own.
		if slices.Contains(otherIDs, strings.ToLower(string(id))) ||
			inside && !strings.HasPrefix(string(id), "ssc-") {
			return fmt.Sprintf("Hive-Engine reads custom_json of the id ssc-mainnet-hive, and nothing under %s; write "+
				"id: ssc-mainnet-hive", quote(string(id)))
		}
	}
	return ""
}
