package hive

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Sets and maps: the node sorts them before it packs, so the sorted form is
// what is signed (tx §3.1). Repetition is refused where the node would keep the
// first.

var (
	errRepeated = errors.New("an entry comes twice")
	errUnsorted = errors.New("the entries are not in ascending order")
)

// ascending reports what keeps items from being a set in order.
func ascending[T any](items []T, compare func(a, b T) int) error {
	for i := 1; i < len(items); i++ {
		switch c := compare(items[i-1], items[i]); {
		case c == 0:
			return errRepeated
		case c > 0:
			return errUnsorted
		}
	}
	return nil
}

func sorted[T any](r *jsonReader, items []T, compare func(a, b T) int) []T {
	slices.SortFunc(items, compare)
	if err := ascending(items, compare); err != nil {
		r.fail(err)
	}
	return items
}

func checkAscending[T any](u *unpacker, items []T, compare func(a, b T) int) []T {
	if err := ascending(items, compare); err != nil {
		u.fail(err)
	}
	return items
}

// accountSetCodec is a set of accounts.
type accountSetCodec struct{}

func (accountSetCodec) typeName() string { return "set of account" }

func (accountSetCodec) parse(r *jsonReader) Value {
	names := []AccountName{}
	r.list(func() { names = append(names, accountCodec{}.parse(r).(AccountName)) })
	return sorted(r, names, cmp.Compare[AccountName])
}

func (accountSetCodec) write(dst []byte, v Value, _ *Network) []byte {
	dst = append(dst, '[')
	for i, name := range v.([]AccountName) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, string(name))
	}
	return append(dst, ']')
}

func (accountSetCodec) pack(dst []byte, v Value, _ *Network) []byte {
	names := v.([]AccountName)
	dst = binary.AppendUvarint(dst, uint64(len(names)))
	for _, name := range names {
		dst = appendText(dst, string(name))
	}
	return dst
}

func (accountSetCodec) unpack(u *unpacker) Value {
	names := make([]AccountName, u.count(1))
	for i := range names {
		names[i] = u.account(false)
	}
	return checkAscending(u, names, cmp.Compare[AccountName])
}

// intsCodec is a list of integers. With ascending it is a set that the node
// refuses unsorted instead of sorting it.
type intsCodec struct {
	name      string
	item      intCodec
	ascending bool
}

func (c intsCodec) typeName() string { return c.name }

func (c intsCodec) parse(r *jsonReader) Value {
	items := []int64{}
	r.list(func() { items = append(items, c.item.parse(r).(int64)) })
	if err := c.check(items); err != nil {
		r.fail(err)
	}
	return items
}

func (c intsCodec) check(items []int64) error {
	if !c.ascending {
		return nil
	}
	return ascending(items, cmp.Compare[int64])
}

func (c intsCodec) write(dst []byte, v Value, _ *Network) []byte {
	dst = append(dst, '[')
	for i, item := range v.([]int64) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONInt(dst, item)
	}
	return append(dst, ']')
}

func (c intsCodec) pack(dst []byte, v Value, n *Network) []byte {
	items := v.([]int64)
	dst = binary.AppendUvarint(dst, uint64(len(items)))
	for _, item := range items {
		dst = c.item.pack(dst, item, n)
	}
	return dst
}

func (c intsCodec) unpack(u *unpacker) Value {
	items := make([]int64, u.count(c.item.size))
	for i := range items {
		items[i] = c.item.unpack(u).(int64)
	}
	if err := c.check(items); err != nil {
		u.fail(err)
	}
	return items
}

// hexCodec is raw bytes: size of them, or any number if size is 0.
type hexCodec struct {
	name string
	size int
}

func (c hexCodec) typeName() string { return c.name }

func (c hexCodec) parse(r *jsonReader) Value {
	text := r.text()
	if r.err != nil {
		return Blob{}
	}
	raw, err := hex.DecodeString(text)
	if err != nil {
		r.fail(fmt.Errorf("%s is not hexadecimal", quote(text)))
	}
	if c.size > 0 && len(raw) != c.size {
		r.fail(fmt.Errorf("wants %d bytes, not %d", c.size, len(raw)))
	}
	return Blob(raw)
}

func (hexCodec) write(dst []byte, v Value, _ *Network) []byte {
	dst = hex.AppendEncode(append(dst, '"'), v.(Blob))
	return append(dst, '"')
}

func (c hexCodec) pack(dst []byte, v Value, _ *Network) []byte {
	blob := v.(Blob)
	if c.size == 0 {
		dst = binary.AppendUvarint(dst, uint64(len(blob)))
	}
	return append(dst, blob...)
}

