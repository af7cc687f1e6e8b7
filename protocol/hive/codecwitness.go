package hive

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
)

// chainPropertiesCodec is the proposal of a witness in witness_update.
type chainPropertiesCodec struct{}

// errFeeSymbol: the chain packs this fee as HIVE, whatever its symbol.
var errFeeSymbol = errors.New("account_creation_fee is not in HIVE")

var chainPropertiesNames = []string{"account_creation_fee", "maximum_block_size", "hbd_interest_rate"}

func (chainPropertiesCodec) typeName() string { return "chain_properties" }

func (chainPropertiesCodec) parse(r *jsonReader) Value {
	var p ChainProperties
	r.whole(chainPropertiesNames, func(i int) {
		switch i {
		case 0:
			if p.AccountCreationFee = r.asset(); p.AccountCreationFee.Symbol != HIVE {
				r.fail(errFeeSymbol)
			}
		case 1:
			p.MaximumBlockSize = uint32(r.int(0, math.MaxUint32))
		case 2:
			p.HBDInterestRate = uint16(r.int(0, math.MaxUint16))
		}
	})
	return p
}

func (chainPropertiesCodec) write(dst []byte, v Value, n *Network) []byte {
	p := v.(ChainProperties)
	dst = n.appendAssetJSON(append(dst, `{"account_creation_fee":`...), p.AccountCreationFee)
	dst = strconv.AppendUint(append(dst, `,"maximum_block_size":`...), uint64(p.MaximumBlockSize), 10)
	dst = strconv.AppendUint(append(dst, `,"hbd_interest_rate":`...), uint64(p.HBDInterestRate), 10)
	return append(dst, '}')
}

func (chainPropertiesCodec) pack(dst []byte, v Value, n *Network) []byte {
	p := v.(ChainProperties)
	dst = n.appendPackedAsset(dst, p.AccountCreationFee)
	dst = binary.LittleEndian.AppendUint32(dst, p.MaximumBlockSize)
	return binary.LittleEndian.AppendUint16(dst, p.HBDInterestRate)
}

func (chainPropertiesCodec) unpack(u *unpacker) Value {
	fee := u.asset()
	if fee.Symbol != HIVE {
		u.fail(errFeeSymbol)
	}
	size := uint32(u.uint(4))
	return ChainProperties{AccountCreationFee: fee, MaximumBlockSize: size, HBDInterestRate: uint16(u.uint(2))}
}

// propsCodec is the map of witness_set_properties.
type propsCodec struct{}

var propValue = hexCodec{name: "blob"}

func (propsCodec) typeName() string { return "map of string to blob" }

func byPropName(a, b Prop) int { return cmp.Compare(a.Name, b.Name) }

func (propsCodec) parse(r *jsonReader) Value {
	props := []Prop{}
	r.list(func() {
		r.token('[', "a pair")
		name := r.text()
		props = append(props, Prop{Name: name, Value: propValue.parse(r).(Blob)})
		r.token(']', "the end of the pair")
	})
	return sorted(r, props, byPropName)
}

func (propsCodec) write(dst []byte, v Value, n *Network) []byte {
	dst = append(dst, '[')
	for i, p := range v.([]Prop) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(append(dst, '['), p.Name), ',')
		dst = append(propValue.write(dst, p.Value, n), ']')
	}
	return append(dst, ']')
}

func (propsCodec) pack(dst []byte, v Value, n *Network) []byte {
	props := v.([]Prop)
	dst = binary.AppendUvarint(dst, uint64(len(props)))
	for _, p := range props {
		dst = propValue.pack(appendText(dst, p.Name), p.Value, n)
	}
	return dst
}

func (propsCodec) unpack(u *unpacker) Value {
	props := make([]Prop, u.count(2))
	for i := range props {
		props[i].Name = u.text()
		props[i].Value = propValue.unpack(u).(Blob)
	}
	return checkAscending(u, props, byPropName)
}
