package approve

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// Bytes are bytes that JSON has as base64url without padding, as browsers do.
type Bytes []byte

// MarshalText implements [encoding.TextMarshaler].
func (b Bytes) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (b *Bytes) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.Strict().AppendDecode(nil, text)
	return err
}

// Purpose is what a challenge is for.
type Purpose string

// The purposes. Each has a label of its own in its challenges.
const (
	Enrol  Purpose = "enrol"  // a new passkey
	Login  Purpose = "login"  // to see the pages
	Decide Purpose = "decide" // a yes to a request
	Resume Purpose = "resume" // a yes to serving again, an app or all of them
	Pair   Purpose = "pair"   // a yes to a pairing
	Policy Purpose = "policy" // a yes to another policy
)

// Question is what a challenge asks.
type Question struct {
	Purpose Purpose  `json:"purpose"`
	Wallet  string   `json:"wallet"`           // its id
	Name    string   `json:"name,omitempty"`   // of who is enrolled, or of the app that is served again, or paired
	Number  uint64   `json:"number,omitempty"` // of the request
	Digest  [32]byte `json:"-"`                // of what would be signed, of the pairing, or of the change
	Yes     bool     `json:"yes,omitempty"`
	Fresh   [32]byte `json:"-"` // a value of the wallet's, for each time that it is asked
}

// Challenge returns what is signed: a SHA-256 over all of the question. Each part stands behind its
// length or has a length of its own, so that no two questions are the same bytes.
func (q Question) Challenge() [32]byte {
	h := sha256.New()
	for _, text := range []string{"pksa challenge 1", string(q.Purpose), q.Wallet, q.Name} {
		_, _ = h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
		_, _ = h.Write([]byte(text))
	}
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, q.Number))
	_, _ = h.Write(q.Digest[:])
	yes := byte(0)
	if q.Yes {
		yes = 1
	}
	_, _ = h.Write([]byte{yes})
	_, _ = h.Write(q.Fresh[:])
	return [32]byte(h.Sum(nil))
}
