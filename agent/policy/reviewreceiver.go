package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Who gets tokens inside of custom_json is a text of the application. Hive-Engine cuts blanks off
// its ends, and makes the letters small where NFTs or contracts get something: a rule that forbids
// one spelling is evaded by another one.

// receiverMoves are moves whose receiver is the name of an account as Hive has it.
var receiverMoves = slices.DeleteFunc(slices.Concat(tokenMoves, nftMoves, gameMoves), func(move tokenMove) bool {
	return !move.pays() || move.id != engineID && !slices.ContainsFunc(gameMoves, func(game tokenMove) bool {
		return game.id == move.id
	})
})

// spellings returns how else the receiver of a move may be written, who gets the same. JavaScript,
// which Hive-Engine is written in, takes more for a blank than a regular expression does here.
func (m tokenMove) spellings(name string) []string {
	if m.id != engineID {
		return nil
	}
	all := []string{" " + name, name + "\u00a0"}
	if !strings.HasPrefix(m.says, "tokens ") || strings.HasSuffix(m.says, "Contract") {
		all = append(all, strings.ToUpper(name))
	}
	return all
}

// otherSpelling finds a rule that keeps tokens from somebody by a name, while they go to the same
// account under another spelling, or by a name that no account has.
func (c *compiler) otherSpelling(r *rule, e *opEntry, rules []*rule) string {
	json := e.test("json")
	if e.name != "custom_json" || json == nil {
		return ""
	}
	names := receiversIn(json)
	if says := c.withOneTooMany(r, e, names, rules); says != "" {
		return says
	}
	if says := c.otherThanPattern(r, e, rules); says != "" {
		return says
	}
	for _, move := range receiverMoves {
		for _, name := range names[:min(len(names), mostSamples)] {
			if !e.mayFind(move, inJSON(name)) {
				continue
			}
			plain := strings.ToLower(strings.TrimSpace(name))
			if plain != name {
				if other := c.lettingReceive(r, move, plain, c.moving(move, rules), rules); other != nil {
					write := plain
					if move.id == engineID {
						write = fmt.Sprintf("{regexp: '%s'}", anySpelling([]string{plain}))
					}
					return fmt.Sprintf("json: no account has the name %s, and %q lets %s go to %s, whom %q does not "+
						"keep from it; write %s", quote(name), other.name, move.says, plain, r.name, write)
				}
				continue
			}
			for _, spelled := range move.spellings(name) {
				if other := c.lettingReceive(r, move, spelled, c.spelling(move), rules); other != nil {
					return fmt.Sprintf("json: in %s, %s is evaded by %q, whom Hive-Engine takes for the same, and %q "+
						"lets %s go there; write %s: {regexp: '%s'}", r.section, name, spelled, other.name, move.says,
						move.to, anySpelling(names))
				}
			}
		}
	}
	return ""
}

// otherThanPattern finds the same where names are kept from tokens by a pattern: it is compared
// with the whole text, and so with the blanks around.
func (c *compiler) otherThanPattern(r *rule, e *opEntry, rules []*rule) string {
	var patterns []pattern
	for _, test := range receiverTests(e.test("json")) {
		patterns = append(patterns, wantedPatterns(test)...)
	}
	for _, p := range patterns[:min(len(patterns), mostOdd)] {
		name, _ := meet(program(p.String()), program(aName), mostOfOneMatch)
		if name == "" || !c.steps.left(stepsOfMatch) {
			continue
		}
		for _, move := range receiverMoves {
			if !e.mayFind(move, inJSON(name)) {
				continue
			}
			for _, spelled := range move.spellings(name) {
				if other := c.lettingReceive(r, move, spelled, c.spelling(move), rules); other != nil {
					return fmt.Sprintf("json: in %s, this pattern is evaded by %q, whom Hive-Engine takes for %s, and "+
						"%q lets %s go there; write %s: {regexp: '%s'}", r.section, spelled, name, other.name,
						move.says, move.to, p.anySpelling())
				}
			}
		}
	}
	return ""
}

// mostOdd bounds how many patterns of one test are tried.
const mostOdd = 8

// aName is a regular expression of names that accounts have.
const aName = `[a-z][a-z0-9.-]{2,15}`

// anySpelling returns the pattern for letters of any size, with anything around that is no letter
// or digit.
func (m pattern) anySpelling() string {
	source := strings.TrimPrefix(m.source, "(?i)")
	if m.glob {
		source = strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(source))
	}
	return `(?i)\W*` + grouped(source) + `\W*`
}

// kindsOfTokens are members by which games and side chains say which token it is.
var kindsOfTokens = []string{"symbol", "token", "asset"}

