package probe

import (
	"bytes"
	"cmp"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
)

// ID is sixteen random bytes: the instance of a process, or the nonce of a probe.
type ID [16]byte

// String returns the first bytes in hexadecimal digits, for logs.
func (id ID) String() string { return hex.EncodeToString(id[:4]) }

// NewID returns a fresh ID.
func NewID() (id ID) {
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the process instead
	return id
}

// Facts are what a copy says of itself.
type Facts struct {
	// Epoch is that of a ledger that copies share on purpose; the lower one yields. Zero for a
	// ledger in a file.
	Epoch    uint64
	Records  uint64 // in its ledger
	Instance ID     // of its process
	Serving  bool   // it has begun to serve
	Yielded  bool   // it has yielded and serves no more
}

// Message is a probe, or the answer to one.
type Message struct {
	Facts
	Answer bool
	Nonce  ID // of the probe
}

// Yields reports whether a copy stops that says own of itself and meets another one that says
// other. If both compute this from the same two facts, exactly one of them stops. Two processes
// that were made of one by restoring its memory have the same instance; then both may stop.
func Yields(own, other Facts) bool {
	switch {
	case other.Yielded:
		return false
	case own.Epoch != other.Epoch:
		return own.Epoch < other.Epoch
	case own.Serving != other.Serving:
		return !own.Serving
	}
	return cmp.Or(cmp.Compare(own.Records, other.Records), bytes.Compare(own.Instance[:], other.Instance[:])) <= 0
}

// The clear form, all numbers big-endian: version, type, two bytes of flags, epoch, records,
// instance, nonce.
const (
	version    = 1
	typeProbe  = 1
	typeAnswer = 2

	flagServing = 1 << 0
	flagYielded = 1 << 1

	clearSize = 4 + 8 + 8 + 16 + 16
)

// Errors of [Open] and [Decode].
var (
	ErrForeign   = errors.New("not sealed by a copy of this wallet")
	ErrMalformed = errors.New("no message of a probe")
)

// Encode returns the clear form of m.
func (m Message) Encode() []byte {
	var flags uint16
	if m.Serving {
		flags |= flagServing
	}
	if m.Yielded {
		flags |= flagYielded
	}
	kind := byte(typeProbe)
	if m.Answer {
		kind = typeAnswer
	}
	b := make([]byte, 0, clearSize)
	b = append(b, version, kind)
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint64(b, m.Epoch)
	b = binary.BigEndian.AppendUint64(b, m.Records)
	b = append(b, m.Instance[:]...)
	return append(b, m.Nonce[:]...)
}

// Decode reads the clear form. There is one way to write a message: what Decode takes, Encode
// writes again.
func Decode(clear []byte) (m Message, err error) {
	if len(clear) != clearSize || clear[0] != version {
		return Message{}, ErrMalformed
	}
	flags := binary.BigEndian.Uint16(clear[2:])
	if kind := clear[1]; kind != typeProbe && kind != typeAnswer || flags&^(flagServing|flagYielded) != 0 {
		return Message{}, ErrMalformed
	}
	m.Answer = clear[1] == typeAnswer
	m.Serving, m.Yielded = flags&flagServing != 0, flags&flagYielded != 0
	m.Epoch = binary.BigEndian.Uint64(clear[4:])
	m.Records = binary.BigEndian.Uint64(clear[12:])
	copy(m.Instance[:], clear[20:])
	copy(m.Nonce[:], clear[36:])
	return m, nil
}

// header begins every sealed message: the words of a payload of HAS, and a salt that is the mark.
const header = "Salted__" + "pksa-prb"

// additional returns what a sealed message is bound to besides its key.
func additional(account string) []byte { return []byte("pksa probe\x00" + account) }

// Seal returns m as the data of a request or answer for an account. aead is keyed for probes alone
// and takes nonces of 12 bytes, which are random.
func Seal(aead cipher.AEAD, account string, m Message) string {
	raw := make([]byte, len(header)+aead.NonceSize(), len(header)+aead.NonceSize()+clearSize+aead.Overhead())
	copy(raw, header)
	nonce := raw[len(header):]
	_, _ = rand.Read(nonce) // never fails: crypto/rand ends the process instead
	return base64.StdEncoding.EncodeToString(aead.Seal(raw, nonce, m.Encode(), additional(account)))
}

// markText is how the data of every sealed message begins: the whole groups of the header's base64.
var markText = base64.StdEncoding.EncodeToString([]byte(header[:len(header)-1]))

// mostSealed is the size of the largest data that [Open] decodes.
var mostSealed = 2 * base64.StdEncoding.EncodedLen(len(header)+12+clearSize+16)

// Marked reports whether data looks like a message of this package, of this wallet or of another.
// Those are small; `pksa doctor` makes larger ones with the mark, up to the largest of all, to see
// whether a relay passes them on.
func Marked(data string) bool {
	return len(data) > len(markText) && data[:len(markText)] == markText
}

// Open reads the data of a request or answer. ErrForeign means that no copy of this wallet sealed
// it for this account.
func Open(aead cipher.AEAD, account, data string) (Message, error) {
	if len(data) > mostSealed || !Marked(data) {
		return Message{}, ErrForeign
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(data)
	if err != nil || !bytes.HasPrefix(raw, []byte(header)) || len(raw) < len(header)+aead.NonceSize() {
		return Message{}, ErrForeign
	}
	sealed := raw[len(header):]
	clear, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], additional(account))
	if err != nil {
		return Message{}, ErrForeign
	}
	return Decode(clear)
}
