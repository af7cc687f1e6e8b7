package hive

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"

	"github.com/btcsuite/btcd/btcec/v2"

	"pksa/protocol/secret"
)

// PrivateKey is a private key with its public key, computed once. It may be used concurrently,
// except for [PrivateKey.Wipe]. It cannot be printed. The zero value has no key.
type PrivateKey struct {
	secret.Redacted
	key    secret.Hidden[*btcec.PrivateKey]
	public PublicKey
}

// Errors of keys. They quote nothing.
var (
	errWIFText     = errors.New("private key: not base58 of 37 bytes (wanted a WIF: 51 characters that begin with 5)")
	errWIFVersion  = errors.New("private key: the version byte is not 0x80")
	errWIFChecksum = errors.New("private key: checksum does not match")
	errKeyRange    = errors.New("private key: zero, or not below the order of the curve")
	errWiped       = errors.New("private key: no key, or wiped")
)

// ParseWIF reads a private key in wallet import format: base58 of 0x80, the 32 bytes of the scalar
// and 4 bytes of double SHA-256 (HAS §8.2). It refuses the form with a mark for compressed keys,
// and the checksum of a single SHA-256, which the node would take. It does not trim white space.
// Errors do not quote s.
func ParseWIF(s string) (*PrivateKey, error) {
	if len(s) > 60 { // 37 bytes are at most 51 digits
		return nil, errWIFText
	}
	raw, err := decodeBase58(s)
	if err != nil {
		return nil, errWIFText
	}
	defer clear(raw)
	if len(raw) != 37 {
		return nil, errWIFText
	}
	if raw[0] != 0x80 {
		return nil, errWIFVersion
	}
	sum := wifChecksum(raw[:33])
	if subtle.ConstantTimeCompare(sum[:], raw[33:]) != 1 {
		return nil, errWIFChecksum
	}
	return privateKeyFromBytes((*[32]byte)(raw[1:33]))
}

// PrivateKeyFromPassword returns the key that a master password gives: the SHA-256 of account, role
// and password joined (chain §1.3). It uses the password as it is. hive-js first trims it and
// reduces each run of white space to one space, which gives other keys for such passwords.
func PrivateKeyFromPassword(account AccountName, role Role, password string) *PrivateKey {
	return privateKeyFromText(string(account) + role.String() + password)
}

// PrivateKeyFromSeed returns the key whose scalar is the SHA-256 of label. It is as secret as the
// label, so use it for tests and for the keys of test relays.
func PrivateKeyFromSeed(label string) *PrivateKey { return privateKeyFromText(label) }

func privateKeyFromText(text string) *PrivateKey {
	joined := []byte(text)
	defer clear(joined)
	sum := sha256.Sum256(joined)
	defer clear(sum[:])
	key, err := privateKeyFromBytes(&sum)
	if err != nil {
		// The chance that a SHA-256 sum is no scalar is 1 in 2^127.
		panic(err)
	}
	return key
}

// GeneratePrivateKey returns a new key from 32 bytes of rand, which must be cryptographically
// strong.
func GeneratePrivateKey(rand io.Reader) (*PrivateKey, error) {
	var raw [32]byte
	defer clear(raw[:])
	if _, err := io.ReadFull(rand, raw[:]); err != nil {
		return nil, fmt.Errorf("generating a private key: %w", err)
	}
	return privateKeyFromBytes(&raw) // out of range with a chance of 1 in 2^127
}

func privateKeyFromBytes(raw *[32]byte) (*PrivateKey, error) {
	key := new(btcec.PrivateKey)
	if overflow := key.Key.SetBytes(raw); overflow != 0 || key.Key.IsZero() {
		key.Key.Zero()
		return nil, errKeyRange
	}
	return &PrivateKey{key: secret.Hide(key), public: PublicKey(key.PubKey().SerializeCompressed())}, nil
}

// WIF returns the private key as [ParseWIF] reads it, 51 characters. A private key leaves this
// package in no other way. A wiped key gives "".
func (k *PrivateKey) WIF() string {
	key, err := k.secret()
	if err != nil {
		return ""
	}
	var raw [37]byte
	defer clear(raw[:])
	raw[0] = 0x80
	key.Key.PutBytesUnchecked(raw[1:33])
	sum := wifChecksum(raw[:33])
	copy(raw[33:], sum[:])
	return encodeBase58(raw[:])
}

func wifChecksum(versioned []byte) (sum [4]byte) {
	once := sha256.Sum256(versioned)
	twice := sha256.Sum256(once[:])
	copy(sum[:], twice[:])
	return sum
}

// Public returns the public key, also after [PrivateKey.Wipe].
func (k *PrivateKey) Public() PublicKey { return k.public }

// Wipe overwrites the private key, also that of copies of the struct. Signing and decrypting fail
// after it. Wipe must not run at the same time as another call.
func (k *PrivateKey) Wipe() {
	if key, err := k.secret(); err == nil {
		key.Key.Zero()
	}
}

// secret returns the key that k holds, or errWiped.
func (k *PrivateKey) secret() (*btcec.PrivateKey, error) {
	if k == nil {
		return nil, errWiped
	}
	key := k.key.Reveal()
	if key == nil || key.Key.IsZero() {
		return nil, errWiped
	}
	return key, nil
}
