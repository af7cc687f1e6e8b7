package policy

import (
	"fmt"
	"slices"
	"strings"

	"pksa/agent/yamlnode"
	"pksa/protocol/hive"
)

// harm is what an action of a game or side chain can do to its account, beside moving a number of
// tokens or NFTs that a limit counts. If one of the ways to write it is let through, nothing bounds
// it.
type harm struct {
	move tokenMove
	// ways are the action with the worst that an application may write: to somebody whom no rule
	// names, for nearly nothing, without what may be left out.
	ways  []value
	does  string
	write string
	// inGame says that cards and tokens are as good as given away by it.
	inGame bool
	// amount is the path to how many tokens go by it, "" if it does not say.
	amount string
}

// harms are those of the actions that are known here.
var harms = []harm{
	engineHarm("tokens", "transferOwnership", "the token itself can be handed to anybody, and who has it issues more",
		"{.contractPayload.to: bob}", payload{"symbol": unknown, "to": aStranger}),
	engineHarm("airdrops", "newAirdrop", "any number of tokens goes to anybody on a list of the app",
		"{.contractPayload.list: {each: {size: 2, .0: [bob, carol], .1: {max: 10}}}}",
		payload{"symbol": unknown, "list": inList(inList(aStranger, muchInJSON))}),
	engineHarm("nft", "issue", "NFTs are made for anybody", "{.contractPayload.to: bob}",
		payload{"symbol": unknown, "to": aStranger}),
	engineHarm("nft", "issueMultiple", "NFTs are made for anybody",
		"{.contractPayload.instances: {each: {.to: bob}}}",
		payload{"instances": inList(jsonObject(payload{"symbol": unknown, "to": aStranger}))}),
	engineHarm("nftauction", "bid", "any number of tokens can be bid", "{.contractPayload.bid: {max: 10}}",
		payload{"auctionId": unknown, "bid": muchInJSON}).of("bid"),
	engineHarm("nftauction", "create", "NFTs can be sold for nearly nothing", "{.contractPayload.minBid: {min: 5}}",
		payload{"symbol": unknown, "nfts": unknown, "minBid": littleInJSON}),
	engineHarm("marketpools", "addLiquidity", "any number of tokens can be put into a pool",
		"{.contractPayload.baseQuantity: {max: 100}}",
		payload{"tokenPair": unknown, "baseQuantity": muchInJSON, "quoteQuantity": muchInJSON}).of("baseQuantity"),
	engineHarm("marketpools", "swapTokens", "tokens are swapped at any price, since others can move that of a pool",
		"{.contractPayload: {.tradeType: exactInput, .tokenAmount: {max: 100}, .minAmountOut: {min: 20}}}",
		swap("exactInput", "minAmountOut", littleInJSON), swap("exactInput", "minAmountOut", value{}),
		swap("exactOutput", "maxAmountIn", muchInJSON), swap("exactOutput", "maxAmountIn", value{})),
	posted("vsc.call", false, "any contract can be called, and takes what .intents lets it take",
		"{.contract_id: vsc1…, .intents: [{present: false}, {size: 0}]}",
		jsonObject(payload{"contract_id": aStranger, "action": unknown, "payload": unknown,
			"intents": inList(jsonObject(payload{"type": unknown, "args": jsonObject(payload{"limit": muchInJSON,
				"token": unknown})}))})),
	withActive("vsc.call", "the contract takes what .intents lets it take",
		"{.intents: [{present: false}, {size: 0}]}", jsonObject(payload{"contract_id": unknown, "action": unknown,
			"payload": unknown, "intents": inList(jsonObject(payload{"type": inJSON("transfer.allow"),
				"args": jsonObject(payload{"limit": muchInJSON, "token": unknown})}))})),
	withActive("vsc.call", "the contract takes what each of any number of .intents lets it take",
		"{.intents: {size: 1, each: {.args.limit: {max: 5}}}}", jsonObject(payload{"contract_id": unknown,
			"action": unknown, "payload": unknown, "intents": inList(slices.Repeat([]value{jsonObject(payload{
				"type": inJSON("transfer.allow"), "args": jsonObject(payload{"limit": unknown, "token": unknown})})},
				manyNFTs)...)})),
	posted("sm_sell_cards", true, "cards can be sold for nearly nothing", "{.price: {min: 5}}",
		jsonObject(payload{"cards": unknown, "currency": unknown, "price": littleInJSON})),
	posted("sm_market_list", true, "cards can be sold or rented out for nearly nothing",
		"{.cards: {each: {size: 2, .0: [C1, C2], .1: {min: 5}}}}",
		jsonObject(payload{"cards": inList(inList(aStranger, littleInJSON)), "type": unknown})),
	posted("sm_update_price", true, "cards can be sold or rented out for nearly nothing",
		"{.new_price: {min: 5}}", jsonObject(payload{"ids": unknown, "new_price": littleInJSON})),
	posted("sm_market_rent", false, "cards are rented at the price of whoever offers them",
		"{.items: {each: [M1, M2]}}", jsonObject(payload{"items": inList(aStranger), "currency": unknown})),
	posted("sm_market_purchase", false, "cards can be bought at any price", "{.price: {max: 50}}",
		jsonObject(payload{"items": unknown, "currency": unknown, "price": muchInJSON})),
	// What these take is not known here in full: who has the right does the rest.
	byID("sm_set_authority", "others get the right to rent, buy or delegate for the account"),
	byID("sm_update_authority", "others get the right to rent, buy or delegate for the account"),
	byID("sm_token_award", "tokens go to others"),
	byID("sm_guild_contribution", "tokens go to a guild"),
	posted("rc", false, "all resource credits can be delegated to anybody, and then the account can do nothing",
		"{size: 2, .0: delegate_rc, .1: {.delegatees: {each: [bob]}, .max_rc: {max: 1000000}}}",
		inList(inJSON("delegate_rc"), jsonObject(payload{"from": unknown, "delegatees": inList(aStranger),
			"max_rc": muchInJSON}))),
}

