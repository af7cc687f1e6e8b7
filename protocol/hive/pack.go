package hive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Packed form: all integers little-endian, counts and lengths as unsigned LEB128 (tx §3.1).

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func (n *Network) appendPackedAsset(dst []byte, a Asset) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(a.Amount))
	return binary.LittleEndian.AppendUint64(dst, n.packedSymbol(a.Symbol))
}

var errShort = errors.New("bytes end too early")

// unpacker reads packed bytes. It keeps the first error and reads zeros after it. It takes only
// what the chain itself would write: shortest varints, 0 and 1 for bools, UTF-8, valid names,
// sorted sets.
type unpacker struct {
	rest []byte
	net  *Network
	err  error
}

func (u *unpacker) fail(err error) {
	if u.err == nil {
		u.err = err
		u.rest = nil
	}
}

// bytes returns the next n bytes, which are part of the input.
func (u *unpacker) bytes(n int) []byte {
	if n > len(u.rest) {
		u.fail(errShort)
		return make([]byte, min(n, 64))[:min(n, 64)]
	}
	b := u.rest[:n]
	u.rest = u.rest[n:]
	return b
}

func (u *unpacker) uint(size int) uint64 {
	var raw [8]byte
	copy(raw[:size], u.bytes(size))
	return binary.LittleEndian.Uint64(raw[:])
}

func (u *unpacker) uvarint() uint64 {
	v, n := binary.Uvarint(u.rest)
	switch {
	case n <= 0:
		u.fail(errShort)
		return 0
	case n > 1 && u.rest[n-1] == 0:
		u.fail(errors.New("a count is not written in its shortest form"))
		return 0
	}
	u.rest = u.rest[n:]
	return v
}

// count reads the number of items that follow, each of at least size bytes. A number that the input
// cannot hold is an error: otherwise a small input could make us allocate much.
func (u *unpacker) count(size int) int {
	n := u.uvarint()
	if n > uint64(len(u.rest)/size) {
		u.fail(errShort)
		return 0
	}
	return int(n)
}

func (u *unpacker) text() string {
	b := u.bytes(u.count(1))
	if !utf8.Valid(b) {
		u.fail(errNotUTF8)
		return ""
	}
	return string(b)
}

var errNotUTF8 = errors.New("text is not UTF-8")

func (u *unpacker) account(mayBeEmpty bool) AccountName {
	text := u.text()
	if u.err != nil || text == "" && mayBeEmpty {
		return ""
	}
	name, err := ParseAccountName(text)
	if err != nil {
		u.fail(err)
	}
	return name
}

func (u *unpacker) asset() Asset {
	amount := int64(u.uint(8))
	symbol, ok := u.net.symbolPacked(u.uint(8))
	switch {
	case u.err != nil:
	case !ok:
		u.fail(errors.New("no symbol of this network"))
	case amount < 0:
		u.fail(fmt.Errorf("%d is a negative amount", amount))
	}
	return Asset{Amount: amount, Symbol: symbol}
}

func (u *unpacker) key(mayBeNull bool) PublicKey {
	raw := PublicKey(u.bytes(33))
	if u.err != nil || raw.IsNull() && mayBeNull {
		return PublicKey{}
	}
	key, err := PublicKeyFromBytes(raw[:])
	if err != nil {
		u.fail(err)
	}
	return key
}

func (u *unpacker) time() Time {
	t := uint32(u.uint(4))
	if t > 1<<31-1 {
		u.fail(errTimeForm)
	}
	return Time(t)
}
