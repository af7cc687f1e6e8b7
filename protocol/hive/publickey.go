package hive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/btcsuite/btcd/btcec/v2"
	//lint:ignore SA1019 the checksum that the chain uses
	"golang.org/x/crypto/ripemd160"
)

// Digest is a SHA-256 sum. Signatures sign it.
type Digest [32]byte

// HashText returns the SHA-256 sum of text. The signature of a challenge signs this sum (HAS §8.5).
func HashText(text string) Digest { return sha256.Sum256([]byte(text)) }

// String returns 64 lower-case hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// DefaultPrefix begins every public key on the main network, and on most other networks with
// today's node software.
const DefaultPrefix = "STM"

// PublicKey is a public key as a 33-byte compressed point of secp256k1. It is comparable. The zero
// value is the null key, which nobody holds and which means "none" in operations. This package
// returns no other value that is not on the curve.
type PublicKey [33]byte

// Errors of the public key parsers. They quote nothing, because the text may be a private key by
// mistake.
var (
	errKeyPrefix   = errors.New("public key: does not begin with the prefix of the network")
	errKeyText     = errors.New("public key: not base58 of 33 bytes and a checksum")
	errKeyChecksum = errors.New("public key: checksum does not match")
	errKeyCurve    = errors.New("public key: not a compressed point of the curve")
	errKeyNull     = errors.New("public key: the null key is no key")
)

// ParsePublicKey reads "STM" followed by base58 of the 33-byte point and 4 bytes of checksum (HAS
// §8.3, chain §1.2). The null key is refused. Unlike hive-js, it refuses points that are not on the
// curve and uncompressed points.
func ParsePublicKey(s string) (PublicKey, error) { return ParsePublicKeyPrefix(s, DefaultPrefix) }

// ParsePublicKeyPrefix reads a public key of a network with another prefix than [DefaultPrefix].
func ParsePublicKeyPrefix(s, prefix string) (PublicKey, error) {
	key, err := ParsePublicKeyOrNull(s, prefix)
	if err == nil && key.IsNull() {
		return PublicKey{}, errKeyNull
	}
	return key, err
}

// ParsePublicKeyOrNull reads a public key that may be the null key, as in some fields of operations
// (memo_key, block_signing_key, new_signing_key).
func ParsePublicKeyOrNull(s, prefix string) (PublicKey, error) {
	body, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return PublicKey{}, errKeyPrefix
	}
	if len(body) > 60 { // 37 bytes are at most 51 digits
		return PublicKey{}, errKeyText
	}
	raw, err := decodeBase58(body)
	if err != nil || len(raw) != 37 {
		return PublicKey{}, errKeyText
	}
	if sum := keyChecksum(raw[:33]); !bytes.Equal(sum[:], raw[33:]) {
		return PublicKey{}, errKeyChecksum
	}
	if PublicKey(raw[:33]).IsNull() {
		return PublicKey{}, nil
	}
	return PublicKeyFromBytes(raw[:33])
}

// PublicKeyFromBytes returns the key with this 33-byte compressed point. It refuses the null key
// and bytes that are no point of the curve.
func PublicKeyFromBytes(point []byte) (PublicKey, error) {
	if len(point) != 33 {
		return PublicKey{}, errKeyCurve
	}
	if _, err := btcec.ParsePubKey(point); err != nil {
		return PublicKey{}, errKeyCurve
	}
	return PublicKey(point), nil
}

func keyChecksum(point []byte) (sum [4]byte) {
	h := ripemd160.New()
	h.Write(point)
	copy(sum[:], h.Sum(nil))
	return sum
}

// String returns the key as text with the prefix [DefaultPrefix].
func (k PublicKey) String() string { return k.Text(DefaultPrefix) }

// Text returns the key as text with the given prefix.
func (k PublicKey) Text(prefix string) string {
	sum := keyChecksum(k[:])
	return prefix + encodeBase58(append(k[:len(k):len(k)], sum[:]...))
}

// IsNull reports whether k is the null key.
func (k PublicKey) IsNull() bool { return k == PublicKey{} }

// MarshalText returns [PublicKey.String] (encoding.TextMarshaler).
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the key like [ParsePublicKey] (encoding.TextUnmarshaler).
func (k *PublicKey) UnmarshalText(text []byte) error {
	key, err := ParsePublicKey(string(text))
	if err == nil {
		*k = key
	}
	return err
}
