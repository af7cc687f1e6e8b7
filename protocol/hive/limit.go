package hive

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// limit is a rule for values that is checked before signing (tx §3.2, last column). The node checks
// the rules that need the clock or the state of the chain.
type limit struct {
	field string
	late  bool // only Validate checks it
	alone bool // it looks at the value of the field and at nothing else of the operation
	check func(o Operation, v Value) error
}

// alone returns a rule for a value, whatever the other fields hold.
func alone(field string, check func(v Value) error) limit {
	return limit{field: field, alone: true, check: func(_ Operation, v Value) error { return check(v) }}
}

// Fits returns why no operation of this kind can have the value in the field, nil if one can. It
// knows the rules for single values; others, such as that one date is before another, are those of
// [Operation.Validate].
func (d *Definition) Fits(field string, v Value) error {
	for _, l := range d.limits {
		if l.field != field || !l.alone {
			continue
		}
		if err := l.check(Operation{}, v); err != nil {
			return err
		}
	}
	return nil
}

// late returns a rule that is not checked when an operation is read. Either the values are valid
// one by one but not together, or the chain refuses them only when it carries out the operation.
func late(l limit) limit {
	l.late = true
	return l
}

// valid checks the limits, and the late ones only if alsoLate is set.
func (o Operation) valid(alsoLate bool) error {
	for _, l := range o.def.limits {
		if l.late && !alsoLate {
			continue
		}
		v, _ := o.Field(l.field)
		if err := l.check(o, v); err != nil {
			return &FieldError{Operation: o.def.Name, Field: l.field, Err: err}
		}
	}
	return nil
}

func positive(field string) limit {
	return alone(field, func(v Value) error {
		if v.(Asset).Amount <= 0 {
			return wrong(v.(Asset).String(), "is not more than zero")
		}
		return nil
	})
}

// mostCreationFee is the highest fee for a new account that the chain takes.
const mostCreationFee = 1_000_000_000

func atMost(field string, satoshis int64) limit {
	return alone(field, func(v Value) error {
		if a := v.(Asset); a.Amount > satoshis {
			return wrong(a.String(), "is more than %s", Asset{Amount: satoshis, Symbol: a.Symbol})
		}
		return nil
	})
}

func onePositive(fields ...string) limit {
	return limit{field: fields[0], check: func(o Operation, _ Value) error {
		for _, field := range fields {
			if o.get(field).(Asset).Amount > 0 {
				return nil
			}
		}
		return fmt.Errorf("nothing is more than zero in %s", strings.Join(fields, ", "))
	}}
}

func only(field string, symbols ...Symbol) limit {
	return alone(field, func(v Value) error {
		if !slices.Contains(symbols, v.(Asset).Symbol) {
			names := make([]string, len(symbols))
			for i, s := range symbols {
				names[i] = s.String()
			}
			return fmt.Errorf("takes %s, not %s", strings.Join(names, " or "), v.(Asset).Symbol)
		}
		return nil
	})
}

func between(field string, low, high int64) limit {
	return alone(field, func(v Value) error {
		if n := v.(int64); n < low || n > high {
			return wrong(strconv.FormatInt(n, 10), "is not within %d to %d", low, high)
		}
		return nil
	})
}

func productAtMost(most int64, field, other string) limit {
	return limit{field: field, check: func(o Operation, v Value) error {
		if n := v.(int64) * o.get(other).(int64); n > most {
			return fmt.Errorf("times %s is %d, more than %d", other, n, most)
		}
		return nil
	}}
}

func atMostBytes(field string, most int) limit {
	return alone(field, func(v Value) error {
		size := 0
		switch v := v.(type) {
		case string:
			size = len(v)
		case Blob:
			size = len(v)
		}
		if size > most {
			return fmt.Errorf("has %d bytes, more than %d", size, most)
		}
		return nil
	})
}

var permlinkSize = atMostBytes("permlink", 255)

func notEmpty(field string) limit {
	return alone(field, func(v Value) error {
		if v == "" {
			return errors.New("is empty")
		}
		return nil
	})
}

func jsonOrEmpty(field string) limit {
	return alone(field, func(v Value) error {
		if v == "" {
			return nil
		}
		return checkJSON(v.(string))
	})
}

func mustBeJSON(field string) limit {
	return alone(field, func(v Value) error { return checkJSON(v.(string)) })
}

// checkJSON checks the grammar of JSON only. The reader of the text decides about equal names and
// half surrogate pairs.
func checkJSON(text string) error {
	if !jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
		return errors.New("is not JSON text")
	}
	return nil
}

// someone returns a limit: at least one account in all sets together.
func someone(fields ...string) limit {
	return limit{field: fields[0], check: func(o Operation, _ Value) error {
		if o.total(fields) == 0 {
			return errors.New("nobody authorises it")
		}
		return nil
	}}
}

// count returns a limit: at most so many items in all lists together.
func count(most int, fields ...string) limit {
	return limit{field: fields[0], check: func(o Operation, _ Value) error {
		if n := o.total(fields); n > most {
			return fmt.Errorf("has %d entries, more than %d", n, most)
		}
		return nil
	}}
}

func (o Operation) total(fields []string) (n int) {
	for _, field := range fields {
		switch v, _ := o.Field(field); v := v.(type) {
		case []AccountName:
			n += len(v)
		case Beneficiaries:
			n += len(v)
		}
	}
	return n
}

