package policy

import (
	"slices"
	"strconv"
)

// reviewOptions warns of a transaction whose comment_options may be those of another post: the one
// that is made goes out without them.
func (c *compiler) reviewOptions(r *rule, rules []*rule) {
	if r.section != allowSection || r.observe || !r.ordered {
		return
	}
	post := slices.IndexFunc(r.entries, func(e opEntry) bool { return e.name == "comment" })
	for i, n := range c.entryNodes(r) {
		if r.entries[i].name != "comment_options" || post < 0 {
			continue
		}
		if r.optionsOfPost(i) {
			if other := c.postsAlone(r, &r.entries[post], rules); other != nil {
				c.Warn(c.entryName(n), "%q lets the same post through without these comment_options: what one rule "+
					"demands holds for that rule alone; narrow the other one, such as comment: {parent_author: {not: "+
					"''}} for answers, or take it out", other.name)
			}
			continue
		}
		c.Warn(c.entryName(n), "these comment_options may be for another post, and the one of operation %d goes out "+
			"without them; say permlink: $%[1]d.permlink", post+1)
	}
}

// postsAlone returns a rule that allows some posts of a transaction by themselves, nil if none
// does.
func (c *compiler) postsAlone(r *rule, post *opEntry, rules []*rule) *rule {
	for _, other := range rules {
		if other.section == allowSection && !other.observe && !other.ordered && other.mayMeet(r) && c.steps.left(1) &&
			slices.ContainsFunc(other.entries, func(e opEntry) bool {
				return (e.name == post.name || e.name == groupPosting) && !e.apart(other, post)
			}) {
			return other
		}
	}
	return nil
}

// optionsOfPost reports whether an operation is about the same permlink as a comment of the
// transaction.
func (r *rule) optionsOfPost(i int) bool {
	const field = "permlink"
	own := r.entries[i].test(field)
	for k, e := range r.entries {
		if e.name != "comment" {
			continue
		}
		other := e.test(field)
		if compares(own, sameAs{k, field}) || compares(other, sameAs{i, field}) ||
			own != nil && other != nil && oneValue(own) && within(own, other) && within(other, own) {
			return true
		}
	}
	return false
}

// compares reports whether a test wants a value to be that of another field.
func compares(m matcher, at sameAs) bool {
	all, ok := m.(allOf)
	return m == matcher(at) || ok && slices.ContainsFunc(all, func(one matcher) bool { return compares(one, at) })
}

// oneValue reports whether a test takes one value and no other.
func oneValue(m matcher) bool {
	_, ok := m.(equals)
	return ok
}

// mostBeneficiaries is how many a post can have.
const mostBeneficiaries = 8

// sharesTried are weights of beneficiaries, in hundredths of a percent.
var sharesTried = []int{10000, 5000, 3000, 2500, 2000, 1500, 1000, 500, 300, 200, 100, 50, 1}

// shareOfStrangers returns how much of the rewards of a post may go to accounts that the entry does
// not name, in hundredths of a percent: of the numbers that are tried, the most.
func (e *opEntry) shareOfStrangers() (most int) {
	tries := append(slices.Clone(sharesTried), weightsOf(e.testOf("beneficiaries"))...)
	for n := 1; n <= mostBeneficiaries; n++ {
		payees := value{kind: isList, items: slices.Repeat([]value{textValue(unknownText)}, n)}
		if !e.lets(payeeField, payees) {
			continue
		}
		for _, share := range tries {
			if n*share <= most || n*share > 10000 {
				continue
			}
			one := mapValue(map[string]value{"account": textValue(unknownText), "weight": countValue(share)})
			if e.lets("beneficiaries", value{kind: isList, items: slices.Repeat([]value{one}, n)}) {
				most = n * share
			}
		}
	}
	return most
}

// weightsOf returns the weights that stand in the tests of beneficiaries.
func weightsOf(m matcher) (weights []int) {
	eachLeaf(m, func(leaf matcher) bool {
		in, ok := leaf.(inside)
		if !ok {
			return true
		}
		eachLeaf(in.matcher, func(leaf matcher) bool {
			v := value{}
			switch leaf := leaf.(type) {
			case equals:
				v = leaf.value
			case bound:
				v = leaf.limit
			case inside:
				weights = append(weights, weightsOf(leaf)...)
			}
			if n, err := strconv.Atoi(v.number.whole); err == nil {
				weights = append(weights, n)
			}
			return len(weights) < mostSamples
		})
		return len(weights) < mostSamples
	})
	return weights
}

// freeShare finds beneficiaries that the rule names without their shares: one of them may get all.
// Who names payees says nothing of shares, and has no word for them.
func freeShare(r *rule, e *opEntry) string {
	m := e.test("beneficiaries")
	if r.section != allowSection || e.name != "comment_options" || m == nil || e.renouncesAll() ||
		e.shareOfStrangers() > 0 || len(weightsOf(m)) > 0 || has(m, isSome) {
		return ""
	}
	for _, name := range accountsIn(m) {
		all := mapValue(map[string]value{"account": textValue(name), "weight": countValue(10000)})
		if takes(m, value{kind: isList, items: []value{all}}) {
			return "comment_options: without a test of .weight, " + name + " may get all rewards of a post; say how " +
				"much, such as beneficiaries: {exactly: [{.account: " + name + ", .weight: 5%}]}"
		}
	}
	return ""
}

// isSome reports whether a matcher is any. What stands beside the element that fits is free, and
// that is said.
func isSome(m matcher) bool {
	_, ok := m.(some)
	return ok
}

// accountsIn returns the names that stand in the tests of beneficiaries.
func accountsIn(m matcher) (names []string) {
	eachLeaf(m, func(leaf matcher) bool {
		switch leaf := leaf.(type) {
		case equals:
			if leaf.kind == isText {
				names = append(names, leaf.text)
			}
		case inside:
			names = append(names, accountsIn(leaf.matcher)...)
		}
		return true
	})
	return names
}
