package policy

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"pksa/protocol/hive"
)

// entryTraps are the ways to write an entry that says something else than it seems to. Each returns
// what the entry really does and what to write, "" if it is no trap in this rule.
var entryTraps = []func(*rule, *opEntry) string{
	freeBeneficiaries, freeShare, renounced, everyID, downvotes, neverPays, withOwner, withoutTakeover, withAnotherKey,
	atAPoorPrice, anotherSigner, leastOnly, oneAssetPrice, atAnyTokenPrice, freeAgent, freeAgentFee, freeKeys,
	freeSigningKey, mostDenied, votesForAny, withoutMember, freeFeed, freeMemoKey,
	beyondAll, freeAccountAtExchange, lessIncome, idOfAnotherChain,
}

// reviewEntries warns about entries of a rule or limit that are no errors and say something else
// than they seem to.
func (c *compiler) reviewEntries(r *rule) {
	for i, n := range c.entryNodes(r) {
		for _, trap := range entryTraps {
			if says := trap(r, &r.entries[i]); says != "" {
				c.Warn(c.entryName(n), "%s", says)
			}
		}
	}
}

// test returns the test of a field, nil if there is none, or one that says nothing.
func (e *opEntry) test(field string) matcher {
	for _, f := range e.fields {
		if f.field == field && !f.idle {
			return f.matcher
		}
	}
	return nil
}

// lets reports whether an entry of an allow rule takes a value of a field.
func (e *opEntry) lets(field string, v value) bool {
	m := e.test(field)
	return m == nil || takes(m, v)
}

// freeBeneficiaries finds rewards that an allow rule lets the application give to anybody.
func freeBeneficiaries(r *rule, e *opEntry) string {
	if e.renouncesAll() {
		return "" // there is nothing to give away
	}
	if r.section != allowSection || e.name != "comment_options" {
		return ""
	}
	share := e.shareOfStrangers()
	// Of a negation another warning says what passes.
	if share == 0 || share < 10000 && hasNot(e.testOf("beneficiaries")) {
		return ""
	}
	gives := "all"
	if share < 10000 {
		gives = fmt.Sprintf("%v%% of the", float64(share)/100)
	}
	return "comment_options with free beneficiaries gives " + gives + " rewards of a post to anybody; say " +
		"beneficiaries: {size: 0}, " +
		"or {exactly: [{.account: bob, .weight: 5%}]} (the group posting takes it without beneficiaries only)"
}

// votesForAny finds a rule that lets the application choose whom the account's stake votes for.
func votesForAny(r *rule, e *opEntry) string {
	field := map[string]string{"account_witness_vote": "witness", "update_proposal_votes": "proposal_ids"}[e.name]
	if r.section != allowSection || field == "" || e.keepsVotes(field) || e.test("approve") != nil &&
		!mayTake(e.test("approve"), boolValue(true)) {
		return ""
	}
	write := map[string]string{"witness": "[bob, carol]", "proposal_ids": "{each: [0, 345]}"}[field]
	return fmt.Sprintf("%s for any %s: the app chooses whom the account's stake votes for; say %s: %s", e.name,
		map[string]string{"witness": "witness", "proposal_ids": "proposal"}[field], field, write)
}

// proposalsToCome are numbers of proposals that nobody has made yet.
var proposalsToCome = []int{12345, 999999}

// keepsVotes reports whether a test of whom an account votes for says something. Of patterns of
// witnesses other warnings say what they take.
func (e *opEntry) keepsVotes(field string) bool {
	m := e.test(field)
	switch {
	case m == nil:
		return false
	case field == "witness":
		return !takes(m, textValue(unknownText)) || has(m, isPattern)
	}
	return slices.ContainsFunc(proposalsToCome, func(id int) bool {
		return !mayTake(m, value{kind: isList, items: []value{countValue(id)}})
	})
}

func isPattern(m matcher) bool {
	_, is := m.(pattern)
	return is
}

