package policy

import (
	"slices"
	"strings"

	"pksa/protocol/hive"
)

// tokenMove is what an application writes into custom_json to move tokens of a game or side chain.
// What depends on the case is unknown, and may fit any test.
type tokenMove struct {
	says   string
	id     string
	to     string // the path to who gets tokens by it, if anybody does
	amount string // the path to how many
	of     string // the member beside it that says of what, "" for none
	json   func(to value) value
	// byPosting says that the game takes the move with the posting key, too.
	byPosting bool
	// NFTs are listed by their symbols, with the ids of each.
	bySymbol bool
}

// pays reports whether somebody gets tokens by the move.
func (m tokenMove) pays() bool { return m.to != "" }

// unknown is a JSON value that may be anything.
var unknown = value{kind: isUnreadable, json: true}

// tokenMoves are those that are known here, of the side chains and games that most people use.
var tokenMoves = []tokenMove{
	engine("tokens", "transfer", "to", "symbol", "quantity"),
	engine("tokens", "stake", "to", "symbol", "quantity"),
	engine("tokens", "delegate", "to", "symbol", "quantity"),
	engine("tokens", "transferToContract", "to", "symbol", "quantity"),
	engine("tokens", "issue", "to", "symbol", "quantity"),
	engine("tokens", "issueToContract", "to", "symbol", "quantity"),
	engine("distribution", "deposit", "", "symbol", "quantity"),
	swapped(),
	engine("market", "sell", "", "symbol", "quantity", "price"),
	engine("market", "buy", "", "symbol", "quantity", "price"),
	engine("market", "marketSell", "", "symbol", "quantity"),
	engine("market", "marketBuy", "", "symbol", "quantity"),
	{says: "sm_token_transfer", id: "sm_token_transfer", to: ".to", amount: ".qty", of: "token",
		byPosting: true,
		json: func(to value) value {
			return jsonObject(map[string]value{"to": to, "qty": unknown, "token": unknown})
		}},
	ofVSC("vsc.transfer"), ofVSC("vsc.withdraw"), ofVSC("vsc.stake_hbd"),
	ofComb("spkcc_send"), ofComb("spkcc_spk_send"), ofComb("spkcc_power_grant"), ofComb("dlux_send"),
	ofComb("dlux_power_grant"), ofComb("duat_send"), ofComb("duat_power_grant"),
}

// engine returns an action of Hive-Engine, with the members of its payload.
func engine(contract, action, to string, members ...string) tokenMove {
	path := ""
	if to != "" {
		path = ".contractPayload." + to
	}
	write := func(who value) value {
		payload := map[string]value{}
		for _, name := range members {
			payload[name] = unknown
		}
		if to != "" {
			payload[to] = who
		}
		return jsonObject(map[string]value{"contractName": inJSON(contract), "contractAction": inJSON(action),
			"contractPayload": jsonObject(payload)})
	}
	return tokenMove{says: contract + " " + action, id: engineID, to: path,
		amount: ".contractPayload.quantity", of: "symbol", json: write}
}

// swapped returns the action of Hive-Engine that changes so many tokens into others.
func swapped() tokenMove {
	move := engine("marketpools", "swapTokens", "", "tokenPair", "tokenSymbol", "tokenAmount")
	move.amount, move.of = ".contractPayload.tokenAmount", "tokenSymbol"
	write := move.json
	move.json = func(who value) value {
		root := write(who)
		root.members["contractPayload"].members["tradeType"] = inJSON("exactInput")
		return root
	}
	return move
}

// ofVSC returns a move of the side chain VSC.
func ofVSC(id string) tokenMove {
	return tokenMove{says: id, id: id, to: ".to", amount: ".amount", json: func(to value) value {
		return jsonObject(map[string]value{"from": unknown, "to": to, "amount": unknown, "asset": unknown})
	}}
}

// ofComb returns a move of one of the side chains of HoneyComb, each of which has a token.
func ofComb(id string) tokenMove {
	return tokenMove{says: id, id: id, to: ".to", amount: ".amount", json: func(to value) value {
		return jsonObject(map[string]value{"to": to, "amount": unknown})
	}}
}

func jsonObject(members map[string]value) value {
	return value{kind: isMap, json: true, members: members}
}

func inJSON(text string) value { return value{kind: isText, json: true, text: text} }

// mayMove reports whether the entry may be about the move, in one of the ways to write it.
func (e *opEntry) mayMove(move tokenMove, to value) bool {
	return e.about(move.id, func(json matcher) bool { return takesJSON(json, move.json(to)) })
}

// mayHold reports whether the entry may be about custom_json of an id that holds an action, or a
// list of actions.
func (e *opEntry) mayHold(id string, holds value) bool {
	return e.about(id, func(json matcher) bool { return takesJSON(json, holds) })
}

// mayFind reports whether the entry may be about the move when it has no members but those that it
// needs: what forbids it only with others is evaded without them.
func (e *opEntry) mayFind(move tokenMove, to value) bool {
	return e.mayFindHeld(move.id, move.json(to))
}

