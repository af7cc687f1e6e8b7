package hive

import (
	"crypto/sha512"

	"github.com/btcsuite/btcd/btcec/v2"

	"pksa/protocol/secret"
)

// SharedSecret encrypts and decrypts memos between two keys. Only the holders of these keys can
// compute it. To make one costs a hundred times as much as to use it, so keep it if you often write
// to the same key (proofs of key). It may be used concurrently, except for [SharedSecret.Wipe]. It
// cannot be printed. The zero value has no secret.
type SharedSecret struct {
	secret.Redacted
	own, other PublicKey
	hashes     secret.Hidden[*secretHashes]
}

// secretHashes is the SHA-512 of the x coordinate of the shared point, in the two forms in use:
// without leading zero bytes (hive-js, dhive and here) and with all 32 bytes (other libraries). The
// two are equal for 255 of 256 pairs of keys (HAS §8.4).
type secretHashes struct{ stripped, padded [64]byte }

// SharedSecret returns the secret of k and other. The holder of other computes the same with k's
// public key. The null key and a wiped k are errors.
func (k *PrivateKey) SharedSecret(other PublicKey) (*SharedSecret, error) {
	key, err := k.secret()
	if err != nil {
		return nil, err
	}
	peer, err := btcec.ParsePubKey(other[:])
	if err != nil {
		return nil, errKeyCurve
	}
	var point, product btcec.JacobianPoint
	peer.AsJacobian(&point)
	btcec.ScalarMultNonConst(&key.Key, &point, &product)
	product.ToAffine()
	x := product.X.Bytes()
	product.X.Zero()
	product.Y.Zero()
	defer clear(x[:])
	significant := x[:]
	for len(significant) > 0 && significant[0] == 0 {
		significant = significant[1:]
	}
	return &SharedSecret{own: k.public, other: other, hashes: secret.Hide(&secretHashes{
		stripped: sha512.Sum512(significant),
		padded:   sha512.Sum512(x[:]),
	})}, nil
}

// Wipe overwrites the secret, also that of copies of the struct. It must not run at the same time
// as another call.
func (s *SharedSecret) Wipe() {
	if s != nil && s.hashes != nil {
		*s.hashes.Reveal() = secretHashes{}
	}
}

// usable reports whether s has a secret that is not wiped.
func (s *SharedSecret) usable() bool {
	return s != nil && s.hashes != nil && *s.hashes.Reveal() != secretHashes{}
}