// renouncing are the values of comment_options by which an author gets less than the post earns,
// with the tests that refuse them.
var renouncing = []struct {
	field string
	value value
	keeps string // in allow
	finds string // in ask and deny
}{
	{"max_accepted_payout", assetValue(hive.Asset{Symbol: hive.HBD}), "max_accepted_payout: {min: 1000.000 HBD}",
		"comment_options: {max_accepted_payout: {max: 999.999 HBD}}"},
	{"allow_votes", boolValue(false), "allow_votes: true", "comment_options: {allow_votes: false}"},
	{"allow_curation_rewards", boolValue(false), "allow_curation_rewards: true",
		"comment_options: {allow_curation_rewards: false}"},
}

// renouncesAll reports whether the entry takes comment_options only where a post earns nothing. Who
// writes that wants it.
func (e *opEntry) renouncesAll() bool {
	m := e.test("max_accepted_payout")
	return m != nil && !mayTake(m, assetValue(hive.Asset{Amount: 1, Symbol: hive.HBD})) &&
		!mayTake(m, assetValue(hive.Asset{Amount: 1_000_000_000, Symbol: hive.HBD}))
}

// renounced finds an allow rule that lets the application renounce rewards.
func renounced(r *rule, e *opEntry) string {
	if r.section != allowSection || e.name != "comment_options" || e.renouncesAll() {
		return ""
	}
	var write []string
	for _, way := range renouncing {
		if e.lets(way.field, way.value) || e.letsCents(way.field) {
			write = append(write, way.keeps)
		}
	}
	if len(write) == 0 {
		return ""
	}
	return fmt.Sprintf("comment_options can renounce the rewards of a post; say %s", strings.Join(write, ", "))
}

// letsCents reports whether the entry takes a post that earns next to nothing.
func (e *opEntry) letsCents(field string) bool {
	return field == "max_accepted_payout" && (e.lets(field, assetValue(hive.Asset{Amount: 1, Symbol: hive.HBD})) ||
		e.lets(field, assetValue(hive.Asset{Amount: 999, Symbol: hive.HBD})))
}

// reviewSocial warns where a rule allows the group posting, other rules care for rewards that are
// given away, and the rewards can be renounced nevertheless.
func (c *compiler) reviewSocial(r *rule, rules []*rule) {
	if r.section != allowSection || r.observe {
		return
	}
	for i, n := range c.entryNodes(r) {
		if r.entries[i].name != groupPosting {
			continue
		}
		guards := slices.DeleteFunc(slices.Clone(rules), func(other *rule) bool { return !other.guardsRewards(r) })
		var write []string
		for _, way := range renouncing {
			guarded := slices.ContainsFunc(guards, func(other *rule) bool {
				return slices.ContainsFunc(other.entries, func(e opEntry) bool { return e.mayRenounce(way.field) })
			})
			if !guarded {
				write = append(write, way.finds)
			}
		}
		if len(guards) > 0 && len(write) > 0 {
			c.Warn(c.entryName(n), "the group posting lets comment_options renounce the rewards of a post, and %q "+
				"looks at some of its ways only; add there %s", guards[0].name, strings.Join(write, ", "))
		}
	}
}

// guardsRewards reports whether the rule denies, or has a person asked about, some comment_options
// that another one allows.
func (r *rule) guardsRewards(allowed *rule) bool {
	return (r.section == denySection || r.section == askSection && !r.onlyUncovered) && !r.observe &&
		r.mayMeet(allowed) && slices.ContainsFunc(r.entries,
		func(e opEntry) bool { return e.name == "comment_options" })
}

// mayRenounce reports whether the entry finds comment_options that renounce rewards by one field,
// whatever the others say.
func (e *opEntry) mayRenounce(field string) bool {
	if e.name != "comment_options" {
		return false
	}
	for _, way := range renouncing {
		m := e.test(way.field)
		if m != nil && (way.field != field || !mayTake(m, way.value)) {
			return false
		}
		// Who may not earn nothing earns a little.
		cent := assetValue(hive.Asset{Amount: 1, Symbol: hive.HBD})
		if m != nil && field == "max_accepted_payout" && !mayTake(m, cent) {
			return false
		}
	}
	nobody := e.test("beneficiaries")
	return nobody == nil || mayTake(nobody, value{kind: isList})
}

