package hive

import (
	"encoding/binary"
	"errors"
)

const base58Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// base58Values has the digit of each character, and 0xff for characters outside of the alphabet.
var base58Values = func() (values [256]byte) {
	for i := range values {
		values[i] = 0xff
	}
	for i := range len(base58Alphabet) {
		values[base58Alphabet[i]] = byte(i)
	}
	return values
}()

// Numbers are converted five digits (58^5 < 2^32) and four bytes at a time. The cost grows with the
// square of the length, so callers bound the length.
const (
	base58Group = 5
	base58Base  = 58 * 58 * 58 * 58 * 58
)

var errBase58 = errors.New("a character outside of the base58 alphabet")

// encodeBase58 returns src in base58 with the bitcoin alphabet: one "1" for each leading zero byte.
// It overwrites its intermediate values, because src may be a private key.
func encodeBase58(src []byte) string {
	zeros := 0
	for zeros < len(src) && src[zeros] == 0 {
		zeros++
	}
	// Least significant group first. 1.37 digits for each byte.
	groups := make([]uint32, 0, (len(src)-zeros)*137/100/base58Group+2)
	for rest := src[zeros:]; len(rest) > 0; {
		n := (len(rest)-1)%4 + 1 // the first word may be short, all others are 4 bytes
		var word [4]byte
		copy(word[4-n:], rest[:n])
		groups = mulAddGroups(groups, 8*n, binary.BigEndian.Uint32(word[:]))
		rest = rest[n:]
	}
	out := appendDigits(make([]byte, 0, zeros+len(groups)*base58Group), zeros, groups)
	clear(groups)
	text := string(out)
	clear(out)
	return text
}

// mulAddGroups returns groups·2^shift + add, in base 58^5.
func mulAddGroups(groups []uint32, shift int, add uint32) []uint32 {
	carry := uint64(add)
	for i, group := range groups {
		t := uint64(group)<<shift + carry
		carry = t / base58Base
		groups[i] = uint32(t - carry*base58Base)
	}
	for ; carry > 0; carry /= base58Base {
		groups = append(groups, uint32(carry%base58Base))
	}
	return groups
}

func appendDigits(dst []byte, zeros int, groups []uint32) []byte {
	for range zeros {
		dst = append(dst, base58Alphabet[0])
	}
	for i := len(groups) - 1; i >= 0; i-- {
		var digits [base58Group]byte
		for j, v := base58Group-1, groups[i]; j >= 0; j, v = j-1, v/58 {
			digits[j] = base58Alphabet[v%58]
		}
		skip := 0
		if i == len(groups)-1 { // the number itself has no leading zero digits
			for skip < base58Group && digits[skip] == base58Alphabet[0] {
				skip++
			}
		}
		dst = append(dst, digits[skip:]...)
	}
	return dst
}

// decodeBase58 returns the bytes that encodeBase58 writes as src. Every byte string has exactly one
// spelling. It overwrites its intermediate values; the caller wipes the result.
func decodeBase58(src string) ([]byte, error) {
	zeros := 0
	for zeros < len(src) && src[zeros] == base58Alphabet[0] {
		zeros++
	}
	words := make([]uint32, 0, len(src)*733/1000/4+2) // least significant first
	defer func() { clear(words[:cap(words)]) }()
	for rest := src[zeros:]; len(rest) > 0; {
		n := min(base58Group, len(rest))
		mul, add := uint32(1), uint32(0)
		for i := range n {
			digit := base58Values[rest[i]]
			if digit == 0xff {
				return nil, errBase58
			}
			mul, add = mul*58, add*58+uint32(digit)
		}
		words = mulAddWords(words, mul, add)
		rest = rest[n:]
	}
	out := make([]byte, zeros+4*len(words))
	for i, word := range words {
		binary.BigEndian.PutUint32(out[len(out)-4*(i+1):], word)
	}
	extra := zeros // leading zero bytes of the top word
	for extra < len(out) && out[extra] == 0 {
		extra++
	}
	return out[extra-zeros:], nil
}

// mulAddWords returns words·mul + add, in base 2^32.
func mulAddWords(words []uint32, mul, add uint32) []uint32 {
	carry := uint64(add)
	for i, word := range words {
		t := uint64(word)*uint64(mul) + carry
		words[i] = uint32(t)
		carry = t >> 32
	}
	if carry > 0 {
		words = append(words, uint32(carry))
	}
	return words
}
