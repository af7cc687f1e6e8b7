package ledger

import (
	"crypto/cipher"
	"crypto/rand"
)

// vault seals, opens and hashes what one ledger keeps, under the keys of the keystore that the
// ledger belongs to. It holds no state: it may be used concurrently.
type vault struct {
	id   string // of the keystore
	aead cipher.AEAD
	mac  func(data ...[]byte) []byte
}

func (o *Options) vault() *vault { return &vault{id: o.ID, aead: o.AEAD, mac: o.MAC} }

const nonceSize = 12

// additional returns the data that binds a value to its ledger, bucket and key, each with its
// length.
func (v *vault) additional(b bucket, key []byte) []byte {
	w := writer{b: make([]byte, 0, 16+len(v.id)+len(b)+len(key))}
	w.text(v.id)
	w.text(string(b))
	w.bytes(key)
	return w.b
}

// seal encrypts a value for its place. The result begins with the nonce.
func (v *vault) seal(b bucket, key, plain []byte) []byte {
	out := make([]byte, nonceSize, nonceSize+len(plain)+v.aead.Overhead())
	_, _ = rand.Read(out) // never fails: crypto/rand ends the process instead
	return v.aead.Seal(out, out, plain, v.additional(b, key))
}

// open decrypts a value that was sealed for this place. It returns ErrDamaged if the value was
// altered, or was sealed for another place.
func (v *vault) open(b bucket, key, sealed []byte) ([]byte, error) {
	if len(sealed) < nonceSize {
		return nil, damaged(b, key)
	}
	plain, err := v.aead.Open(nil, sealed[:nonceSize], sealed[nonceSize:], v.additional(b, key))
	if err != nil {
		return nil, damaged(b, key)
	}
	return plain, nil
}

// hash returns a MAC under the ledger's key. The MAC covers the purpose, and each part with its
// length: no two lists of parts have one MAC.
func (v *vault) hash(purpose string, parts ...[]byte) [32]byte {
	size := 16 + len(purpose) + len(v.id)
	for _, p := range parts {
		size += 4 + len(p)
	}
	w := writer{b: make([]byte, 0, size)}
	w.text(purpose)
	w.text(v.id)
	for _, p := range parts {
		w.bytes(p)
	}
	var h [32]byte
	copy(h[:], v.mac(w.b))
	return h
}

// keyHash returns the key of an auth_key in its bucket. Keys are in clear in the store, auth_keys
// must not be.
func (v *vault) keyHash(k Secret) []byte {
	h := v.hash("auth_key", []byte(k))
	return h[:]
}
