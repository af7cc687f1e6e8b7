package hive

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// codec is a type of the chain. It reads and writes values of the type as JSON and as bytes. Each
// form reads what it writes.
type codec interface {
	typeName() string // as in tx §3.1
	parse(r *jsonReader) Value
	write(dst []byte, v Value, n *Network) []byte
	pack(dst []byte, v Value, n *Network) []byte
	unpack(u *unpacker) Value
}

// accountCodec is the name of an account. In some fields it may be empty.
type accountCodec struct{ mayBeEmpty bool }

func (accountCodec) typeName() string { return "account" }

func (c accountCodec) parse(r *jsonReader) Value {
	text := r.text()
	if r.err != nil || text == "" && c.mayBeEmpty {
		return AccountName("")
	}
	name, err := ParseAccountName(text)
	if err != nil {
		r.fail(wrong(quote(text), "is %w", err))
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

// keyCodec is a public key. In some fields it may be the null key.
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

// emptyCodec is a list of extensions that is always empty.
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

// hexCodec is raw bytes: size bytes, or any number if size is 0.
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
		r.fail(wrong(quote(text), "is not hexadecimal"))
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