func (c hexCodec) unpack(u *unpacker) Value {
	size := c.size
	if size == 0 {
		size = u.count(1)
	}
	return Blob(bytes.Clone(u.bytes(size)))
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

// authorityCodec is a threshold and two maps.
type authorityCodec struct{}

var authorityNames = []string{"weight_threshold", "account_auths", "key_auths"}

func (authorityCodec) typeName() string { return "authority" }

func byAccount(a, b AccountWeight) int { return cmp.Compare(a.Account, b.Account) }
func byKey(a, b KeyWeight) int         { return bytes.Compare(a.Key[:], b.Key[:]) }

func (authorityCodec) parse(r *jsonReader) Value {
	a := Authority{AccountAuths: []AccountWeight{}, KeyAuths: []KeyWeight{}}
	r.whole(authorityNames, func(i int) {
		switch i {
		case 0:
			a.WeightThreshold = uint32(r.int(0, math.MaxUint32))
		case 1:
			r.weights(func() {
				a.AccountAuths = append(a.AccountAuths, AccountWeight{Account: accountCodec{}.parse(r).(AccountName)})
			},
				func(w uint16) { a.AccountAuths[len(a.AccountAuths)-1].Weight = w })
		case 2:
			r.weights(func() { a.KeyAuths = append(a.KeyAuths, KeyWeight{Key: r.key(false)}) },
				func(w uint16) { a.KeyAuths[len(a.KeyAuths)-1].Weight = w })
		}
	})
	sorted(r, a.AccountAuths, byAccount)
	sorted(r, a.KeyAuths, byKey)
	return a
}

// weights reads a list of pairs of something and its weight.
func (r *jsonReader) weights(who func(), weight func(uint16)) {
	r.list(func() {
		r.token('[', "a pair")
		who()
		weight(uint16(r.int(0, math.MaxUint16)))
		r.token(']', "the end of the pair")
	})
}

func (authorityCodec) write(dst []byte, v Value, n *Network) []byte {
	a := v.(Authority)
	dst = strconv.AppendUint(append(dst, `{"weight_threshold":`...), uint64(a.WeightThreshold), 10)
	dst = append(dst, `,"account_auths":[`...)
	for i, w := range a.AccountAuths {
		dst = appendWeightJSON(dst, i, string(w.Account), w.Weight)
	}
	dst = append(dst, `],"key_auths":[`...)
	for i, w := range a.KeyAuths {
		dst = appendWeightJSON(dst, i, w.Key.Text(n.KeyPrefix), w.Weight)
	}
	return append(dst, "]}"...)
}

func appendWeightJSON(dst []byte, i int, who string, weight uint16) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	dst = append(AppendString(append(dst, '['), who), ',')
	return append(strconv.AppendUint(dst, uint64(weight), 10), ']')
}

func (authorityCodec) pack(dst []byte, v Value, _ *Network) []byte {
	a := v.(Authority)
	dst = binary.LittleEndian.AppendUint32(dst, a.WeightThreshold)
	dst = binary.AppendUvarint(dst, uint64(len(a.AccountAuths)))
	for _, w := range a.AccountAuths {
		dst = binary.LittleEndian.AppendUint16(appendText(dst, string(w.Account)), w.Weight)
	}
	dst = binary.AppendUvarint(dst, uint64(len(a.KeyAuths)))
	for _, w := range a.KeyAuths {
		dst = binary.LittleEndian.AppendUint16(append(dst, w.Key[:]...), w.Weight)
	}
	return dst
}

func (authorityCodec) unpack(u *unpacker) Value {
	a := Authority{WeightThreshold: uint32(u.uint(4))}
	a.AccountAuths = make([]AccountWeight, u.count(3))
	for i := range a.AccountAuths {
		a.AccountAuths[i] = AccountWeight{u.account(false), uint16(u.uint(2))}
	}
	a.KeyAuths = make([]KeyWeight, u.count(35))
	for i := range a.KeyAuths {
		a.KeyAuths[i] = KeyWeight{u.key(false), uint16(u.uint(2))}
	}
	checkAscending(u, a.AccountAuths, byAccount)
	checkAscending(u, a.KeyAuths, byKey)
	return a
}

// chainPropertiesCodec is what a witness proposes in witness_update.
type chainPropertiesCodec struct{}

var chainPropertiesNames = []string{"account_creation_fee", "maximum_block_size", "hbd_interest_rate"}

func (chainPropertiesCodec) typeName() string { return "chain_properties" }

func (chainPropertiesCodec) parse(r *jsonReader) Value {
	var p ChainProperties
	r.whole(chainPropertiesNames, func(i int) {
		switch i {
		case 0:
			p.AccountCreationFee = r.asset()
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
	size := uint32(u.uint(4))
	return ChainProperties{AccountCreationFee: fee, MaximumBlockSize: size, HBDInterestRate: uint16(u.uint(2))}
}