func sharesAtMost(field string, most int) limit {
	return limit{field: field, check: func(_ Operation, v Value) error {
		sum := 0
		for _, b := range v.(Beneficiaries) {
			sum += int(b.Weight)
		}
		if sum > most {
			return fmt.Errorf("the weights come to %d, more than %d", sum, most)
		}
		return nil
	}}
}

// mostEntries is how many keys and accounts an authority may have that makes or recovers an
// account.
const mostEntries = 40

// bounded limits the entries of such an authority, by one rule in every operation.
func bounded(field string) limit {
	return late(limit{field: field, check: func(_ Operation, v Value) error {
		a := v.(Authority)
		if n := len(a.AccountAuths) + len(a.KeyAuths); n > mostEntries {
			return fmt.Errorf("has %d entries, more than %d", n, mostEntries)
		}
		return nil
	}})
}

func satisfiable(field string) limit {
	return limit{field: field, check: func(_ Operation, v Value) error {
		switch a := v.(Authority); {
		case a.open():
			return errors.New("anybody satisfies it")
		case a.impossible():
			return errors.New("nobody can satisfy it")
		}
		return nil
	}}
}

func differs(field, other string) limit {
	return limit{field: field, check: func(o Operation, v Value) error {
		codec := o.def.Fields[o.def.index(field)].codec
		if bytes.Equal(codec.pack(nil, v, Mainnet), codec.pack(nil, o.get(other), Mainnet)) {
			return fmt.Errorf("is the same as %s", other)
		}
		return nil
	}}
}

func oneOf(field string, others ...string) limit {
	return limit{field: field, check: func(o Operation, v Value) error {
		for _, other := range others {
			if o.get(other) == v {
				return nil
			}
		}
		return fmt.Errorf("is none of %s", strings.Join(others, ", "))
	}}
}

func before(field, other string) limit {
	return limit{field: field, check: func(o Operation, v Value) error {
		if v.(Time) >= o.get(other).(Time) {
			return fmt.Errorf("is not before %s", other)
		}
		return nil
	}}
}

// tradeable returns a limit: at the lowest rate, the amount that is sold is worth at least one
// unit, and not more than an amount can be.
func tradeable(field, priceField string) limit {
	return limit{field: field, check: func(o Operation, v Value) error {
		p := o.get(priceField).(Price)
		high, low := bits.Mul64(uint64(v.(Asset).Amount), uint64(p.Quote.Amount))
		base := uint64(p.Base.Amount)
		if high >= base {
			return fmt.Errorf("comes to more than an amount can be, at %s", priceField)
		}
		switch worth, _ := bits.Div64(high, low, base); {
		case worth == 0:
			return fmt.Errorf("comes to nothing, at %s", priceField)
		case worth > math.MaxInt64:
			return fmt.Errorf("comes to more than an amount can be, at %s", priceField)
		}
		return nil
	}}
}

// market returns a limit: the price of the operation is one of HIVE in HBD.
func market(field string) limit {
	return limit{field: field, check: func(o Operation, _ Value) error {
		if _, ok := o.Price(); !ok {
			return errPriceForm
		}
		return nil
	}}
}

func sameSymbol(field, priceField string) limit {
	return limit{field: field, check: func(o Operation, v Value) error {
		if v.(Asset).Symbol != o.get(priceField).(Price).Base.Symbol {
			return fmt.Errorf("is not in the asset of the base of %s", priceField)
		}
		return nil
	}}
}

func proposalIDs(field string) limit {
	return limit{field: field, check: func(_ Operation, v Value) error {
		ids := v.([]int64)
		if len(ids) < 1 || len(ids) > 5 {
			return fmt.Errorf("has %d entries, not 1 to 5", len(ids))
		}
		if ids[0] < 0 {
			return fmt.Errorf("%d is negative", ids[0])
		}
		return nil
	}}
}

func witnessProperties(field string) limit {
	return limit{field: field, check: func(_ Operation, v Value) error {
		p := v.(ChainProperties)
		switch fee := p.AccountCreationFee; {
		case fee.Symbol != HIVE || fee.Amount < 1 || fee.Amount > mostCreationFee:
			return fmt.Errorf("account_creation_fee %s is not within 0.001 HIVE to 1000000.000 HIVE", fee)
		case p.MaximumBlockSize < 65536 || p.MaximumBlockSize > 2097152:
			return fmt.Errorf("maximum_block_size %d is not within 65536 to 2097152", p.MaximumBlockSize)
		case p.HBDInterestRate > 10000:
			return fmt.Errorf("hbd_interest_rate %d is not within 0 to 10000", p.HBDInterestRate)
		}
		return nil
	}}
}

func holdsSigningKey(field string) limit {
	return limit{field: field, check: func(_ Operation, v Value) error {
		if _, ok := signingKey(v.([]Prop)); !ok {
			return errors.New(`has no public key under "key"`)
		}
		return nil
	}}
}

// signingKey returns the key that must sign a witness_set_properties.
func signingKey(props []Prop) (PublicKey, bool) {
	for _, p := range props {
		if p.Name == "key" {
			key, err := PublicKeyFromBytes(p.Value)
			return key, err == nil
		}
	}
	return PublicKey{}, false
}
