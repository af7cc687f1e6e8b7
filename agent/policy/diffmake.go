package policy

import (
	"maps"
	"slices"
	"strings"

	"pksa/protocol/hive"
)

// Requests are made of values as applications write them: nil, bool, string, number, []any,
// map[string]any, and the words below, which stand for what is known once the request is whole.

// number is a JSON number as it is written.
type number string

// rawJSON is a JSON text that no value has, such as one with a name that stands twice.
type rawJSON string

// leftOut is what is not written at all.
type leftOut struct{}

// whatever is a text that gives way to any other value in its place.
type whatever struct{}

// ownAccount is the account of the request.
type ownAccount struct{}

// ownText is a text with ownMark in the place of the account of the request.
type ownText string

const ownMark = "\x00"

func (t ownText) of(account string) string { return strings.ReplaceAll(string(t), ownMark, account) }

// fieldOf is a field of another operation of the same transaction.
type fieldOf sameAs

// fields are those fields of an operation that differ from the usual ones.
type fields map[string]any

// madeOp is an operation that is made: its name, and fields of which later ones replace earlier
// ones.
type madeOp struct {
	name  string
	parts []fields
}

// Names of nobody whom a policy is likely to name.
const (
	madeStranger = "some.stranger"
	madeAgent    = "some.agent"
	madeLater    = "2030-01-02T00:00:00"
	madeKey      = "STM6LLegbAgLAy28EHrffBVuANFWcFgmqRMW13wBmTExqFE9SCkg4"
	madePoint    = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798" // the same in bytes
)

var madeAuthority = map[string]any{"weight_threshold": number("1"), "account_auths": []any{},
	"key_auths": []any{[]any{madeKey, number("1")}}}

// usualFields are values of fields that have no usual one by their type.
var usualFields = map[string]fields{
	"comment":                {"parent_permlink": "x", "body": "x"},
	"comment_options":        {"max_accepted_payout": "1000000.000 HBD"},
	"claim_reward_balance":   {"reward_hbd": "1.000 HBD", "reward_vests": "1.000000 VESTS"},
	"limit_order_create":     {"min_to_receive": "1.000 HBD"},
	"convert":                {"amount": "1.000 HBD"},
	"escrow_transfer":        {"agent": madeAgent, "hbd_amount": "1.000 HBD", "escrow_expiration": madeLater},
	"escrow_dispute":         {"from": ownAccount{}, "agent": madeAgent},
	"escrow_release":         {"from": ownAccount{}, "agent": madeAgent, "hbd_amount": "1.000 HBD"},
	"escrow_approve":         {"to": ownAccount{}, "from": madeAgent},
	"recurrent_transfer":     {"recurrence": number("24"), "executions": number("2")},
	"create_proposal":        {"end_date": madeLater, "daily_pay": "1.000 HBD"},
	"update_proposal":        {"daily_pay": "1.000 HBD"},
	"custom":                 {"required_auths": []any{ownAccount{}}},
	"custom_json":            {"required_posting_auths": []any{ownAccount{}}, "json": rawJSON("{}")},
	"limit_order_create2":    {"exchange_rate": map[string]any{"base": "1.000 HIVE", "quote": "1.000 HBD"}},
	"witness_set_properties": {"owner": ownAccount{}, "props": []any{[]any{"key", madePoint}}},
	"account_update2":        {"posting_json_metadata": rawJSON("{}")},
}

// usualField returns the value that a field has unless a request is about it.
func usualField(d *hive.Definition, f hive.FieldDef) any {
	if v, ok := usualFields[d.Name][f.Name]; ok {
		return v
	}
	if f.Optional {
		return leftOut{}
	}
	switch f.Type {
	case "account":
		if slices.ContainsFunc(d.Signers, func(s hive.Signer) bool { return s.Field == f.Name }) {
			return ownAccount{}
		}
		return madeStranger
	case "string":
		if f.JSON || f.Memo {
			return ""
		}
		return "x"
	case "bool":
		return true
	case "asset":
		if f.Name == "vesting_shares" {
			return "1.000000 VESTS"
		}
		return "1.000 HIVE"
	case "price":
		return map[string]any{"base": "1.000 HBD", "quote": "1.000 HIVE"}
	case "time":
		return "2030-01-01T00:00:00"
	case "public_key":
		return madeKey
	case "authority":
		return madeAuthority
	case "chain_properties":
		return map[string]any{"account_creation_fee": "1.000 HIVE", "maximum_block_size": number("65536"),
			"hbd_interest_rate": number("0")}
	case "blob":
		return "00"
	case "set of account", "empty":
		return []any{}
	case "set of int64":
		return []any{number("0")}
	}
	return number("1")
}

