package policy

import (
	"math/big"
	"strings"
)

// decimal is an exact number as people write it. Comparing two is linear in their digits: numbers
// come from applications, and arithmetic on long ones would let a stranger buy our time.
type decimal struct {
	negative bool
	whole    string // without leading zeros, empty for 0
	fraction string // without trailing zeros
}

// parseDecimal reads -?(0|[1-9][0-9]*)(\.[0-9]+)?, the only form of a number.
func parseDecimal(s string) (decimal, bool) {
	negative := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	whole, fraction, point := strings.Cut(s, ".")
	if !allDigits(whole) || (len(whole) > 1 && whole[0] == '0') {
		return decimal{}, false
	}
	if point && !allDigits(fraction) {
		return decimal{}, false
	}
	if whole == "0" {
		whole = ""
	}
	fraction = strings.TrimRight(fraction, "0")
	// -0 is 0: one value, one form.
	return decimal{negative && whole+fraction != "", whole, fraction}, true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// compare returns -1, 0 or 1 as a is below, equal to or above b.
func (a decimal) compare(b decimal) int {
	if a.negative != b.negative {
		if a.negative {
			return -1
		}
		return 1
	}
	order := compareMagnitude(a, b)
	if a.negative {
		return -order
	}
	return order
}

func compareMagnitude(a, b decimal) int {
	// Neither has leading zeros, so the longer one is larger.
	if len(a.whole) != len(b.whole) {
		if len(a.whole) < len(b.whole) {
			return -1
		}
		return 1
	}
	if order := strings.Compare(a.whole, b.whole); order != 0 {
		return order
	}
	// Digits behind the point compare as text: 0.19 is below 0.2, and no zero is at the end.
	return strings.Compare(a.fraction, b.fraction)
}

func (a decimal) String() string {
	s := a.whole
	if s == "" {
		s = "0"
	}
	if a.fraction != "" {
		s += "." + a.fraction
	}
	if a.negative {
		s = "-" + s
	}
	return s
}

// integral reports whether nothing stands behind the point.
func (a decimal) integral() bool { return a.fraction == "" }

// longestSum is how many digits a number may have to be added up. Longer ones are no amounts of
// anything, and adding is not linear in them.
const longestSum = 60

// rat returns the number for arithmetic, false if it is too long for that.
func (a decimal) rat() (*big.Rat, bool) {
	if len(a.whole)+len(a.fraction) > longestSum {
		return nil, false
	}
	return new(big.Rat).SetString(a.String())
}

// ratText writes a number that came from decimals, exactly and without trailing zeros.
func ratText(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	places, _ := r.FloatPrec()
	return r.FloatString(places)
}
