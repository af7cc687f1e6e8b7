package policy

import (
	"math"
	"math/big"
	"strings"
)

// Headroom is by how many percent bounds of a draft lie beyond what was seen, unless a person says
// otherwise. Without any, the next request that is a little larger would be denied again.
const Headroom = 10

// headroom is a part of a number, in percent of its size: 0 to 100.
type headroom int

// beyond returns a number with the room beyond it, above or below. It never leaves its sign.
func (h headroom) beyond(n *big.Rat, above bool) *big.Rat {
	part := new(big.Rat).Mul(new(big.Rat).Abs(n), big.NewRat(int64(h), 100))
	if !above {
		part.Neg(part)
	}
	return part.Add(part, n)
}

// outwards returns a number with the room beyond it, rounded outwards: to a whole number, if it is
// one and no part of one makes sense.
func (h headroom) outwards(sh *shape, d decimal, up, parts bool) decimal {
	n, ok := d.rat()
	_, behind, _ := strings.Cut(d.String(), ".")
	// A whole number of many digits is a name, a time or a block, of which the next ones are
	// others.
	if !ok || h == 0 || behind == "" && comesOnce.MatchString(d.String()) {
		return d
	}
	places := 0
	if behind != "" || parts {
		places = len(behind) + 2
	}
	moved := rounded(h.beyond(n, up), places, up)
	// No vote has a weight beyond these.
	if all, _ := parseDecimal("10000"); sh.percent && moved.compare(all) > 0 {
		return all
	}
	if none, _ := parseDecimal("-10000"); sh.percent && moved.compare(none) < 0 {
		return none
	}
	return moved
}

// amount returns an amount with the room beyond it, in the smallest units of its asset.
func (h headroom) amount(units int64, above bool) int64 {
	n := rounded(h.beyond(new(big.Rat).SetInt64(units), above), 0, above)
	r, ok := n.rat()
	if !ok || !r.Num().IsInt64() {
		return math.MaxInt64
	}
	return r.Num().Int64()
}

// rounded returns a number with at most so many places, rounded up or down.
func rounded(r *big.Rat, places int, up bool) decimal {
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)
	whole, rest := new(big.Int), new(big.Int)
	// Division by Euclid: the rest is never negative, so what is cut lies below.
	whole.DivMod(new(big.Int).Mul(r.Num(), unit), r.Denom(), rest)
	if up && rest.Sign() > 0 {
		whole.Add(whole, big.NewInt(1))
	}
	d, _ := parseDecimal(new(big.Rat).SetFrac(whole, unit).FloatString(places))
	return d
}