func (h harm) of(amount string) harm {
	h.amount = ".contractPayload." + amount
	return h
}

// letsMany reports whether an entry lets a list of the action through that is as long as one
// request can hold, and no rule keeps it from that.
func (r *rule) letsMany(e *opEntry, h harm, rules []*rule) bool {
	many := inList(slices.Repeat([]value{h.move.json(unknown)}, manyNFTs)...)
	json := e.test("json")
	return json != nil && slices.ContainsFunc(splitWays(json), func(way matcher) bool {
		return mayBeList(way) && takesJSON(way, many)
	}) && !r.keptFromHolding(h.move.id, many, rules)
}

// named returns the path to what is added up.
func (t *tokenSum) named() string {
	if t.times != nil {
		return "" // a product has no name
	}
	return "." + strings.Join(t.field, ".")
}

type payload = map[string]value

// aStranger, muchInJSON and littleInJSON are the worst that stands in JSON: an account that no rule
// names, more tokens than anybody has, and next to none.
var (
	aStranger    = inJSON(unknownText)
	muchInJSON   = inJSON("100000000000")
	littleInJSON = inJSON("0.00000001")
)

// swap returns a swap of tokens in which a member that bounds its price has a value.
func swap(way, bound string, v value) payload {
	return payload{"tokenPair": unknown, "tokenSymbol": unknown, "tokenAmount": unknown, "tradeType": inJSON(way),
		bound: v}
}

// engineHarm returns what an action of Hive-Engine can do by one of some payloads.
func engineHarm(contract, action, does, write string, ways ...payload) harm {
	h := harm{move: engine(contract, action, ""), does: does, write: write}
	for _, way := range ways {
		root := h.move.json(unknown)
		root.members["contractPayload"] = jsonObject(way)
		h.ways = append(h.ways, root)
	}
	return h
}

// posted returns what custom_json of an id can do, with the posting key, too.
func posted(id string, inGame bool, does, write string, worst value) harm {
	move := tokenMove{says: id, id: id, byPosting: true, json: func(value) value { return worst }}
	return harm{move: move, ways: []value{worst}, does: does, write: write, inGame: inGame}
}

// withActive returns what custom_json of an id can do with the active key alone.
func withActive(id, does, write string, worst value) harm {
	h := posted(id, false, does, write, worst)
	h.move.byPosting = false
	return h
}