// make returns the operation, false if there is none such on the chain.
func (m madeOp) make(account string, others []madeOp) (hive.Operation, bool) {
	d, known := hive.DefinitionOf(m.name)
	if !known {
		return hive.Operation{}, false
	}
	values := fields{}
	for _, part := range m.parts {
		maps.Copy(values, part)
	}
	out := append(hive.AppendString([]byte{'['}, m.name), ",{"...)
	for i, f := range d.Fields {
		v, said := values[f.Name]
		switch {
		case strings.HasSuffix(f.Type, "_extension"):
			v = openedField(d, values)
		case !said:
			v = usualField(d, f)
		}
		if ref, ok := v.(fieldOf); ok {
			v = ref.value(others)
		}
		if text, ok := v.(ownText); ok {
			v = text.of(account)
		}
		if _, absent := v.(leftOut); absent && f.Optional {
			continue
		}
		if i > 0 && out[len(out)-1] != '{' {
			out = append(out, ',')
		}
		out = append(hive.AppendString(out, f.Name), ':')
		if _, isText := v.(string); f.JSON && !isText {
			out = hive.AppendString(out, string(appendMade(nil, v, account)))
			continue
		}
		if f.Memo {
			out = hive.AppendString(out, textOfMade(v, account))
			continue
		}
		out = appendMade(out, v, account)
	}
	op, err := hive.Mainnet.ParseOperation(append(out, "}]"...))
	return op, err == nil && op.Validate() == nil
}

// value returns what the field is in the other operation.
func (ref fieldOf) value(others []madeOp) any {
	if ref.operation >= len(others) {
		return "x"
	}
	other := others[ref.operation]
	for _, part := range slices.Backward(other.parts) {
		if v, ok := part[ref.field]; ok {
			if _, again := v.(fieldOf); again {
				return "x"
			}
			return v
		}
	}
	if d, ok := hive.DefinitionOf(other.name); ok {
		if f, ok := d.Field(ref.field); ok {
			return usualField(d, f)
		}
	}
	return "x"
}

// openedField writes the extensions of an operation that hold the field which stands for them.
func openedField(d *hive.Definition, values fields) any {
	f, _ := d.Opened()
	v, said := values[f.Name]
	if _, absent := v.(leftOut); !said || absent {
		return []any{}
	}
	switch f.Name {
	case "beneficiaries":
		list, ok := v.([]any)
		if ok && len(list) == 0 {
			return []any{}
		}
		return []any{[]any{number("0"), map[string]any{"beneficiaries": v}}}
	case "pair_id":
		return []any{map[string]any{"type": number("1"), "value": map[string]any{"pair_id": v}}}
	}
	return []any{[]any{number("1"), map[string]any{f.Name: v}}}
}

// appendMade writes a value as JSON.
func appendMade(out []byte, v any, account string) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return append(out, "true"...)
		}
		return append(out, "false"...)
	case string:
		return hive.AppendString(out, v)
	case number:
		return append(out, v...)
	case rawJSON:
		return append(out, v...)
	case whatever:
		return append(out, `"x"`...)
	case ownAccount:
		return hive.AppendString(out, account)
	case ownText:
		return hive.AppendString(out, v.of(account))
	case []any:
		out = append(out, '[')
		for i, item := range v {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendMade(out, item, account)
		}
		return append(out, ']')
	case map[string]any:
		out = append(out, '{')
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if _, absent := v[name].(leftOut); absent {
				continue
			}
			if out[len(out)-1] != '{' {
				out = append(out, ',')
			}
			out = appendMade(append(hive.AppendString(out, name), ':'), v[name], account)
		}
		return append(out, '}')
	}
	return append(out, "null"...)
}
