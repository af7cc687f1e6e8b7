package policy

import (
	"fmt"
	"slices"
	"strings"

	"pksa/protocol/hive"
)

// freeAgent finds an escrow of which the application chooses the agent: who decides to whom the
// money goes, and gets the fee.
func freeAgent(r *rule, e *opEntry) string {
	if r.section != allowSection || e.name != "escrow_transfer" || e.spendsNothing() ||
		!e.mayPay("agent") || !e.hasMatcher("to", payeeField) {
		return ""
	}
	return "escrow_transfer with a free agent: the agent gets the fee, and decides in a dispute who gets the money; " +
		"name the agent, such as agent: carol"
}

// mayPay reports whether an account that the rule does not name may stand in a field that names a
// payee.
func (e *opEntry) mayPay(field string) bool {
	stranger := textValue(unknownText)
	if m := e.test(payeeField); m != nil && hasEach(m) {
		return mayTake(m, value{kind: isList, items: []value{stranger}})
	}
	return e.lets(field, stranger)
}

// hasEach reports whether a test of a list looks at all elements.
func hasEach(m matcher) bool {
	return has(m, func(m matcher) bool {
		_, isEach := m.(each)
		_, isExactly := m.(exactly)
		return isEach || isExactly
	})
}

// freeAgentFee finds an escrow of which the agent gets as much as the application likes.
func freeAgentFee(r *rule, e *opEntry) string {
	if r.section != allowSection || e.name != "escrow_transfer" || e.testsWithin("fee", anyMost) {
		return ""
	}
	return "escrow_transfer with a free fee: the agent gets it at once, and it may be as high as the app likes; say " +
		"how much at most, such as fee: {max: 0.100 HBD}"
}

// freeKeys finds a rule that lets some key of an account be replaced, and leaves free others by
// which the account can be taken over as well.
func freeKeys(r *rule, e *opEntry) string {
	if r.section != allowSection || !r.takeover || e.group || !canTakeOver(e.name) ||
		!e.hasMatcher("active", "posting", "memo_key", "json_metadata", "posting_json_metadata", payeeField) {
		return ""
	}
	var free, write []string
	says := ""
	for _, field := range []string{"active", "posting", "memo_key"} {
		if e.letsKey(field) {
			free, write = append(free, field), append(write, field+": {present: false}")
			if m := e.test(field); m != nil && onlyPresent(m) {
				says = "; {present: true} takes every key"
			}
		}
	}
	if len(free) == 0 || free[0] == "memo_key" {
		return "" // that alone takes no account over, and account_update sets it every time
	}
	if e.name == "account_update" {
		write = slices.DeleteFunc(write, func(text string) bool { return strings.HasPrefix(text, "memo_key") })
	}
	return fmt.Sprintf("%s leaves %s free, so the app can put its own keys there and take the account over; say %s, "+
		"or which keys they may have%s", e.name, strings.Join(free, ", "), strings.Join(write, ", "), says)
}

// payeesOfKeys finds a rule that forbids all payees but some, beside one that lets accounts be
// taken over: an authority that names keys, and no account, pays nobody.
func payeesOfKeys(p *place) string {
	if p.entry == nil || p.field != payeeField || !p.first || !p.evadable || !has(p.whole, isNegation) {
		return ""
	}
	for _, r := range p.rules {
		if r.section != allowSection || r.observe || !r.takeover || !r.mayMeet(p.rule) {
			continue
		}
		for _, e := range r.entries {
			if !e.group && canTakeOver(e.name) && slices.Contains(p.entry.mayName(p.rule.section), e.name) &&
				(e.letsKey("active") || e.letsKey("posting")) {
				return fmt.Sprintf("payee: keys pay nobody, so %s that %q lets through hands the account to any key; "+
					"deny %s, or say in that rule which keys there may be", e.name, r.name, e.name)
			}
		}
	}
	return ""
}

// freeSigningKey finds a rule that lets the application hand a witness to another signing key, and
// does not seem to mean that.
func freeSigningKey(r *rule, e *opEntry) string {
	m := e.testOf("block_signing_key")
	if r.section != allowSection || e.name != "witness_update" || hasNot(m) || !takes(m, textValue(aKeyOfNobody)) {
		return ""
	}
	return "witness_update sets the signing key every time, so the app can hand the witness to another one; say " +
		"which, such as block_signing_key: STM…"
}

// aKeyOfNobody is a text like a public key, that no rule names. The key of nobody on the chain, by
// which a witness is shut down, stands in rules.
const aKeyOfNobody = "STM7Zqxyk7Zqxyk7Zqxyk7Zqxyk7Zqxyk7Zqxyk7Zqxyk7Zqxyk77"

// letsKey reports whether an entry takes keys that it does not name, in a field for keys: alone, or
// beside those that it names.
func (e *opEntry) letsKey(field string) bool {
	m := e.test(field)
	if m == nil {
		return true
	}
	if field == "memo_key" {
		// That any may stand there is said by present. Of an authority that says only that there is
		// one.
		return !onlyPresent(m) && takes(m, textValue(aKeyOfNobody))
	}
	// Of the rest of an authority it is not asked what the test says.
	rest := value{kind: isUnreadable}
	for n := 1; n <= mostHolders; n++ {
		keys := value{kind: isList, items: slices.Repeat([]value{pairValue(aKeyOfNobody, 1)}, n)}
		accounts := value{kind: isList, items: slices.Repeat([]value{pairValue(unknownText, 1)}, n)}
		if mayTake(m, authorityOf(rest, accounts, rest)) || mayTake(m, authorityOf(rest, rest, keys)) {
			return true
		}
	}
	return false
}

func authorityOf(threshold, accounts, keys value) value {
	return mapValue(map[string]value{"weight_threshold": threshold, "account_auths": accounts, "key_auths": keys})
}

// mostHolders is how many keys, or accounts, of an authority are tried.
const mostHolders = 3

// moreThanAll is more than there will ever be of an asset, in whole units: a bound above it bounds
// nothing.
var moreThanAll = map[hive.Symbol]int64{hive.HIVE: 1e9, hive.HBD: 1e9, hive.VESTS: 1e12}

// beyondAll finds a highest amount above all that there is.
func beyondAll(r *rule, e *opEntry) string {
	d, ok := hive.DefinitionOf(e.name)
	if !ok || r.section != allowSection {
		return ""
	}
	for _, cost := range d.Spends {
		says := ""
		eachLeaf(e.testOf(cost.Field), func(m matcher) bool {
			b, ok := m.(bound)
			if ok && b.upper && b.limit.kind == isAsset && isBeyond(b.limit.asset) {
				says = fmt.Sprintf("%s: %s is more than all that there is, so max bounds nothing; write how much may "+
					"go in one operation", cost.Field, b.limit.asset)
			}
			return says == ""
		})
		if says != "" {
			return says
		}
	}
	return ""
}

func isBeyond(a hive.Asset) bool {
	most := moreThanAll[a.Symbol]
	for range a.Symbol.Decimals() {
		most *= 10
	}
	return most > 0 && a.Amount >= most
}
