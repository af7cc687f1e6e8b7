package policy

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"pksa/protocol/hive"
)

// membersOfActions are all members of the payloads of actions of Hive-Engine.
var membersOfActions = map[string][]string{
	"tokens transfer": {"to", "symbol", "quantity", "memo"}, "tokens stake": {"to", "symbol", "quantity"},
	"tokens delegate": {"to", "symbol", "quantity"}, "tokens unstake": {"symbol", "quantity"},
	"market buy": {"symbol", "quantity", "price"}, "market sell": {"symbol", "quantity", "price"},
	"market marketBuy": {"symbol", "quantity"}, "market marketSell": {"symbol", "quantity"},
	"market cancel": {"type", "id"},
}

// isMemberOfSome reports whether one of the actions has such a member.
func isMemberOfSome(name string) bool {
	for _, members := range membersOfActions {
		if slices.Contains(members, name) {
			return true
		}
	}
	return false
}

// withoutMember finds an action that an entry names with a test of a member that it does not have:
// no application writes it so.
func withoutMember(r *rule, e *opEntry) string {
	if !r.section.permits() || e.name != "custom_json" || e.test("json") == nil ||
		!mayTake(e.testOf("id"), textValue(engineID)) {
		return ""
	}
	lacking := map[string]string{}
	for _, way := range splitWays(ofElements(e.testOf("json"))) {
		tests := membersOf(way, nil)
		action := textAt(tests, "contractName") + " " + textAt(tests, "contractAction")
		members, known := membersOfActions[action]
		if lacks, before := lacking[action]; known && (!before || lacks != "") {
			lacking[action] = lackingOf(tests, members)
		}
	}
	for _, action := range slices.Sorted(maps.Keys(lacking)) {
		if lacks := lacking[action]; lacks != "" {
			return fmt.Sprintf("%q never lets %s through: it has no .%s, which is tested for it, too; write an entry "+
				"for each action with tests of what that has", r.name, action, lacks)
		}
	}
	return ""
}

// lackingOf returns a member that tests want of a payload and an action does not have, "" if there
// is none. What no action has is the application's own.
func lackingOf(tests []inside, members []string) string {
	for _, one := range tests {
		if len(one.path) > 1 && one.path[0] == "contractPayload" && !takesAbsent(one.matcher) &&
			!slices.Contains(members, one.path[1]) && isMemberOfSome(one.path[1]) {
			return one.path[1]
		}
	}
	return ""
}

// besideMember finds a rule that forbids an action only with a member that it does not need: the
// application leaves that out.
func (c *compiler) besideMember(r *rule, e *opEntry, rules []*rule) string {
	if e.name != "custom_json" || e.test("json") == nil || has(e.testOf("json"), wholeList) {
		return ""
	}
	// Where the rule names who gets something, other rules may keep it from others.
	receivers := []value{inJSON(unknownText)}
	if names := receiversIn(e.test("json")); len(names) > 0 {
		receivers = receivers[:0]
		for _, name := range names[:min(len(names), mostSamples)] {
			receivers = append(receivers, inJSON(name))
		}
	}
	for _, move := range slices.Concat(tokenMoves, nftMoves, gameMoves) {
		extra := extraMember(e.testOf("json"), move.json(unknown))
		if extra == "" {
			continue
		}
		write := "take that test out, so that the rest is about all"
		if meant := memberMeant(extra, move.json(unknown), ""); meant != "" {
			write = "write " + meant
		}
		for _, to := range receivers {
			if !e.mayMove(move, to) || e.mayFind(move, to) {
				continue
			}
			for _, other := range c.moving(move, rules) {
				if c.passes(r, other, rules, func(one *opEntry) bool {
					return other.makes(one, move) && one.mayMove(move, to)
				}, func(_ *rule, one *opEntry) bool { return one.mayFind(move, to) }) {
					return fmt.Sprintf("json: in %s, the app leaves %s out, which %s does not need, and evades the "+
						"rule; %s", r.section, extra, move.says, write)
				}
			}
		}
	}
	return ""
}