// byID returns what custom_json of an id of Splinterlands can do with the active key, whatever
// stands in it.
func byID(id, does string) harm {
	move := tokenMove{says: id, id: id, json: func(value) value { return unknown }}
	return harm{move: move, ways: []value{unknown}, does: does, inGame: true}
}

// letsHarm reports whether an entry lets one of the ways through, and no rule keeps it from that.
func (r *rule) letsHarm(e *opEntry, h harm, rules []*rule) bool {
	return slices.ContainsFunc(h.ways, func(way value) bool {
		return e.mayHold(h.move.id, way) && !r.keptFromHolding(h.move.id, way, rules)
	})
}

// reviewActions warns of what an entry lets an application do by actions of games and side chains,
// where no test bounds it: a limit says how often.
func (c *compiler) reviewActions(r *rule, rules []*rule) {
	if r.section != allowSection || r.observe {
		return
	}
	for i, n := range c.entryNodes(r) {
		e := &r.entries[i]
		if !e.choosesIDs(r) {
			continue
		}
		said := map[string]bool{} // what the worst of it was told of
		limits, compared := c.near.of(r, i)
		for _, h := range harms {
			// Ids by a pattern are reviewed as ids.
			byPattern := h.inGame && !listed(e.test("id"))
			switch {
			case said[h.move.says] || byPattern || !r.makes(e, h.move) || !e.namesMove(h.move) ||
				!c.steps.left(len(rules)):
			case !r.letsHarm(e, h, rules):
				if h.amount != "" && compared && r.letsMany(e, h, rules) && !slices.ContainsFunc(limits, func(
					l *limit,
				) bool {
					return l.binds() && l.measure == measureSum && l.of.named() == h.amount
				}) {
					c.Warn(c.entryName(n), "custom_json lets %s through many times in one list, and a limit of how "+
						"often counts the list once; take one at a time, with json: {size: 1, each: {…}}, or add a "+
						"limit with sum, of: {list: json, field: %s}", h.move.says, h.amount)
				}
			case h.write == "":
				said[h.move.says] = true
				c.Warn(c.entryName(n), "custom_json lets %s through, by which %s, whatever is tested inside; take "+
					"that id out, or have a person asked about it", h.move.says, h.does)
			default:
				said[h.move.says] = true
				c.Warn(c.entryName(n), "custom_json lets %s through, by which %s; bound it, such as json: %s",
					h.move.says, h.does, h.write)
			}
		}
		if says := r.unknownAction(e, rules); says != "" {
			c.Warn(c.entryName(n), "%s", says)
		}
		c.reviewPostedActive(r, e, n)
	}
}

// harmlessActions are those of Hive-Engine by which nothing leaves the account.
var harmlessActions = []tokenMove{
	engine("tokens", "unstake", "", "symbol", "quantity"), engine("tokens", "cancelUnstake", "", "txID"),
	engine("tokens", "undelegate", "", "from", "symbol", "quantity"), engine("nft", "undelegate", "", "from", "nfts"),
	engine("market", "cancel", "", "type", "id"), engine("nftmarket", "cancel", "", "symbol", "nfts"),
	engine("marketpools", "removeLiquidity", "", "tokenPair", "sharesOut"),
	engine("witnesses", "approve", "", "witness"),
	engine("witnesses", "disapprove", "", "witness"), engine("packmanager", "open", "", "packSymbol", "packs"),
	engine("nftmarket", "changePrice", "", "nfts", "symbol"),
}

// isKnown reports whether something is known here of an action of Hive-Engine.
func isKnown(contract, action string) bool {
	says := contract + " " + action
	is := func(move tokenMove) bool { return move.says == says }
	return slices.ContainsFunc(slices.Concat(tokenMoves, nftMoves, harmlessActions), is) ||
		slices.ContainsFunc(harms, func(h harm) bool { return is(h.move) })
}

