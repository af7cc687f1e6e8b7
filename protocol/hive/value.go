package hive

import (
	"errors"
	"math/big"
)

// Value is what a field of an operation holds. Its dynamic type is one of
//
//	string              string
//	AccountName         account; "" where the chain lets it be empty
//	bool                bool
//	int64               int16, int64, uint8, uint16, uint32
//	uint64              uint64
//	Asset, Price, Time  asset, price, time
//	PublicKey           public_key; the zero value is the null key
//	Authority           authority
//	ChainProperties     chain_properties
//	Blob                blob, bytes20 and other raw bytes
//	[]AccountName       set of account, ascending
//	[]int64             set of int64 (ascending) and list of uint32
//	[]Authority         list of authority
//	[]Prop              map of string to blob, ascending by name
//	Beneficiaries       what comment_options carries in its extensions
//	PairID              what recurrent_transfer carries in its extensions
//	EndDate             what update_proposal carries in its extensions
//	Empty               empty
//	Record, Variant     inside the dead mining operations only
//	nil                 an optional that is absent, extensions without any
//
// A value belongs to its operation: what it points to must not be changed.
type Value any

// Blob is raw bytes, hex in JSON.
type Blob []byte

// Empty is the list of extensions that never has any.
type Empty struct{}

// Authority says who may act: keys and accounts with weights, which together must reach the
// threshold. Both lists are ascending and without repetition: accounts by bytes, keys by their 33
// raw bytes.
type Authority struct {
	WeightThreshold uint32
	AccountAuths    []AccountWeight
	KeyAuths        []KeyWeight
}

// AccountWeight is an account within an [Authority].
type AccountWeight struct {
	Account AccountName
	Weight  uint16
}

// KeyWeight is a key within an [Authority].
type KeyWeight struct {
	Key    PublicKey
	Weight uint16
}

// open reports whether anybody at all satisfies the authority.
func (a Authority) open() bool { return a.WeightThreshold == 0 }

// impossible reports whether all signers together do not satisfy it.
func (a Authority) impossible() bool {
	var sum uint64
	for _, w := range a.AccountAuths {
		sum += uint64(w.Weight)
	}
	for _, w := range a.KeyAuths {
		sum += uint64(w.Weight)
	}
	return sum < uint64(a.WeightThreshold)
}

// ChainProperties is what a witness votes for (tx §3.1).
type ChainProperties struct {
	AccountCreationFee Asset
	MaximumBlockSize   uint32
	HBDInterestRate    uint16
}

// Prop is one entry of witness_set_properties: a name and a packed value (tx §3.8), which is passed
// on as it came.
type Prop struct {
	Name  string
	Value Blob
}

// Beneficiaries share the rewards of a post: at least one, ascending by name.
type Beneficiaries []Beneficiary

// Beneficiary gets Weight ten-thousandths of the rewards.
type Beneficiary struct {
	Account AccountName
	Weight  uint16
}

// PairID tells recurrent transfers between the same two accounts apart.
type PairID uint8

// EndDate is the new end of a proposal.
type EndDate Time

// Record is a group of values in the order of the bytes.
type Record []Value

// Variant is one of several alternatives, by its number.
type Variant struct {
	Index int
	Value Value
}

// Price is one amount for another.
type Price struct{ Base, Quote Asset }

// String reads "1.000 HBD for 2.000 HIVE".
func (p Price) String() string { return p.Base.String() + " for " + p.Quote.String() }

// errPriceForm explains [Price.HBDPerHIVE]'s false where an error is wanted.
var errPriceForm = errors.New("wants HIVE on one side and HBD on the other, both more than zero")

// HBDPerHIVE returns how many HBD one HIVE costs at this price, exactly. It is false unless one
// side is HIVE, the other HBD, and both are positive.
func (p Price) HBDPerHIVE() (*big.Rat, bool) {
	hbd, hive := p.Base, p.Quote
	if hbd.Symbol == HIVE {
		hbd, hive = hive, hbd
	}
	if hbd.Symbol != HBD || hive.Symbol != HIVE || hbd.Amount <= 0 || hive.Amount <= 0 {
		return nil, false
	}
	return big.NewRat(hbd.Amount, hive.Amount), true
}
