package hive

// propRate is the property that holds a witness's price of HIVE.
const propRate = "hbd_exchange_rate"

// props are the properties that a witness can set, and how each is read (tx §3.8). The chain reads
// amounts in two packings; libraries write the older one, and only that is read here.
var props = map[string]func(u *unpacker) Value{
	"key":                    func(u *unpacker) Value { return u.key(true) },
	"new_signing_key":        func(u *unpacker) Value { return u.key(true) },
	"account_creation_fee":   func(u *unpacker) Value { return u.asset() },
	"account_subsidy_budget": func(u *unpacker) Value { return int64(int32(u.uint(4))) },
	"account_subsidy_decay":  func(u *unpacker) Value { return int64(u.uint(4)) },
	"maximum_block_size":     func(u *unpacker) Value { return int64(u.uint(4)) },
	"hbd_interest_rate":      func(u *unpacker) Value { return int64(u.uint(2)) },
	propRate:                 func(u *unpacker) Value { return Price{Base: u.asset(), Quote: u.asset()} },
	"url":                    func(u *unpacker) Value { return u.text() },
}

// Open returns the value of the property: a PublicKey, Asset, int64, Price or string. It is false
// for a property of another name, and for bytes that are not such a value.
func (p Prop) Open() (Value, bool) {
	read := props[p.Name]
	if read == nil {
		return nil, false
	}
	// A symbol in the bytes belongs to one of the networks; no bytes are read in two ways.
	for _, n := range []*Network{Mainnet, Testnet} {
		u := &unpacker{rest: p.Value, net: n}
		if v := read(u); u.err == nil && len(u.rest) == 0 {
			return v, true
		}
	}
	return nil, false
}
