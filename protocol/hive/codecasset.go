package hive

import (
	"fmt"
	"math"
	"strconv"
)

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

// asset reads an amount: text in legacy JSON, an object in HF26 JSON. It also takes objects in
// legacy JSON, because applications send them and their meaning is clear. It takes no text in HF26
// JSON (tx §4.1).
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
		r.fail(wrong(quote(text), "is no amount of satoshis"))
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
	r.fail(wrong(quote(text), "is the number of no asset"))
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
