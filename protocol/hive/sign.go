package hive

import (
	"crypto/sha256"
	"errors"

	"github.com/btcsuite/btcd/btcec/v2"
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
	nonce := nonceRFC6979(key, digest)
	defer nonce.Zero()
	sig, ok := signWith(key, &nonce, digest)
	if !ok {
		return Signature{}, errFault // unreachable: 1 in 2^255
	}
	return k.finish(key, &nonce, sig, digest, 0)
}

// finish returns a signature that no fault has touched. Another nonce, or a digest that changed
// after the nonce was made, gives a signature that verifies; with the right one of the same digest,
// or of the same nonce, anybody computes the key. So the nonce is made once more.
func (k *PrivateKey) finish(key *btcec.PrivateKey, nonce *btcec.ModNScalar, sig Signature, digest Digest,
	attempt int) (Signature, error) {
	again := nonceRFC6979(key, messageOf(digest, attempt))
	same := again.Equals(nonce)
	again.Zero()
	if !same {
		return Signature{}, errFault
	}
	return k.checked(sig, digest)
}

// messageOf returns of what an attempt makes its nonce, see [PrivateKey.SignCanonical].
func messageOf(digest Digest, attempt int) Digest {
	if attempt == 0 {
		return digest
	}
	return sha256.Sum256(append(digest[:len(digest):len(digest)], make([]byte, attempt)...))
}

// nonceRFC6979 returns the first nonce of RFC 6979 for the private key and a message, by HMAC with
// SHA-256. It is that of the btcec library, which leaves copies of the key in memory that nobody
// can wipe; here they are on the stack alone.
func nonceRFC6979(key *btcec.PrivateKey, message Digest) (nonce btcec.ModNScalar) {
	var k, v [32]byte
	defer clear(k[:])
	defer clear(v[:])
	for i := range v {
		v[i] = 1
	}
	// Steps d to g of section 3.2: the text is v, a mark, the key and the message.
	for mark := range byte(2) {
		var text [97]byte
		copy(text[:], v[:])
		text[32] = mark
		key.Key.PutBytesUnchecked(text[33:65])
		copy(text[65:], message[:])
		k = hmacSHA256(&k, text[:])
		clear(text[:])
		v = hmacSHA256(&k, v[:])
	}
	for { // step h; a second round has a chance of 1 in 2^127
		v = hmacSHA256(&k, v[:])
		if overflow := nonce.SetBytes(&v); overflow == 0 && !nonce.IsZero() {
			return nonce
		}
		var text [33]byte
		copy(text[:], v[:])
		k = hmacSHA256(&k, text[:])
		v = hmacSHA256(&k, v[:])
	}
}

// hmacSHA256 returns the HMAC of a text of at most 97 bytes. It allocates nothing, unlike
// crypto/hmac.
func hmacSHA256(key *[32]byte, text []byte) [32]byte {
	var inner [64 + 97]byte
	var outer [64 + 32]byte
	defer clear(inner[:])
	defer clear(outer[:])
	for i := range 64 {
		inner[i], outer[i] = 0x36, 0x5c
	}
	for i, b := range key {
		inner[i] ^= b
		outer[i] ^= b
	}
	sum := sha256.Sum256(inner[:64+copy(inner[64:], text)])
	copy(outer[64:], sum[:])
	return sha256.Sum256(outer[:])
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
	for attempt := range maxAttempts {
		nonce := nonceRFC6979(key, messageOf(digest, attempt))
		sig, ok := signWith(key, &nonce, digest)
		if ok && sig.IsCanonical() {
			sig, err = k.finish(key, &nonce, sig, digest, attempt)
			nonce.Zero()
			return sig, err
		}
		nonce.Zero()
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
