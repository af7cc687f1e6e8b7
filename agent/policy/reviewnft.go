package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// nftMoves are the moves of tokens of which each is one of its kind, as those of games and of art.
// How many go in one operation is how long the lists inside are.
var nftMoves = []tokenMove{
	bySymbol(engine("nft", "transfer", "to", "nfts")),
	bySymbol(engine("nft", "delegate", "to", "nfts")),
	bySymbol(engine("nft", "burn", "", "nfts")),
	engine("nftmarket", "sell", "", "nfts", "symbol", "price", "priceSymbol"),
	engine("nftmarket", "buy", "", "nfts", "symbol"),
}

func bySymbol(m tokenMove) tokenMove {
	m.bySymbol = true
	return m
}

var ofNFTs = moveKind{nftMoves, (*limit).countsNFTs}

// countsNFTs reports whether the limit counts operations that hold the move. A sum finds no number
// in it, and what is unclear has no room.
func (l *limit) countsNFTs(move tokenMove) bool {
	if l.measure == measureSum {
		return l.of.where == nil || mayTakeSketch(l.of.where, move.json(unknown))
	}
	return l.measure == measureCount || l.measure == measureRequests
}

// freeNFTs returns what to say where NFTs go by the active key without a limit of how many, "" if
// they do not.
func (r *rule) freeNFTs(e *opEntry, limits []*limit, s *steps) string {
	near := slices.DeleteFunc(slices.Clone(limits), func(l *limit) bool { return l.observe })
	for _, move := range nftMoves {
		if !e.mayMove(move, unknown) {
			continue
		}
		counting := slices.DeleteFunc(slices.Clone(near), func(l *limit) bool {
			return !l.overTime() || !l.countsNFTs(move)
		})
		few := e.few(move)
		switch {
		case len(counting) == 0:
			return fmt.Sprintf("%q lets NFTs go without any limit (%s); count the operations under limits, such as "+
				"count: 20 per 24h%s", r.name, move.says, few)
		case slices.ContainsFunc(counting, func(l *limit) bool { return l.measure == measureSum }):
		case few != "":
			return fmt.Sprintf("%q lets many NFTs go in one operation (%s), and %q counts it once%s", r.name, move.says,
				counting[0].name, few)
		case !r.ordered && !slices.ContainsFunc(near, func(l *limit) bool { return l.measure == measureCount }):
			return fmt.Sprintf("%q lets NFTs go in as many operations as fit one request (%s), and %q counts "+
				"requests; "+
				"say count in its place, or add count: 1 per request", r.name, move.says, counting[0].name)
		}
	}
	if left := r.uncountedPiece(ofNFTs, e, limits, s); left != nil {
		return fmt.Sprintf("%q lets NFTs go without any limit beside %q (%s), which %s; let it count all, or add a "+
			"limit for the rest", r.name, left.limit.name, left.move.says, left.why)
	}
	return ""
}

// manyNFTs is more than one action of Hive-Engine takes.
const manyNFTs = 200

// few returns how to bound the number of NFTs that one operation of the entry moves, "" if it is
// bounded.
func (e *opEntry) few(move tokenMove) string {
	says := "; test how many go in one: json: {size: 1, each: {.contractPayload.nfts: {size: 1}}}"
	if move.bySymbol {
		says = strings.Replace(says, "{size: 1}", "{size: 1, each: {.ids: {size: 1}}}", 1)
	}
	json := e.test("json")
	if json == nil || slices.ContainsFunc(splitWays(json), func(way matcher) bool { return takesMany(way, move) }) {
		return says
	}
	return ""
}

// takesMany reports whether a test of JSON may take many NFTs: as actions, as NFTs of one action,
// or as ids of one symbol.
func takesMany(m matcher, move tokenMove) bool {
	many := slices.Repeat([]value{unknown}, manyNFTs)
	action := func(nfts ...value) value {
		root := move.json(unknown)
		root.members["contractPayload"].members["nfts"] = inList(nfts...)
		return root
	}
	switch {
	case mayBeList(m) && takesJSON(m, inList(slices.Repeat([]value{move.json(unknown)}, manyNFTs)...)),
		takesJSON(m, action(many...)):
		return true
	}
	return move.bySymbol &&
		takesJSON(m, action(jsonObject(map[string]value{"symbol": unknown, "ids": inList(many...)})))
}

func inList(items ...value) value { return value{kind: isList, json: true, items: items} }

// mayBeList reports whether a test of JSON may take a list: one of a member is unclear about it,
// which allows nothing.
func mayBeList(m matcher) bool {
	switch m := m.(type) {
	case inside:
		return allDigits(m.path[0])
	case onlyMembers:
		return false
	case allOf:
		return every(m, mayBeList)
	case oneOf:
		return slices.ContainsFunc(m, mayBeList)
	}
	return true
}

// otherActions are those without a number, that a rule about tokens may name.
var otherActions = []tokenMove{engine("market", "cancel", "", "type", "id")}

// withoutNumber returns actions that an entry names and in which a sum finds no number, with what
// to do: what is unclear never has room.
func (r *rule) withoutNumber(e *opEntry, limits []*limit) (refused []freeMove) {
	named := slices.DeleteFunc(slices.Concat(tokenMoves, nftMoves, otherActions),
		func(move tokenMove) bool { return !e.namesMove(move) })
	for _, l := range limits {
		if l.observe || l.over || l.measure != measureSum || !boundAlways(r.when, []schedule{l.when}) {
			continue
		}
		var counted, contracts []string
		var missing []tokenMove
		for _, move := range named {
			switch at := l.of.look(move); {
			case at.where != yes:
			case at.number:
				one := move.json(unknown)
				counted = append(counted, one.members["contractAction"].text)
				contracts = append(contracts, one.members["contractName"].text)
			default:
				missing = append(missing, move)
			}
		}
		if len(missing) == 0 || l.leaves(r.only(e)) != "" {
			continue
		}
		why := "correct field there, or let the limit count others only"
		if len(counted) > 0 && !slices.Contains(counted, "") {
			why = fmt.Sprintf("add to of there where: {.contractAction: %s}", textIn(counted))
		}
		for _, move := range missing {
			refused = append(refused, freeMove{move, l, cmp.Or(notByAction(move, counted, contracts), why)})
		}
	}
	return refused
}

// notByAction returns what to do where the action of a move has the name of another one's that a
// sum counts, so that the name of its contract tells them apart; "" if it does not.
func notByAction(move tokenMove, counted, contracts []string) string {
	one := move.json(unknown).members
	if !slices.Contains(counted, one["contractAction"].text) || slices.Contains(contracts, one["contractName"].text) ||
		slices.Contains(contracts, "") {
		return ""
	}
	slices.Sort(contracts)
	name := textIn(slices.Compact(contracts))
	return fmt.Sprintf("say .contractName: %[1]s in the rule, or, if both are meant, add to of in the limit "+
		"where: {.contractName: %[1]s}", name)
}

// namesMove reports whether the entry may make the move, and few others: it names it.
func (e *opEntry) namesMove(move tokenMove) bool {
	if !e.mayMove(move, unknown) {
		return false
	}
	other := move.json(unknown)
	if _, ok := other.members["contractAction"]; !ok {
		return !e.lets("id", textValue(unknownText))
	}
	other.members["contractAction"] = inJSON(unknownText)
	return !e.mayHold(move.id, other)
}
