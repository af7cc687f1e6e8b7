package ledger

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
)

// Packing makes values smaller before they are sealed. What a request leaves in the store says the
// same again and again: its uuid, its text in words and in JSON, the names of members; and it has
// digests in hexadecimal digits and sealed answers in base64, which are half and three quarters as
// long as bytes. Each is packed by itself, so that its size tells nothing of another request.
//
// A packed value is the length of the plain one, and steps. The first byte of a step has its kind
// in the two highest bits and n in the others:
//
//	literal  n+1 bytes, which follow
//	hex      n+4 bytes, which follow, as lower-case hexadecimal digits
//	base64   3·(n+4) bytes, which follow, in standard base64 without padding
//	copy     n+4 bytes from before; the distance follows, 16 bits, big endian
//
// What a copy is of lies in the plain value so far, or in packText, which is before it.

// packText is what values begin to copy from. It is a part of the form: another text needs another
// first byte of sealed values.
const packText = `{"result":"answered","outcome":"uncertain"}{"result":"denied","code":"reason":` +
	`"refused"}{"cmd":"auth_nack","uuid":"{"cmd":"auth_ack","uuid":"{"cmd":"challenge_nack","uuid":"` +
	`{"cmd":"sign_nack","uuid":"{"cmd":"sign_err","uuid":","error":"` +
	`","request":"auth","account":"","app":"","effects":["opens a session of  for ` +
	`"],"session_until":"20","request":"decrypt","observed":"approval":` +
	`"operations":[["custom_json",{"required_auths":[],"required_posting_auths":["` +
	`"],"id":"","json":"{\"[["transfer",{"from":"","to":"","amount":".000 HIVE","memo":""}]],"effects":["pays ` +
	`[["comment",{"parent_author":"","parent_permlink":"","author":"","permlink":"","title":"",` +
	`"body":"","json_metadata":"` +
	`[["claim_reward_balance",{"account":"","reward_hive":"0.000 HIVE","reward_hbd":"0.000 HBD","reward_vests":"` +
	`"limits_before":[{"name":"","counts":"cost":"{"result":"answered","outcome":"refused"` +
	`{"result":"answered","outcome":"accepted","transaction":"","node":"api.hive.blog"}` +
	`{"cmd":"sign_ack","uuid":"","data":"","broadcast":true}` +
	`{"result":"answered","outcome":"signed"}{"cmd":"challenge_ack","uuid":"","data":"U2FsdGVkX1` +
	`acceptedsigned` + "\x05" + `posting` + "\x06" + `active` + "\x04" + `sign` + "\x09" + `challenge` +
	`ws://127.0.0.1:wss://hive-auth.arcange.eu/` +
	`{"relay":"ws","uuid":"","request":"sign","account":"","app":"","key_type":"active","broadcast":true,` +
	`"operations":[["vote",{"voter":"","author":"","permlink":"","weight":10000}]],"effects":["votes 100% for @` +
	` as "],"policy":"{"relay":"ws","uuid":"","request":"challenge","account":"","app":"","key_` +
	`type":"posting","text":"` +
	`{\"login\":\"\",\"ts\":17"}","effects":["signs the text \"{\\\"login\\\":\\\"\\\",\\\"ts\\\":17` +
	`}\" with the posting key of "],"text_sha256":"","policy":"","rules":[{"name":"","line":1}],"result":"admitted"}`

const (
	stepKind = 0xc0 // the bits of a step's kind
	stepMost = 0x3f // the largest n

	stepLiteral = 0x00
	stepHex     = 0x40
	stepBase64  = 0x80
	stepCopy    = 0xc0

	leastCopy   = 4 // of a copy, and of the bytes that hexadecimal digits and groups of base64 are for
	leastHex    = 2 * leastCopy
	leastBase64 = 4 * leastCopy
	farthest    = 1<<16 - 1 // distance of a copy

	// packMost is the largest value that is packed. No room is made for a larger one.
	packMost = 1 << 20

	valueBits = 11 // of the hashes of places in a value
	textBits  = 12 // and in packText
)

var errPack = errors.New("packed value reads wrong")

// fourOf returns a hash of the first four bytes.
func fourOf(b []byte, bits uint) uint32 {
	return binary.LittleEndian.Uint32(b) * 2654435761 >> (32 - bits)
}

// textPlaces returns where four bytes are in packText, by their hash, plus one.
var textPlaces = sync.OnceValue(func() *[1 << textBits]uint16 {
	var places [1 << textBits]uint16
	for at := range len(packText) - leastCopy + 1 {
		places[fourOf([]byte(packText[at:at+leastCopy]), textBits)] = uint16(at + 1)
	}
	return &places
})

// packer packs a value.
type packer struct {
	plain, out []byte
	places     [1 << valueBits]uint32 // where four bytes were met last, by their hash, plus one
	text       *[1 << textBits]uint16
	literal    int // from where on bytes are in no step yet
	// Up to where it is known that hexadecimal digits go, and letters of base64.
	hexEnd, base64End int
}

// pack appends the packed form of a value. It reports false if that is not shorter: then what it
// returns is of no use.
func pack(to, plain []byte) ([]byte, bool) {
	if len(plain) < leastCopy || len(plain) > packMost {
		return to, false
	}
	before := len(to)
	p := packer{plain: plain, out: binary.AppendUvarint(to, uint64(len(plain))), text: textPlaces()}
	for at := 0; at+leastCopy <= len(plain); {
		at = p.step(at)
	}
	p.literals(len(plain))
	return p.out, len(p.out)-before < len(plain)
}

