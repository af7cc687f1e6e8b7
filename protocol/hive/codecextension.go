package hive

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
)

// optionalCodec is a value that may be absent, which is nil.
type optionalCodec struct{ codec }

func (c optionalCodec) typeName() string { return "optional " + c.codec.typeName() }

func (c optionalCodec) parse(r *jsonReader) Value {
	if r.peek() == 'n' {
		r.token('n', "null")
		return nil
	}
	return c.codec.parse(r)
}

func (c optionalCodec) pack(dst []byte, v Value, n *Network) []byte {
	if v == nil {
		return append(dst, 0)
	}
	return c.codec.pack(append(dst, 1), v, n)
}

func (c optionalCodec) unpack(u *unpacker) Value {
	if present := (boolCodec{}).unpack(u).(bool); !present {
		return nil
	}
	return c.codec.unpack(u)
}

// extensionCodec is a list of extensions that is empty (nil) or has one extension, of the only
// known kind. The body of the extension is an object with one member.
type extensionCodec struct {
	name   string   // of the type
	kind   string   // the name of the alternative
	index  int      // its number
	member []string // the one name in its object
	body   codec
	opened FieldDef            // the field that policies name
	open   func(v Value) Value // its value, also for nil
	// object is set if the node reads only {"type":…,"value":…}, also in legacy JSON, although it
	// prints a pair (tx §3.6).
	object bool
}

func (c extensionCodec) typeName() string { return "set of " + c.name }

func (c extensionCodec) parse(r *jsonReader) (v Value) {
	n := 0
	r.list(func() {
		if n++; n > 1 {
			r.fail(errors.New("more than one extension"))
			return
		}
		v = c.parseOne(r)
	})
	return v
}

// parseOne reads every spelling with one clear meaning. It refuses a pair in HF26 JSON, which mixes
// two spellings, unless the node itself writes this extension as a pair.
func (c extensionCodec) parseOne(r *jsonReader) (v Value) {
	r.tagged(func(r *jsonReader, t tag, object bool) {
		if t.index != c.index && t.name != c.kind {
			r.fail(errors.New("there is no such extension of this operation"))
		}
		if r.hf26 && !object && !c.object {
			r.fail(errors.New("a pair within HF26 JSON mixes two spellings"))
		}
		r.whole(c.member, func(int) { v = c.body.parse(r) })
	})
	return v
}

func (c extensionCodec) write(dst []byte, v Value, n *Network) []byte {
	if v == nil {
		return append(dst, "[]"...)
	}
	if c.object {
		dst = AppendString(append(dst, `[{"type":`...), c.kind)
		dst = append(dst, `,"value":{`...)
	} else {
		dst = append(strconv.AppendInt(append(dst, "[["...), int64(c.index), 10), ",{"...)
	}
	dst = append(AppendString(dst, c.member[0]), ':')
	dst = c.body.write(dst, v, n)
	if c.object {
		return append(dst, "}}]"...)
	}
	return append(dst, "}]]"...)
}

func (c extensionCodec) pack(dst []byte, v Value, n *Network) []byte {
	if v == nil {
		return append(dst, 0)
	}
	return c.body.pack(append(dst, 1, byte(c.index)), v, n)
}

func (c extensionCodec) unpack(u *unpacker) Value {
	switch n := u.uvarint(); {
	case n == 0:
		return nil
	case n > 1:
		u.fail(errors.New("more than one extension"))
		return nil
	}
	if u.uvarint() != uint64(c.index) {
		u.fail(errors.New("there is no such extension of this operation"))
		return nil
	}
	return c.body.unpack(u)
}

// pairIDCodec and endDateCodec have values of types of their own.
type pairIDCodec struct{ intCodec }

func (c pairIDCodec) parse(r *jsonReader) Value { return PairID(c.intCodec.parse(r).(int64)) }
func (c pairIDCodec) unpack(u *unpacker) Value  { return PairID(c.intCodec.unpack(u).(int64)) }

func (c pairIDCodec) write(dst []byte, v Value, n *Network) []byte {
	return c.intCodec.write(dst, int64(v.(PairID)), n)
}

func (c pairIDCodec) pack(dst []byte, v Value, n *Network) []byte {
	return c.intCodec.pack(dst, int64(v.(PairID)), n)
}

type endDateCodec struct{ timeCodec }

func (c endDateCodec) parse(r *jsonReader) Value { return EndDate(c.timeCodec.parse(r).(Time)) }
func (c endDateCodec) unpack(u *unpacker) Value  { return EndDate(c.timeCodec.unpack(u).(Time)) }

func (c endDateCodec) write(dst []byte, v Value, n *Network) []byte {
	return c.timeCodec.write(dst, Time(v.(EndDate)), n)
}

func (c endDateCodec) pack(dst []byte, v Value, n *Network) []byte {
	return c.timeCodec.pack(dst, Time(v.(EndDate)), n)
}

// beneficiariesCodec is a list that the node refuses unless it is sorted. It is not sorted here, so
// that a person sees the order that is signed.
type beneficiariesCodec struct{}

var beneficiaryNames = []string{"account", "weight"}

var errNoBeneficiary = errors.New("has no beneficiary; leave the extension out")

func (beneficiariesCodec) typeName() string { return "list of beneficiary" }

func compareBeneficiaries(a, b Beneficiary) int {
	return byAccount(AccountWeight{Account: a.Account}, AccountWeight{Account: b.Account})
}

func (beneficiariesCodec) parse(r *jsonReader) Value {
	list := Beneficiaries{}
	r.list(func() {
		var b Beneficiary
		r.whole(beneficiaryNames, func(i int) {
			if i == 0 {
				b.Account = accountCodec{}.parse(r).(AccountName)
			} else {
				b.Weight = uint16(r.int(0, math.MaxUint16))
			}
		})
		list = append(list, b)
	})
	if err := list.check(); err != nil {
		r.fail(err)
	}
	return list
}

func (list Beneficiaries) check() error {
	if len(list) == 0 {
		return errNoBeneficiary
	}
	return ascending(list, compareBeneficiaries)
}

func (beneficiariesCodec) write(dst []byte, v Value, _ *Network) []byte {
	dst = append(dst, '[')
	for i, b := range v.(Beneficiaries) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(append(dst, `{"account":`...), string(b.Account))
		dst = strconv.AppendUint(append(dst, `,"weight":`...), uint64(b.Weight), 10)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func (beneficiariesCodec) pack(dst []byte, v Value, _ *Network) []byte {
	list := v.(Beneficiaries)
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, b := range list {
		dst = binary.LittleEndian.AppendUint16(appendText(dst, string(b.Account)), b.Weight)
	}
	return dst
}

func (beneficiariesCodec) unpack(u *unpacker) Value {
	list := make(Beneficiaries, u.count(3))
	for i := range list {
		list[i] = Beneficiary{u.account(false), uint16(u.uint(2))}
	}
	if err := list.check(); err != nil {
		u.fail(err)
	}
	return list
}