// unknownAction returns what to say of an entry that lets through with the active key what is not
// known here, and leaves free what the application writes into it; "" if it does not. Who names a
// contract and leaves the action free lets through what is known and what is not.
func (r *rule) unknownAction(e *opEntry, rules []*rule) string {
	if !r.keys[hive.Active] || e.test("json") == nil {
		return ""
	}
	ways := splitWays(ofElements(e.testOf("json")))
	known := map[string]bool{} // of one of the contracts that the entry names
	for _, way := range ways {
		tests := membersOf(way, nil)
		if action := textAt(tests, "contractAction"); isKnown(textAt(tests, "contractName"), action) {
			known[action] = true
		}
	}
	for _, way := range ways {
		tests := membersOf(way, nil)
		contract, saysContract := sampleAt(tests, "contractName")
		action, saysAction := sampleAt(tests, "contractAction")
		if contract == "" || known[action] || closed(tests, "contractPayload") {
			continue
		}
		free := action == ""
		if free {
			action = unknownText
		}
		one := engine(contract, action, "").json(unknown)
		one.members["contractPayload"] = unknown
		if !e.mayHold(engineID, one) || r.keptFromHolding(engineID, one, rules) {
			continue
		}
		if free {
			return fmt.Sprintf("every action of %s of Hive-Engine goes through, and pksa does not know what each of "+
				"them moves; name those that are meant, such as .contractAction: [buy, sell], and what may stand in "+
				"their payload", saysContract)
		}
		return fmt.Sprintf("pksa does not know what %s %s of Hive-Engine moves, and its payload is free; test "+
			"every member of it, and let it have no others: .contractPayload: {members: [symbol, quantity], "+
			".symbol: BEE, .quantity: {max: 10}}", saysContract, saysAction)
	}
	return ""
}

// sampleAt returns a text that tests want of a member, and what stands in the file for it; "" if
// they want none, or any.
func sampleAt(tests []inside, name string) (text, says string) {
	for _, one := range tests {
		if len(one.path) != 1 || one.path[0] != name {
			continue
		}
		if m, ok := theOne(one.matcher).(pattern); ok && !m.takesAll() {
			return m.sample(), m.source
		}
	}
	text = textAt(tests, name)
	return text, text
}

// textAt returns the one text that tests want of a member, "" if they do not.
func textAt(tests []inside, name string) string {
	for _, one := range tests {
		is, ok := theOne(one.matcher).(equals)
		if ok && is.kind == isText && len(one.path) == 1 && one.path[0] == name {
			return is.text
		}
	}
	return ""
}

// closed reports whether tests of an object leave nothing in it free: it has no other members than
// some, and each of these is tested.
func closed(tests []inside, name string) bool {
	var names onlyMembers
	tested := map[string]bool{}
	for _, one := range tests {
		if one.path[0] != name {
			continue
		}
		only, ok := one.matcher.(onlyMembers)
		switch {
		case ok && len(one.path) == 1:
			names = only
		case len(one.path) > 1 && one.matcher != matcher(isPresent(true)):
			tested[one.path[1]] = true
		}
	}
	for name := range names {
		if !tested[name] {
			return false
		}
	}
	return names != nil
}

// engineID is the id of Hive-Engine.
const engineID = "ssc-mainnet-hive"

// reviewPostedActive warns of a rule that seems to let tokens go by a key with which Hive-Engine
// takes no such thing.
func (c *compiler) reviewPostedActive(r *rule, e *opEntry, n *yamlnode.Node) {
	if r.keys[hive.Active] || !listed(e.testOf("id")) {
		return
	}
	var named []tokenMove
	for _, move := range slices.Concat(tokenMoves, nftMoves, harmlessActions) {
		if move.id == engineID && e.namesMove(move) {
			named = append(named, move)
		}
	}
	if len(named) > 0 {
		c.Warn(c.entryName(n), "Hive-Engine takes %s with the active key only, so %q signs what does nothing; %s",
			saying(named), r.name, r.keyAdvice(hive.Active, []string{e.name}))
	}
}

// harmsInGame returns those of the game's actions by which cards are as good as given away, and
// which an entry lets through with the rule's key.
func (r *rule) harmsInGame(e *opEntry, rules []*rule) (moves []tokenMove) {
	for _, h := range harms {
		if h.inGame && (h.move.byPosting || r.keys[hive.Active]) && e.namesMove(h.move) && r.letsHarm(e, h, rules) {
			moves = append(moves, h.move)
		}
	}
	return moves
}
