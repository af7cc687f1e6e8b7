package hive

import (
	"math"
	"math/big"
	"slices"
)

// Authorities is a list of the accounts that must authorise an operation or a transaction, by role,
// ascending and without repetition.
type Authorities struct {
	Owner, Active, Posting []AccountName
	// Other is set if keys are needed that belong to no account. Keys are the authorities that
	// these must satisfy, if the operation names them.
	Other bool
	Keys  []Authority
}

// Required returns the accounts that must authorise the operation (tx §3.3).
func (o Operation) Required() Authorities {
	var a Authorities
	o.require(&a)
	a.tidy()
	return a
}

// Required returns the accounts that must authorise all operations of the transaction.
func (t Transaction) Required() Authorities {
	var a Authorities
	for _, op := range t.Operations {
		op.require(&a)
	}
	a.tidy()
	return a
}

func (o Operation) require(a *Authorities) {
	a.Other = a.Other || o.def.State == WitnessOnly
	for _, s := range o.def.Signers {
		if s.cond != nil && !s.cond(o) {
			continue
		}
		v := o.get(s.Field)
		switch s.Role {
		case Owner:
			a.Owner = appendAccounts(a.Owner, v)
		case Active:
			a.Active = appendAccounts(a.Active, v)
		case Posting:
			a.Posting = appendAccounts(a.Posting, v)
		default:
			a.Keys = appendAuthorities(a.Keys, v)
			a.Other = a.Other || o.def.State == Live || len(a.Keys) > 0
		}
	}
}

func (a *Authorities) tidy() {
	for _, names := range []*[]AccountName{&a.Owner, &a.Active, &a.Posting} {
		if len(*names) > 1 {
			slices.Sort(*names)
			*names = slices.Compact(*names)
		}
	}
}

func appendAuthorities(dst []Authority, v Value) []Authority {
	switch v := v.(type) {
	case Authority:
		return append(dst, v)
	case []Authority:
		return append(dst, v...)
	case PublicKey:
		return append(dst, keyAlone(v))
	case []Prop:
		if key, ok := signingKey(v); ok {
			return append(dst, keyAlone(key))
		}
	}
	return dst
}

func keyAlone(key PublicKey) Authority {
	return Authority{WeightThreshold: 1, KeyAuths: []KeyWeight{{Key: key, Weight: 1}}}
}

// appendAccounts appends the accounts that a value names.
func appendAccounts(dst []AccountName, v Value) []AccountName {
	switch v := v.(type) {
	case AccountName:
		if v != "" {
			dst = append(dst, v)
		}
	case []AccountName:
		dst = append(dst, v...)
	case Beneficiaries:
		for _, b := range v {
			dst = append(dst, b.Account)
		}
	case Authority:
		for _, w := range v.AccountAuths {
			dst = append(dst, w.Account)
		}
	case []Authority:
		for _, a := range v {
			dst = appendAccounts(dst, a)
		}
	case Variant:
		return appendAccounts(dst, v.Value)
	case Record: // of mining: the miner comes first
		return appendAccounts(dst, v[0])
	}
	return dst
}

// Accounts returns the accounts that the operation names in its fields, ascending and without
// repetition. What stands inside JSON or text is not looked at.
func (o Operation) Accounts() []AccountName {
	var names []AccountName
	for _, field := range o.def.Fields {
		v, _ := o.Field(field.Name)
		names = appendAccounts(names, v)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Amounts returns the amounts that stand in the fields of the operation, also those of nothing.
func (o Operation) Amounts() []Asset {
	var amounts []Asset
	for _, v := range o.values {
		if a, ok := v.(Asset); ok {
			amounts = append(amounts, a)
		}
	}
	return amounts
}

// Payees returns the accounts to which the operation gives value, vesting, a delegation, a route, a
// proxy, a benefit or a right over the account, ascending and without repetition. An author whom a
// vote rewards from the common pool is not among them.
func (o Operation) Payees() []AccountName {
	var names []AccountName
	for _, field := range o.def.Payees {
		v, _ := o.Field(field)
		names = appendAccounts(names, v)
	}
	if len(names) == 0 && o.def.Name == "transfer_to_vesting" { // an empty to means the sender
		names = appendAccounts(names, o.get("from"))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// WitnessKey returns the key of the witness that must sign the operation; false for operations that
// need no such key.
func (o Operation) WitnessKey() (PublicKey, bool) {
	for _, s := range o.def.Signers {
		if props, ok := o.get(s.Field).([]Prop); ok && s.Role == Signing {
			return signingKey(props)
		}
	}
	return PublicKey{}, false
}

// Takeover reports whether the operation can give the account to somebody else: any account_update,
// and an account_update2 with an authority or a memo key.
func (o Operation) Takeover() bool {
	for _, field := range o.def.Takeover {
		if o.get(field) != nil {
			return true
		}
	}
	return false
}

// PlainMemo reports whether the operation has a memo that begins with "#" and is not encrypted. Its
// writer believes that it is secret, but everybody could read it (tx §4.2).
func (o Operation) PlainMemo() bool {
	for i, field := range o.def.Fields {
		if field.Memo {
			memo := o.values[i].(string)
			return len(memo) > 0 && memo[0] == '#' && !IsEncryptedMemo(memo)
		}
	}
	return false
}

// Spend returns the highest cost of the operation: one amount for each asset, in the order HIVE,
// HBD, VESTS, and none if it costs nothing. A cost above the largest int64 becomes the largest
// int64.
func (o Operation) Spend() []Asset {
	var sums [VESTS + 1]uint64
	for _, cost := range o.def.Spends {
		a := o.cost(cost)
		sums[a.Symbol] = saturate(sums[a.Symbol] + uint64(a.Amount))
	}
	var spent []Asset
	for symbol := HIVE; symbol <= VESTS; symbol++ {
		if sums[symbol] > 0 {
			spent = append(spent, Asset{Amount: int64(sums[symbol]), Symbol: symbol})
		}
	}
	return spent
}

func (o Operation) cost(c Cost) Asset {
	if c.Field == proposalFee {
		return o.proposalFee()
	}
	a := o.get(c.Field).(Asset)
	if c.Times == "" {
		return a
	}
	times := o.get(c.Times).(int64)
	if times > 0 && a.Amount > math.MaxInt64/times {
		return Asset{Amount: math.MaxInt64, Symbol: a.Symbol}
	}
	return Asset{Amount: a.Amount * times, Symbol: a.Symbol}
}

func saturate(n uint64) uint64 { return min(n, math.MaxInt64) }

// proposalFee returns the fee of a proposal: 10 HBD, and 1 HBD for each whole day above sixty.
func (o Operation) proposalFee() Asset {
	const day, free = 24 * 60 * 60, 60
	start, end := int64(o.get("start_date").(Time)), int64(o.get("end_date").(Time))
	extra := max((end-start)/day-free, 0)
	return Asset{Amount: 10_000 + 1_000*extra, Symbol: HBD}
}

// Price returns how many HBD the operation offers or wants for one HIVE, exactly. It is false if
// the operation has no such price.
func (o Operation) Price() (*big.Rat, bool) {
	switch fields := o.def.Price; len(fields) {
	case 1:
		switch v := o.get(fields[0]).(type) {
		case Price:
			return v.HBDPerHIVE()
		case []Prop:
			for _, p := range v {
				if rate, ok := p.Open(); ok && p.Name == propRate {
					return rate.(Price).HBDPerHIVE()
				}
			}
		}
	case 2:
		return Price{Base: o.get(fields[0]).(Asset), Quote: o.get(fields[1]).(Asset)}.HBDPerHIVE()
	}
	return nil, false
}