// mayFindHeld reports the same of custom_json of an id that holds such an action.
func (e *opEntry) mayFindHeld(id string, root value) bool {
	return e.about(id, func(json matcher) bool {
		// A test of the first element takes nothing but lists; all others take one action alone.
		if has(json, ofElement) {
			root = inList(root)
		}
		return mayTake(json, value{kind: isText, opens: &document{read: true, root: root}})
	})
}

// about reports whether the entry may be about custom_json of an id whose test of JSON is as said.
func (e *opEntry) about(id string, is func(matcher) bool) bool {
	if e.name != "custom_json" {
		return false
	}
	return !slices.ContainsFunc(e.says(), func(f fieldMatcher) bool {
		switch f.field {
		case "id":
			return !mayTake(f.matcher, textValue(id))
		case "json":
			return !is(f.matcher)
		}
		return false
	})
}

// ofElement reports whether a test looks at an element by its number.
func ofElement(m matcher) bool {
	in, ok := m.(inside)
	return ok && allDigits(in.path[0])
}

// reviewPayee warns where a rule denies, or has a person asked, by who is paid, and tokens are paid
// inside of custom_json.
func (c *compiler) reviewPayee(r *rule, rules []*rule) {
	for i, n := range c.entryNodes(r) {
		if !r.entries[i].hasMatcher(payeeField) {
			continue
		}
		for _, other := range rules {
			if other.section != allowSection || other.observe || !other.mayMeet(r) {
				continue
			}
			if move, pays := other.paysTokens(r, &r.entries[i], rules); pays {
				who := "anybody"
				for _, name := range r.entries[i].recipients() {
					if !other.mayMove(move, inJSON(unknownText)) && other.mayMove(move, inJSON(name)) {
						who = name + ", too"
						break
					}
				}
				c.Warn(c.entryName(n), "payee sees no tokens: %q lets custom_json through, in which tokens go to "+
					"%s (%s); name who may get them there, such as json: {%s: [bob]}, or %sit by json",
					other.name, who, move.says, move.to, forbidding[r.section])
				return
			}
		}
	}
}

// paysTokens returns a move by which the rule lets those get tokens whom an entry of another rule
// keeps from being paid, and no rule keeps them from that. Where the entry names nobody, a stranger
// stands for them.
func (r *rule) paysTokens(by *rule, e *opEntry, rules []*rule) (move tokenMove, pays bool) {
	if !slices.ContainsFunc(r.entries, func(e opEntry) bool { return e.name == "custom_json" }) {
		return tokenMove{}, false
	}
	var receivers []value
	for _, name := range e.recipients() {
		receivers = append(receivers, inJSON(name))
	}
	known := len(receivers) > 0 && !slices.ContainsFunc(e.says(),
		func(f fieldMatcher) bool { return hasNot(f.matcher) })
	if !known {
		receivers = []value{inJSON(unknownText)}
	}
	for _, move := range slices.Concat(tokenMoves, nftMoves) {
		for _, to := range receivers {
			if !move.pays() || !r.mayMove(move, to) {
				continue
			}
			if !known {
				to = unknown
			}
			if !r.keptFrom(by, rules, func(other *rule) bool {
				return other.entries == nil || other.mayFind(move, to)
			}) {
				return move, true
			}
		}
	}
	return tokenMove{}, false
}

// keptFrom reports whether at all times a rule under deny, or one that asks where this is enough
// for another one, is about something that the rule permits.
func (r *rule) keptFrom(by *rule, rules []*rule, is func(*rule) bool) bool {
	var times []schedule
	for _, other := range rules {
		if other.forbidsAs(by) && covers(other.apps, r.apps) && is(other) {
			times = append(times, other.when)
		}
	}
	return len(times) > 0 && boundAlways(by.when, times)
}

// forbidsAs reports whether a rule keeps an application from something, at least as another does:
// from requests of the same kind.
func (r *rule) forbidsAs(by *rule) bool {
	return !r.observe && intersect(r.kinds, by.kinds) && (r.section == denySection ||
		r.section == askSection && by.section == askSection && !r.onlyUncovered)
}

func (r *rule) mayMove(move tokenMove, to value) bool {
	return slices.ContainsFunc(r.entries, func(e opEntry) bool { return e.mayMove(move, to) })
}

func (r *rule) mayFind(move tokenMove, to value) bool {
	return slices.ContainsFunc(r.entries, func(e opEntry) bool { return e.mayFind(move, to) })
}

// makes reports whether a rule has the key for a move. With the posting key that is a trap only
// where the entry names the move by its id: the others do not seem to be about tokens.
func (r *rule) makes(e *opEntry, move tokenMove) bool {
	return r.keys[hive.Active] || move.byPosting && r.keys[hive.Posting] && listed(e.testOf("id"))
}

