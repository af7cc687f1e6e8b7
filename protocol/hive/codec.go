package hive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// codec is a type of the chain: how its values are read and written, as JSON
// and as bytes. What one side reads the other writes.
type codec interface {
	typeName() string // as in tx §3.1
	parse(r *jsonReader) Value
	write(dst []byte, v Value, n *Network) []byte
	pack(dst []byte, v Value, n *Network) []byte
	unpack(u *unpacker) Value
}

// accountCodec is the name of an account; some fields may leave it empty.
type accountCodec struct{ mayBeEmpty bool }

func (accountCodec) typeName() string { return "account" }

func (c accountCodec) parse(r *jsonReader) Value {
	text := r.text()
	if r.err != nil || text == "" && c.mayBeEmpty {
		return AccountName("")
	}
	name, err := ParseAccountName(text)
	if err != nil {
		r.fail(fmt.Errorf("%s is %w", quote(text), err))
	}
	return name
}

func (accountCodec) write(dst []byte, v Value, _ *Network) []byte {
	return AppendString(dst, string(v.(AccountName)))
}

func (accountCodec) pack(dst []byte, v Value, _ *Network) []byte {
	return appendText(dst, string(v.(AccountName)))
}

func (c accountCodec) unpack(u *unpacker) Value { return u.account(c.mayBeEmpty) }

// textCodec is text of any length, counted in bytes of UTF-8.
type textCodec struct{}

func (textCodec) typeName() string          { return "string" }
func (textCodec) parse(r *jsonReader) Value { return r.text() }
func (textCodec) unpack(u *unpacker) Value  { return u.text() }

func (textCodec) write(dst []byte, v Value, _ *Network) []byte {
	return AppendString(dst, v.(string))
}

func (textCodec) pack(dst []byte, v Value, _ *Network) []byte {
	return appendText(dst, v.(string))
}

type boolCodec struct{}

func (boolCodec) typeName() string          { return "bool" }
func (boolCodec) parse(r *jsonReader) Value { return r.bool() }

func (boolCodec) write(dst []byte, v Value, _ *Network) []byte {
	return strconv.AppendBool(dst, v.(bool))
}