// step packs what begins at a place, or leaves one byte to a literal. It returns where it ends.
func (p *packer) step(at int) int {
	distance, copied := p.met(at)
	digits, letters := p.runs(at)
	// What each saves.
	byCopy, byHex, byBase64 := copied-3, digits/2-1, letters/4-1
	switch {
	case byCopy > 0 && byCopy >= byHex && byCopy >= byBase64:
		p.literals(at)
		p.out = append(p.out, stepCopy|byte(copied-leastCopy), byte(distance>>8), byte(distance))
		for i := at + 2; i < at+copied && i+leastCopy <= len(p.plain); i += 2 { // each second one is enough
			p.places[fourOf(p.plain[i:], valueBits)] = uint32(i + 1)
		}
		p.literal = at + copied
	case digits >= leastHex && byHex >= byBase64:
		p.literals(at)
		n := min(digits/2, stepMost+leastCopy)
		_, _ = hex.Decode(p.room(stepHex|byte(n-leastCopy), n), p.plain[at:at+2*n])
		p.literal = at + 2*n
	case letters >= leastBase64:
		p.literals(at)
		n := min(letters/4, stepMost+leastCopy)
		_, _ = base64.RawStdEncoding.Decode(p.room(stepBase64|byte(n-leastCopy), 3*n), p.plain[at:at+4*n])
		p.literal = at + 4*n
	default:
		return at + 1
	}
	return p.literal
}

// literals packs what is in no step yet, up to a place.
func (p *packer) literals(end int) {
	for p.literal < end {
		n := min(end-p.literal, stepMost+1)
		copy(p.room(stepLiteral|byte(n-1), n), p.plain[p.literal:])
		p.literal += n
	}
}

// room begins a step, and returns the room for n bytes of it.
func (p *packer) room(step byte, n int) []byte {
	p.out = append(p.out, step)
	p.out = slices.Grow(p.out, n)[:len(p.out)+n]
	return p.out[len(p.out)-n:]
}

// met returns how far before a place the same bytes were, and how many are the same: none, if fewer
// than four are.
func (p *packer) met(at int) (distance, same int) {
	b := p.plain[at:]
	last := &p.places[fourOf(b, valueBits)]
	if from := int(*last) - 1; from >= 0 && at-from <= farthest {
		distance, same = at-from, equal(p.plain[from:], b)
	}
	*last = uint32(at + 1)
	if from := int(p.text[fourOf(b, textBits)]) - 1; from >= 0 && len(packText)-from+at <= farthest {
		if n := equal(packText[from:], b); n > same {
			distance, same = len(packText)-from+at, n
		}
	}
	if same < leastCopy {
		return 0, 0
	}
	return distance, same
}

// equal returns how many bytes at the beginning of two are equal, up to as many as a step copies.
func equal[T string | []byte](a T, b []byte) int {
	most := min(len(a), len(b), stepMost+leastCopy)
	for i := range most {
		if a[i] != b[i] {
			return i
		}
	}
	return most
}

// runs returns how many hexadecimal digits there are from a place on, and how many letters of
// base64.
func (p *packer) runs(at int) (digits, letters int) {
	for p.base64End = max(p.base64End, at); p.base64End < len(p.plain) && isBase64[p.plain[p.base64End]]; {
		p.base64End++
	}
	for p.hexEnd = max(p.hexEnd, at); p.hexEnd < p.base64End && isHex(p.plain[p.hexEnd]); {
		p.hexEnd++
	}
	return p.hexEnd - at, p.base64End - at
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }

var isBase64 = func() (is [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		is[c] = true
	}
	return is
}()

// unpack returns the plain form of a packed value.
func unpack(packed []byte) ([]byte, error) {
	r := reader{b: packed}
	size := r.uint()
	if r.bad || size > packMost {
		return nil, errPack
	}
	out := make([]byte, 0, size)
	for len(r.b) > 0 {
		step := r.byte()
		n := int(step&stepMost) + leastCopy
		at := len(out)
		var from []byte
		switch step & stepKind {
		case stepLiteral:
			n -= leastCopy - 1
			from = r.take(uint64(n))
		case stepHex:
			from = r.take(uint64(n))
			n *= 2
		case stepBase64:
			from = r.take(uint64(3 * n))
			n *= 4
		default:
			from = r.take(2)
		}
		if r.bad || at+n > int(size) {
			return nil, errPack
		}
		out = out[:at+n]
		switch step & stepKind {
		case stepLiteral:
			copy(out[at:], from)
		case stepHex:
			hex.Encode(out[at:], from)
		case stepBase64:
			base64.RawStdEncoding.Encode(out[at:], from)
		default:
			if !copyBack(out, at, int(binary.BigEndian.Uint16(from))) {
				return nil, errPack
			}
		}
	}
	if len(out) != int(size) {
		return nil, errPack
	}
	return out, nil
}

// copyBack fills what comes from a place on with what was so far before. It reports false if that
// is nowhere.
func copyBack(out []byte, at, distance int) bool {
	n := len(out) - at
	switch {
	case distance == 0 || distance > at+len(packText):
		return false
	case distance > at:
		from := len(packText) - (distance - at)
		return copy(out[at:], packText[from:]) == n
	}
	for i := at; i < len(out); i++ { // one by one: what is copied may reach into itself
		out[i] = out[i-distance]
	}
	return true
}
