package policy

import (
	"errors"
	"fmt"
	"math"
	"math/big"

	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

// impossible finds a test that no value fits which the field can have: a weight above 100%, an
// asset that the operation does not take, a price of nothing. Numbers, amounts and instants are
// compared with the ends of tests only, so it is enough to try these and their neighbours.
func impossible(p *place) string {
	if !p.first || p.entry == nil || p.entry.group || !independent(p.whole) {
		return ""
	}
	tries := p.tries()
	var why error
	for _, one := range tries {
		switch err := p.fits(one); {
		case !mayTake(p.whole, one):
		case err == nil:
			return ""
		case why == nil:
			why = err
		}
	}
	if why == nil {
		return ""
	}
	return fmt.Sprintf("%s: nothing fits that can be signed (%v), so this never matches", p.name, why)
}

// tries returns values at and beside the ends of all that is compared with; none where that is not
// enough.
func (p *place) tries() (tries []value) {
	switch {
	case p.ofTexts():
		for text := range textsOf(p.whole) {
			tries = append(tries, textValue(text))
		}
	case p.shape.kind == aNumber:
		low, high := p.numbers()
		for _, n := range p.ends() {
			n = new(big.Rat).SetInt(new(big.Int).Div(n.Num(), n.Denom()))
			tries = append(tries, neighbours(n)...)
		}
		for _, n := range usualEnds {
			tries = append(tries, integerValue(n))
		}
		tries = append(tries, integerValue(low.RatString()), integerValue(high.RatString()))
	case p.shape.kind == aRatio && p.field == priceField:
		ends := append(p.ends(), new(big.Rat))
		sorts.By(ends, (*big.Rat).Cmp)
		for i, n := range ends {
			next := new(big.Rat).Add(n, big.NewRat(1, 1))
			if i+1 < len(ends) {
				next = ends[i+1]
			}
			between := new(big.Rat).Mul(new(big.Rat).Add(n, next), big.NewRat(1, 2))
			tries = append(tries, ratioValue(n), ratioValue(between))
		}
	case p.shape.kind == anAsset:
		for _, symbol := range []hive.Symbol{hive.HIVE, hive.HBD, hive.VESTS} {
			for _, amount := range append(p.amounts(), 0, 1, math.MaxInt64) {
				tries = append(tries, assetValue(hive.Asset{Amount: amount, Symbol: symbol}))
			}
		}
	case p.shape.kind == aTime:
		for _, seconds := range append(p.seconds(), 0, math.MaxUint32) {
			tries = append(tries, value{kind: isTime, seconds: seconds})
		}
	}
	return tries
}

// ofTexts reports whether the test wants one of certain texts.
func (p *place) ofTexts() bool {
	d, ok := hive.DefinitionOf(p.entry.name)
	if !ok || p.name != p.field || p.shape.kind != aText && p.shape.kind != aMemo {
		return false
	}
	f, ok := d.Field(p.field)
	return ok && f.Type == "string" && len(textsOf(p.whole)) > 0
}

// literalsOf calls a function for each value that the test compares with.
func (p *place) literalsOf(visit func(value)) {
	has(p.whole, func(m matcher) bool {
		switch m := m.(type) {
		case equals:
			visit(m.value)
		case bound:
			visit(m.limit)
		}
		return false
	})
}

func (p *place) ends() (ends []*big.Rat) {
	p.literalsOf(func(v value) {
		if n, ok := v.number.rat(); ok && v.kind == isNumber {
			ends = append(ends, n)
		}
	})
	return ends
}

func (p *place) amounts() (amounts []int64) {
	p.literalsOf(func(v value) {
		amounts = append(amounts, v.asset.Amount, max(v.asset.Amount-1, 0), min(v.asset.Amount, math.MaxInt64-1)+1)
	})
	return amounts
}

func (p *place) seconds() (seconds []int64) {
	p.literalsOf(func(v value) { seconds = append(seconds, v.seconds, v.seconds-1, v.seconds+1) })
	return seconds
}

// neighbours returns a number with those beside it.
func neighbours(n *big.Rat) []value {
	one := big.NewRat(1, 1)
	return []value{integerValue(n.RatString()), integerValue(new(big.Rat).Sub(n, one).RatString()),
		integerValue(new(big.Rat).Add(n, one).RatString())}
}

// usualEnds are the ends of what fields of the chain can be, where that is less than their type.
var usualEnds = []string{"-10000", "0", "1", "24", "10000"}

// typeRanges are the lowest and the highest number of each type of the chain.
var typeRanges = map[string][2]*big.Rat{
	"int16":  {big.NewRat(math.MinInt16, 1), big.NewRat(math.MaxInt16, 1)},
	"int64":  {big.NewRat(math.MinInt64, 1), big.NewRat(math.MaxInt64, 1)},
	"uint8":  {new(big.Rat), big.NewRat(math.MaxUint8, 1)},
	"uint16": {new(big.Rat), big.NewRat(math.MaxUint16, 1)},
	"uint32": {new(big.Rat), big.NewRat(math.MaxUint32, 1)},
	"uint64": {new(big.Rat), new(big.Rat).SetInt(new(big.Int).SetUint64(math.MaxUint64))},
}

// numbers returns between which numbers the value lies.
func (p *place) numbers() (low, high *big.Rat) {
	switch {
	case p.shape.percent && p.name != p.field:
		return new(big.Rat), big.NewRat(10000, 1) // of a beneficiary
	case p.name == "size":
		return new(big.Rat), big.NewRat(math.MaxUint16, 1)
	case p.name != p.field:
		return typeRanges["int64"][0], typeRanges["uint64"][1]
	}
	d, _ := hive.DefinitionOf(p.entry.name)
	f, _ := d.Field(p.field)
	ends, ok := typeRanges[f.Type]
	if !ok {
		ends = [2]*big.Rat{typeRanges["int64"][0], typeRanges["uint64"][1]}
	}
	return ends[0], ends[1]
}

// fits returns why no operation can have the value there, nil if one can.
func (p *place) fits(v value) error {
	whole := p.name == p.field
	switch v.kind {
	case isNumber:
		n, _ := v.number.rat()
		if low, high := p.numbers(); n.Cmp(low) < 0 || n.Cmp(high) > 0 {
			return fmt.Errorf("%s is not within %s to %s", v.text, low.RatString(), high.RatString())
		}
		if whole && n.Num().IsInt64() {
			return p.entry.fits(p.field, n.Num().Int64())
		}
	case isRatio:
		if v.ratio.Sign() <= 0 {
			return errors.New("a price is more than zero")
		}
	case isAsset:
		if whole {
			return p.entry.fits(p.field, v.asset)
		}
		if p.field == "exchange_rate" && v.asset.Amount <= 0 {
			return errors.New("both amounts of a price are more than zero")
		}
	case isText:
		return p.entry.fits(p.field, v.text)
	case isTime:
		if v.seconds < 0 || v.seconds > math.MaxUint32 {
			return errors.New("the chain has no such instant")
		}
	}
	return nil
}
