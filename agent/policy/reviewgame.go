package policy

import (
	"slices"
	"strings"
)

// gameMoves are what Splinterlands takes with the posting key, and by which cards, packs or tokens
// of the account go to somebody.
var gameMoves = []tokenMove{
	ofGame("sm_token_transfer", "to", "qty", "token"),
	ofGame("sm_gift_cards", "to", "cards"),
	ofGame("sm_gift_packs", "to", "qty"),
	ofGame("sm_delegate_cards", "to", "cards"),
	ofGame("sm_burn_cards", "", "cards"),
}

func ofGame(id, to string, members ...string) tokenMove {
	path := ""
	if to != "" {
		path = "." + to
	}
	return tokenMove{says: id, id: id, to: path, byPosting: true, json: func(who value) value {
		all := map[string]value{}
		for _, name := range members {
			all[name] = unknown
		}
		if to != "" {
			all[to] = who
		}
		return jsonObject(all)
	}}
}

// choosesIDs reports whether the entry takes custom_json of some ids. Of what takes every game
// other warnings say so.
func (e *opEntry) choosesIDs(r *rule) bool {
	return e.name == "custom_json" && e.test("id") != nil && !has(e.test("id"), isWild) && everyID(r, e) == ""
}

// reviewGames warns where the ids that an entry takes are more than play: cards and tokens go by
// some of them.
func (c *compiler) reviewGames(r *rule, rules []*rule) {
	if r.section != allowSection || r.observe {
		return
	}
	for i, n := range c.entryNodes(r) {
		e := &r.entries[i]
		if !e.choosesIDs(r) {
			continue
		}
		free := slices.DeleteFunc(slices.Clone(gameMoves), func(move tokenMove) bool {
			// Tokens that a rule names are warned of as such.
			return move.amountKnown() && listed(e.test("id")) || !e.mayMove(move, unknown) ||
				!c.steps.left(len(rules)) || !r.lettingStrangers(e, move, rules)
		})
		if !listed(e.test("id")) {
			free = append(free, r.harmsInGame(e, rules)...)
		}
		switch {
		case len(free) == 0:
		case listed(e.test("id")) && !free[0].pays():
			c.Warn(c.entryName(n), "custom_json takes %s, by which cards are destroyed; name which, such as json: "+
				"{.cards: {each: [C1, C2]}}, or leave that id out", saying(free))
		case listed(e.test("id")):
			c.Warn(c.entryName(n), "custom_json takes %s, by which cards go to anybody; name who may get them, such "+
				"as json: {%s: bob}, or leave that id out", saying(free), free[0].to)
		default:
			c.Warn(c.entryName(n), "custom_json with this test of id takes %s, too, by which cards and tokens are "+
				"given away; name the ids that the app needs, or deny these: {id: [%s]}", saying(free),
				ids(free))
		}
	}
}

// amountKnown reports whether the move is of those that a sum can count.
func (m tokenMove) amountKnown() bool {
	return slices.ContainsFunc(tokenMoves, func(other tokenMove) bool { return other.id == m.id })
}

func ids(moves []tokenMove) string {
	var names []string
	for _, move := range moves {
		names = append(names, move.id)
	}
	return strings.Join(names, ", ")
}
