package hive

import "math"

// The types of fields (tx §3.1).
var (
	account      = accountCodec{}
	maybeAccount = accountCodec{mayBeEmpty: true}
	accounts     = accountSetCodec{}
	text         = textCodec{}
	boolean      = boolCodec{}
	amount       = assetCodec{}
	price        = priceCodec{}
	date         = timeCodec{}
	authority    = authorityCodec{}
	publicKey    = keyCodec{}
	nullableKey  = keyCodec{mayBeNull: true}
	blob         = hexCodec{name: "blob"}
	bytes20      = hexCodec{name: "bytes20", size: 20}
	bytes32      = hexCodec{name: "bytes32", size: 32}
	properties   = chainPropertiesCodec{}

	int16s   = intCodec{"int16", 2, math.MinInt16, math.MaxInt16}
	int64s   = intCodec{"int64", 8, math.MinInt64, math.MaxInt64}
	uint8s   = intCodec{"uint8", 1, 0, math.MaxUint8}
	uint16s  = intCodec{"uint16", 2, 0, math.MaxUint16}
	uint32s  = intCodec{"uint32", 4, 0, math.MaxUint32}
	uint64s  = uint64Codec{}
	idSet    = intsCodec{name: "set of int64", item: int64s, ascending: true}
	uintList = intsCodec{name: "list of uint32", item: uint32s}
)

func f(name string, c codec) FieldDef {
	return FieldDef{Name: name, Type: c.typeName(), codec: c}
}

// or returns the field as one that JSON may leave out; it then has that value.
func (f FieldDef) or(v Value) FieldDef {
	f.absent, f.mayBeAbsent = v, true
	return f
}

func optional(name string, c codec) FieldDef {
	field := f(name, optionalCodec{c}).or(nil)
	field.Optional = true
	return field
}

func memoField() FieldDef {
	field := f("memo", text).or("")
	field.Memo = true
	return field
}

func jsonField(name string) FieldDef {
	field := f(name, text)
	field.JSON, field.MayBeEmpty = true, true
	return field
}

// filledJSONField returns a field whose text is always JSON.
func filledJSONField(name string) FieldDef {
	field := jsonField(name)
	field.MayBeEmpty = false
	return field
}

func noExtensions() FieldDef { return f("extensions", emptyCodec{}).or(Empty{}) }

func extension(c extensionCodec) FieldDef { return f("extensions", c).or(nil) }

var (
	beneficiariesExtension = extensionCodec{
		name: "comment_options_extension", kind: "comment_payout_beneficiaries", index: 0,
		member: []string{"beneficiaries"}, body: beneficiariesCodec{},
		opened: FieldDef{Name: "beneficiaries", Type: "list of beneficiary"},
		open: func(v Value) Value {
			if v == nil {
				return Beneficiaries{}
			}
			return v
		},
	}
	pairIDExtension = extensionCodec{
		name: "recurrent_transfer_extension", kind: "recurrent_transfer_pair_id", index: 1,
		member: []string{"pair_id"}, body: pairIDCodec{uint8s}, object: true,
		opened: FieldDef{Name: "pair_id", Type: "uint8"},
		open: func(v Value) Value {
			id, _ := v.(PairID)
			return int64(id)
		},
	}
	endDateExtension = extensionCodec{
		name: "update_proposal_extension", kind: "update_proposal_end_date", index: 1,
		member: []string{"end_date"}, body: endDateCodec{},
		opened: FieldDef{Name: "end_date", Type: "optional time", Optional: true},
		open: func(v Value) Value {
			if end, ok := v.(EndDate); ok {
				return Time(end)
			}
			return nil
		},
	}
)

func fieldNames(fields []FieldDef) []string {
	names := make([]string, len(fields))
	for i, field := range fields {
		names[i] = field.Name
	}
	return names
}