// withOneTooMany finds a rule that keeps a token from somebody to whom another one goes, and
// that one does not go anywhere.
func (c *compiler) withOneTooMany(r *rule, e *opEntry, names []string, rules []*rule) string {
	tests := membersOf(elementsDenied(e.testOf("json")), nil)
	if len(names) == 0 || len(tests) < 2 {
		return ""
	}
	var permits []matcher
	by := ""
	for _, other := range rules {
		if !other.letsPast(r) || other.observe || !other.mayMeet(r) || !c.steps.left(len(tests)) {
			continue
		}
		for i := range other.entries {
			if own := &other.entries[i]; !own.apart(other, e.without("json")) {
				permits, by = append(permits, ofElements(own.testOf("json"))), other.name
			}
		}
	}
	fits := func(without int) bool {
		left := allOf{}
		for i, one := range tests {
			if i != without {
				left = append(left, one)
			}
		}
		return slices.ContainsFunc(permits, func(m matcher) bool { return !apart(m, left) })
	}
	if len(permits) == 0 || fits(-1) {
		return ""
	}
	for i, one := range tests {
		if path := strings.Join(one.path, "."); isOneOf(one.path, kindsOfTokens) && listed(one.matcher) && fits(i) {
			return fmt.Sprintf("json: nothing that %q lets through fits .%s here, so %q %s nothing; take .%[2]s out, "+
				"so that the rest is about all", by, path, r.name, forbids[r.section])
		}
	}
	return ""
}

// spelling returns the rules that may let a move go to a receiver in an odd spelling: where
// names are listed, as nearly all do it, there is none.
func (c *compiler) spelling(move tokenMove) []*rule {
	if known, ok := c.spelled[move.says]; ok {
		return known
	}
	plain := func(name string) bool { return name == strings.ToLower(strings.TrimSpace(name)) }
	odd := func(e opEntry) bool {
		names := receiversIn(e.testOf("json"))
		listed := len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool { return !plain(name) })
		return e.mayMove(move, unknown) && (!listed || slices.ContainsFunc(move.spellings(unknownText),
			func(name string) bool { return e.mayMove(move, inJSON(name)) }))
	}
	with := slices.DeleteFunc(slices.Clone(c.moving(move, c.reviewed)), func(r *rule) bool {
		return !slices.ContainsFunc(r.entries, func(e opEntry) bool {
			return e.name == "custom_json" && odd(e)
		})
	})
	if c.spelled == nil {
		c.spelled = map[string][]*rule{}
	}
	c.spelled[move.says] = with
	return with
}

// moving returns the rules that may let a move through, whoever gets something by it: those of
// some, or of all where these are fewer. Most rules of a file are about none, or about one.
func (c *compiler) moving(move tokenMove, some []*rule) []*rule {
	known, ok := c.movers[move.says]
	if !ok {
		known = slices.DeleteFunc(slices.Clone(c.reviewed), func(r *rule) bool {
			return !r.section.permits() || r.observe || !slices.ContainsFunc(r.entries, func(e opEntry) bool {
				return e.name == "custom_json" && r.makes(&e, move) && e.mayMove(move, unknown)
			})
		})
		if c.movers == nil {
			c.movers = map[string][]*rule{}
		}
		c.movers[move.says] = known
	}
	if len(some) < len(known) {
		return some
	}
	return known
}

// lettingReceive returns a rule of some that lets tokens go to a receiver, and no rule keeps them
// from it; nil if there is none.
func (c *compiler) lettingReceive(r *rule, move tokenMove, name string, some, rules []*rule) *rule {
	to := inJSON(name)
	for _, other := range some {
		if c.passes(r, other, rules, func(one *opEntry) bool {
			return other.makes(one, move) && one.mayMove(move, to)
		}, func(_ *rule, one *opEntry) bool { return one.mayFind(move, to) }) {
			return other
		}
	}
	return nil
}

// anySpelling returns a regular expression of some names, in letters of any size and with anything
// around that is no letter or digit.
func anySpelling(names []string) string {
	var quoted []string
	for _, name := range names[:min(len(names), 3)] {
		quoted = append(quoted, regexp.QuoteMeta(name))
	}
	all := strings.Join(quoted, "|")
	if len(quoted) > 1 {
		all = "(" + all + ")"
	}
	return `(?i)\W*` + all + `\W*`
}

// idsOfLists are ids under which applications write lists: what is done first, then how.
var idsOfLists = []string{"follow", "reblog", "community", "notify", "rc"}

// deniesLists finds a test of members in a rule that forbids, where applications write lists: to a
// list it is unclear, and so the rule is about each of them.
func (c *compiler) deniesLists(r *rule, e *opEntry, rules []*rule) string {
	json, ids := e.test("json"), textsOf(e.testOf("id"))
	if e.name != "custom_json" || json == nil || mayBeList(json) || has(json, isNegation) || len(ids) == 0 {
		return ""
	}
	id := string(ids.sorted()[0])
	always := slices.Contains(idsOfLists, id)
	if !always && id != engineID {
		return ""
	}
	list := value{kind: isText, opens: &document{read: true, root: inList(unknown)}}
	for _, other := range rules {
		if c.passes(r, other, rules, func(one *opEntry) bool {
			return (!always || one.test("id") != nil) && one.about(id, func(m matcher) bool {
				return always || has(m, isListTest) && takesJSON(m, inList(unknown))
			})
		}, func(d *rule, one *opEntry) bool {
			return d != r && one.about(id, func(m matcher) bool { return takes(m, list) })
		}) {
			first := members(json)
			path := ""
			if len(first) > 0 {
				path = "." + strings.Join(first[0].path, ".")
			}
			return fmt.Sprintf("json: to a list a test of its members is unclear, so %q %s every list, and %q lets "+
				"lists of %s through; write json: {any: {%s: …}}", r.name, forbids[r.section], other.name, id, path)
		}
	}
	return ""
}