// reviewTokens warns where a rule lets tokens go, and no limit counts them.
func (c *compiler) reviewTokens(r *rule, rules []*rule) {
	if r.section != allowSection || r.observe {
		return
	}
	for i, n := range c.entryNodes(r) {
		e := &r.entries[i]
		if e.name != "custom_json" || !slices.ContainsFunc(tokenMoves, func(move tokenMove) bool {
			return r.makes(e, move) && e.mayMove(move, unknown)
		}) && !r.keys[hive.Active] {
			continue
		}
		limits, compared := c.near.of(r, i)
		if !compared || !c.steps.left(len(limits)) {
			return
		}
		refused := r.withoutNumber(e, limits)
		for _, one := range refused {
			c.Warn(c.entryName(n), "%q never lets %s through: limit %q finds no %s in it, and what is unclear has no "+
				"room; %s", r.name, one.move.says, one.limit.name, one.limit.of.look(one.move).missing, one.why)
		}
		free := slices.DeleteFunc(e.uncounted(r, limits), func(move tokenMove) bool {
			return r.keptFromMove(move, e, rules) || slices.ContainsFunc(refused,
				func(one freeMove) bool { return one.move.says == move.says })
		})
		if len(free) > 0 {
			c.Warn(c.entryName(n), "%q lets tokens go without any limit (%s); add under limits: {name: tokens "+
				"in a day, operations: [custom_json: {id: %s}], sum: 500 per 24h, of: {list: json, field: %s}}",
				r.name, saying(free), free[0].id, free[0].amount)
		} else if left := r.uncountedPiece(ofTokens, e, limits, &c.steps); left != nil {
			c.Warn(c.entryName(n), "%q lets tokens go without any limit beside %q (%s), which %s; let it count all, "+
				"or add a limit for the rest", r.name, left.limit.name, left.move.says, left.why)
		} else if !r.keys[hive.Active] {
			continue
		} else if says := r.freeNFTs(e, limits, &c.steps); says != "" {
			c.Warn(c.entryName(n), "%s", says)
		} else if !e.movesNothing() && !r.countedOften(e, limits) {
			c.Warn(c.entryName(n), "%q lets custom_json through with the active key without any limit, and tokens "+
				"move inside it; add a limit with sum, or say how many: count: 20 per 24h", r.name)
		}
	}
}

// countedOften reports whether a limit that is in force over time counts what an entry lets go,
// though it costs no amount: a budget of money counts nothing of that.
func (r *rule) countedOften(e *opEntry, limits []*limit) bool {
	return slices.ContainsFunc(limits, func(l *limit) bool { return l.binds() && !l.costsNothing(r, e) })
}

// movesNothing reports whether the entry names an action that is known to move no tokens, and takes
// none of those that do.
func (e *opEntry) movesNothing() bool {
	return slices.ContainsFunc(otherActions, e.namesMove) &&
		!slices.ContainsFunc(slices.Concat(tokenMoves, nftMoves),
			func(move tokenMove) bool { return e.mayMove(move, unknown) })
}

// saying names moves in a sentence, three of them at most.
func saying(moves []tokenMove) string {
	var words []string
	for _, move := range moves {
		words = append(words, move.says)
	}
	if more := len(words) - 3; more > 0 {
		words = append(words[:3], "and "+countValue(more).text+" more")
	}
	return strings.Join(words, ", ")
}

// uncounted returns the moves that the entry lets through and no sum counts.
func (e *opEntry) uncounted(r *rule, limits []*limit) (free []tokenMove) {
	for _, move := range tokenMoves {
		if r.makes(e, move) && e.mayMove(move, unknown) && !slices.ContainsFunc(limits, func(l *limit) bool {
			return l.binds() && l.sums(move)
		}) {
			free = append(free, move)
		}
	}
	return free
}

// binds reports whether a limit is in force over time.
func (l *limit) binds() bool { return !l.observe && l.overTime() }

// sums reports whether the limit adds up how many tokens the move moves.
func (l *limit) sums(move tokenMove) bool {
	if l.measure != measureSum {
		return false
	}
	at := l.of.look(move)
	return at.number && at.where != no && !at.product
}

// lookedAt is what a sum finds in a move of tokens.
type lookedAt struct {
	where  outcome // what it says of whom it counts
	number bool    // it has the field that is added up

	missing string // the path that it does not have
	product bool   // what is added up is not what the move takes
}

// missing returns the path to a number that an element does not have, "" if it has all.
func (t *tokenSum) missing(element value) string {
	for _, path := range [][]string{t.field, t.times} {
		if (inside{path, anything{}}).reach(element).kind == isAbsent {
			return "." + strings.Join(path, ".")
		}
	}
	return ""
}

// look returns what the sum finds in a move. It is asked that for each rule.
func (t *tokenSum) look(move tokenMove) lookedAt {
	at, known := t.seen[move.says]
	if known {
		return at
	}
	one := move.json(unknown)
	at = lookedAt{where: yes, missing: t.missing(one)}
	at.number = at.missing == ""
	// Of an order to buy, the product is what goes. Of all else it is some other value: a little of
	// it may be a lot of tokens.
	at.product = t.times != nil && (move.says != "market buy" || strings.Join(t.times, ".") != "contractPayload.price")
	if t.where != nil {
		at.where = sketched(t.where, one)
	}
	if t.seen == nil {
		t.seen = map[string]lookedAt{}
	}
	t.seen[move.says] = at
	return at
}