// everyID finds a test of the id that keeps nothing out: a negation, or a pattern.
func everyID(r *rule, e *opEntry) string {
	m := e.test("id")
	if r.section != allowSection || e.name != "custom_json" || m == nil || has(m, isWild) {
		return ""
	}
	if !slices.ContainsFunc(strangers, func(id string) bool { return takes(m, textValue(id)) }) {
		return ""
	}
	return "custom_json with this test of id allows nearly every game and side chain; name the ids, or what they " +
		"begin with"
}

// downvotes finds a test of the weight of votes that speaks of no votes against a post, or of those
// that it does not take, and takes others.
func downvotes(r *rule, e *opEntry) string {
	m := e.test("weight")
	if r.section != allowSection || e.name != "vote" || m == nil || wantsNegative(m) {
		return ""
	}
	for _, weight := range []int{10000, 9999, 5000, 1} {
		if takes(m, integerValue(strconv.Itoa(-weight))) {
			return fmt.Sprintf("vote with this test of weight may be against a post, down to %v%%; add min: 0",
				-float64(weight)/100)
		}
	}
	return ""
}

// wantsNegative reports whether a test speaks of numbers below zero that it takes.
func wantsNegative(m matcher) bool {
	switch m := m.(type) {
	case noneOf:
		return false
	case allOf:
		return slices.ContainsFunc(m, wantsNegative)
	case oneOf:
		return slices.ContainsFunc(m, wantsNegative)
	case *literals:
		return slices.ContainsFunc(m.list, wantsNegative)
	}
	return isNegative(m)
}

func isNegative(m matcher) bool {
	switch m := m.(type) {
	case bound:
		return m.limit.number.negative
	case equals:
		return m.number.negative
	}
	return false
}

// neverPays finds a test of who is paid by an operation that pays nobody.
func neverPays(r *rule, e *opEntry) string {
	d, ok := hive.DefinitionOf(e.name)
	m := e.test(payeeField)
	if !ok || len(d.Payees) > 0 || m == nil {
		return ""
	}
	if mayTake(m, value{kind: isList}) {
		return fmt.Sprintf("%s has no payee, so this test of it fits always and keeps nothing out; leave it out",
			e.name)
	}
	says := fmt.Sprintf("%s has no payee, so this never matches", e.name)
	if e.name == "custom_json" {
		return says + "; tokens have their receiver inside, such as json: {.contractPayload.to: bob}"
	}
	return says + "; leave payee out"
}

// withOwner finds what only the owner key can sign.
func withOwner(_ *rule, e *opEntry) string {
	if m := e.test("owner"); !canTakeOver(e.name) || m == nil || mayTake(m, value{}) {
		return ""
	}
	return fmt.Sprintf("%s with an owner needs the owner key and is refused whatever the file says, so this never "+
		"matches; leave owner out", e.name)
}

// withoutTakeover finds what can take the account over in a rule that does not say so.
func withoutTakeover(r *rule, e *opEntry) string {
	if !r.section.permits() || r.takeover || e.name != "account_update2" {
		return ""
	}
	for _, field := range []string{"active", "posting", "memo_key"} {
		if m := e.test(field); m != nil && !mayTake(m, value{}) {
			return fmt.Sprintf("account_update2 with %s can take the account over, so this never matches; add "+
				"\"takeover: allowed\" if that is meant", field)
		}
	}
	return ""
}

