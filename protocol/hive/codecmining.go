package hive

import (
	"errors"
	"fmt"
	"strconv"
)

// recordCodec is a group of fields. Only dead operations have such groups.
type recordCodec struct {
	name   string
	fields []FieldDef
}

func (c recordCodec) typeName() string { return c.name }

func (c recordCodec) parse(r *jsonReader) Value {
	rec := make(Record, len(c.fields))
	r.whole(fieldNames(c.fields), func(i int) { rec[i] = c.fields[i].codec.parse(r) })
	return rec
}

func (c recordCodec) write(dst []byte, v Value, n *Network) []byte {
	for i, x := range v.(Record) {
		dst = append(dst, "{,"[min(i, 1)])
		dst = append(AppendString(dst, c.fields[i].Name), ':')
		dst = c.fields[i].codec.write(dst, x, n)
	}
	return append(dst, '}')
}

func (c recordCodec) pack(dst []byte, v Value, n *Network) []byte {
	for i, x := range v.(Record) {
		dst = c.fields[i].codec.pack(dst, x, n)
	}
	return dst
}

func (c recordCodec) unpack(u *unpacker) Value {
	rec := make(Record, len(c.fields))
	for i := range rec {
		rec[i] = c.fields[i].codec.unpack(u)
	}
	return rec
}

// variantCodec is one of several records, chosen by a number.
type variantCodec struct {
	name  string
	kinds []recordCodec
}

func (c variantCodec) typeName() string { return c.name }

func (c variantCodec) parse(r *jsonReader) Value {
	var v Variant
	r.tagged(func(r *jsonReader, t tag, object bool) {
		if r.hf26 && !object {
			r.fail(errors.New("a pair within HF26 JSON mixes two spellings"))
		}
		for i, kind := range c.kinds {
			if t.index == i || t.name == kind.name {
				v = Variant{Index: i, Value: kind.parse(r)}
				return
			}
		}
		r.fail(fmt.Errorf("%s is none of its kinds", quote(t.name)))
	})
	return v
}

func (c variantCodec) write(dst []byte, v Value, n *Network) []byte {
	x := v.(Variant)
	dst = strconv.AppendInt(append(dst, '['), int64(x.Index), 10)
	return append(c.kinds[x.Index].write(append(dst, ','), x.Value, n), ']')
}

func (c variantCodec) pack(dst []byte, v Value, n *Network) []byte {
	x := v.(Variant)
	return c.kinds[x.Index].pack(append(dst, byte(x.Index)), x.Value, n)
}

func (c variantCodec) unpack(u *unpacker) Value {
	i := u.uvarint()
	if i >= uint64(len(c.kinds)) {
		u.fail(fmt.Errorf("%d is none of its kinds", i))
		return Variant{Value: make(Record, len(c.kinds[0].fields))}
	}
	return Variant{Index: int(i), Value: c.kinds[i].unpack(u)}
}
