package hive

import (
	"crypto/sha256"
	"errors"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
)

var errFault = errors.New("signature: it does not verify with the signer's key; memory or processor at fault")

// maxAttempts bounds the search for a canonical signature. Every second attempt succeeds; the
// longest known search took 45.
const maxAttempts = 512

// Sign returns the signature of digest with a nonce by RFC 6979 and low s, as the chain demands.
// The same key and digest always give the same signature. Half of the results are not fc canonical,
// which verifiers accept since 2018; see [PrivateKey.SignCanonical]. Sign verifies the signature
// with the public key before it returns. A wiped key is an error.
func (k *PrivateKey) Sign(digest Digest) (Signature, error) {
	key, err := k.secret()
	if err != nil {
		return Signature{}, err
	}
	return k.checked(Signature(ecdsa.SignCompact(key, digest[:], true)), digest)
}

// SignCanonical returns a signature like [PrivateKey.Sign] for which [Signature.IsCanonical] is
// true. It gives the same bytes as hive-js (HAS §8.5). Each attempt signs the digest with the RFC
// 6979 nonce for the private key and a message. The message is the digest in attempt 0, and the
// SHA-256 of the digest and i zero bytes in attempt i.
func (k *PrivateKey) SignCanonical(digest Digest) (Signature, error) {
	key, err := k.secret()
	if err != nil {
		return Signature{}, err
	}
	secret := key.Key.Bytes()
	defer clear(secret[:])
	message, padded := digest, digest[:]
	for range maxAttempts {
		nonce := btcec.NonceRFC6979(secret[:], message[:], nil, nil, 0)
		sig, ok := signWith(key, nonce, digest)
		nonce.Zero()
		if ok && sig.IsCanonical() {
			return k.checked(sig, digest)
		}
		padded = append(padded[:len(padded):len(padded)], 0)
		message = sha256.Sum256(padded)
	}
	return Signature{}, errFault // unreachable: 1 in 2^500
}

// signWith returns the signature with the given nonce: r = x(kG) mod n and s = (digest + r·d)/k, or
// n-s if that is lower. It is false if r or s is zero, which nobody has seen.
func signWith(key *btcec.PrivateKey, nonce *btcec.ModNScalar, digest Digest) (Signature, bool) {
	var point btcec.JacobianPoint
	btcec.ScalarBaseMultNonConst(nonce, &point)
	point.ToAffine()
	var r, e, s btcec.ModNScalar
	overflow := r.SetBytes(point.X.Bytes())
	recovery := byte(overflow<<1) | byte(point.Y.IsOddBit())
	e.SetBytes((*[32]byte)(&digest))
	s.Mul2(&key.Key, &r).Add(&e)
	inverse := new(btcec.ModNScalar).InverseValNonConst(nonce)
	s.Mul(inverse)
	inverse.Zero()
	if r.IsZero() || s.IsZero() {
		return Signature{}, false
	}
	if s.IsOverHalfOrder() {
		s.Negate()
		recovery ^= 1
	}
	var sig Signature
	sig[0] = 31 + recovery
	r.PutBytesUnchecked(sig[1:33])
	s.PutBytesUnchecked(sig[33:])
	return sig, true
}

// checked returns sig if it verifies for the public key of k. If a table says no, it may be the
// table's memory that is at fault: the signature is checked without it, and the table is made anew.
func (k *PrivateKey) checked(sig Signature, digest Digest) (Signature, error) {
	if table := signers.of(k.public); table != nil {
		if table.signed(sig, digest) {
			return sig, nil
		}
		signers.drop(k.public)
	}
	if !sig.Verify(digest, k.public) {
		return Signature{}, errFault
	}
	return sig, nil
}
