package hive

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"strconv"
)

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

// weights reads a list of pairs: an account or key, and its weight.
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

// authorityListCodec is a list of authorities that keeps its order. Only custom_binary has one.
type authorityListCodec struct{}

func (authorityListCodec) typeName() string { return "list of authority" }

func (authorityListCodec) parse(r *jsonReader) Value {
	list := []Authority{}
	r.list(func() { list = append(list, authorityCodec{}.parse(r).(Authority)) })
	return list
}

func (authorityListCodec) write(dst []byte, v Value, n *Network) []byte {
	dst = append(dst, '[')
	for i, a := range v.([]Authority) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = authorityCodec{}.write(dst, a, n)
	}
	return append(dst, ']')
}

func (authorityListCodec) pack(dst []byte, v Value, n *Network) []byte {
	list := v.([]Authority)
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, a := range list {
		dst = authorityCodec{}.pack(dst, a, n)
	}
	return dst
}

func (authorityListCodec) unpack(u *unpacker) Value {
	list := make([]Authority, u.count(6))
	for i := range list {
		list[i] = authorityCodec{}.unpack(u).(Authority)
	}
	return list
}
