package hive

import (
	"crypto/sha512"

	"github.com/btcsuite/btcd/btcec/v2"

	"pksa/protocol/secret"
)

// SharedSecret is what the holders of two keys can compute and nobody else: it encrypts and
// decrypts memos between them. Making one costs a hundred times as much as using it, so who writes
// to the same key often (proofs of key) keeps it. It may be used concurrently, but for
// [SharedSecret.Wipe]. It cannot be printed. The zero value holds no secret.
type SharedSecret struct {
	secret.Redacted
	own, other PublicKey
	hashes     secret.Hidden[*secretHashes]
}

// secretHashes holds SHA-512 of the x coordinate of the shared point, in both forms in use: without
// leading zero bytes (hive-js, dhive, and what we write) and with all 32 bytes (other libraries).
// They are equal for 255 of 256 pairs of keys (HAS §8.4).
type secretHashes struct{ stripped, padded [64]byte }

// SharedSecret computes the secret of k and other, which is the same as that of other's private key
// and k's public key. The null key and a wiped k are errors.
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

// Wipe overwrites the secret, also for copies of the struct that are used later. Not to be called
// while another call is at work.
func (s *SharedSecret) Wipe() {
	if s != nil && s.hashes != nil {
		*s.hashes.Reveal() = secretHashes{}
	}
}

// usable reports whether s holds a secret that was not wiped.
func (s *SharedSecret) usable() bool {
	return s != nil && s.hashes != nil && *s.hashes.Reveal() != secretHashes{}
}
