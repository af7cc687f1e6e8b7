package audit

import (
	"cmp"
	"fmt"
	"strings"

	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

// Amounts is comparisons with amounts, all of one asset: ">= 10 HBD", or ">= 10 HBD, < 20 HBD".
type Amounts []comparison

type comparison struct {
	amount hive.Asset
	holds  func(compared int) bool // is asked with how another amount compares to this one
}

// comparisons are the signs of comparisons, the longer ones first. None at all means equal.
var comparisons = []struct {
	sign  string
	holds func(int) bool
}{
	{">=", func(c int) bool { return c >= 0 }},
	{"<=", func(c int) bool { return c <= 0 }},
	{"==", func(c int) bool { return c == 0 }},
	{">", func(c int) bool { return c > 0 }},
	{"<", func(c int) bool { return c < 0 }},
	{"=", func(c int) bool { return c == 0 }},
	{"", func(c int) bool { return c == 0 }},
}

const (
	maxAmountText  = 200
	maxComparisons = 4
)

// ParseAmounts reads comparisons with commas between them. Without a sign the amount itself is
// meant.
func ParseAmounts(text string) (Amounts, error) {
	if len(text) > maxAmountText {
		return nil, fmt.Errorf("a comparison of amounts has at most %d bytes", maxAmountText)
	}
	var all Amounts
	for part := range strings.SplitSeq(text, ",") {
		c, err := parseComparison(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if all = append(all, c); c.amount.Symbol != all[0].amount.Symbol {
			return nil, fmt.Errorf("%s and %s cannot be compared: all amounts are of one asset",
				all[0].amount.Symbol, c.amount.Symbol)
		}
	}
	if len(all) > maxComparisons {
		return nil, fmt.Errorf("%d comparisons of amounts at most are taken", maxComparisons)
	}
	return all, nil
}

func parseComparison(text string) (c comparison, err error) {
	for _, known := range comparisons {
		if rest, ok := strings.CutPrefix(text, known.sign); ok {
			c.holds, text = known.holds, strings.TrimSpace(rest)
			break
		}
	}
	number, name, _ := strings.Cut(text, " ")
	symbol, ok := symbolNamed(strings.ToUpper(strings.TrimSpace(name)))
	if !ok {
		return c, fmt.Errorf("%s: a comparison looks like \">= 10 HBD\"; the assets are HIVE, HBD and VESTS",
			plain.Quote(text, 80))
	}
	whole, part, _ := strings.Cut(number, ".")
	if len(part) > symbol.Decimals() {
		return c, fmt.Errorf("%s: an amount of %s has at most %d digits behind the point", plain.Quote(number, 80),
			symbol, symbol.Decimals())
	}
	part += strings.Repeat("0", symbol.Decimals()-len(part))
	c.amount, err = hive.ParseAsset(whole + "." + part + " " + symbol.String())
	if err != nil || strings.HasSuffix(number, ".") {
		return c, fmt.Errorf("%s is no amount; write 10, 0.5 or 10.000 before %s", plain.Quote(number, 80),
			symbol)
	}
	return c, nil
}

// symbolNamed returns the asset of a name, that of the main network or that of the test network.
func symbolNamed(name string) (hive.Symbol, bool) {
	switch name {
	case hive.Mainnet.Hive.Text, hive.Testnet.Hive.Text:
		return hive.HIVE, true
	case hive.Mainnet.HBD.Text, hive.Testnet.HBD.Text:
		return hive.HBD, true
	case hive.VESTS.String():
		return hive.VESTS, true
	}
	return 0, false
}

// hold reports whether all comparisons hold for an amount.
func (a Amounts) hold(amount hive.Asset) bool {
	for _, c := range a {
		if c.amount.Symbol != amount.Symbol || !c.holds(cmp.Compare(amount.Amount, c.amount.Amount)) {
			return false
		}
	}
	return true
}

// names returns how a network writes the asset that is compared.
func (a Amounts) names(n *hive.Network) string {
	text := a[0].amount.Symbol.String()
	switch text {
	case hive.Mainnet.Hive.Text:
		text = n.Hive.Text
	case hive.Mainnet.HBD.Text:
		text = n.HBD.Text
	}
	return " " + text
}
