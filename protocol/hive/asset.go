package hive

import (
	"errors"
	"math"
	"strconv"
)

// Symbol is one of the three assets of the chain. The zero value is none of them.
type Symbol uint8

// The assets, with their names on the main network. Other networks may call them differently.
const (
	HIVE Symbol = iota + 1
	HBD
	VESTS
)

// Decimals returns the number of digits behind the point: six for VESTS, three for the others.
func (s Symbol) Decimals() int {
	if s == VESTS {
		return 6
	}
	return 3
}

// String returns the symbol of the main network: HIVE, HBD or VESTS.
func (s Symbol) String() string { return Mainnet.symbolText(s) }

// satoshis returns how many of the smallest unit are one whole.
func (s Symbol) satoshis() uint64 {
	if s == VESTS {
		return 1_000_000
	}
	return 1_000
}

// nai returns the number that HF26 JSON has in place of a symbol.
func (s Symbol) nai() string {
	switch s {
	case HIVE:
		return "@@000000021"
	case HBD:
		return "@@000000013"
	case VESTS:
		return "@@000000037"
	}
	return ""
}

// Asset is an amount of one symbol in satoshis: thousandths of HIVE and HBD, millionths of VESTS.
// Amounts in operations are never negative.
type Asset struct {
	Amount int64
	Symbol Symbol
}

// String returns the asset as the chain writes it: "1.000 HIVE".
func (a Asset) String() string { return string(Mainnet.appendAsset(nil, a)) }

// ParseAsset reads an amount in the symbols of the main network. It takes only the text that the
// chain itself writes: "1.000 HIVE", but not "1 HIVE", "01.000 HIVE", "+1.000 HIVE" or "1.000
// STEEM". The amount must fit into an int64.
func ParseAsset(text string) (Asset, error) { return Mainnet.ParseAsset(text) }

var errAssetForm = errors.New(`an amount looks like "1.000 HIVE", "1.000 HBD" or "1.000000 VESTS"`)

// ParseAsset reads an amount in the symbols of this network.
func (n *Network) ParseAsset(text string) (Asset, error) {
	digits, symbolText, ok := cutLast(text, ' ')
	if !ok {
		return Asset{}, errAssetForm
	}
	symbol, ok := n.symbolNamed(symbolText)
	if !ok {
		return Asset{}, wrong(quote(symbolText), "is no symbol of this network")
	}
	amount, err := parseDecimal(digits, symbol.Decimals())
	if err != nil {
		return Asset{}, err
	}
	return Asset{Amount: amount, Symbol: symbol}, nil
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == sep {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// parseDecimal reads (0|[1-9][0-9]*)\.[0-9]{decimals} as a whole number of the smallest unit. It
// uses no float, which would lose digits above 2^53.
func parseDecimal(text string, decimals int) (int64, error) {
	point := len(text) - decimals - 1
	if point < 1 || text[point] != '.' {
		return 0, wrong(quote(text), "does not have %d decimals", decimals)
	}
	whole := text[:point]
	if len(whole) > 1 && whole[0] == '0' {
		return 0, wrong(quote(text), "begins with a needless zero")
	}
	var amount uint64
	for i := 0; i < len(text); i++ {
		if i == point {
			continue
		}
		if text[i] < '0' || text[i] > '9' {
			return 0, errAssetForm
		}
		if amount > math.MaxInt64/10 {
			return 0, wrong(quote(text), "is above the largest amount")
		}
		if amount = amount*10 + uint64(text[i]-'0'); amount > math.MaxInt64 {
			return 0, wrong(quote(text), "is above the largest amount")
		}
	}
	return int64(amount), nil
}

// appendAsset appends the text form in the symbols of this network.
func (n *Network) appendAsset(dst []byte, a Asset) []byte {
	amount := uint64(a.Amount)
	if a.Amount < 0 {
		dst = append(dst, '-')
		amount = -amount
	}
	unit := a.Symbol.satoshis()
	dst = strconv.AppendUint(dst, amount/unit, 10)
	dst = append(dst, '.')
	for rest := amount % unit; unit > 1; rest %= unit {
		unit /= 10
		dst = append(dst, '0'+byte(rest/unit))
	}
	dst = append(dst, ' ')
	return append(dst, n.symbolText(a.Symbol)...)
}