func (boolCodec) pack(dst []byte, v Value, _ *Network) []byte {
	if v.(bool) {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func (boolCodec) unpack(u *unpacker) Value {
	b := u.uint(1)
	if b > 1 {
		u.fail(fmt.Errorf("%d is no bool", b))
	}
	return b == 1
}

// intCodec is every integer type that an int64 holds, size bytes wide.
type intCodec struct {
	name      string
	size      int
	low, high int64
}

func (c intCodec) typeName() string          { return c.name }
func (c intCodec) parse(r *jsonReader) Value { return r.int(c.low, c.high) }

func (c intCodec) write(dst []byte, v Value, _ *Network) []byte {
	return appendJSONInt(dst, v.(int64))
}

// appendJSONInt writes numbers that a float64 would not hold as text, as the
// node does itself.
func appendJSONInt(dst []byte, v int64) []byte {
	const exact = 1<<53 - 1
	if -exact <= v && v <= exact {
		return strconv.AppendInt(dst, v, 10)
	}
	dst = append(dst, '"')
	return append(strconv.AppendInt(dst, v, 10), '"')
}

func (c intCodec) pack(dst []byte, v Value, _ *Network) []byte {
	var raw [8]byte
	binary.LittleEndian.PutUint64(raw[:], uint64(v.(int64)))
	return append(dst, raw[:c.size]...)
}

func (c intCodec) unpack(u *unpacker) Value {
	v := int64(u.uint(c.size))
	if c.low < 0 { // carry the sign up
		shift := 64 - 8*c.size
		v = v << shift >> shift
	}
	if v < c.low || v > c.high {
		u.fail(fmt.Errorf("%d is out of range", v))
	}
	return v
}

// uint64Codec is the one integer that an int64 does not hold.
type uint64Codec struct{}

func (uint64Codec) typeName() string          { return "uint64" }
func (uint64Codec) parse(r *jsonReader) Value { return r.uint64() }
func (uint64Codec) unpack(u *unpacker) Value  { return u.uint(8) }

func (uint64Codec) write(dst []byte, v Value, _ *Network) []byte {
	if n := v.(uint64); n <= math.MaxInt64 {
		return appendJSONInt(dst, int64(n))
	}
	dst = append(dst, '"')
	return append(strconv.AppendUint(dst, v.(uint64), 10), '"')
}

func (uint64Codec) pack(dst []byte, v Value, _ *Network) []byte {
	return binary.LittleEndian.AppendUint64(dst, v.(uint64))
}

type timeCodec struct{}

func (timeCodec) typeName() string         { return "time" }
func (timeCodec) unpack(u *unpacker) Value { return u.time() }

// parse takes the Z of ISO 8601 and the .000Z of JavaScript, which mean the
// same; the node does not read them and never sees them.
func (timeCodec) parse(r *jsonReader) Value {
	text := r.text()
	if r.err != nil {
		return Time(0)
	}
	if bare, ok := strings.CutSuffix(text, "Z"); ok {
		text = strings.TrimSuffix(bare, ".000")
	}
	t, err := ParseTime(text)
	if err != nil {
		r.fail(err)
	}
	return t
}

func (timeCodec) write(dst []byte, v Value, _ *Network) []byte {
	dst = append(dst, '"')
	return append(v.(Time).append(dst), '"')
}

func (timeCodec) pack(dst []byte, v Value, _ *Network) []byte {
	return binary.LittleEndian.AppendUint32(dst, uint32(v.(Time)))
}

type assetCodec struct{}

func (assetCodec) typeName() string          { return "asset" }
func (assetCodec) parse(r *jsonReader) Value { return r.asset() }
func (assetCodec) unpack(u *unpacker) Value  { return u.asset() }

func (assetCodec) write(dst []byte, v Value, n *Network) []byte {
	return n.appendAssetJSON(dst, v.(Asset))
}

func (assetCodec) pack(dst []byte, v Value, n *Network) []byte {
	return n.appendPackedAsset(dst, v.(Asset))
}

func (n *Network) appendAssetJSON(dst []byte, a Asset) []byte {
	dst = append(dst, '"')
	return append(n.appendAsset(dst, a), '"')
}

// asset reads an amount: text in legacy JSON, an object in HF26 JSON. Objects
// in legacy JSON are taken too, since apps send them and they mean one thing
// only; text in HF26 JSON is not (tx §4.1).
func (r *jsonReader) asset() Asset {
	if r.hf26 || r.peek() == '{' {
		return r.assetObject()
	}
	text := r.text()
	if r.err != nil {
		return Asset{}
	}
	a, err := r.net.ParseAsset(text)
	if err != nil {
		r.fail(err)
	}
	return a
}

var assetNames = []string{"amount", "precision", "nai"}

func (r *jsonReader) assetObject() (a Asset) {
	var precision int64
	r.whole(assetNames, func(i int) {
		switch i {
		case 0:
			a.Amount = r.satoshis()
		case 1:
			precision = r.int(0, math.MaxUint8)
		case 2:
			a.Symbol = r.nai()
		}
	})
	if r.err == nil && int(precision) != a.Symbol.Decimals() {
		r.fail(fmt.Errorf("%s has %d decimals, not %d", a.Symbol, a.Symbol.Decimals(), precision))
	}
	return a
}

func (r *jsonReader) satoshis() int64 {
	text := r.text()
	if r.err != nil {
		return 0
	}
	amount, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !isInteger(text) || amount < 0 {
		r.fail(fmt.Errorf("%s is no amount of satoshis", quote(text)))
	}
	return amount
}

func (r *jsonReader) nai() Symbol {
	text := r.text()
	for s := HIVE; s <= VESTS; s++ {
		if s.nai() == text {
			return s
		}
	}
	r.fail(fmt.Errorf("%s is the number of no asset", quote(text)))
	return HIVE
}

type priceCodec struct{}

var priceNames = []string{"base", "quote"}

func (priceCodec) typeName() string { return "price" }

func (priceCodec) parse(r *jsonReader) Value {
	var sides [2]Asset
	r.whole(priceNames, func(i int) { sides[i] = r.asset() })
	return Price{Base: sides[0], Quote: sides[1]}
}

func (priceCodec) write(dst []byte, v Value, n *Network) []byte {
	p := v.(Price)
	dst = n.appendAssetJSON(append(dst, `{"base":`...), p.Base)
	dst = n.appendAssetJSON(append(dst, `,"quote":`...), p.Quote)
	return append(dst, '}')
}

func (priceCodec) pack(dst []byte, v Value, n *Network) []byte {
	p := v.(Price)
	return n.appendPackedAsset(n.appendPackedAsset(dst, p.Base), p.Quote)
}

func (priceCodec) unpack(u *unpacker) Value {
	base := u.asset()
	return Price{Base: base, Quote: u.asset()}
}

// keyCodec is a public key; some fields may hold the null key.
type keyCodec struct{ mayBeNull bool }

func (keyCodec) typeName() string            { return "public_key" }
func (c keyCodec) parse(r *jsonReader) Value { return r.key(c.mayBeNull) }
func (c keyCodec) unpack(u *unpacker) Value  { return u.key(c.mayBeNull) }

func (r *jsonReader) key(mayBeNull bool) PublicKey {
	text := r.text()
	if r.err != nil {
		return PublicKey{}
	}
	key, err := ParsePublicKeyOrNull(text, r.net.KeyPrefix)
	if err == nil && key.IsNull() && !mayBeNull {
		err = errKeyNull
	}
	if err != nil {
		r.fail(err)
	}
	return key
}

func (keyCodec) write(dst []byte, v Value, n *Network) []byte {
	return AppendString(dst, v.(PublicKey).Text(n.KeyPrefix))
}

func (keyCodec) pack(dst []byte, v Value, _ *Network) []byte {
	key := v.(PublicKey)
	return append(dst, key[:]...)
}

// emptyCodec is a list of extensions for which no extension exists.
type emptyCodec struct{}

var errNoExtensions = errors.New("there are no extensions of this operation")

func (emptyCodec) typeName() string { return "empty" }

func (emptyCodec) parse(r *jsonReader) Value {
	r.token('[', "a list")
	if r.err == nil && r.peek() != ']' && r.peek() != jsontext.KindInvalid {
		r.fail(errNoExtensions)
	}
	r.token(']', "the end of the list")
	return Empty{}
}

func (emptyCodec) write(dst []byte, _ Value, _ *Network) []byte { return append(dst, "[]"...) }
func (emptyCodec) pack(dst []byte, _ Value, _ *Network) []byte  { return append(dst, 0) }

func (emptyCodec) unpack(u *unpacker) Value {
	if u.uvarint() != 0 {
		u.fail(errNoExtensions)
	}
	return Empty{}
}