// withAnotherKey finds metadata that the posting key does not sign.
func withAnotherKey(r *rule, e *opEntry) string {
	if r.section.permits() && e.name == "account_update2" && r.keys != nil && !r.keys[hive.Active] && r.takeover {
		for _, field := range []string{"active", "posting", "memo_key"} {
			if m := e.test(field); m != nil && !mayTake(m, value{}) {
				return fmt.Sprintf("account_update2 with %s needs the active key, so this never matches; %s", field,
					r.keyAdvice(hive.Active, []string{e.name}))
			}
		}
	}
	m := e.test("json_metadata")
	if !r.section.permits() || e.name != "account_update2" || m == nil || r.keys[hive.Active] ||
		r.hit(outcomeOn(m, jsonTextValue(""))) {
		return ""
	}
	return fmt.Sprintf("account_update2 with json_metadata needs the active key, so this never matches; %s, or test "+
		"posting_json_metadata", r.keyAdvice(hive.Active, []string{e.name}))
}

// poorPrices are how much HBD for one HIVE nobody would take who sells the asset.
var poorPrices = map[hive.Symbol]struct {
	price     value
	say, such string
}{
	hive.HIVE: {ratioValue(big.NewRat(1, 1e9)), "min", "0.2"},
	hive.HBD:  {ratioValue(big.NewRat(1e9, 1)), "max", "0.3"},
}

// atAPoorPrice finds orders of an allow rule whose price is bounded, and not on the side where the
// account loses.
func atAPoorPrice(r *rule, e *opEntry) string {
	d, ok := hive.DefinitionOf(e.name)
	if !ok || r.section != allowSection || len(d.Spends) == 0 || e.test(priceField) == nil {
		return ""
	}
	for _, symbol := range []hive.Symbol{hive.HIVE, hive.HBD} {
		if poor := poorPrices[symbol]; e.lets(priceField, poor.price) && e.maySell(d.Spends[0].Field, symbol) {
			other := hive.HIVE
			if symbol == hive.HIVE {
				other = hive.HBD
			}
			if !e.maySell(d.Spends[0].Field, other) {
				return fmt.Sprintf("%s may sell %s for next to nothing: price is HBD for one HIVE, so who sells %[2]s "+
					"bounds it by %s, such as price: {%[3]s: %s}", e.name, symbol, poor.say, poor.such)
			}
			return fmt.Sprintf("%s may sell %s for next to nothing: price is HBD for one HIVE; say %s, too, or which "+
				"asset %s is of", e.name, symbol, poor.say, d.Spends[0].Field)
		}
	}
	return ""
}

// oneAssetPrice finds a price of two amounts of the same asset.
func oneAssetPrice(_ *rule, e *opEntry) string {
	sides := map[string]matcher{}
	for _, side := range members(e.testOf("exchange_rate")) {
		sides[side.path[0]] = side.matcher
	}
	base, quote := sides["base"], sides["quote"]
	if base == nil || quote == nil {
		return ""
	}
	for _, one := range []hive.Symbol{hive.HIVE, hive.HBD} {
		for _, other := range []hive.Symbol{hive.HIVE, hive.HBD} {
			if one != other && mayBeOf(base, one) && mayBeOf(quote, other) {
				return ""
			}
		}
	}
	return e.name + " with this exchange_rate never matches: a price is HIVE for HBD or HBD for HIVE; correct " +
		".base or " +
		".quote"
}

// maySell reports whether an entry takes some amount of an asset.
func (e *opEntry) maySell(field string, symbol hive.Symbol) bool {
	return mayBeOf(e.testOf(field), symbol)
}

// mayBeOf reports whether a test takes some amount of an asset.
func mayBeOf(m matcher, symbol hive.Symbol) bool {
	tries := []value{assetValue(hive.Asset{Amount: 1, Symbol: symbol}),
		assetValue(hive.Asset{Amount: much, Symbol: symbol})}
	eachLeaf(m, func(leaf matcher) bool {
		switch leaf := leaf.(type) {
		case equals:
			tries = append(tries, nearby(leaf.value)...)
		case bound:
			tries = append(tries, nearby(leaf.limit)...)
		}
		return len(tries) < mostSamples
	})
	return slices.ContainsFunc(tries, func(v value) bool { return v.asset.Symbol == symbol && mayTake(m, v) })
}
