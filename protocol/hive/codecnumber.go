package hive

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// intCodec is an integer type of size bytes whose values fit into an int64.
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

// appendJSONInt appends a number, and as text if a float64 cannot hold it, as the node does.
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
	if c.low < 0 { // extend the sign
		shift := 64 - 8*c.size
		v = v << shift >> shift
	}
	if v < c.low || v > c.high {
		u.fail(fmt.Errorf("%d is out of range", v))
	}
	return v
}

// uint64Codec is the one integer type whose values do not all fit into an int64.
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

// parse also takes the endings Z (ISO 8601) and .000Z (JavaScript), which mean the same. The node
// does not read them; it gets the date without them.
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
