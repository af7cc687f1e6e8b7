package policy

import (
	"fmt"
	"slices"
)

// exchanges are accounts that take payments for many: exchanges, swaps and gateways to other
// chains. The memo says who gets it there. Among them are some that have closed.
var exchanges = []string{"bdhivesteem", "binance-hot", "binance-hot2", "bitgethive", "bittrex", "blocktrades",
	"deepcrypto8", "gateiodeposit", "gopax-deposit", "graphene-swap", "hivehydra", "honey-swap", "huobi-pro",
	"indodaxhive", "ionomy", "mxchive", "poloniex", "probithive", "user.dunamu", "v4vapp", "vsc.gateway"}

// memosOfOthers are what the account of somebody else may be at such a place.
var memosOfOthers = []string{"100200300", "to=hive:" + unknownText, unknownText}

// freeAccountAtExchange finds a payment to an account that takes payments for many, of which the
// memo may say anybody.
func freeAccountAtExchange(r *rule, e *opEntry) string {
	if r.section != allowSection || e.name != "transfer" && e.name != "recurrent_transfer" {
		return ""
	}
	m := e.test("memo")
	if m != nil && slices.ContainsFunc(memosOfOthers, func(memo string) bool {
		return !mayTake(m, textValue(memo))
	}) {
		return ""
	}
	for _, test := range e.textTests() {
		for _, name := range exchanges {
			if test.where == payeeField && test.texts[name] {
				return fmt.Sprintf("%s: %s takes payments for many, and the memo says who gets it there, so this goes "+
					`to anybody; say what yours is, such as memo: "100200300"`, e.name, name)
			}
		}
	}
	return ""
}
