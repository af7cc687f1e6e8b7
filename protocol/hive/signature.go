package hive

import (
	"encoding/hex"
	"errors"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
)

// Signature is an ECDSA signature over secp256k1 from which the public key can be recovered: a
// header byte (31 plus a recovery id from 0 to 3), r and s of 32 bytes each, big endian (HAS §8.5,
// chain §2.7). A value may have any bytes; [Signature.Recover] and [Signature.Verify] check them.
type Signature [65]byte

// Errors of signatures.
var (
	errSignatureText   = errors.New("signature: not 130 hexadecimal digits")
	errSignatureHeader = errors.New("signature: header byte is not 31 to 34")
	errSignatureRange  = errors.New("signature: r or s is zero, or not below the order of the curve")
	errSignatureHighS  = errors.New("signature: s is above half the order of the curve")
	errSignaturePoint  = errors.New("signature: no public key can be recovered from it")
)

// ParseSignature reads 130 hexadecimal digits of either case. It does not check the meaning of the
// bytes.
func ParseSignature(text string) (Signature, error) {
	var sig Signature
	if len(text) != 2*len(sig) {
		return Signature{}, errSignatureText
	}
	if _, err := hex.Decode(sig[:], []byte(text)); err != nil {
		return Signature{}, errSignatureText
	}
	return sig, nil
}

// String returns 130 lower-case hexadecimal digits.
func (s Signature) String() string { return hex.EncodeToString(s[:]) }

// Recover returns the public key that signed digest. It refuses headers other than 31 to 34, r or s
// outside of [1, n-1], and s above n/2. hive-js takes any s and headers from 27, and the node takes
// some high s and headers from 27. Like the chain since hardfork 20, it takes signatures that are
// not fc canonical.
func (s Signature) Recover(digest Digest) (PublicKey, error) {
	if _, _, err := s.numbers(); err != nil {
		return PublicKey{}, err
	}
	key, _, err := ecdsa.RecoverCompact(s[:], digest[:])
	if err != nil {
		return PublicKey{}, errSignaturePoint
	}
	return PublicKey(key.SerializeCompressed()), nil
}

// Check returns what is wrong with the numbers of a signature, whoever made it and over whatever:
// what [Signature.Recover] refuses before it looks at the digest. It costs next to nothing.
func (s Signature) Check() error {
	_, _, err := s.numbers()
	return err
}

// numbers returns r and s, if they and the header are what [Signature.Recover] takes.
func (s Signature) numbers() (sigR, sigS btcec.ModNScalar, err error) {
	if s[0] < 31 || s[0] > 34 {
		return sigR, sigS, errSignatureHeader
	}
	overR, overS := sigR.SetByteSlice(s[1:33]), sigS.SetByteSlice(s[33:])
	if overR || overS || sigR.IsZero() || sigS.IsZero() {
		return sigR, sigS, errSignatureRange
	}
	if sigS.IsOverHalfOrder() {
		return sigR, sigS, errSignatureHighS
	}
	return sigR, sigS, nil
}

// Verify reports whether key signed digest, by the rules of [Signature.Recover]. It is false for
// the null key.
func (s Signature) Verify(digest Digest, key PublicKey) bool {
	signer, err := s.Recover(digest)
	return err == nil && signer == key
}

// IsCanonical reports whether neither r nor s has its top bit set or begins with an unnecessary
// zero byte. The chain demanded this before hardfork 20, and hive-js and dhive still make such
// signatures.
func (s Signature) IsCanonical() bool {
	return canonicalNumber(s[1:33]) && canonicalNumber(s[33:])
}

func canonicalNumber(b []byte) bool {
	return b[0] < 0x80 && (b[0] != 0 || b[1] >= 0x80)
}
