package hive

import (
	"errors"
	"math/big"
)

// Value is the value of a field of an operation. Its dynamic type is one of
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
//	Beneficiaries       the extension of comment_options
//	PairID              the extension of recurrent_transfer
//	EndDate             the extension of update_proposal
//	Empty               empty
//	Record, Variant     inside the dead mining operations only
//	nil                 an optional that is absent, extensions without any
//
// A value belongs to its operation and must not be changed.
type Value any

// Blob is raw bytes, hex in JSON.
type Blob []byte

// Empty is a list of extensions that is always empty.
type Empty struct{}

// Authority is a list of keys and accounts with weights that may act together, if their weights
// reach the threshold. Both lists are ascending and without repetition: accounts by bytes, keys by
// their 33 raw bytes.
type Authority struct {
	WeightThreshold uint32
	AccountAuths    []AccountWeight
	KeyAuths        []KeyWeight
}

// AccountWeight is an account in an [Authority].
type AccountWeight struct {
	Account AccountName
	Weight  uint16
}

// KeyWeight is a key in an [Authority].
type KeyWeight struct {
	Key    PublicKey
	Weight uint16
}

// open reports whether everybody satisfies the authority.
func (a Authority) open() bool { return a.WeightThreshold == 0 }

// impossible reports whether all signers together cannot satisfy it.
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

// ChainProperties is the settings of the chain that a witness votes for (tx §3.1).
type ChainProperties struct {
	AccountCreationFee Asset
	MaximumBlockSize   uint32
	HBDInterestRate    uint16
}

// Prop is one entry of witness_set_properties: a name and a packed value (tx §3.8), which stays as
// it came.
type Prop struct {
	Name  string
	Value Blob
}

// Beneficiaries is the list of those who share the rewards of a post: at least one, ascending by
// name.
type Beneficiaries []Beneficiary

// Beneficiary is an account that gets Weight ten-thousandths of the rewards.
type Beneficiary struct {
	Account AccountName
	Weight  uint16
}

// PairID is the number that distinguishes recurrent transfers between the same two accounts.
type PairID uint8

// EndDate is the new end of a proposal.
type EndDate Time

// Record is a group of values in the order of the bytes.
type Record []Value

// Variant is one of several alternatives, with its number.
type Variant struct {
	Index int
	Value Value
}

// Price is an exchange rate: the amount Base for the amount Quote.
type Price struct{ Base, Quote Asset }

// String returns a text such as "1.000 HBD for 2.000 HIVE".
func (p Price) String() string { return p.Base.String() + " for " + p.Quote.String() }

// errPriceForm is the error for a price that has no [Price.HBDPerHIVE].
var errPriceForm = errors.New("wants HIVE on one side and HBD on the other, both more than zero")

// HBDPerHIVE returns how many HBD one HIVE costs at this price, exactly. It is false unless one
// side is HIVE, the other side is HBD, and both are positive.
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
