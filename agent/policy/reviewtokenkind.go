package policy

import (
	"slices"
	"strings"
)

// receives reports whether the test is of who gets tokens or NFTs inside of custom_json, and keeps
// strangers out by the form of their names at most.
func (p *place) receives() bool {
	if p.entry == nil || p.entry.name != "custom_json" || p.field != "json" || p.name != ".to" &&
		!strings.HasSuffix(p.name, ".to") {
		return false
	}
	return slices.ContainsFunc(slices.Concat(tokenMoves, nftMoves, gameMoves), func(move tokenMove) bool {
		return move.pays() && p.entry.mayMove(move, unknown) &&
			!slices.ContainsFunc(strangers, func(name string) bool { return takes(p.whole, inJSON(name)) })
	})
}

// reviewTokenKinds warns of a limit that adds up how many there are of different tokens, where the
// rule lets the application choose the token.
func (c *compiler) reviewTokenKinds(r *rule) {
	if r.section != allowSection || r.observe {
		return
	}
	for i, n := range c.entryNodes(r) {
		e := &r.entries[i]
		if e.name != "custom_json" || e.test("json") == nil {
			continue
		}
		for _, move := range tokenMoves {
			if move.of == "" || !r.makes(e, move) || !e.mayHold(move.id, move.ofToken()) {
				continue
			}
			limits, _ := c.near.of(r, i)
			at := slices.IndexFunc(limits, func(l *limit) bool { return l.binds() && l.sumsOf(move) })
			if at < 0 {
				continue
			}
			path := move.amount[:strings.LastIndex(move.amount, ".")+1] + move.of
			c.Warn(c.entryName(n), "limit %q adds up numbers of different tokens (%s), of which one may be worth "+
				"little and another one much: %q leaves the token free; name it, such as json: {%s: %s}",
				limits[at].name, move.says, r.name, path, move.aToken())
			break
		}
	}
}

// aTokenOfNobody is a symbol that no rule names, of the form that symbols have.
const aTokenOfNobody = "ZQXYK"

// ofToken returns the move of a token that no rule names.
func (m tokenMove) ofToken() value {
	root := m.json(unknown)
	at := root
	if inner, ok := root.members["contractPayload"]; ok {
		at = inner
	}
	at.members[m.of] = inJSON(aTokenOfNobody)
	return root
}

// aToken returns the symbol of a token of the game or side chain.
func (m tokenMove) aToken() string {
	if m.id == engineID {
		return "BEE"
	}
	return "DEC"
}

// sumsOf reports whether the limit adds up how many tokens the move moves, whatever token it is.
func (l *limit) sumsOf(move tokenMove) bool {
	return l.sums(move) && (l.of.where == nil || mayTakeSketch(l.of.where, move.ofToken()))
}