// extraMember returns the path to a member that a test of JSON wants, and an action does not have;
// "" if there is none.
func extraMember(m matcher, action value) string {
	for _, one := range membersOf(elementTests(m), nil) {
		is := inside{one.path, anything{}}.reach(action)
		if is.kind == isAbsent && !takesAbsent(one.matcher) && !saidOfMemo(one) {
			return "." + strings.Join(one.path, ".")
		}
	}
	return ""
}

// memberMeant returns the path to a member of an action that has the last name of another path, in
// letters of any size, "" if none has: whoever tests .to of a payload at the root means that.
func memberMeant(path string, action value, at string) string {
	for _, name := range slices.Sorted(maps.Keys(action.members)) {
		own := at + "." + name
		if own != path && strings.EqualFold(name, path[strings.LastIndex(path, ".")+1:]) {
			return own
		}
		if meant := memberMeant(path, action.members[name], own); meant != "" {
			return meant
		}
	}
	return ""
}

// saidOfMemo reports whether another warning says that the memo is free: it does so of a memo that
// is a certain one.
func saidOfMemo(m inside) bool { return m.path[len(m.path)-1] == "memo" && narrows(m.matcher) }

// elementTests returns what a test says of one element at least.
func elementTests(m matcher) matcher {
	if one, ok := theOne(m).(some); ok {
		return one.matcher
	}
	return m
}

// feeds are the operations by which a witness says what HIVE is worth.
var feeds = []string{"feed_publish", setProperties}

// freeFeed finds a rule that lets the application publish any price.
func freeFeed(r *rule, e *opEntry) string {
	if r.section != allowSection || !slices.Contains(feeds, e.name) {
		return ""
	}
	if props := e.test("props"); e.name == setProperties && (props == nil || !mayTakeSketch(props,
		mapValue(map[string]value{"key": {kind: isUnreadable}, "hbd_exchange_rate": {kind: isUnreadable}}))) {
		return "" // there is no price, or anything goes, of which another warning says so
	}
	if !e.publishesAny() {
		return ""
	}
	return e.name + " may publish any price of HIVE, and the chain pays by what its witnesses say; bound it, such as " +
		"price: {min: 0.1, max: 1}"
}

// publishesAny reports whether the entry takes a price of next to nothing, or one of no end.
func (e *opEntry) publishesAny() bool {
	little, much := ratioValue(big.NewRat(1, 1e6)), ratioValue(big.NewRat(1e6, 1))
	if e.test(priceField) != nil {
		return e.lets(priceField, little) || e.lets(priceField, much)
	}
	rate := e.test("exchange_rate")
	if rate == nil {
		rate = memberTest(e.testOf("props"), "hbd_exchange_rate")
	}
	base, quote := memberTest(rate, "base"), memberTest(rate, "quote")
	for _, hbd := range amountsOf(base) {
		for _, of := range amountsOf(quote) {
			if hbd.Symbol != hive.HBD || !takes(base, assetValue(hbd)) || !takes(quote, assetValue(of)) {
				continue
			}
			if isGift(of, hbd) || isGift(hbd, of) {
				return true
			}
		}
	}
	return false
}

// freeMemoKey finds a takeover in which no key is left free but that of the memos.
func freeMemoKey(r *rule, e *opEntry) string {
	if r.section != allowSection || !r.takeover || e.name != "account_update2" || !e.letsKey("memo_key") ||
		!e.hasMatcher("active", "posting") || e.letsKey("active") || e.letsKey("posting") ||
		!mayTake(e.testOf("active"), value{}) || !mayTake(e.testOf("posting"), value{}) {
		return ""
	}
	return "account_update2 leaves memo_key free: who holds the new one reads the memos to this account; say " +
		"memo_key: {present: false}, or {present: true} if any may be"
}
