package passkey

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// The major types of CBOR (RFC 8949, section 3.1).
const (
	cborUint   = 0
	cborNegint = 1
	cborBytes  = 2
	cborText   = 3
	cborArray  = 4
	cborMap    = 5
	cborSimple = 7 // here: false, true and null
)

const (
	// cborDepth is how deep arrays and maps may stand in each other: what CTAP2 allows.
	cborDepth = 4
	// cborValues is how many values one item may hold. An attestation object has less than 20.
	cborValues = 256
)

// cbor is one value. The zero value is the number 0.
type cbor struct {
	major  byte
	number uint64 // of a uint; n of a negint, which is -1-n; of a simple value
	bytes  []byte // of bytes and text; not a copy
	items  []cbor // of an array; of a map, each name and then its value
	raw    []byte // what it was read from
}

var errCBOR = errors.New("no canonical CBOR")

// readCBOR reads the value that b begins with and returns what follows it. It takes the canonical
// form of CTAP2 (§2.4): definite lengths, numbers as short as can be, each name in a map once. It
// takes neither tags nor floats, which nothing read here has. In which order names stand it does
// not look at: each may come once, so an order decides nothing, and writers other than browsers'
// have their own.
func readCBOR(b []byte) (v cbor, rest []byte, err error) {
	left := cborValues
	return readValue(b, cborDepth, &left)
}

// wholeCBOR reads b, which holds one value and nothing else.
func wholeCBOR(b []byte) (cbor, error) {
	v, rest, err := readCBOR(b)
	if err == nil && len(rest) > 0 {
		err = errCBOR
	}
	return v, err
}

func readValue(b []byte, depth int, left *int) (v cbor, rest []byte, err error) {
	if *left--; *left < 0 {
		return v, nil, errCBOR
	}
	v.major, v.number, rest, err = readHead(b)
	if err != nil {
		return v, nil, err
	}
	switch v.major {
	case cborUint, cborNegint:
	case cborBytes, cborText:
		if v.number > uint64(len(rest)) {
			return v, nil, errCBOR
		}
		v.bytes, rest = rest[:v.number], rest[v.number:]
		if v.major == cborText && !utf8.Valid(v.bytes) {
			return v, nil, errCBOR
		}
	case cborArray, cborMap:
		if v.items, rest, err = readItems(v, rest, depth, left); err != nil {
			return v, nil, err
		}
	case cborSimple:
		if v.number < 20 || v.number > 22 {
			return v, nil, errCBOR
		}
	default:
		return v, nil, errCBOR
	}
	v.raw = b[:len(b)-len(rest)]
	return v, rest, nil
}

// readHead reads the type of a value and its number, which has to be as short as can be.
func readHead(b []byte) (major byte, number uint64, rest []byte, err error) {
	if len(b) == 0 {
		return 0, 0, nil, errCBOR
	}
	major, number = b[0]>>5, uint64(b[0]&31)
	b = b[1:]
	if number < 24 {
		return major, number, b, nil
	}
	size := 1 << (number - 24)
	if number > 27 || len(b) < size {
		return 0, 0, nil, errCBOR // 31 is an indefinite length; 28 to 30 mean nothing
	}
	var wide [8]byte
	copy(wide[8-size:], b)
	short := number
	number = binary.BigEndian.Uint64(wide[:])
	least := [...]uint64{24, 1 << 8, 1 << 16, 1 << 32}[short-24]
	if number < least {
		return 0, 0, nil, errCBOR
	}
	return major, number, b[size:], nil
}

// readItems reads what is inside an array or a map.
func readItems(v cbor, rest []byte, depth int, left *int) (items []cbor, _ []byte, err error) {
	if depth == 0 || v.number > uint64(*left) {
		return nil, nil, errCBOR
	}
	count := int(v.number)
	if v.major == cborMap {
		count *= 2
	}
	for i := range count {
		var item cbor
		if item, rest, err = readValue(rest, depth-1, left); err != nil {
			return nil, nil, err
		}
		if v.major == cborMap && i%2 == 0 {
			// Names are numbers and texts. Each has one encoding, so equal names are equal bytes.
			if item.major != cborText && item.major > cborNegint {
				return nil, nil, errCBOR
			}
			for j := 0; j < i; j += 2 {
				if string(items[j].raw) == string(item.raw) {
					return nil, nil, errCBOR
				}
			}
		}
		items = append(items, item)
	}
	return items, rest, nil
}

// named returns the member of a map with a text as its name.
func (v cbor) named(name string) (cbor, bool) {
	for i := 0; v.major == cborMap && i < len(v.items); i += 2 {
		if key := v.items[i]; key.major == cborText && string(key.bytes) == name {
			return v.items[i+1], true
		}
	}
	return cbor{}, false
}

// labelled returns the member of a map with a number as its name.
func (v cbor) labelled(label int64) (cbor, bool) {
	for i := 0; v.major == cborMap && i < len(v.items); i += 2 {
		if n, ok := v.items[i].int(); ok && n == label {
			return v.items[i+1], true
		}
	}
	return cbor{}, false
}

// size returns how many members a map has.
func (v cbor) size() int { return len(v.items) / 2 }

// int returns a whole number.
func (v cbor) int() (int64, bool) {
	if v.number > 1<<62 {
		return 0, false
	}
	switch v.major {
	case cborUint:
		return int64(v.number), true
	case cborNegint:
		return -1 - int64(v.number), true
	default:
		return 0, false
	}
}
