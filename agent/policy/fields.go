package policy

import (
	"encoding/hex"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"pksa/protocol/hive"
)

// Fields that this language adds to those of the chain.
const (
	payeeField = "payee" // who gets value or rights by the operation
	priceField = "price" // HBD for one HIVE
)

// fieldTables holds, for each operation, the fields that rules may name.
var fieldTables = func() map[string]map[string]*shape {
	tables := map[string]map[string]*shape{}
	for _, d := range hive.Definitions() {
		fields := map[string]*shape{payeeField: accountsShape}
		for _, f := range d.Fields {
			if sh := shapeOf(f); sh != nil {
				fields[f.Name] = sh
			}
		}
		// The field that stands for the operation's extensions, such as beneficiaries.
		if f, ok := d.Opened(); ok {
			fields[f.Name] = shapeOf(f)
		}
		if len(d.Price) > 0 {
			fields[priceField] = ratioShape
		}
		tables[d.Name] = fields
	}
	return tables
}()

// fieldsOf returns the fields of an operation by name, none for an unknown one.
func fieldsOf(operation string) map[string]*shape { return fieldTables[operation] }

func fieldNames(operation string) []string {
	return slices.Sorted(maps.Keys(fieldTables[operation]))
}

var shapesByType = map[string]*shape{
	"account": accountShape, "string": textShape, "bool": boolShape, "asset": assetShape, "price": priceShape,
	"int16": numberShape, "int64": numberShape, "uint8": numberShape, "uint16": numberShape, "uint32": numberShape,
	"uint64": numberShape,
	"time":   timeShape, "public_key": keyShape, "authority": authorityShape, "chain_properties": chainPropertiesShape,
	"blob": textShape, "bytes20": textShape, "set of account": accountsShape, "set of int64": numbersShape,
	"list of beneficiary": beneficiariesShape, "map of string to blob": propsShape,
}

// percentages are the numbers of which 10000 is all.
var percentages = map[string]bool{"weight": true, "percent": true, "percent_hbd": true}

// shapeOf returns nil for what no matcher can look at: extensions that are not opened, and what is
// inside of dead operations.
func shapeOf(f hive.FieldDef) *shape {
	sh := shapesByType[strings.TrimPrefix(f.Type, "optional ")]
	switch {
	case sh == nil:
		return nil
	case f.JSON:
		sh = jsonTextShape
	case f.Memo:
		sh = memoShape
	case sh == numberShape && percentages[f.Name]:
		sh = percentShape
	}
	if f.Optional {
		sh = optional(sh)
	}
	return sh
}

// valueOf turns a value of the chain into one that matchers look at.
func valueOf(x hive.Value) value {
	switch x := x.(type) {
	case nil:
		return value{}
	case string:
		return textValue(x)
	case hive.AccountName:
		return textValue(string(x))
	case bool:
		return boolValue(x)
	case int64:
		return integerValue(strconv.FormatInt(x, 10))
	case uint64:
		return integerValue(strconv.FormatUint(x, 10))
	case hive.PairID:
		return countValue(int(x))
	case hive.Asset:
		return assetValue(x)
	case hive.Time:
		return timeValue(x)
	case hive.EndDate:
		return timeValue(hive.Time(x))
	case hive.PublicKey:
		return textValue(x.String())
	case hive.Blob:
		return textValue(hex.EncodeToString(x))
	}
	return compositeValue(x)
}

func compositeValue(x hive.Value) value {
	switch x := x.(type) {
	case hive.Price:
		return mapValue(map[string]value{"base": assetValue(x.Base), "quote": assetValue(x.Quote)})
	case hive.ChainProperties:
		return mapValue(map[string]value{
			"account_creation_fee": assetValue(x.AccountCreationFee),
			"maximum_block_size":   countValue(int(x.MaximumBlockSize)),
			"hbd_interest_rate":    countValue(int(x.HBDInterestRate)),
		})
	case hive.Authority:
		return authorityValue(x)
	case []hive.Prop:
		return propsValue(x)
	case []hive.AccountName:
		return accountsValue(x)
	case []int64:
		v := value{kind: isList}
		for _, n := range x {
			v.items = append(v.items, integerValue(strconv.FormatInt(n, 10)))
		}
		return v
	case hive.Beneficiaries:
		v := value{kind: isList}
		for _, b := range x {
			v.items = append(v.items, mapValue(map[string]value{
				"account": textValue(string(b.Account)), "weight": countValue(int(b.Weight))}))
		}
		return v
	}
	// Only the dead operations hold anything else, and no matcher looks at it.
	return value{kind: isUnreadable}
}

// propsValue opens what a witness sets. What cannot be read is there, and is unclear.
func propsValue(props []hive.Prop) value {
	members := map[string]value{}
	for _, p := range props {
		x, ok := p.Open()
		if !ok {
			members[p.Name] = value{kind: isUnreadable}
			continue
		}
		members[p.Name] = valueOf(x)
	}
	return mapValue(members)
}

func mapValue(members map[string]value) value { return value{kind: isMap, members: members} }

func accountsValue(names []hive.AccountName) value {
	v := value{kind: isList}
	for _, name := range names {
		v.items = append(v.items, textValue(string(name)))
	}
	return v
}

func authorityValue(a hive.Authority) value {
	accounts, keys := value{kind: isList}, value{kind: isList}
	for _, w := range a.AccountAuths {
		accounts.items = append(accounts.items, pairValue(string(w.Account), w.Weight))
	}
	for _, w := range a.KeyAuths {
		keys.items = append(keys.items, pairValue(w.Key.String(), w.Weight))
	}
	return mapValue(map[string]value{
		"weight_threshold": countValue(int(a.WeightThreshold)), "account_auths": accounts, "key_auths": keys})
}

func pairValue(name string, weight uint16) value {
	return value{kind: isList, items: []value{textValue(name), countValue(int(weight))}}
}

// priceOf returns HBD for one HIVE, or what is unreadable if the operation names no price.
func priceOf(op hive.Operation) value {
	r, ok := op.Price()
	if !ok {
		return value{kind: isUnreadable}
	}
	return ratioValue(r)
}

func ratioValue(r *big.Rat) value { return value{kind: isRatio, ratio: r, text: r.FloatString(6)} }
