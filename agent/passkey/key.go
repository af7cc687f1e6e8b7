package passkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
)

// Algorithm is a number of the registry of COSE algorithms.
type Algorithm int64

// The algorithms that are taken, with SHA-256 where they need one.
const (
	ES256   Algorithm = -7   // ECDSA on P-256
	Ed25519 Algorithm = -8   // EdDSA, on curve Ed25519
	RS256   Algorithm = -257 // RSASSA-PKCS1-v1_5, 2048 to 4096 bits
)

// Algorithms returns those that are taken, the best first: it is what a page asks a browser for.
func Algorithms() []Algorithm { return []Algorithm{ES256, Ed25519, RS256} }

// String returns the name of the algorithm.
func (a Algorithm) String() string {
	switch a {
	case ES256:
		return "ES256"
	case Ed25519:
		return "Ed25519"
	case RS256:
		return "RS256"
	default:
		return "unknown algorithm"
	}
}

// publicKey is a key that was checked, and how a signature is checked with it.
type publicKey struct {
	algorithm Algorithm
	verify    func(message, signature []byte) bool
}

// The labels of COSE keys (RFC 9053, section 7; RFC 8230, section 4).
const (
	coseKty = 1
	coseAlg = 3
	coseCrv = -1 // of elliptic curves; x and y follow
	coseX   = -2
	coseY   = -3
	coseN   = -1 // of RSA
	coseE   = -2

	ktyOKP = 1
	ktyEC2 = 2
	ktyRSA = 3

	crvP256    = 1
	crvEd25519 = 6
)

// readKey reads a COSE key. It has its algorithm and what the algorithm needs, and nothing else
// (§6.5.1.1).
func readKey(v cbor) (publicKey, error) {
	algorithm, ok := numberOf(v, coseAlg)
	if !ok {
		return publicKey{}, refuse(WrongKey, "the public key of the passkey does not say its algorithm")
	}
	k := publicKey{algorithm: Algorithm(algorithm)}
	switch k.algorithm {
	case ES256:
		k.verify = readES256(v)
	case Ed25519:
		k.verify = readEd25519(v)
	case RS256:
		k.verify = readRS256(v)
	default:
		return publicKey{}, refuse(WrongKey, "the passkey signs with algorithm %d, and %v are taken", algorithm,
			Algorithms())
	}
	if k.verify == nil {
		return publicKey{}, refuse(WrongKey, "the public key of the passkey is no valid key for %s", k.algorithm)
	}
	return k, nil
}

// readES256 returns nil unless the key is a point on the curve P-256 in full: a point that is
// given by x alone is not allowed (§5.8.5).
func readES256(v cbor) func(message, signature []byte) bool {
	x, y := bytesOf(v, coseX), bytesOf(v, coseY)
	if !shaped(v, 5, ktyEC2) || !is(v, coseCrv, crvP256) || len(x) != 32 || len(y) != 32 {
		return nil
	}
	point := append(append([]byte{4}, x...), y...)
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point) // fails beside the curve
	if err != nil {
		return nil
	}
	return func(message, signature []byte) bool {
		digest := sha256.Sum256(message)
		return ecdsa.VerifyASN1(key, digest[:], signature) // strict DER (§6.5.5)
	}
}

func readEd25519(v cbor) func(message, signature []byte) bool {
	x := bytesOf(v, coseX)
	if !shaped(v, 4, ktyOKP) || !is(v, coseCrv, crvEd25519) || len(x) != ed25519.PublicKeySize {
		return nil
	}
	return func(message, signature []byte) bool { return ed25519.Verify(x, message, signature) }
}

// readRS256 takes the exponent that is in use, and no other: a small one forgives mistakes of
// others less.
func readRS256(v cbor) func(message, signature []byte) bool {
	n, e := bytesOf(v, coseN), bytesOf(v, coseE)
	if !shaped(v, 4, ktyRSA) || string(e) != "\x01\x00\x01" || len(n) == 0 || n[0] == 0 {
		return nil
	}
	modulus := new(big.Int).SetBytes(n)
	if bits := modulus.BitLen(); bits < 2048 || bits > 4096 || modulus.Bit(0) == 0 {
		return nil
	}
	key := &rsa.PublicKey{N: modulus, E: 0x10001}
	return func(message, signature []byte) bool {
		digest := sha256.Sum256(message)
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	}
}

// shaped reports whether a key has so many members and is of a type.
func shaped(v cbor, members int, kty int64) bool { return v.size() == members && is(v, coseKty, kty) }

func is(v cbor, label, want int64) bool {
	n, ok := numberOf(v, label)
	return ok && n == want
}

func numberOf(v cbor, label int64) (int64, bool) {
	member, ok := v.labelled(label)
	if !ok {
		return 0, false
	}
	return member.int()
}

// bytesOf returns nil unless the member is bytes.
func bytesOf(v cbor, label int64) []byte {
	if member, _ := v.labelled(label); member.major == cborBytes {
		return member.bytes
	}
	return nil
}
