package policy

import (
	"cmp"
	"maps"
	"math/big"

	"pksa/protocol/sorts"
)

// Sums adds up what was charged in one slice of time, counter by counter. A [Book] that is filled
// with the sums, at the end of the slice, is as one that is filled with the charges. The zero value
// is empty and ready.
type Sums struct {
	amounts map[Counter]*big.Rat
	// openers is who opened the counters, whatever their units. Of several it is the last one, as
	// in a book.
	openers map[Counter]string
}

// Add adds charges. They are added in the order in which they were charged. A charge whose amount
// is no number is dropped, as a book drops it.
func (s *Sums) Add(charges []Charge) {
	if s.amounts == nil {
		s.amounts, s.openers = map[Counter]*big.Rat{}, map[Counter]string{}
	}
	for _, c := range charges {
		amount, ok := amountOf(c.Amount)
		if !ok {
			continue
		}
		at := c.counter()
		if s.amounts[at] == nil {
			s.amounts[at] = new(big.Rat)
		}
		s.amounts[at].Add(s.amounts[at], amount)
		if c.OpenedBy != "" {
			s.openers[Counter{Limit: c.Limit, Split: c.Split}] = c.OpenedBy
		}
	}
}

// Charges returns one charge for each counter, in order.
func (s *Sums) Charges() []Charge {
	var all []Charge
	for at, amount := range s.amounts {
		all = append(all, Charge{Limit: at.Limit, Split: at.Split, Unit: at.Unit, Amount: ratText(amount),
			OpenedBy: s.openers[Counter{Limit: at.Limit, Split: at.Split}]})
	}
	sorts.By(all, func(a, b Charge) int {
		return cmp.Or(cmp.Compare(a.Limit, b.Limit), cmp.Compare(a.Split, b.Split), cmp.Compare(a.Unit, b.Unit))
	})
	return all
}

// Take takes charges out of the sums, all or none. It reports whether the sums had them.
func (s *Sums) Take(charges []Charge) bool {
	left := map[Counter]*big.Rat{}
	for _, c := range charges {
		amount, ok := amountOf(c.Amount)
		at := c.counter()
		if ok && left[at] == nil && s.amounts[at] != nil {
			left[at] = new(big.Rat).Set(s.amounts[at])
		}
		if !ok || left[at] == nil || left[at].Cmp(amount) < 0 {
			return false
		}
		left[at].Sub(left[at], amount)
	}
	maps.Copy(s.amounts, left)
	return true
}

func (c *Charge) counter() Counter { return Counter{c.Limit, c.Split, c.Unit} }

// amountOf returns an amount, false if it is no number.
func amountOf(amount string) (*big.Rat, bool) {
	d, ok := parseDecimal(amount)
	if !ok {
		return nil, false
	}
	return new(big.Rat).SetString(d.String())
}
